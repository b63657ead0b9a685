"""DM: distribution matching (Zhao & Bilen 2023, arXiv 2110.04181)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from scdd.baselines._augment import Augmentation
from scdd.baselines._learned import LearnConfig, Learned, tuned
from scdd.baselines._method import BASELINES

if TYPE_CHECKING:
    from torch import Tensor

    from scdd.baselines._problem import Problem
    from scdd.objectives import DistributionMatching
    from scdd.objectives._networks import Network

__all__ = ["DMConfig", "DMMatching"]


@dataclass(frozen=True)
class DMConfig(LearnConfig):
    """Options of distribution matching.

    Parameters
    ----------
    hidden
        Widths of the layers of the random networks; the last one is the embedding.
    mask, jitter
        Augmentation of both sides, see :meth:`Augmentation.draw`; 0 and 0: none.

    Examples
    --------
    >>> DMConfig().hidden
    (128, 128)
    """

    hidden: tuple[int, ...] = (128, 128)
    mask: float = 0.1
    jitter: float = 0.2


class DMMatching:
    """Class means should agree in the embedding of a random network that is new at every step.

    Squared distance, summed over dimensions and classes (see :class:`scdd.objectives.DistributionMatching`).

    Parameters
    ----------
    problem, config
        The cells, and the options.
    """

    def __init__(self, problem: Problem, config: DMConfig) -> None:
        from scdd.objectives import DistributionConfig

        self.problem, self.config = problem, config
        objective = problem.objective("distribution", DistributionConfig(hidden=config.hidden))
        self.objective = cast("DistributionMatching", objective)
        self._sum = problem.n_used * config.hidden[-1]  # the objective averages over both

    def __call__(self, rows: Tensor, step: int) -> Tensor:
        """Return the distance at a step."""
        return self.distance(self.objective.network(step), rows, step)

    def distance(self, network: Network, rows: Tensor, step: int) -> Tensor:
        """Return the distance at a step in what a network of standardised cells gives."""
        import torch

        config, problem = self.config, self.problem
        augmentation = None
        if config.mask > 0 or config.jitter > 0:
            augmentation = Augmentation.draw(
                rows.shape[1], mask=config.mask, jitter=config.jitter, seed=problem.seed, step=step
            )
            rows = augmentation(rows)
        cells, cells_y = problem.real(config.real_per_class, step, augmentation=augmentation)
        with torch.no_grad():
            real = cells.layers(network)[1][-1]
        syn = problem.of_rows(network).outputs(rows)
        return self._sum * self.objective.distance(syn, problem.rows_y, real, cells_y, problem.shared(cells_y))


BASELINES.register("dm")(Learned("dm", DMMatching, DMConfig(lr=1.0, steps=500, real_per_class=128)))
BASELINES.register("dm-tuned")(Learned("dm-tuned", DMMatching, DMConfig(**tuned(mask=0.0, jitter=0.0))))

"""DC: dataset condensation by gradient matching (Zhao et al. 2021, arXiv 2006.05929)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from scdd.baselines._learned import LearnConfig, Learned, tuned
from scdd.baselines._method import BASELINES

if TYPE_CHECKING:
    from torch import Tensor

    from scdd.baselines._augment import Augmentation
    from scdd.baselines._problem import Problem
    from scdd.objectives import GradientMatching

__all__ = ["DCConfig", "DCMatching"]


@dataclass(frozen=True)
class DCConfig(LearnConfig):
    """Options of gradient matching.

    Parameters
    ----------
    hidden
        Widths of the hidden layers of the classifiers.
    loops
        Triples: from so many rows per class on, how many steps of the rows share one random classifier, and how many
        steps the classifier is trained on the rows after each of them. Empty: see ``stages``.
    stages
        Without loops: steps that classifiers have been trained on real cells, in turn; 0 is a fresh random one.
    net_lr, net_momentum
        SGD of that training.

    Examples
    --------
    >>> DCConfig().loops[1]
    (10, 10, 50)
    """

    hidden: tuple[int, ...] = (128,)
    loops: tuple[tuple[int, int, int], ...] = ((1, 1, 1), (10, 10, 50), (20, 20, 25), (30, 30, 20), (50, 50, 10))
    stages: tuple[int, ...] = (0, 10)
    net_lr: float = 0.01
    net_momentum: float = 0.5


class DCMatching:
    """The gradients of a classifier on rows and on real cells of a class should point the same way.

    1 - cosine per layer and output unit, summed over units, layers and classes (see
    :class:`scdd.objectives.GradientMatching`). As published, a random classifier is trained on the rows between steps
    and drawn anew after the outer loop.

    Parameters
    ----------
    problem, config
        The cells, and the options.
    """

    def __init__(self, problem: Problem, config: DCConfig) -> None:
        from scdd.objectives import GradientConfig

        self.problem, self.config = problem, config
        gradient = GradientConfig(
            hidden=config.hidden,
            max_real_per_class=config.real_per_class,
            stages=(0,) if config.loops else config.stages,
        )
        self.objective = cast("GradientMatching", problem.objective("gradient", gradient))
        rows = int(problem.rows_y.bincount().max())
        fitting = [(outer, inner) for least, outer, inner in config.loops if least <= rows]
        self.loop = fitting[-1] if fitting else None
        self._velocity: tuple[Tensor, ...] | None = None

    def augmentation(self, step: int) -> Augmentation | None:
        """Return None; DSA has one."""
        return None

    def __call__(self, rows: Tensor, step: int) -> Tensor:
        """Return the distance of the gradients at a step."""
        import torch

        problem, augmentation = self.problem, self.augmentation(step)
        rows = problem.standardised(rows if augmentation is None else augmentation(rows))
        if self.loop is not None:
            self._next_network(rows.detach(), step, *self.loop)
        cells, cells_y = problem.real(self.config.real_per_class, step, augmentation=augmentation)
        network = self.objective.network(step)
        with torch.no_grad():
            first = cells.products(network.weights[0])
        loss = self.objective.distance(
            network, rows, problem.rows_y, cells.standardised(), cells_y, problem.shared(cells_y), real_first=first
        )
        return loss * problem.n_used

    def _next_network(self, x: Tensor, step: int, outer: int, inner: int) -> None:
        import torch

        from scdd.baselines._row_training import RowTraining

        if step % outer == 0:
            self._network, self._velocity = self.problem.network(self.config.hidden, step), None
        else:
            with torch.no_grad():
                training = RowTraining(
                    self._network, x, self.problem.rows_y,
                    lr=self.config.net_lr, momentum=self.config.net_momentum, velocity=self._velocity,
                )  # fmt: skip
                for _ in range(inner):
                    training.step()
                self._network, self._velocity = training.network, training.velocity
        self.objective.set_network(self._network)


# the rate as published: a loss of angles moves a single row no faster than ten
BASELINES.register("dc")(Learned("dc", DCMatching, DCConfig(start="noise", steps=300, full_rate_rows=1)))
BASELINES.register("dc-tuned")(Learned("dc-tuned", DCMatching, DCConfig(**tuned(loops=()))))

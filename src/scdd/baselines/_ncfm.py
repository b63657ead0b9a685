"""NCFM: matching of characteristic functions (Wang et al. 2025, arXiv 2502.20653)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from scdd._rng import stream
from scdd.baselines._learned import LearnConfig, Learned, tuned
from scdd.baselines._method import BASELINES

if TYPE_CHECKING:
    from torch import Tensor

    from scdd.baselines._cells import Cells
    from scdd.baselines._problem import Problem
    from scdd.objectives import CharacteristicMatching
    from scdd.objectives._networks import Network

__all__ = ["NCFMConfig", "NCFMMatching"]


@dataclass(frozen=True)
class NCFMConfig(LearnConfig):
    """Options of characteristic-function matching.

    Parameters
    ----------
    n_frequencies, amplitude, phase
        See :class:`scdd.objectives.CharacteristicConfig`.
    n_networks, train_steps, train_batch, net_lr, net_momentum
        Classifiers trained on real cells before the first step: how many, for how many steps of SGD, on how many cells
        of each class. A step takes the hidden features of one of them, at random weights between its first and its last.
        No classifiers: the characteristic functions are those of whitened principal components.
    hidden
        Widths of their hidden layers.
    weight
        Of the distance of the characteristic functions, beside ``calibration`` times the cross-entropy of the rows under
        a trained classifier.

    Examples
    --------
    >>> NCFMConfig().weight
    300.0
    """

    n_frequencies: int = 1024
    amplitude: float = 0.5
    phase: float = 0.5
    n_networks: int = 5
    train_steps: int = 60
    train_batch: int = 16
    net_lr: float = 0.01
    net_momentum: float = 0.9
    hidden: tuple[int, ...] = (128,)
    weight: float = 300.0
    calibration: float = 1.0


class NCFMMatching:
    """Characteristic functions of rows and of real cells of a class should agree at random frequencies.

    Frequencies are Gaussian: the adversarial choice of the paper is switched off in its authors' settings. Features are
    of unit length. The paper's several images in one have no counterpart here.

    Parameters
    ----------
    problem, config
        The cells, and the options.
    """

    def __init__(self, problem: Problem, config: NCFMConfig) -> None:
        from scdd.objectives import CharacteristicConfig

        self.problem, self.config = problem, config
        self.options = CharacteristicConfig(
            n_frequencies=config.n_frequencies, amplitude=config.amplitude, phase=config.phase
        )
        self.networks = [self._trained(i) for i in range(config.n_networks)]
        self._plain = None
        if not self.networks:
            self._plain = cast("CharacteristicMatching", problem.objective("characteristic", self.options))

    def __call__(self, rows: Tensor, step: int) -> Tensor:
        """Return the loss at a step."""
        from torch.nn import functional as F

        cells, cells_y = self.problem.real(self.config.real_per_class, step)
        if self._plain is not None:
            return self._in_components(self._plain, rows, cells, cells_y, step)
        rng = stream(self.problem.seed, "between", step)
        first, last = self.networks[int(rng.integers(len(self.networks)))]
        distance = self._in_features(_between(first, last, float(rng.random())), rows, cells, cells_y, step)
        logits = self.problem.of_rows(last).outputs(rows)
        entropy = self.problem.n_used * F.cross_entropy(logits, self.problem.rows_y)
        return self.problem.n_used * self.config.weight * distance + self.config.calibration * entropy

    def _in_components(
        self, objective: CharacteristicMatching, rows: Tensor, cells: Cells, cells_y: Tensor, step: int
    ) -> Tensor:
        problem, project = self.problem, objective.projection()
        # the centre of the projection is that of the cells, which their products are without
        real = cells.products(project.weight.T) * cells.scale
        return objective.distance(project(rows), problem.rows_y, real, cells_y, problem.shared(cells_y), step)

    def _in_features(self, network: Network, rows: Tensor, cells: Cells, cells_y: Tensor, step: int) -> Tensor:
        import torch
        from torch.nn import functional as F

        from scdd.objectives import CharacteristicMatching, Projection

        d = self.config.hidden[-1]
        objective = CharacteristicMatching(
            n_features=d, n_classes=self.problem.n_classes, seed=self.problem.seed, config=self.options
        )
        objective.set_projection(Projection(torch.zeros(d), torch.eye(d)))
        with torch.no_grad():
            real = F.normalize(cells.layers(network)[0][-1], dim=1)
        syn = F.normalize(self.problem.of_rows(network).layers(rows)[0][-1], dim=1)
        objective.prepare(real, cells_y)
        return objective.distance(syn, self.problem.rows_y, real, cells_y, self.problem.shared(cells_y), step)

    def _trained(self, number: int) -> tuple[Network, Network]:
        from scdd.baselines._problem import Trainee

        config = self.config
        network = self.problem.network(config.hidden, "pretrained", number)
        trainee = Trainee(network, lr=config.net_lr, momentum=config.net_momentum)
        first = trainee.network
        for step in range(config.train_steps):
            trainee.step(*self.problem.real(config.train_batch, "pretrained", number, step))
        return first, trainee.network


def _between(first: Network, last: Network, share: float) -> Network:
    from scdd.objectives._networks import Network

    def mixed(a: tuple[Tensor, ...], b: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple((1 - share) * p + share * q for p, q in zip(a, b, strict=True))

    return Network(mixed(first.weights, last.weights), mixed(first.biases, last.biases), first.activation)


BASELINES.register("ncfm")(
    Learned("ncfm", NCFMMatching, NCFMConfig(optimizer="adamw", lr=0.02, momentum=0.0, steps=500))
)
BASELINES.register("ncfm-tuned")(Learned("ncfm-tuned", NCFMMatching, NCFMConfig(**tuned(n_networks=0))))

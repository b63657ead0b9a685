"""IDM: distribution matching in a pool of partly trained networks (Zhao et al. 2023, arXiv 2307.09742)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scdd._rng import stream
from scdd.baselines._dm import DMConfig, DMMatching
from scdd.baselines._learned import Learned, tuned
from scdd.baselines._method import BASELINES

if TYPE_CHECKING:
    from torch import Tensor

    from scdd.baselines._problem import Problem, Trainee

__all__ = ["IDMConfig", "IDMMatching"]


@dataclass(frozen=True)
class IDMConfig(DMConfig):
    """Options of improved distribution matching.

    Parameters
    ----------
    first_networks, max_networks, new_every
        Networks in the pool at the start and at most, and how many steps pass between new ones (the oldest one goes).
    train_networks, train_steps, train_batch
        After each step so many networks of the pool are trained for so many steps on so many real cells of each class.
    net_lr, net_momentum, net_decay
        SGD of that training.
    ce_weight
        Weight of the cross-entropy of the rows, times the accuracy in [0, 1] that the network has reached (published: 0.5
        times per cent).

    Examples
    --------
    >>> IDMConfig().first_networks
    3
    """

    first_networks: int = 3
    max_networks: int = 10
    new_every: int = 30
    train_networks: int = 2
    train_steps: int = 5
    train_batch: int = 16
    net_lr: float = 0.01
    net_momentum: float = 0.9
    net_decay: float = 5e-4
    ce_weight: float = 50.0


class IDMMatching(DMMatching):
    """Class means should agree in embeddings that know the classes a little, and a network should classify the rows.

    The networks of a rolling pool are trained on real cells in small portions. Of the paper's three parts this has the
    pool and the class term; its partition of images into smaller ones has no counterpart in genes.
    """

    config: IDMConfig

    def __init__(self, problem: Problem, config: IDMConfig) -> None:
        super().__init__(problem, config)
        self.pool: list[tuple[Trainee, float]] = []
        self._drawn = 0
        for _ in range(config.first_networks):
            self._add()

    def __call__(self, rows: Tensor, step: int) -> Tensor:
        """Return the loss in one network of the pool, and train the pool a little."""
        from torch.nn import functional as F

        from scdd.objectives._networks import Network

        if step % self.config.new_every == 0:
            self._add()
        rng = stream(self.problem.seed, "pool", step)
        trainee, accuracy = self.pool[int(rng.integers(len(self.pool)))]
        network = trainee.network
        embedding = Network(network.weights[:-1], network.biases[:-1], network.activation)
        loss = self.distance(embedding, rows, step)
        logits = self.problem.of_rows(network).outputs(rows)
        # mean over the rows of a class, summed over classes, as the distance is
        entropy = self.problem.n_used * F.cross_entropy(logits, self.problem.rows_y)
        self._train(step)
        return loss + self.config.ce_weight * accuracy * entropy

    def _add(self) -> None:
        from scdd.baselines._problem import Trainee

        config = self.config
        network = self.problem.network(config.hidden, "pool", self._drawn)
        self._drawn += 1
        trainee = Trainee(network, lr=config.net_lr, momentum=config.net_momentum, weight_decay=config.net_decay)
        self.pool = [*self.pool, (trainee, 0.0)][-config.max_networks :]

    def _train(self, step: int) -> None:
        config = self.config
        order = stream(self.problem.seed, "training", step).permutation(len(self.pool))
        for k in order[: config.train_networks]:
            trainee, accuracy = self.pool[k]
            for i in range(config.train_steps):
                real = self.problem.real(config.train_batch, "training", step, int(k), i)
                accuracy = 0.9 * accuracy + 0.1 * trainee.step(*real)
            self.pool[k] = (trainee, accuracy)


BASELINES.register("idm")(Learned("idm", IDMMatching, IDMConfig(lr=0.2, steps=300)))
BASELINES.register("idm-tuned")(Learned("idm-tuned", IDMMatching, IDMConfig(**tuned(mask=0.0, jitter=0.0))))

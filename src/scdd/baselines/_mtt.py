"""MTT: matching training trajectories (Cazenavette et al. 2022, arXiv 2203.11932)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scdd._rng import stream
from scdd.baselines._learned import LearnConfig, Learned, tuned
from scdd.baselines._method import BASELINES
from scdd.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from scdd.baselines._problem import Problem
    from scdd.objectives._networks import Network

__all__ = ["MTTConfig", "MTTMatching"]


@dataclass(frozen=True)
class MTTConfig(LearnConfig):
    """Options of trajectory matching.

    Parameters
    ----------
    hidden
        Widths of the hidden layers of experts and students.
    n_experts, n_epochs, epoch_steps
        Experts, their epochs, and the steps of an epoch.
    expert_lr, expert_batch
        SGD of the experts, and their real cells of each class in a step.
    target_epochs
        Epochs of an expert that a student has to make up for.
    student_steps
        Steps on the rows in which it does so.
    max_start
        Students start at an epoch below it.
    lr_lr
        Rate of the student's learning rate, which starts at ``expert_lr`` and is learned by SGD.

    Examples
    --------
    >>> MTTConfig().student_steps
    10
    """

    hidden: tuple[int, ...] = (128,)
    n_experts: int = 4
    n_epochs: int = 12
    epoch_steps: int = 10
    expert_lr: float = 0.01
    expert_batch: int = 16
    target_epochs: int = 2
    student_steps: int = 10
    max_start: int = 10
    lr_lr: float = 1e-5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.max_start + self.target_epochs <= self.n_epochs + 1 or self.max_start < 1:
            msg = f"max_start + target_epochs must be at most n_epochs + 1, got {self}."
            raise InputError(msg)


class MTTMatching:
    """A student trained on the rows should end where an expert ended that started from the same weights.

    Squared distance of the weights, over the squared distance that the expert moved.

    Parameters
    ----------
    problem, config
        The cells, and the options.

    Attributes
    ----------
    experts
        Networks of each expert, at the start and after each epoch.
    student_lr
        Learning rate of the students, a learned scalar.
    """

    def __init__(self, problem: Problem, config: MTTConfig) -> None:
        import torch

        problem.need_classes("MTT")
        self.problem, self.config = problem, config
        self.experts = [self._expert(i) for i in range(config.n_experts)]
        self.student_lr = torch.tensor(config.expert_lr, requires_grad=True)
        self._optimizer = torch.optim.SGD([self.student_lr], lr=config.lr_lr, momentum=0.5)

    def __call__(self, rows: Tensor, step: int) -> Tensor:
        """Return the loss for an expert and an epoch drawn by the step."""
        import torch

        if self.student_lr.grad is not None:  # of the step before; the rows' own optimiser has just used it
            self._optimizer.step()
            self._optimizer.zero_grad()
            with torch.no_grad():
                self.student_lr.clamp_(min=1e-4)
        rng = stream(self.problem.seed, "start", step)
        expert = self.experts[int(rng.integers(len(self.experts)))]
        epoch = int(rng.integers(self.config.max_start))
        return self.distance(rows, expert[epoch], expert[epoch + self.config.target_epochs])

    def distance(self, rows: Tensor, start: Network, target: Network) -> Tensor:
        """Return how far a student of rows (m, d) ends from ``target``, over how far ``start`` is from it; squared."""
        from scdd.baselines._row_training import RowTraining

        student = RowTraining(start, self.problem.standardised(rows), self.problem.rows_y, lr=self.student_lr)
        begin = start.squared_distance(target)
        for _ in range(self.config.student_steps):
            student.step()
        return student.squared_distance(target) / begin

    def _expert(self, number: int) -> list[Network]:
        from scdd.baselines._problem import Trainee

        config = self.config
        trainee = Trainee(self.problem.network(config.hidden, "expert", number), lr=config.expert_lr)
        epochs = [trainee.network]
        for epoch in range(config.n_epochs):
            for step in range(config.epoch_steps):
                trainee.step(*self.problem.real(config.expert_batch, "expert", number, epoch, step))
            epochs.append(trainee.network)
        return epochs


BASELINES.register("mtt")(Learned("mtt", MTTMatching, MTTConfig(lr=1000.0, steps=200)))
BASELINES.register("mtt-tuned")(Learned("mtt-tuned", MTTMatching, MTTConfig(**tuned())))

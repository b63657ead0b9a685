"""What the learned baselines share in torch: draws of real cells, networks that train, the steps of the rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from scdd._registry import Registry
from scdd._rng import stream, torch_stream
from scdd.baselines._augment import Augmentation
from scdd.baselines._cells import Cells
from scdd.baselines._learned import LearnConfig
from scdd.errors import InputError, TrainingError
from scdd.objectives import OBJECTIVES, Objective
from scdd.objectives._classes import shared
from scdd.objectives._networks import Network
from scdd.objectives._statistics import RealStatistics

__all__ = ["Matching", "Problem", "Trainee", "optimise"]

_CHUNK = 2048  # cells made dense at a time
_MOST = float(np.log1p(1e4))  # of a gene in log1p CP10k
_FLOOR = 0.1  # a gene's unit is at least this part of the root mean square over genes


class Matching(Protocol):
    """A loss of rows (m, d) at a step; a scalar tensor."""

    def __call__(self, rows: Tensor, step: int) -> Tensor:
        """Return the loss."""
        ...


class Problem:
    """Real cells, the classes of the rows, and everything random.

    Parameters
    ----------
    logs
        CSR (n, d): log1p CP10k of real cells.
    labels
        int (n,): their classes.
    row_labels
        int64 (m,): classes of the rows.
    n_classes
        Labels are in ``range(n_classes)``.
    seed
        Seed of every draw.
    """

    def __init__(self, logs: sp.csr_matrix, labels: NDArray, row_labels: NDArray, *, n_classes: int, seed: int) -> None:
        self.logs, self.labels = sp.csr_matrix(logs), np.asarray(labels, dtype=np.int64)
        self.rows_y = torch.from_numpy(np.asarray(row_labels, dtype=np.int64))
        self.n_features, self.n_classes, self.seed = int(logs.shape[1]), n_classes, seed
        self.n_used = len(self.rows_y.unique())
        self.members = [found for c in range(n_classes) if len(found := np.flatnonzero(self.labels == c))]
        self.statistics = RealStatistics(
            n_features=self.n_features, n_classes=n_classes, seed=seed, device=torch.device("cpu")
        )
        for first in range(0, len(self.labels), _CHUNK):
            part = slice(first, first + _CHUNK)
            self.statistics.add(torch.from_numpy(self.logs[part].toarray()), torch.from_numpy(self.labels[part]))
        self._center, self._scale = self.statistics.center(), self.statistics.scale()

    def real(self, per_class: int, *path: str | int, augmentation: Augmentation | None = None) -> tuple[Cells, Tensor]:
        """Return at most ``per_class`` cells of each class, drawn without replacement, and their classes, int64 (n,)."""
        rng = stream(self.seed, "real", *path)
        drawn = [rng.choice(cells, min(per_class, len(cells)), replace=False) for cells in self.members]
        index = np.concatenate(drawn)
        logs = self.logs[index]
        if augmentation is not None:
            logs.data = augmentation.values(torch.from_numpy(logs.data), torch.from_numpy(logs.indices)).numpy()
        return self.cells(logs), torch.from_numpy(self.labels[index])

    def cells(self, logs: sp.csr_matrix) -> Cells:
        """Return cells as networks see them."""
        return Cells(logs, self._center, self._scale)

    def objective(self, name: str, config: Any = None) -> Objective[Any]:
        """Return an objective that has seen all real cells."""
        objective = OBJECTIVES.get(name)(
            n_features=self.n_features, n_classes=self.n_classes, seed=self.seed, config=config
        )
        objective.real = self.statistics
        return objective

    def need_classes(self, method: str) -> None:
        """Raise an InputError if there is only one class."""
        if self.n_used < 2:
            msg = f"{method} learns what tells classes apart, and the rows have one class only: use dm or ncfm."
            raise InputError(msg)

    def standardised(self, x: Tensor) -> Tensor:
        """Return x (n, d) as networks see it: centred, over one common scale."""
        return (x - self._center) / self._scale

    def of_rows(self, network: Network) -> Network:
        """Return the network of rows in log space that is ``network`` of standardised ones."""
        return network.unstandardised(self._center, self._scale)

    def shared(self, real_y: Tensor) -> Tensor:
        """Return the classes, int64 (C,), that have a row and one of these cells."""
        return shared(self.rows_y, real_y, self.n_classes)

    def network(self, hidden: tuple[int, ...], *path: str | int) -> Network:
        """Draw a classifier of standardised cells."""
        sizes = (self.n_features, *hidden, self.n_classes)
        return Network.draw(sizes, generator=torch_stream(self.seed, "network", *path))

    def unit(self, name: str) -> Tensor:
        """Return the unit of the steps, () or (d,), above 0."""
        within = self.statistics.within_sd().square()
        if name == "within":
            unit = (within + _FLOOR**2 * within.mean()).sqrt()
            return torch.where(unit > 0, unit, torch.ones_like(unit))
        if name == "overall":
            mean = self.logs.mean()
            value = float(np.sqrt(max(self.logs.multiply(self.logs).mean() - mean**2, 0.0)))
            return torch.tensor(value if value > 0 else 1.0)
        msg = f"unit must be 'overall' or 'within', got {name!r}."
        raise InputError(msg)


class Trainee:
    """A network that is trained by SGD on cross-entropy, and can be used at any time.

    Parameters
    ----------
    network
        Where to start; it is not changed.
    lr, momentum, weight_decay
        Of SGD.
    """

    def __init__(self, network: Network, *, lr: float, momentum: float = 0.0, weight_decay: float = 0.0) -> None:
        first, *weights = network.weights
        # (d, out): the first weights lie in memory as sparse products read them
        self._first = first.detach().T.clone(memory_format=torch.contiguous_format).requires_grad_()
        others = [p.detach().clone().requires_grad_() for p in (*weights, *network.biases)]
        self._weights, self._biases = tuple(others[: len(weights)]), tuple(others[len(weights) :])
        self._activation = network.activation
        self._optimizer = torch.optim.SGD(
            [self._first, *others], lr=lr, momentum=momentum, weight_decay=weight_decay, fused=True
        )

    def step(self, cells: Cells, y: Tensor) -> float:
        """Take one step on cells and their classes (n,); return the accuracy before it."""
        logits = cells.layers(self._live())[1][-1]
        self._optimizer.zero_grad()
        F.cross_entropy(logits, y).backward()
        self._optimizer.step()
        return float((logits.argmax(1) == y).float().mean())

    @property
    def network(self) -> Network:
        """The network as it is now; later steps do not change it."""
        live = self._live()
        weights, biases = (tuple(p.detach().clone() for p in of) for of in (live.weights, live.biases))
        return Network(weights, biases, self._activation)

    def _live(self) -> Network:
        return Network((self._first.T, *self._weights), self._biases, self._activation)


OPTIMIZERS: Registry[Callable[[Tensor, LearnConfig], torch.optim.Optimizer]] = Registry("optimizer")
# fused: one pass over memory
OPTIMIZERS.register("sgd")(
    lambda delta, config: torch.optim.SGD([delta], lr=config.lr, momentum=config.momentum, fused=True)
)
OPTIMIZERS.register("adam")(lambda delta, config: torch.optim.Adam([delta], lr=config.lr, fused=True))
OPTIMIZERS.register("adamw")(lambda delta, config: torch.optim.AdamW([delta], lr=config.lr, fused=True))


def optimise(start: NDArray, matching: Matching, problem: Problem, config: LearnConfig) -> NDArray[np.float32]:
    """Move rows along a loss; they stay between 0 and what a gene can have, log1p of 1e4.

    Parameters
    ----------
    start
        float32 (m, d): rows in log space.
    matching
        The loss.
    problem
        The cells that it is about.
    config
        Start, units, rate and budget.

    Returns
    -------
    float32 (m, d)

    Raises
    ------
    TrainingError
        If the loss is not finite.
    """
    origin, unit = torch.from_numpy(np.asarray(start, dtype=np.float32)), problem.unit(config.unit)
    delta, rows = torch.zeros_like(origin, requires_grad=True), origin.clone().requires_grad_()
    optimizer = OPTIMIZERS.get(config.optimizer)(delta, config)
    of_class = problem.rows_y.bincount()[problem.rows_y, None]
    slow = (of_class / config.full_rate_rows).clamp_max(1.0) if config.optimizer == "sgd" else None
    lowest, highest = -origin / unit, (_MOST - origin) / unit
    first = 1.0
    for step in range(config.steps):
        loss = matching(rows, step)
        if step == 0 and config.relative:
            first = max(abs(float(loss.detach())), 1e-12)
        loss = loss / first
        if not bool(torch.isfinite(loss)):
            msg = f"The loss of a learned baseline is not finite at step {step}: lower its lr, which is {config.lr}."
            raise TrainingError(msg)
        rows.grad = None
        loss.backward()
        with torch.no_grad():
            # rows are origin + unit * delta: by hand, in place, so that autograd makes no copies of all of them
            delta.grad = (torch.zeros_like(rows) if rows.grad is None else rows.grad).mul_(unit)
            if config.leash:
                delta.grad.add_(delta, alpha=2 * config.leash / delta.numel())
            if slow is not None:
                delta.grad *= slow
            optimizer.step()
            delta.clamp_(lowest, highest)  # projected gradient
            torch.addcmul(origin, unit, delta, out=rows)
    return rows.detach().clamp_(0.0, _MOST).numpy()

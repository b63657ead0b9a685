"""What the objectives know about the real cells beyond the batch of a step: streamed moments and a small sample."""

from __future__ import annotations

import torch
from torch import Tensor

from scdd._rng import torch_stream
from scdd.objectives._classes import averaging

SAMPLE_PER_CLASS = 64
SAMPLE_TOTAL = 1024  # bounds the eigenproblem of the projection (about 0.2 s on one core)
SAMPLE_MIN = 8


class RealStatistics:
    """Class moments of all cells seen, and a uniform sample of each class.

    Moments are sums in double precision, so that they do not depend on how the cells were cut into batches. Memory is
    bounded: two (K, d) sums and at most ``max(1024, 8 K)`` sampled cells.

    Parameters
    ----------
    n_features, n_classes
        d and K.
    seed
        Seed of the sample.
    device, dtype
        Where and as what the sample and the results live.

    Attributes
    ----------
    counts
        int64 (K,): cells seen per class.
    sample_x, sample_y
        (m, d) and int64 (m,): the sampled cells, sorted by class.
    version
        Grows with every batch; caches compare it.

    Examples
    --------
    >>> real = RealStatistics(n_features=1, n_classes=2, seed=0, device=torch.device("cpu"), dtype=torch.float32)
    >>> real.add(torch.tensor([[1.0], [3.0], [7.0]]), torch.tensor([0, 0, 1]))
    >>> real.class_means()
    tensor([[2.],
            [7.]])
    >>> real.within_sd()
    tensor([0.8165])
    """

    def __init__(
        self, *, n_features: int, n_classes: int, seed: int, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> None:
        self.n_classes = n_classes
        self.seed = seed
        self.device = device
        self.dtype = dtype
        self.per_class = max(SAMPLE_MIN, min(SAMPLE_PER_CLASS, SAMPLE_TOTAL // n_classes))
        # the one backend without double precision sums in single
        self._wide = torch.float32 if device.type == "mps" else torch.float64
        self._sum = torch.zeros(n_classes, n_features, dtype=self._wide, device=device)
        self._squares = torch.zeros_like(self._sum)
        self.counts = torch.zeros(n_classes, dtype=torch.int64, device=device)
        self.sample_x = torch.zeros(0, n_features, dtype=dtype, device=device)
        self.sample_y = torch.zeros(0, dtype=torch.int64, device=device)
        self._keys = torch.zeros(0, dtype=torch.float64, device="cpu")
        self.version = 0

    def add(self, x: Tensor, y: Tensor) -> None:
        """Take in a batch of real cells: x (n, d), y int64 (n,)."""
        with torch.no_grad():
            member = (y[None, :] == torch.arange(self.n_classes, device=y.device)[:, None]).to(self._wide)
            wide = x.to(self._wide)
            self._sum += member @ wide
            self._squares += member @ wide.square()
            self.counts += torch.bincount(y, minlength=self.n_classes)
            self._sample(x, y)
        self.version += 1

    def _sample(self, x: Tensor, y: Tensor) -> None:
        # each cell gets a random key; the smallest keys of a class are a uniform sample of all its cells seen
        generator = torch_stream(self.seed, "sample", self.version)
        keys = torch.cat([self._keys, torch.rand(len(y), generator=generator, dtype=torch.float64)])
        labels = torch.cat([self.sample_y, y]).cpu()
        order = torch.argsort(keys)
        order = order[torch.argsort(labels[order], stable=True)]
        counts = torch.bincount(labels, minlength=self.n_classes)
        rank = torch.arange(len(order)) - (counts.cumsum(0) - counts)[labels[order]]
        keep = order[rank < self.per_class]
        old = len(self.sample_y)
        index = keep.to(self.device)
        rows = x.new_empty(len(keep), x.shape[1])
        is_old = index < old
        rows[is_old] = self.sample_x[index[is_old]]
        rows[~is_old] = x[index[~is_old] - old]
        self.sample_x, self.sample_y, self._keys = rows, labels[keep].to(self.device), keys[keep]

    @property
    def seen(self) -> Tensor:
        """int64 (C,): classes with at least one cell."""
        return self.counts.nonzero().flatten()

    def class_means(self) -> Tensor:
        """Return the class means (K, d); zero for classes not seen."""
        return (self._sum / self.counts.clamp_min(1)[:, None]).to(self.dtype)

    def center(self) -> Tensor:
        """Return the mean of the class means, (d,): every class counts the same."""
        return self.class_means()[self.seen].mean(0)

    def within_sd(self) -> Tensor:
        """Return the pooled standard deviation of each feature within classes, (d,), in feature units."""
        between = self._sum.square() / self.counts.clamp_min(1)[:, None]
        within = (self._squares - between).clamp_min(0).sum(0) / self.counts.sum().clamp_min(1)
        return within.sqrt().to(self.dtype)

    def scale(self) -> Tensor:
        """Return the root mean square deviation from the centre over features and classes: a scalar above 0."""
        counts = self.counts[self.seen, None]
        means = self._sum[self.seen] / counts
        squares = self._squares[self.seen] / counts - 2 * means * means.mean(0) + means.mean(0).square()
        value = squares.mean().clamp_min(0).sqrt().to(self.dtype)
        return torch.where(value > 0, value, torch.ones_like(value))

    def sample_within(self, z: Tensor) -> Tensor:
        """Return z (m, r), features of the sampled cells, minus their class means."""
        classes = self.seen
        means = averaging(self.sample_y, classes, z.dtype) @ z
        return z - means[torch.searchsorted(classes, self.sample_y)]

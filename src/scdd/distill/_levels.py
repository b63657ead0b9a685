r"""Levels: classes whose expression of a gene hardly differs get one and the same value.

A denoised profile shows every gene at its mean, so any two classes differ in all genes, by however little. Models that
weigh differences (linear ones, nearest neighbours, kernels) do not mind. Trees do: they split between any two values, and
in few rows the smallest difference separates classes as well as a marker does. So, gene by gene, the values of the
classes are merged as long as two of them are nearer than ``gap``; what is left are differences that real cells show.

The gap is a multiple of the noise of a gene, its standard deviation within classes. There is no best multiple: small ones
serve the models that weigh, large ones serve trees. So each row of a class has its own (:func:`ladder`): then a gene
separates as many rows of two classes as it deserves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scdd.distill._rows import RowPlan

__all__ = ["DENOISED", "Denoising", "fuse", "ladder", "ranks"]

DENOISED = "denoised"  # rendering of the rows that show means
_JUDGES = 2  # blocks whose rows tell how far the places of a class are apart, however many follow
_KEPT = 0.95  # the largest gap is at most this quantile, over the genes, of what classes differ by


def ladder(n: int) -> NDArray[np.float64]:
    """Return the first ``n`` numbers of van der Corput's sequence: 1/2, 1/4, 3/4, 1/8, ...: every prefix fills (0, 1).

    Examples
    --------
    >>> ladder(4).tolist()
    [0.5, 0.25, 0.75, 0.125]
    """
    out = np.zeros(n)
    left, part = np.arange(1, n + 1), 0.5
    while left.any():
        out += part * (left % 2)
        left, part = left // 2, part / 2
    return out


def fuse(values: NDArray[np.floating], gap: NDArray[np.floating]) -> NDArray[np.floating]:
    """Merge, gene by gene, the two nearest groups of values into their mean, until all groups are ``gap`` apart.

    All pairs that are nearer to each other than to their other neighbours are merged at once: a merger only widens the gaps
    beside it, so each of them would come in any case.

    Parameters
    ----------
    values
        (n, n_genes).
    gap
        (n_genes,): the least distance that is kept.

    Returns
    -------
    (n, n_genes): each value replaced by the mean of its group.

    Examples
    --------
    >>> fuse(np.array([[0.0], [0.1], [1.0]]), np.array([0.5])).ravel().tolist()
    [0.05, 0.05, 1.0]
    """
    values = values.astype(np.float64)
    out = values.copy()
    order = np.argsort(values, axis=0, kind="stable")
    ranked = np.take_along_axis(values, order, axis=0)
    active = np.arange(values.shape[1])
    cut = np.ones((len(values) - 1, len(active)), dtype=bool)  # whether two neighbours belong to different groups
    while len(active) and len(cut):
        mean = _group_means(ranked[:, active], cut)
        distance = np.diff(mean, axis=0)
        before, after = _beside(distance, cut)
        merge = cut & (distance < gap[active]) & (distance < before) & (distance <= after)
        going = merge.any(axis=0)
        done = active[~going]
        out[:, done] = _unsorted(mean[:, ~going], order[:, done])
        active, cut = active[going], (cut & ~merge)[:, going]
    return out


@dataclass(frozen=True)
class Denoising:
    """What is done to the expected log expression of denoised rows before it is written.

    Attributes
    ----------
    spread
        How far the rows of a class go from the first of them to their own places, in [0, 1].
    by_distance
        That far only where classes are as far from each other as these places are from the first. Where they are nearer
        by a factor f, it is f squared of that: what the rows of a class differ in is then mostly not what tells classes
        apart.
    levels
        The gaps of the rows of a class fill (0, ``levels``), in units of the noise; 0: nothing is merged.
    noise
        Standard deviation of each gene within classes (n_hvg,).
    """

    spread: float
    levels: float
    noise: NDArray[np.floating]
    by_distance: bool = True

    def __call__(self, target: NDArray[np.floating], plan: RowPlan) -> NDArray[np.floating]:
        """Return the targets (n, n_hvg), those of denoised rows drawn together and levelled."""
        rows = np.flatnonzero(plan.kind == DENOISED)
        if not len(rows):
            return target
        out = np.maximum(target, 0)
        towards, left = self.drawn(out, plan)
        out = out[towards] + left[:, None] * (out - out[towards])
        if self.levels > 0:
            out[rows] = self._levelled(out[rows], plan.labels[rows], ranks(plan.labels[rows]))
        return out

    def drawn(self, target: NDArray[np.floating], plan: RowPlan) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the row (n,) to which each is drawn, and how much of the way to its own place is left (n,)."""
        towards, left = np.arange(len(plan)), np.ones(len(plan), dtype=np.float32)
        rows = np.flatnonzero(plan.kind == DENOISED)
        if not len(rows):
            return towards, left
        rank = ranks(plan.labels[rows])
        towards[rows] = rows[np.arange(len(rows)) - rank]
        judges = rows[plan.block[rows] < _JUDGES]
        near = _apartness(target[judges], ranks(plan.labels[judges])) ** 2 if self.by_distance else 1.0
        left[rows] = self.spread * near
        return towards, left

    def _levelled(
        self, own: NDArray[np.floating], labels: NDArray[np.int64], rank: NDArray[np.int64]
    ) -> NDArray[np.floating]:
        """Level the rows of one rank together; a class without such a row is represented by its first."""
        noise = self.noise + np.median(self.noise)
        first = np.flatnonzero(rank == 0)
        span = np.ptp(own[first], axis=0)
        # where classes hardly differ in any gene, what they differ in most must not go
        gap = noise * min(self.levels, float(np.quantile(span / np.maximum(noise, 1e-12), _KEPT)))
        out = own.copy()
        for number, share in enumerate(ladder(int(rank.max()) + 1)):
            rows = np.flatnonzero(rank == number)
            others = first[~np.isin(labels[first], labels[rows])]
            out[rows] = fuse(own[np.concatenate([rows, others])], share * gap)[: len(rows)]
        return out


def _apartness(target: NDArray[np.floating], rank: NDArray[np.int64]) -> float:
    """Return how far classes are apart, in units of how far rows are from the first of their class; at most 1.

    Both are medians over the classes: the distance of first rows to the nearest other one, the root mean square of the
    others' distances to it.
    """
    first = np.flatnonzero(rank == 0)
    near = [np.partition(np.linalg.norm(target[first] - target[row], axis=1), 1)[1] for row in first if len(first) > 1]
    far = []
    for start, stop in zip(first, [*first[1:], len(rank)], strict=True):
        others = target[start + 1 : stop] - target[start]
        far += [float(np.sqrt(np.square(others).sum(axis=1).mean()))] if len(others) else []
    if not near or not far or np.median(far) <= 0:
        return 1.0
    return float(min(1.0, np.median(near) / np.median(far)))


def ranks(labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the number of each row within its class (n,), from 0; the rows of a class stand together.

    Examples
    --------
    >>> ranks(np.array([0, 0, 2])).tolist()
    [0, 1, 0]
    """
    start = np.flatnonzero(np.diff(labels, prepend=-1))
    return np.arange(len(labels)) - np.repeat(start, np.diff(start, append=len(labels)))


def _group_means(ranked: NDArray[np.floating], cut: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Return the mean of the group of each sorted value (n, n_genes); groups end where ``cut`` says so."""
    n, genes = ranked.shape
    group = np.concatenate([np.zeros((1, genes), dtype=np.int64), np.cumsum(cut, axis=0)])
    flat = (group + n * np.arange(genes)).ravel()
    total = np.bincount(flat, weights=ranked.ravel(), minlength=n * genes)
    size = np.bincount(flat, minlength=n * genes)
    return (total / np.maximum(size, 1))[flat].reshape(n, genes)


def _beside(
    distance: NDArray[np.floating], cut: NDArray[np.bool_]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return the gaps before and after each one (n - 1, genes), between groups; infinite where there is none."""
    n, genes = cut.shape
    row, ends = np.arange(n)[:, None], np.full((1, genes), np.inf)
    last = np.maximum.accumulate(np.where(cut, row, -1), axis=0)
    following = np.minimum.accumulate(np.where(cut, row, n)[::-1], axis=0)[::-1]
    padded = np.concatenate([ends, distance, ends])  # row k of the gaps is row k + 1 here
    before = np.concatenate([np.zeros((1, genes), dtype=np.int64), last[:-1] + 1])
    after = np.concatenate([following[1:] + 1, np.full((1, genes), n + 1)])
    return np.take_along_axis(padded, before, axis=0), np.take_along_axis(padded, after, axis=0)


def _unsorted(ranked: NDArray[np.floating], order: NDArray[np.int64]) -> NDArray[np.floating]:
    out = np.empty_like(ranked)
    np.put_along_axis(out, order, ranked, axis=0)
    return out

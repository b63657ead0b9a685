"""Denoising: what is done to the expected log expression of denoised rows before they are calibrated and written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scdd.distill._levels import fuse, ladder
from scdd.distill._nuisance import apart_from
from scdd.distill._rows import DENOISED, ranks

if TYPE_CHECKING:
    from scdd.distill._rows import RowPlan

__all__ = ["Denoising"]

_JUDGES = 2  # blocks whose rows tell how far the places of a class are apart, however many follow
_KEPT = 0.95  # the largest gap is at most this quantile, over the genes, of what classes differ by


@dataclass(frozen=True)
class Denoising:
    """Classes are moved apart from the nuisance, rows drawn to the first of their class, small differences levelled.

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
    nuisance
        Directions (n_hvg, n) in which rows of different classes shall not differ (see :mod:`scdd.distill._nuisance`).
    """

    spread: float
    levels: float
    noise: NDArray[np.floating]
    by_distance: bool = True
    nuisance: NDArray[np.floating] | None = None

    def __call__(self, target: NDArray[np.floating], plan: RowPlan) -> NDArray[np.floating]:
        """Return the targets (n, n_hvg), those of denoised rows moved, drawn together and levelled."""
        rows = np.flatnonzero(plan.kind == DENOISED)
        if not len(rows):
            return target
        out = self._moved(np.maximum(target, 0), plan)
        towards, left = self._drawn(out, plan)
        out = out[towards] + left[:, None] * (out - out[towards])
        if self.levels > 0:
            out[rows] = self._levelled(out[rows], plan.labels[rows], ranks(plan.labels[rows]))
        return out

    def drawn(self, target: NDArray[np.floating], plan: RowPlan) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the row (n,) to which each is drawn, and how much of the way to its own place is left (n,)."""
        return self._drawn(self._moved(target, plan), plan)

    def _moved(self, target: NDArray[np.floating], plan: RowPlan) -> NDArray[np.floating]:
        """Move the denoised rows of each class together, so that classes do not differ along the nuisance."""
        if self.nuisance is None or self.nuisance.shape[1] == 0:
            return target
        first = np.flatnonzero(ranks(plan.labels) == 0)
        shift = apart_from(self.nuisance, target[first])[np.searchsorted(plan.labels[first], plan.labels)]
        return np.where((plan.kind == DENOISED)[:, None], np.maximum(target + shift, 0), target)

    def _drawn(self, target: NDArray[np.floating], plan: RowPlan) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
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

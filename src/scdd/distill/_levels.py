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

import numpy as np
from numpy.typing import NDArray

__all__ = ["fuse", "ladder"]


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

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
    genes = np.ascontiguousarray(values.T, dtype=np.float64)
    order = np.argsort(genes, axis=1, kind="stable")
    ranked = np.take_along_axis(genes, order, axis=1).ravel()
    group = _groups(ranked, np.asarray(gap), len(values))
    mean = np.bincount(group, weights=ranked) / np.bincount(group)
    out = np.empty_like(genes)
    np.put_along_axis(out, order, mean[group].reshape(genes.shape), axis=1)
    return out.T


def _groups(ranked: NDArray[np.floating], gap: NDArray[np.floating], n: int) -> NDArray[np.int64]:
    """Return the number of the group of each value; there are ``n`` values a gene, sorted, gene after gene.

    Each round goes over the groups that are left, in genes where the round before merged some.
    """
    total, size = ranked.copy(), np.ones(len(ranked))
    gene, start = np.repeat(np.arange(len(gap)), n), np.arange(len(ranked))
    starts, end = np.zeros(len(ranked), dtype=np.int64), [np.inf]
    while len(start):
        distance = np.where(np.diff(gene) == 0, np.diff(total / size), np.inf)
        beside = np.concatenate([end, distance, end])
        merge = (distance < gap[gene[1:]]) & (distance < beside[:-2]) & (distance <= beside[2:])
        second = np.flatnonzero(merge) + 1  # never two in a row
        total[second - 1] += total[second]
        size[second - 1] += size[second]
        merged = np.zeros(len(gap), dtype=bool)
        merged[gene[second]] = True
        going = merged[gene]
        starts[start[~going]] = 1
        going[second] = False
        total, size, gene, start = total[going], size[going], gene[going], start[going]
    return np.cumsum(starts) - 1

"""Means of groups of cells as count profiles, in count space or in log space."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd.metrics._preprocess import log_normalize

__all__ = ["mean_profiles"]


def mean_profiles(
    blocks: Iterable[tuple[NDArray[np.int64], sp.csr_matrix]],
    library: NDArray[np.float64],
    group: NDArray[np.int64],
    n_groups: int,
    *,
    space: str,
    hvg: NDArray[np.bool_] | None = None,
) -> sp.csr_matrix:
    """Average the cells of each group.

    Parameters
    ----------
    blocks
        Pairs of cell indices and their counts (CSR), together every cell once.
    library
        float64 (n,): total counts of every cell.
    group
        int (n,): group of every cell; every group has a cell.
    n_groups
        Number of groups.
    space
        ``"count"``: the metacell, summed counts over summed totals at the median total of the group, rounded to
        integers. ``"log"``: the mean of log1p CP10k, turned back by expm1 and scaled to that median total. A mean of
        logs has a smaller sum than 1e4, so normalising the row again would lift all its genes by one factor.
    hvg
        Boolean mask (n_genes,) for ``"log"``: the genes outside of it take up what is missing to 1e4, in proportion, so
        that normalising the row gives back the mean logs of the genes inside exactly.

    Returns
    -------
    CSR float32 (n_groups, n_genes).

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> counts = sp.csr_matrix([[1.0, 1.0], [3.0, 1.0]])
    >>> block = [(np.arange(2), counts)]
    >>> mean_profiles(block, np.array([2.0, 4.0]), np.zeros(2, int), 1, space="count").toarray().tolist()
    [[2.0, 1.0]]
    """
    total: sp.csr_matrix | None = None
    for index, counts in blocks:
        values = sp.csr_matrix(counts, dtype=np.float64)
        if space == "log":
            values = log_normalize(values, library[index]).astype(np.float64)
        member = sp.csr_matrix(
            (np.ones(len(index)), (group[index], np.arange(len(index)))), shape=(n_groups, len(index))
        )
        part = member @ values
        total = part if total is None else total + part
    if total is None:
        msg = "blocks is empty."
        raise ValueError(msg)
    profiles = sp.csr_matrix(total)
    size = np.bincount(group, minlength=n_groups).astype(np.float64)
    median = np.array([np.median(library[group == g]) for g in range(n_groups)])
    if space == "log":
        profiles = _scale(profiles, 1 / size)
        profiles.data = np.expm1(profiles.data)
        if hvg is not None:
            profiles = _top_up(profiles, hvg)
    totals = np.asarray(profiles.sum(axis=1)).ravel()
    profiles = _scale(profiles, np.divide(median, totals, out=np.zeros(n_groups), where=totals > 0))
    if space == "count":
        profiles = _round(profiles)
    return sp.csr_matrix(profiles, dtype=np.float32)


def _top_up(profiles: sp.csr_matrix, hvg: NDArray[np.bool_], target_sum: float = 1e4) -> sp.csr_matrix:
    """Raise the genes outside of ``hvg`` by one factor per row, so that the row sums to ``target_sum``."""
    inside = np.asarray(profiles @ hvg.astype(np.float64)).ravel()
    outside = np.asarray(profiles.sum(axis=1)).ravel() - inside
    # where there is nothing to raise (all genes are variable), the row stays as it is
    factor = np.divide(target_sum - inside, outside, out=np.ones(len(inside)), where=outside > 1e-6 * target_sum)
    factor = np.where(factor > 0, factor, 1.0)
    raised = profiles.copy()
    raised.data *= np.where(hvg[raised.indices], 1.0, np.repeat(factor, np.diff(raised.indptr)))
    return raised


def _scale(profiles: sp.csr_matrix, factor: NDArray[np.float64]) -> sp.csr_matrix:
    return sp.csr_matrix(sp.diags_array(factor) @ profiles)


def _round(profiles: sp.csr_matrix) -> sp.csr_matrix:
    """Round to integers; a row that would be empty keeps one count of its largest gene."""
    rounded = profiles.copy()
    np.rint(rounded.data, out=rounded.data)
    for row in np.flatnonzero(np.asarray(rounded.sum(axis=1)).ravel() == 0):
        values = profiles.data[profiles.indptr[row] : profiles.indptr[row + 1]]
        if len(values):
            rounded.data[profiles.indptr[row] + int(values.argmax())] = 1
    rounded.eliminate_zeros()
    return rounded

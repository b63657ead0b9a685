"""Means of groups of cells as count profiles, in count space or in log space."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd.metrics._preprocess import log_normalize

__all__ = ["filled_profiles", "mean_profiles"]


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

    Raises
    ------
    ValueError
        If there is no block.

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


def filled_profiles(
    logs: NDArray[np.floating],
    row_labels: NDArray[np.integer],
    counts: sp.csr_matrix,
    labels: NDArray[np.integer],
    hvg: NDArray[np.bool_],
) -> sp.csr_matrix:
    """Turn rows in log space into counts of all genes, as ``mean_profiles(..., space="log")`` does for means.

    Parameters
    ----------
    logs
        float (m, n_hvg): log1p CP10k of the highly variable genes, non-negative.
    row_labels
        int (m,): class of each row; every class has cells.
    counts
        CSR (n, n_genes) raw counts of the real cells.
    labels
        int (n,): their classes.
    hvg
        Boolean mask (n_genes,). The other genes are at the mean logs of the class, turned back, times one factor that
        fills the row up to 1e4: normalising the row gives back ``logs``. Where there are no others, or where ``logs``
        alone stand for more than 1e4, it gives them back up to one factor per row.

    Returns
    -------
    CSR float32 (m, n_genes), each row at the median total of its class.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> counts = sp.csr_matrix([[1.0, 3.0], [3.0, 1.0]])
    >>> logs, hvg = np.log1p([[2500.0]]), np.array([True, False])
    >>> filled_profiles(logs, np.array([0]), counts, np.array([0, 0]), hvg).toarray().tolist()
    [[1.0, 3.0]]
    """
    counts = sp.csr_matrix(counts)
    library = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    classes, group = np.unique(row_labels, return_inverse=True)
    cells = np.flatnonzero(np.isin(labels, classes))
    own = np.searchsorted(classes, labels[cells])
    block = [(np.arange(len(cells)), sp.csr_matrix(counts[cells]))]
    means = mean_profiles(block, library[cells], own, len(classes), space="log", hvg=hvg)
    outside = means @ sp.diags_array((~hvg).astype(np.float64))
    place = sp.csr_matrix(
        (np.ones(int(hvg.sum())), (np.arange(int(hvg.sum())), np.flatnonzero(hvg))), shape=(int(hvg.sum()), len(hvg))
    )
    inside = sp.csr_matrix(np.expm1(np.asarray(logs, dtype=np.float64))) @ place
    profiles = _top_up(sp.csr_matrix(sp.csr_matrix(outside)[group] + inside), hvg)
    median = np.array([np.median(library[labels == code]) for code in classes])[group]
    totals = np.asarray(profiles.sum(axis=1)).ravel()
    factor = np.divide(median, totals, out=np.zeros(len(totals)), where=totals > 0)
    return sp.csr_matrix(_scale(profiles, factor), dtype=np.float32)


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

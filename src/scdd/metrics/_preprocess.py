"""Counts -> log1p of counts per ten thousand: the one normalisation behind every score."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd.errors import InputError

__all__ = ["log_normalize", "preprocess"]


def log_normalize(
    counts: sp.csr_matrix, library: NDArray[np.floating] | None = None, *, target_sum: float = 1e4
) -> sp.csr_matrix:
    """Return log1p of counts scaled to ``target_sum`` per cell, sparse.

    Parameters
    ----------
    counts
        CSR (n_cells, n_genes), non-negative; not changed.
    library
        Total counts of each cell, (n_cells,). Default: the row sums. Give it where ``counts`` holds only some genes.
    target_sum
        Total that every cell is scaled to.

    Returns
    -------
    CSR float32 (n_cells, n_genes). Empty cells stay empty.

    Raises
    ------
    scdd.errors.InputError
        If ``library`` has another length than ``counts`` has rows.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> log_normalize(sp.csr_matrix([[1.0, 3.0]]), target_sum=4).toarray().round(3).tolist()
    [[0.6930000185966492, 1.3860000371932983]]
    """
    counts = sp.csr_matrix(counts)
    if library is None:
        library = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    if len(library) != counts.shape[0]:
        msg = f"library has {len(library)} entries, but counts has {counts.shape[0]} rows."
        raise InputError(msg)
    factor = np.divide(target_sum, library, out=np.zeros(len(library)), where=np.asarray(library) > 0)
    data = counts.data * np.repeat(factor, np.diff(counts.indptr))
    return sp.csr_matrix(
        (np.log1p(data).astype(np.float32), counts.indices.copy(), counts.indptr.copy()), shape=counts.shape
    )


def preprocess(counts: sp.csr_matrix, hvg: NDArray[np.bool_], *, target_sum: float = 1e4) -> NDArray[np.float32]:
    """Turn counts of all genes into what the test models see.

    Each row is scaled by its own sum over **all** genes, as ``sc.pp.normalize_total`` does, then log1p is taken, then
    the highly variable genes are kept. No statistic of the cells enters, so train and test cells are treated alike.

    Parameters
    ----------
    counts
        CSR (n_cells, n_genes) of all genes.
    hvg
        Boolean mask (n_genes,).
    target_sum
        Total that every cell is scaled to.

    Returns
    -------
    Dense float32 (n_cells, number of highly variable genes).

    Raises
    ------
    InputError
        If the mask does not fit the counts or is empty.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> preprocess(sp.csr_matrix([[1.0, 3.0]]), np.array([False, True]), target_sum=4).shape
    (1, 1)
    """
    hvg = np.asarray(hvg)
    if hvg.dtype != bool or hvg.shape != (counts.shape[1],):
        msg = f"hvg must be a boolean mask of {counts.shape[1]} genes, got {hvg.dtype} {hvg.shape}."
        raise InputError(msg)
    if not hvg.any():
        msg = "hvg selects no gene: choose highly variable genes with scdd.pp.highly_variable."
        raise InputError(msg)
    counts = sp.csr_matrix(counts)
    library = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    return log_normalize(sp.csr_matrix(counts[:, np.flatnonzero(hvg)]), library, target_sum=target_sum).toarray()

"""Counts from values that are nearly counts, or that were normalised."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray


def round_counts(block: sp.csr_matrix) -> sp.csr_matrix:
    """Round canonical counts to integers, as a new matrix."""
    return _with_data(block, np.rint(block.data))


def undo_log_normalization(block: sp.csr_matrix) -> sp.csr_matrix:
    """Recover counts from log1p of normalised counts (see :func:`undo_normalization`)."""
    return undo_normalization(_with_data(block, np.expm1(block.data.astype(np.float64))))


def undo_normalization(block: sp.csr_matrix) -> sp.csr_matrix:
    """Recover counts from counts that were divided by a size factor of their cell.

    The smallest value of a cell is taken as one count, which holds for nearly every cell of a UMI data set: then the
    counts come back exactly. Where a cell's smallest count was higher, its counts come out too low by that factor.
    """
    rows = np.diff(block.indptr)
    filled = rows > 0
    smallest = np.ones(block.shape[0])
    if filled.any():
        # rows without entries would shift the segments
        smallest[filled] = np.minimum.reduceat(block.data, block.indptr[:-1][filled])
    return _with_data(block, np.rint(block.data / np.repeat(smallest, rows)).astype(np.float32))


def _with_data(block: sp.csr_matrix, data: NDArray[np.floating]) -> sp.csr_matrix:
    out = sp.csr_matrix((data, block.indices, block.indptr), shape=block.shape, copy=True)
    out.eliminate_zeros()
    return out

"""Rows that are a training cell: the same counts in every gene."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd.data import Source
from scdd.data._matrix import canonical_csr, row_sums

__all__ = ["copies", "row_bytes"]

_BLOCK = 4096


def copies(rows: sp.csr_matrix, source: Source, columns: NDArray[np.integer] | None = None) -> NDArray[np.bool_]:
    """Tell which rows have, gene by gene, the counts of a cell; all cells are read once, in blocks.

    Parameters
    ----------
    rows
        CSR (n, n_genes).
    source
        The cells.
    columns
        Position of each of these genes in ``source``; None: the same genes.

    Returns
    -------
    bool (n,). Rows without a count are no copies of each other.
    """
    rows = canonical_csr(rows)
    wanted: dict[bytes, list[int]] = {}
    for i in range(rows.shape[0]):
        wanted.setdefault(row_bytes(rows, i), []).append(i)
    totals, detected = row_sums(rows), np.diff(rows.indptr)
    found = np.zeros(rows.shape[0], dtype=bool)
    for _, block in source.blocks(_BLOCK, columns):
        cells = canonical_csr(block)
        # few cells have the total and the number of genes of a row: only these are compared
        near = np.isin(row_sums(cells), totals) & np.isin(np.diff(cells.indptr), detected)
        for j in np.flatnonzero(near):
            found[wanted.get(row_bytes(cells, int(j)), [])] = True
    return found & (totals > 0)


def row_bytes(x: sp.csr_matrix, i: int) -> bytes:
    """Return what tells a row from all others: genes and counts."""
    part = slice(x.indptr[i], x.indptr[i + 1])
    return x.indices[part].astype(np.int64).tobytes() + x.data[part].astype(np.float32).tobytes()

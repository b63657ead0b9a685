"""Any two-dimensional block of counts in memory -> canonical CSR float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

DENSE_BLOCK = 1 << 24  # entries of a dense block that are looked at together: 128 MB of float64


def canonical_csr(x: Any) -> sp.csr_matrix:
    """Return x as CSR float32 with sorted indices, without duplicates and explicit zeros.

    What is canonical already is wrapped, not copied; x itself is never written to.

    Parameters
    ----------
    x
        Sparse matrix or array of any format and dtype, or a dense 2-D array, (n, m).
    """
    if not isinstance(x, (sp.spmatrix, sp.sparray)):
        return _from_dense(np.asarray(x))
    if x.format not in {"csr", "csc"}:
        # cast before the duplicates are summed: small integers would overflow
        x = x.tocoo()
        x = sp.coo_matrix((x.data.astype(np.float32), (x.row, x.col)), shape=x.shape).tocsr()
    if x.format == "csc":
        x = sp.csc_matrix((x.data.astype(np.float32, copy=False), x.indices, x.indptr), shape=x.shape).tocsr()
    data = x.data.astype(np.float32, copy=False)
    # a wrapper of our own, since scipy caches its findings on the object
    csr = sp.csr_matrix((data, x.indices, x.indptr), shape=x.shape, copy=False)
    tidy = csr.has_canonical_format
    if tidy and bool(np.all(csr.data)):
        return csr
    csr = csr.copy()
    csr.sum_duplicates()
    csr.eliminate_zeros()
    return csr


def row_sums(x: sp.csr_matrix) -> NDArray[np.float64]:
    """Sum the rows of a CSR matrix in float64, without a float64 copy of it: (n,)."""
    out = np.zeros(x.shape[0])
    step = 1 << 14
    for start in range(0, x.shape[0], step):
        stop = min(start + step, x.shape[0])
        first, last = x.indptr[start], x.indptr[stop]
        rows = np.repeat(np.arange(stop - start), np.diff(x.indptr[start : stop + 1]))
        out[start:stop] = np.bincount(rows, weights=x.data[first:last], minlength=stop - start)
    return out


def select_genes(x: sp.csr_matrix, genes: NDArray[np.integer] | None) -> sp.csr_matrix:
    """Return some columns of a CSR matrix, in the order of ``genes``, with sorted indices."""
    if genes is None:
        return x
    out = x[:, np.asarray(genes)]
    out.sort_indices()
    return out


def dense_step(n_columns: int) -> int:
    """Return how many dense rows are looked at together."""
    return max(1, DENSE_BLOCK // max(1, n_columns))


def _from_dense(x: NDArray[Any]) -> sp.csr_matrix:
    step = dense_step(x.shape[1])
    parts = [
        sp.csr_matrix(np.asarray(x[start : start + step], dtype=np.float32)) for start in range(0, x.shape[0], step)
    ]
    if not parts:
        return sp.csr_matrix(x.shape, dtype=np.float32)
    return parts[0] if len(parts) == 1 else sp.csr_matrix(sp.vstack(parts, format="csr"))

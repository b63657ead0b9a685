"""The embedding in which coresets compare cells."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd._rng import stream
from scdd.errors import InputError
from scdd.metrics._preprocess import log_normalize

__all__ = ["embed", "embed_selected"]


def embed(
    counts: sp.csr_matrix, hvg: NDArray[np.bool_], *, n_components: int = 50, seed: int = 0
) -> NDArray[np.float32]:
    """Principal components of log1p CP10k of the highly variable genes; nothing is made dense.

    Parameters
    ----------
    counts
        CSR (n, n_genes) raw counts of all genes.
    hvg
        Boolean mask (n_genes,).
    n_components
        Number of components; fewer where there are fewer cells or genes.
    seed
        Seed of the starting vector.

    Returns
    -------
    float32 (n, n_components)

    Raises
    ------
    InputError
        If the mask does not fit the counts.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> counts = sp.random(30, 20, density=0.5, random_state=0, format="csr")
    >>> embed(counts, np.ones(20, dtype=bool), n_components=5).shape
    (30, 5)
    """
    hvg = np.asarray(hvg)
    if hvg.dtype != bool or hvg.shape != (counts.shape[1],) or not hvg.any():
        msg = f"hvg must be a boolean mask of {counts.shape[1]} genes that selects some, got {hvg.dtype} {hvg.shape}."
        raise InputError(msg)
    library = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    return embed_selected(sp.csr_matrix(counts)[:, np.flatnonzero(hvg)], library, n_components=n_components, seed=seed)


def embed_selected(
    counts: sp.csr_matrix, library: NDArray[np.float64], *, n_components: int = 50, seed: int = 0
) -> NDArray[np.float32]:
    """Principal components, given the counts of the chosen genes alone and the totals over all genes.

    Parameters
    ----------
    counts
        CSR (n, n_hvg) raw counts of the highly variable genes.
    library
        Total counts (n,) over all genes.
    n_components
        Number of components; fewer where there are fewer cells or genes.
    seed
        Seed of the starting vector.

    Returns
    -------
    float32 (n, n_components)

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> embed_selected(sp.csr_matrix(np.eye(4)), np.full(4, 10.0), n_components=2).shape
    (4, 2)
    """
    from sklearn.decomposition import PCA

    values = log_normalize(sp.csr_matrix(counts), library)
    n = min(n_components, min(values.shape) - 1)
    if n < 1:
        # one cell or one gene: there is nothing to rotate
        return np.asarray(values[:, :1].toarray(), dtype=np.float32)
    start = int(stream(seed, "pca").integers(2**31 - 1))
    # arpack takes sparse input and centres it implicitly
    return PCA(n, svd_solver="arpack", random_state=start).fit_transform(values).astype(np.float32)

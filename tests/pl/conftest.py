"""Small pairs of real and synthetic cells."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
import scipy.sparse as sp

import scdd

if TYPE_CHECKING:
    from anndata import AnnData


def make_synthetic(adata: AnnData, n: int = 3) -> AnnData:
    """A set with the fields of a distilled one: denoised rows that are no single cells, and their expected counts."""
    syn = scdd.tl.coreset(adata, n, method="kmeans")
    mean = sp.csr_matrix(syn.X, dtype=np.float32)
    syn.layers["scdd_mean"] = mean.copy()
    syn.X = sp.csr_matrix((np.rint(2 * mean.data), mean.indices, mean.indptr), shape=mean.shape)
    syn.var["scdd_dispersion"] = np.full(syn.n_vars, 2.0, dtype=np.float32)
    syn.uns["scdd"]["kind"] = "distilled"
    return syn


@pytest.fixture
def synthetic() -> Callable[..., AnnData]:
    return make_synthetic


@pytest.fixture
def fingerprint() -> Callable[[AnnData], str]:
    """Hash of everything an AnnData holds."""

    def of(adata: AnnData) -> str:
        digest = hashlib.sha256()
        x = adata.X
        parts = (x.data, x.indices, x.indptr) if sp.issparse(x) else (np.asarray(x),)
        for part in parts:
            digest.update(np.ascontiguousarray(part).tobytes())
        for frame in (adata.obs, adata.var):
            digest.update(frame.to_csv().encode())
            digest.update(repr([str(dtype) for dtype in frame.dtypes]).encode())
        digest.update(repr(sorted((str(k), repr(v)) for k, v in adata.uns.items())).encode())
        digest.update(repr(sorted(str(k) for k in [*adata.obsm, *adata.layers, *adata.varm])).encode())
        return digest.hexdigest()

    return of

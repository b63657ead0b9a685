"""What the tests of the door share: a quiet check, a hash of an AnnData, and ways to change one."""

from __future__ import annotations

import hashlib
import warnings
from typing import Any

import anndata as ad
import numpy as np
import scipy.sparse as sp

from scdd.errors import ScddWarning
from scdd.pp import CheckedInput, check


def quiet(adata: ad.AnnData, **kwargs: Any) -> CheckedInput:
    """Check without the warnings being errors; they are in the result."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScddWarning)
        return check(adata, **kwargs)


def digest(adata: ad.AnnData) -> str:
    """A hash of everything an AnnData holds that the door could touch."""
    h = hashlib.sha256()

    def matrix(x: Any) -> None:
        if x is None:
            return
        h.update(type(x).__name__.encode())
        if sp.issparse(x):
            names = ("data", "row", "col") if x.format == "coo" else ("data", "indices", "indptr")
            for name in names:
                h.update(np.ascontiguousarray(getattr(x, name)).tobytes())
        else:
            h.update(np.ascontiguousarray(x).tobytes())

    matrix(adata.X)
    for key in adata.layers:
        if key is not None:
            matrix(adata.layers[key])
    for frame in (adata.obs, adata.var):
        h.update(str(frame.dtypes.to_dict()).encode(errors="surrogatepass"))
        h.update(frame.to_csv(na_rep="-").encode(errors="surrogatepass"))
        h.update(repr([frame.iloc[:, i].tolist() for i in range(frame.shape[1])]).encode(errors="surrogatepass"))
    h.update(repr(sorted(adata.uns)).encode())
    return h.hexdigest()


def with_x(adata: ad.AnnData, x: Any) -> ad.AnnData:
    return ad.AnnData(x, obs=adata.obs.copy(), var=adata.var.copy(), uns=dict(adata.uns))


def with_labels(adata: ad.AnnData, values: Any) -> ad.AnnData:
    adata.obs["cell_type"] = values
    return adata


def lognorm(x: Any) -> sp.csr_matrix:
    out = sp.csr_matrix(x, dtype=np.float32, copy=True)
    depth = np.asarray(out.sum(axis=1)).ravel()
    out.data *= np.repeat(1e4 / depth, np.diff(out.indptr)).astype(np.float32)
    out.data = np.log1p(out.data)
    return out

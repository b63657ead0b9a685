"""The differences between the versions of what scdd stands on (anndata 0.12 and 0.13, pandas 2 and 3), in one place."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd._settings import settings
from scdd.errors import ScddWarning

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

_PACKAGE = str(Path(__file__).parent)


def warn(message: str, category: type[Warning] = ScddWarning) -> None:
    """Warn at the first line outside of scdd, so that the user sees their own call (3.11 has no skip_file_prefixes)."""
    if settings.verbosity == 0:
        return
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)


def is_in_memory_sparse(x: Any) -> bool:
    """Tell whether x is a scipy sparse matrix or array (backed data sets of anndata are not)."""
    return isinstance(x, (sp.spmatrix, sp.sparray))


def is_backed_sparse(x: Any) -> bool:
    """Tell whether x is a sparse data set of anndata in an h5ad or zarr store."""
    return not is_in_memory_sparse(x) and hasattr(x, "format") and hasattr(x, "group")


def is_dask(x: Any) -> bool:
    """Tell whether x is a Dask array, without importing Dask."""
    return hasattr(x, "dask") and hasattr(x, "chunks") and hasattr(x, "compute")


def obs_frame(adata: AnnData) -> pd.DataFrame:
    """Return ``adata.obs`` as a data frame, also where it is lazy (``anndata.experimental.read_lazy``)."""
    return _frame(adata.obs)


def var_frame(adata: AnnData) -> pd.DataFrame:
    """Return ``adata.var`` as a data frame, also where it is lazy."""
    return _frame(adata.var)


def layer_names(adata: AnnData) -> Iterator[str]:
    """Yield the names of the layers; anndata 0.13 keeps X among them under the name None."""
    return (name for name in adata.layers.keys() if name is not None)


def backed_parts(adata: AnnData) -> tuple[Any, NDArray[np.int64], NDArray[np.int64]]:
    """Return the matrix on disk behind a backed AnnData or a view of one, and the rows and columns it shows.

    anndata has no public way to the parent of a view, and refuses a view of a view of a backed object.
    """
    if not adata.is_view:
        return adata.X, np.arange(adata.n_obs), np.arange(adata.n_vars)
    parent = adata._adata_ref
    return parent.X, np.arange(parent.n_obs)[adata._oidx], np.arange(parent.n_vars)[adata._vidx]


def _frame(table: Any) -> pd.DataFrame:
    import pandas as pd

    return table if isinstance(table, pd.DataFrame) else table.to_memory()

"""An AnnData whose file older readers understand: those of R, and of anndata before 0.11."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

__all__ = ["make_plain"]


def make_plain(adata: AnnData) -> None:
    """Take out, in place, what the file format gained since anndata 0.10.

    Text in tables becomes categories, wherever the tables are, arrays of text become those of numpy, and entries of ``uns``
    that are None are left out.
    """
    adata.obs, adata.var = _plain_frame(adata.obs), _plain_frame(adata.var)
    for aligned in (adata.obsm, adata.varm):
        for name, value in list(aligned.items()):
            aligned[name] = _plain(value)
    adata.uns = _plain(adata.uns)


def _plain(value: Any) -> Any:
    """Return a table, an array or what a mapping holds in the form that older readers know."""
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        return _plain_frame(value)
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items() if part is not None}
    if isinstance(value, pd.api.extensions.ExtensionArray):
        return _plain_array(value)
    return value


def _plain_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return text columns as categories, in which values may be missing."""
    import pandas as pd

    text = [name for name, kind in frame.dtypes.items() if isinstance(kind, pd.StringDtype)]
    out = frame.astype(dict.fromkeys(text, "category"))
    for name, column in out.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            out[name] = _plain_array(column.array)
    if isinstance(out.index.dtype, pd.StringDtype):
        out.index = out.index.astype(object)
    return out


def _plain_array(values: pd.api.extensions.ExtensionArray) -> Any:
    """Return text as an array of numpy where none is missing, else as categories; and categories of text as objects."""
    import pandas as pd

    if isinstance(values.dtype, pd.StringDtype):
        if not values.isna().any():
            return np.asarray(values, dtype=object)
        values = pd.Categorical(values)
    if isinstance(values, pd.Categorical) and isinstance(values.categories.dtype, pd.StringDtype):
        return values.rename_categories(values.categories.astype(object))
    return values

"""An AnnData whose file older readers understand: those of R, and of anndata before 0.11."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

__all__ = ["make_plain"]


def make_plain(adata: AnnData) -> None:
    """Take out, in place, what the file format gained since anndata 0.10.

    Text in ``obs`` and ``var`` becomes categories, and entries of ``uns`` that are None are left out.
    """
    adata.obs, adata.var = _plain_frame(adata.obs), _plain_frame(adata.var)
    adata.uns = _without_none(adata.uns)


def _plain_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return text columns as categories, in which values may be missing."""
    import pandas as pd

    text = [name for name, kind in frame.dtypes.items() if isinstance(kind, pd.StringDtype)]
    out = frame.astype(dict.fromkeys(text, "category"))
    for name, column in out.items():
        if isinstance(column.dtype, pd.CategoricalDtype) and isinstance(column.cat.categories.dtype, pd.StringDtype):
            out[name] = column.cat.rename_categories(column.cat.categories.astype(object))
    return out


def _without_none(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _without_none(part) if isinstance(part, Mapping) else part
        for name, part in value.items()
        if part is not None
    }

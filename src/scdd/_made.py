"""What a set that scdd made tells of itself in ``uns["scdd"]``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scdd import _keys
from scdd._compat import obs_frame

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["is_profile", "made_with", "provenance"]


def provenance(adata: AnnData) -> Mapping[str, Any]:
    """Return ``uns["scdd"]``; empty where there is none."""
    found = adata.uns.get(_keys.UNS) if hasattr(adata, "uns") else None
    return found if isinstance(found, Mapping) else {}


def made_with(adata: AnnData) -> str | None:
    """Return the label column that a set was made with, where it still has it."""
    told = provenance(adata)
    params = told.get("params")
    key = told.get("labels_key") or (params.get("labels_key") if isinstance(params, Mapping) else None)
    return str(key) if key is not None and str(key) in obs_frame(adata).columns else None


def is_profile(adata: AnnData) -> bool:
    """Tell whether the rows of a set are means of cells."""
    return str(provenance(adata).get("kind")) == "profile"

"""Cells and small sets that are looked at and not learned from: the door without its advice on training data."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scdd._about import about
from scdd._compat import obs_frame
from scdd.errors import GeneError, ScddWarning
from scdd.pp._check import CheckedInput, check
from scdd.pp._labels import Unlabeled, is_placeholder, read_column
from scdd.pp._text import first

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

__all__ = ["gene_positions", "read_quietly", "unlabeled_as_in"]


def read_quietly(
    adata: AnnData, labels_key: str | None, layer: str | None, *, unlabeled: Unlabeled = "drop", profiles: bool = False
) -> CheckedInput:
    """Go through the door; few cells, unused categories and labels like barcodes are no news here.

    Parameters
    ----------
    adata, labels_key, layer, unlabeled
        As for :func:`scdd.pp.check`.
    profiles
        Take the values as they are: means of cells are no counts.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScddWarning)
        return check(
            adata,
            labels_key=labels_key,
            layer=layer,
            unlabeled=unlabeled,
            allow_profiles=profiles,
            allow_identifiers=True,
        )


def unlabeled_as_in(syn: AnnData, labels_key: str | None) -> Unlabeled:
    """Return what to do with cells without a label: they are a class where ``syn`` was made with a class of them.

    Where ``syn`` is no set of scdd, such as some cells, they are left out.
    """
    told = about(syn)
    key = labels_key or told.labels_key
    if not told.kind or key is None or key not in obs_frame(syn).columns:
        return "drop"
    return "class" if any(map(is_placeholder, read_column(syn, key, "labels_key").names)) else "drop"


def gene_positions(wanted: pd.Index, present: pd.Index, role: str = "adata") -> NDArray[np.int64] | None:
    """Return where the wanted genes are, int64 (n_wanted,), or None where both are the same list.

    Raises
    ------
    scdd.errors.GeneError
        If one of them is not there; ``role`` names the input in the message.
    """
    if wanted.equals(present):
        return None
    position = np.asarray(present.get_indexer(wanted), dtype=np.int64)
    missing = wanted[position < 0]
    if len(missing):
        msg = (
            f"{role} lacks {len(missing)} of {len(wanted)} genes of syn: {first(map(str, missing))}. Genes are matched by "
            "var_names: use the same identifiers (symbols or Ensembl ids) in both, or restrict syn to the shared genes."
        )
        raise GeneError(msg)
    return position

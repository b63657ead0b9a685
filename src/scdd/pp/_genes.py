"""The genes at the door: there are some, each has a name, no name is used twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scdd._compat import var_frame
from scdd.errors import GeneError
from scdd.pp._text import first

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def check_genes(adata: AnnData) -> pd.DataFrame:
    """Return a copy of ``adata.var``, or raise where the names cannot be used.

    Raises
    ------
    scdd.errors.GeneError
        If there are no genes, or names are empty or repeated.
    """
    if adata.n_vars == 0:
        msg = f"The input has no genes (shape {adata.n_obs} x 0). Check the filters that were applied to it."
        raise GeneError(msg)
    var = var_frame(adata)
    names = var.index
    empty = names.isna() | (names.astype(str).str.strip() == "")
    if empty.any():
        msg = f"{int(empty.sum())} genes have no name (positions {first(empty.nonzero()[0].tolist())}). Name or remove them."
        raise GeneError(msg)
    repeated = names[names.duplicated()].unique()
    if len(repeated):
        msg = (
            f"{len(repeated)} gene names are used more than once: {first(repeated)}. "
            "Genes are matched by name: remove or sum the duplicates, or call adata.var_names_make_unique()."
        )
        raise GeneError(msg)
    return var.copy()

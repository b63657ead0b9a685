"""New cells for a trained model: their genes in its order, their classes among those it knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scdd._compat import is_in_memory_sparse, obs_frame
from scdd.errors import GeneError, InputError, LabelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from scdd.data import Source
    from scdd.pp import CheckedInput


class KeptObsm(Mapping[str, Any]):
    """Embeddings of the kept cells as dense arrays; each is made when it is asked for, for most are never used.

    Parameters
    ----------
    obsm
        ``obsm`` of an AnnData: arrays, sparse matrices or data frames.
    kept
        The cells that were kept.
    """

    def __init__(self, obsm: Mapping[str, Any], kept: NDArray[np.int64] | slice) -> None:
        self._obsm, self._kept = obsm, kept

    def __getitem__(self, key: str) -> NDArray[Any]:
        value = self._obsm[key]
        if is_in_memory_sparse(value):
            return np.asarray(value.tocsr()[self._kept].toarray())
        return np.asarray(value)[self._kept]

    def __iter__(self) -> Iterator[str]:
        return iter(self._obsm)

    def __len__(self) -> int:
        return len(self._obsm)


def align_genes(adata: AnnData, genes: Sequence[str]) -> AnnData:
    """Return the cells with the genes of the model, in its order; further genes are left out.

    Raises
    ------
    scdd.errors.GeneError
        If a gene is missing or a name is used twice.
    """
    names = pd.Index([str(g) for g in adata.var_names])
    if list(names) == list(genes):
        return adata
    if not names.is_unique:
        msg = f"{int(names.duplicated().sum())} gene names are used more than once. Run adata.var_names_make_unique()."
        raise GeneError(msg)
    position = names.get_indexer(pd.Index(list(genes)))
    missing = np.flatnonzero(position < 0)
    if len(missing):
        first = ", ".join(genes[i] for i in missing[:5])
        msg = f"{len(missing)} of the model's {len(genes)} genes are missing: {first}. Use cells with the same genes."
        raise GeneError(msg)
    return adata[:, position]


def require_all_kept(checked: CheckedInput, adata: AnnData) -> None:
    """Raise where the door left cells out: a registered AnnData and its model must hold the same cells."""
    left_out = adata.n_obs - len(checked.kept)
    if left_out:
        msg = f"{left_out} cells have no counts. Remove them first: sc.pp.filter_cells(adata, min_counts=1)."
        raise InputError(msg)


def require_all_batches(adata: AnnData, batch_key: str | None) -> None:
    """Raise where cells have no batch: scvi-tools registers none."""
    missing = 0 if batch_key is None else int(obs_frame(adata)[batch_key].isna().sum())
    if missing:
        msg = (
            f"{missing} values of obs[{batch_key!r}] are missing, and scvi-tools registers no such cells. Name their batch: "
            f"adata.obs[{batch_key!r}] = adata.obs[{batch_key!r}].astype(object).fillna('missing').astype('category')."
        )
        raise LabelError(msg)


def class_sizes(source: Source) -> NDArray[np.int64]:
    """Return the number of cells (n_classes,) of each class of the model.

    Raises
    ------
    scdd.errors.LabelError
        If a class has none.
    """
    sizes = np.bincount(source.labels, minlength=len(source.class_names))
    if not sizes.all():
        absent = [name for name, n in zip(source.class_names, sizes, strict=True) if not n]
        msg = (
            f"There are no cells of {len(absent)} of the {len(sizes)} classes of the model: "
            f"{', '.join(map(repr, absent[:5]))}. Distil cells of all its classes, or train a model on these."
        )
        raise LabelError(msg)
    return sizes

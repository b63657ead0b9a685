"""The door of pretraining: AnnData and files become sources, names of genes and a hash."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scdd._compat import var_frame, warn
from scdd._genes import identify_genes
from scdd._genes._identify import as_text
from scdd.data import Source
from scdd.encoders._pretrain._config import Study
from scdd.encoders._pretrain._corpus import Opened
from scdd.encoders._weights import sha256
from scdd.errors import GeneError, InputError, InputTypeError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

_SYMBOLS = ("feature_name", "gene_symbols", "gene_symbol", "gene_name", "symbol", "gene_short_name")
_BLOCK = 4096


def as_studies(data: Sequence[Any], *, labels_key: str | None, batch_key: str | None) -> list[Study]:
    """Return what was given as studies: those that are none yet get the keys, and must have these columns.

    Raises
    ------
    scdd.errors.InputTypeError
        If ``data`` is not a list.
    scdd.errors.InputError
        If it is empty, or two studies have one name.
    """
    if isinstance(data, str | os.PathLike | Study) or not isinstance(data, Sequence):
        msg = f"pretrain takes a list of AnnData, paths or Study, got a {type(data).__name__}."
        raise InputTypeError(msg)
    studies = [
        item if isinstance(item, Study) else Study(item, _name(item, i), labels_key=labels_key, batch_key=batch_key)
        for i, item in enumerate(data)
    ]
    names = [study.title for study in studies]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        msg = (
            f"Two data sets have the name {twice[0]!r}: name them, Study(..., name=...)."
            if twice
            else "pretrain needs at least one data set."
        )
        raise InputError(msg)
    return studies


def open_study(study: Study, *, backed: bool = False) -> Opened:
    """Read a data set through the door that all of scdd shares.

    Parameters
    ----------
    study
        What to read.
    backed
        Leave the counts of files on disk.

    Raises
    ------
    scdd.errors.InputError
        If there is no such file, or it is of another kind; and whatever :func:`scdd.pp.check` raises.
    """
    from scdd.pp import check
    from scdd.pp._check import check_type
    from scdd.pp._genes import check_genes

    adata = study.data if not isinstance(study.data, str | os.PathLike) else _read(Path(study.data), backed=backed)
    check_type(adata)
    if study.labels_key is None:
        check_genes(adata)
        source = _unlabelled(adata, study)
    else:
        source = check(
            adata, labels_key=study.labels_key, batch_key=study.batch_key, layer=study.layer, unlabeled="drop"
        ).source
    var = var_frame(adata)
    symbols = _symbols(np.asarray(adata.var_names, dtype=object), var, study.title)
    digest, of = _digest(study.data, source, symbols)
    return Opened(study, source, symbols, var, study.labels_key is not None, digest, of)


def _unlabelled(adata: AnnData, study: Study) -> Source:
    """Return the cells as those of one class, in their batches."""
    import pandas as pd

    from scdd.pp._labels import Column, check_groups, read_column
    from scdd.pp._unlabelled import unlabelled_source

    if study.batch_key is None:
        return unlabelled_source(adata, study.layer)
    one_class = Column("", np.zeros(adata.n_obs, np.int32), np.zeros(1, np.int64), pd.Index(["cell"]))
    batches, found = check_groups(read_column(adata, study.batch_key, "batch_key"), one_class)
    for message in found:
        warn(message)
    source = unlabelled_source(adata, study.layer)
    source.batches, source.batch_names = batches.codes, batches.names
    return source


def _name(item: Any, number: int) -> str:
    return "" if isinstance(item, str | os.PathLike) else f"data_{number}"


def _read(path: Path, *, backed: bool) -> AnnData:
    import anndata

    path = path.expanduser()
    if not path.exists():
        msg = f"There is no {path}."
        raise InputError(msg)
    if path.suffix == ".zarr":
        return anndata.experimental.read_lazy(path) if backed else anndata.read_zarr(path)
    if path.suffix != ".h5ad":
        msg = f"{path} is neither an .h5ad file nor a .zarr store."
        raise InputError(msg)
    return anndata.read_h5ad(path, backed="r" if backed else None)


def _symbols(names: NDArray[Any], var: pd.DataFrame, title: str) -> NDArray[Any]:
    """Return the symbols in capitals, which human and mouse share: the names of the genes, or a column of ``var``.

    Genes without a symbol have an empty one, which no vocabulary holds.
    """
    if identify_genes(names).kind == "ensembl":
        column = next((key for key in _SYMBOLS if key in var.columns), None)
        if column is None:
            msg = f"The genes of {title!r} are Ensembl ids: put their symbols into var['gene_symbols']."
            raise GeneError(msg)
        names = np.asarray(var[column], dtype=object)
    return np.array([name.upper() for name in as_text(names)], dtype=object)


def _digest(data: Any, source: Source, symbols: NDArray[Any]) -> tuple[str, str]:
    """Return the sha256 of a file, of all files of a store, or of the cells in memory, and which of these it is."""
    if isinstance(data, str | os.PathLike):
        path = Path(data).expanduser()
        if path.is_file():
            return sha256(path), "the file"
        files = sorted(file for file in path.rglob("*") if file.is_file())
        whole = hashlib.sha256()
        for file in files:
            whole.update(f"{file.relative_to(path).as_posix()}/{sha256(file)}\n".encode())
        return whole.hexdigest(), "the files of the store"
    whole = hashlib.sha256("\n".join(symbols).encode())
    whole.update(source.labels.tobytes())
    for _, counts in source.blocks(_BLOCK):
        for part in (counts.data, counts.indices.astype(np.int64), counts.indptr.astype(np.int64)):
            whole.update(np.ascontiguousarray(part).tobytes())
    return whole.hexdigest(), "genes, labels and counts"

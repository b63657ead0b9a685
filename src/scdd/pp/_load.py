"""From ``X`` or a layer, wherever it lies, to scanned canonical counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd._compat import backed_parts, is_backed_sparse, is_dask, is_in_memory_sparse, layer_names
from scdd.data._backed import RowReader
from scdd.data._matrix import canonical_csr, row_sums
from scdd.errors import InputError, InputTypeError
from scdd.pp._counts import CountScan
from scdd.pp._text import first

if TYPE_CHECKING:
    from anndata import AnnData

_BLOCK = 4096  # rows of a matrix on disk that are looked at together


@dataclass(frozen=True)
class Loaded:
    """Counts that were looked at once.

    Attributes
    ----------
    counts
        Canonical CSR float32 (n_obs, n_vars) in memory, or the reader of a matrix that stays on disk.
    scan
        What the look found.
    library
        Sums of the cells, float64 (n_obs,).
    """

    counts: sp.csr_matrix | RowReader
    scan: CountScan
    library: NDArray[np.float64]


def load_counts(adata: AnnData, layer: str | None) -> tuple[Loaded, list[str]]:
    """Find the counts, look at every value once, and make them canonical; what is on disk stays there.

    Raises
    ------
    scdd.errors.InputError
        If there is no such layer, or X is None.
    scdd.errors.InputTypeError
        If the matrix is of a type that cannot be read.
    """
    x = _matrix(adata, layer)
    scan = CountScan()
    warnings = []
    if is_backed_sparse(x) and x.format == "csc":
        # the rows of a column-wise file cannot be read in pieces
        warnings.append(
            "The matrix on disk is column-wise (CSC) and was read into memory. Store it as CSR to stream it."
        )
        x = x.to_memory()
    if is_in_memory_sparse(x) or isinstance(x, np.ndarray):
        _check_plain(x)
        scan.update(x)
        # non-finite values would only make noise here: the verdict comes from the scan
        with np.errstate(invalid="ignore", over="ignore"):
            counts = canonical_csr(x)
            return Loaded(counts, scan, row_sums(counts)), warnings
    if not (hasattr(x, "shape") and hasattr(x, "__getitem__")):
        msg = f"X is a {type(x).__name__}, which cannot be read. Convert it to a scipy CSR matrix."
        raise InputTypeError(msg)
    reader = RowReader(x)
    library = np.zeros(reader.shape[0])
    step = reader.step(_BLOCK)
    for start in range(0, reader.shape[0], step):
        raw = reader.raw(np.arange(start, min(start + step, reader.shape[0])))
        scan.update(raw, start)
        with np.errstate(invalid="ignore", over="ignore"):
            library[start : start + step] = row_sums(canonical_csr(raw))
    return Loaded(reader, scan, library), warnings


class ViewRows:
    """Rows of a view of a matrix on disk: the cells and genes of the view are looked up in the parent."""

    def __init__(self, parent: Any, cells: NDArray[np.int64], genes: NDArray[np.int64]) -> None:
        self._reader = RowReader(parent)
        self._cells = cells
        self._genes = genes
        self.shape = (len(cells), len(genes))
        self.sparse_rows = is_backed_sparse(parent)

    def __getitem__(self, index: slice | NDArray[np.int64]) -> Any:
        unique, inverse = np.unique(self._cells[index], return_inverse=True)
        return self._reader.raw(unique)[inverse][:, self._genes]


def _matrix(adata: AnnData, layer: str | None) -> Any:
    if layer is not None:
        names = list(layer_names(adata))
        if layer not in names:
            raw = " There is also adata.raw: pass adata.raw.to_adata()." if adata.raw is not None else ""
            msg = f"There is no layer {layer!r}. Layers: {first(names) if names else 'none'}; layer=None is X.{raw}"
            raise InputError(msg)
        return _in_rows(adata.layers[layer], f"layers[{layer!r}]")
    if adata.isbacked:
        if not adata.file.is_open:
            msg = f"The file of this backed AnnData is closed ({adata.filename}). Open it again: anndata.read_h5ad(path, backed='r')."
            raise InputError(msg)
        parent, cells, genes = backed_parts(adata)
        if adata.is_view and is_backed_sparse(parent) and parent.format == "csc":
            return parent.to_memory()[cells][:, genes]
        if adata.is_view:
            return ViewRows(parent, cells, genes)
    x = adata.X
    if x is None:
        names = list(layer_names(adata))
        hint = f"Give the layer with counts: layer={names[0]!r}." if names else "There are no layers either."
        msg = f"adata.X is None, so there are no counts. {hint}"
        raise InputError(msg)
    return _in_rows(x, "X")


def _in_rows(x: Any, where: str) -> Any:
    if is_dask(x) and len(x.chunks[1]) > 1:
        pieces = len(x.chunks[1])
        msg = f"{where} is a Dask array cut into {pieces} pieces along the genes. Rechunk it: adata.{where}.rechunk((4096, -1))."
        raise InputError(msg)
    return x


def _check_plain(x: Any) -> None:
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
        msg = f"X is a masked array with {int(x.mask.sum())} masked values. Fill them: adata.X = adata.X.filled(0)."
        raise InputTypeError(msg)
    if np.dtype(x.dtype).kind not in "biuf":
        msg = f"X has dtype {x.dtype}, which does not hold counts. Convert it: adata.X = adata.X.astype('float32')."
        raise InputTypeError(msg)

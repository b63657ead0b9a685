"""Are these raw counts? One pass over the values in bounded memory, and a verdict a biologist can act on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd._compat import is_in_memory_sparse, layer_names
from scdd.data._matrix import dense_step
from scdd.errors import CountsError, InputTypeError
from scdd.pp._recover import round_counts, undo_log_normalization, undo_normalization
from scdd.pp._text import first, short

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

Locate = Callable[[int], tuple[int, int]]

_PIECE = 1 << 22  # values that are looked at together
_LOG_MAX = 20.0  # log1p and log2 of any normalised count stay below
_NEARLY = 1e-3  # a count this near to an integer is one
_EXACT = 2**24  # float32 holds integers up to here


@dataclass
class CountScan:
    """What one pass over the values found. Zeros do not take part, whether they are stored or not."""

    n_values: int = 0
    n_bad: int = 0  # not finite
    n_negative: int = 0
    n_fractional: int = 0
    distance: float = 0.0  # largest distance to an integer
    largest: float = 0.0
    total: float = 0.0
    bad: list[tuple[int, int, float]] = field(default_factory=list)  # first offenders: row, column, value
    negative: list[tuple[int, int, float]] = field(default_factory=list)

    def update(self, x: Any, first_row: int = 0) -> None:
        """Look at a block of rows: sparse of any format or dense, as stored (before any cast)."""
        kind = np.dtype(x.dtype).kind
        if kind not in "biuf":
            msg = f"X has dtype {x.dtype}, which does not hold counts. Convert it: adata.X = adata.X.astype('float32')."
            raise InputTypeError(msg)
        for values, locate in _pieces(x, first_row):
            self._look(values, kind, locate)

    def _look(self, values: NDArray[Any], kind: str, locate: Locate) -> None:
        if not len(values):
            return
        self.n_values += int(np.count_nonzero(values))
        if kind == "f":
            finite = np.isfinite(values)
            if not finite.all():
                self.n_bad += _note(~finite, values, locate, self.bad)
                values = np.where(finite, values, 0)
        if kind in "if" and values.min() < 0:
            self.n_negative += _note(values < 0, values, locate, self.negative)
        if kind == "f":
            distance = np.abs(values - np.rint(values))
            self.n_fractional += int(np.count_nonzero(distance))
            self.distance = max(self.distance, float(distance.max()))
        self.largest = max(self.largest, float(values.max()))
        self.total += float(values.sum(dtype=np.float64))

    @property
    def is_counts(self) -> bool:
        """Whether all values are finite, non-negative integers."""
        return not (self.n_bad or self.n_negative or self.n_fractional)


@dataclass(frozen=True)
class Verdict:
    """Values that are let in: how they become counts (None: as they are), and what to warn of."""

    transform: Callable[[sp.csr_matrix], sp.csr_matrix] | None = None
    warnings: tuple[str, ...] = ()


def judge(
    scan: CountScan,
    library: NDArray[np.float64],
    adata: AnnData,
    *,
    layer: str | None,
    allow_normalized: bool = False,
    allow_profiles: bool = False,
) -> Verdict:
    """Judge what a scan found.

    Parameters
    ----------
    scan
        The finished scan.
    library
        Sums of the cells (n_obs,).
    adata
        The input, for names and for the places that do hold counts.
    layer
        Where the values come from.
    allow_normalized
        Let normalised values in: recover counts from them, with a warning.
    allow_profiles
        Let means of cells in, as they are, whatever they look like.

    Raises
    ------
    scdd.errors.CountsError
        If the values are not counts.
    """
    where = "X" if layer is None else f"layers[{layer!r}]"
    if scan.n_bad:
        msg = f"{where} has {scan.n_bad} values that are NaN or infinite, first {_cells(scan.bad, adata)}. Remove or set them."
        raise CountsError(msg)
    share = scan.n_fractional / max(1, scan.n_values)
    if scan.n_negative:
        if scan.n_fractional:
            what = f"{where} looks z-scored or otherwise scaled: {scan.n_negative} negative, non-integer values"
        else:
            what = f"{where} has {scan.n_negative} negative counts"
        msg = f"{what}, first {_cells(scan.negative, adata)}. {_hint(adata, layer)}"
        raise CountsError(msg)
    if allow_profiles and library.any():
        return Verdict()
    if scan.n_fractional and scan.distance > _NEARLY:
        filled = library[library > 0]
        spread = float(filled.std() / filled.mean()) if len(filled) else 0.0
        undo = undo_normalization
        if scan.largest < _LOG_MAX and share > 0.5:
            undo = undo_log_normalization
            what = (
                f"looks log-normalised ({share:.0%} of its values are not integers, the largest is {scan.largest:.3g})"
            )
        elif len(filled) > 1 and spread < 0.05:
            what = f"looks normalised to a fixed depth (cells sum to {np.median(filled):.6g}, values are not integers)"
        else:
            text = (
                f"{share:.1%} of the values of {where} are not integers (largest {scan.largest:.6g}): "
                "they are taken as estimated counts."
            )
            return Verdict(None, (f"{text} {_hint(adata, layer, found_only=True)}".strip(),))
        if not allow_normalized:
            msg = f"{where} {what}; raw counts are needed. {_hint(adata, layer)} To use it all the same: allow_normalized=True."
            raise CountsError(msg)
        text = f"{where} {what}; counts are recovered from it, taking the smallest value of each cell as one count."
        return Verdict(undo, (text,))
    if not library.any():
        msg = f"All values of {where} are zero. {_hint(adata, layer)}"
        raise CountsError(msg)
    warnings = []
    if scan.largest > _EXACT:
        warnings.append(f"The largest count of {where} is {scan.largest:.4g}: above 16,777,216 float32 is not exact.")
    if scan.n_fractional:
        warnings.append(f"{scan.n_fractional} values of {where} are within {_NEARLY} of an integer and are rounded.")
        return Verdict(round_counts, tuple(warnings))
    return Verdict(None, tuple(warnings))


def library_warnings(library: NDArray[np.float64], names: pd.Index) -> list[str]:
    """Warn of cells that are absurdly deep."""
    filled = library[library > 0]
    if not len(filled):
        return []
    middle = float(np.median(filled))
    deep = np.flatnonzero((library > 1e9) | (library > 1e4 * middle))
    if not len(deep):
        return []
    listed = ", ".join(f"{short(names[i])} ({library[i]:.4g})" for i in deep[:5])
    return [f"{len(deep)} cells are far deeper than the others (median {middle:.4g}): {listed}. Are they cells?"]


def _pieces(x: Any, first_row: int) -> Iterator[tuple[NDArray[Any], Locate]]:
    if is_in_memory_sparse(x):
        for start in range(0, len(x.data), _PIECE):
            yield np.asarray(x.data[start : start + _PIECE]), _sparse_locator(x, start, first_row)
        return
    x = np.asarray(x)
    step = dense_step(x.shape[1])
    for start in range(0, x.shape[0], step):
        block = x[start : start + step]
        yield block.ravel(), _dense_locator(x.shape[1], first_row + start)


def _sparse_locator(x: Any, start: int, first_row: int) -> Locate:
    def locate(position: int) -> tuple[int, int]:
        position += start
        if x.format == "coo":
            return first_row + int(x.row[position]), int(x.col[position])
        major = int(np.searchsorted(x.indptr, position, side="right")) - 1
        minor = int(x.indices[position])
        return (first_row + major, minor) if x.format == "csr" else (first_row + minor, major)

    return locate


def _dense_locator(n_columns: int, first_row: int) -> Locate:
    def locate(position: int) -> tuple[int, int]:
        return first_row + position // n_columns, position % n_columns

    return locate


def _note(offends: NDArray[np.bool_], values: NDArray[Any], locate: Locate, into: list[tuple[int, int, float]]) -> int:
    where = np.flatnonzero(offends)
    into += [(*locate(int(i)), float(values[i])) for i in where[: 5 - len(into)]]
    return len(where)


def _cells(offenders: list[tuple[int, int, float]], adata: AnnData) -> str:
    cells, genes = adata.obs_names, adata.var_names
    return "; ".join(f"cell {short(cells[i])}, gene {short(genes[j])}: {value:.4g}" for i, j, value in offenders)


def _hint(adata: AnnData, layer: str | None, *, found_only: bool = False) -> str:
    found = places_with_counts(adata, layer)
    if found:
        return f"Counts were found in {first_plain(found)}."
    names = list(layer_names(adata))
    if found_only:
        return ""
    return f"Give the layer that holds raw counts with layer=. Layers: {first(names) if names else 'none'}."


def first_plain(items: list[str]) -> str:
    """List phrases without quoting them again."""
    return "; ".join(items[:5])


def places_with_counts(adata: AnnData, layer: str | None, n: int = 200) -> list[str]:
    """Name the layers (and raw) that hold counts, by a look at some cells."""
    places: list[tuple[str, Callable[[], Any]]] = [
        (f"layers[{name!r}] (use layer={name!r})", lambda name=name: adata.layers[name])  # type: ignore[misc]
        for name in layer_names(adata)
        if name != layer
    ]
    if layer is not None:
        places.append(("X (use layer=None)", lambda: adata.X))
    if adata.raw is not None:
        places.append(("raw (use adata.raw.to_adata())", lambda: adata.raw.X))
    return [phrase for phrase, get in places if _looks_like_counts(get, n)]


def _looks_like_counts(get: Callable[[], Any], n: int) -> bool:
    try:
        x = get()
        block = x[: min(n, x.shape[0])]
        block = block.compute() if hasattr(block, "compute") else block
        scan = CountScan()
        scan.update(block)
    except Exception:  # noqa: BLE001 a hint must never hide the error that it belongs to
        return False
    return scan.is_counts and scan.largest > 1

"""Real and synthetic cells side by side: what every panel is prepared from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd import _keys
from scdd._about import about
from scdd._compat import layer_names, obs_frame, warn
from scdd._rng import stream
from scdd.data import Source
from scdd.data._matrix import canonical_csr
from scdd.errors import LabelError
from scdd.metrics._preprocess import log_normalize
from scdd.pp import CheckedInput, highly_variable
from scdd.pp._check import check_type
from scdd.pp._counts import judge
from scdd.pp._genes import check_genes
from scdd.pp._labels import Column, read_column
from scdd.pp._load import load_counts
from scdd.pp._quiet import gene_positions, read_quietly, unlabeled_as_in
from scdd.pp._text import first

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


@dataclass(frozen=True, eq=False)
class Pair:
    """Real and synthetic cells with the same genes and classes.

    Attributes
    ----------
    labels_key
        The label column.
    names
        Classes: those of the real cells in the order of their categories, then those that only synthetic rows have.
    real
        The real cells, in memory or on disk; its labels are positions in ``names``.
    genes
        Names of the genes of the synthetic set.
    columns
        int64 (n_genes,): position of each of these genes in ``real``; None: the same genes in the same order.
    counts
        Synthetic ``X``, CSR (n_rows, n_genes).
    labels
        int64 (n_rows,): class of each synthetic row.
    weight
        float64 (n_rows,): real cells that the row stands for, or ones.
    expected
        Expected counts, CSR (n_rows, n_genes), where rows are not single cells; else None.
    dispersion
        Inverse dispersion of the genes (n_genes,), or None.
    half_capture
        Half-capture level of the genes (n_genes,), or None.
    profile
        Whether the rows are means of cells.
    colors
        Colours of ``names`` from ``uns``, or None.
    stored_hvg
        bool (n_genes,) highly variable genes that the synthetic set carries, or None.
    """

    labels_key: str
    names: tuple[str, ...]
    real: Source
    genes: pd.Index
    columns: NDArray[np.int64] | None
    counts: sp.csr_matrix
    labels: NDArray[np.int64]
    weight: NDArray[np.float64]
    expected: sp.csr_matrix | None
    dispersion: NDArray[np.float64] | None
    half_capture: NDArray[np.float64] | None
    profile: bool
    colors: list[str] | None
    stored_hvg: NDArray[np.bool_] | None

    @cached_property
    def hvg(self) -> NDArray[np.bool_]:
        """Highly variable genes of the real cells, bool (n_genes,)."""
        if self.stored_hvg is not None and self.stored_hvg.any():
            return self.stored_hvg
        chosen = highly_variable(self.real)
        return chosen if self.columns is None else chosen[self.columns]

    @property
    def real_sizes(self) -> NDArray[np.int64]:
        """Real cells of each class, (n_classes,)."""
        return np.bincount(self.real.labels, minlength=len(self.names))

    @property
    def synthetic_sizes(self) -> NDArray[np.int64]:
        """Synthetic rows of each class, (n_classes,)."""
        return np.bincount(self.labels, minlength=len(self.names))

    @property
    def shared(self) -> NDArray[np.int64]:
        """Positions of the classes that both sides have."""
        return np.flatnonzero((self.real_sizes > 0) & (self.synthetic_sizes > 0))

    def rows(self, index: NDArray[np.integer]) -> sp.csr_matrix:
        """Return the counts of some real cells in the genes of the synthetic set, CSR (len(index), n_genes)."""
        return self.real.rows(index, self.columns)


@dataclass(frozen=True, eq=False)
class Sample:
    """Real cells drawn evenly from the classes, as log1p of counts per ten thousand.

    Attributes
    ----------
    index
        int64 (n,): positions in the source, ascending.
    labels
        int64 (n,): classes.
    values
        CSR float32 (n, n_genes).
    """

    index: NDArray[np.int64]
    labels: NDArray[np.int64]
    values: sp.csr_matrix


def make_pair(adata: AnnData, syn: AnnData, *, labels_key: str | None, layer: str | None) -> Pair:
    """Read both sets, match their genes and classes by name; neither is changed.

    Raises
    ------
    scdd.errors.GeneError
        If ``adata`` lacks genes of ``syn``.
    scdd.errors.LabelError
        If they share no class.
    """
    labels_key = labels_key if labels_key is not None else about(syn).labels_key
    unlabeled = unlabeled_as_in(syn, labels_key)
    return pair_with(read_quietly(adata, labels_key, layer, unlabeled=unlabeled), syn, layer=layer)


def pair_with(real: CheckedInput, syn: AnnData, *, layer: str | None) -> Pair:
    """Match a synthetic set with real cells that went through the door; see :func:`make_pair`."""
    profile = about(syn).kind == "profile"
    own_layer = layer if layer in list(layer_names(syn)) else None
    column, kept, counts = _read_rows(syn, real.labels_key, own_layer, profile)
    names, lookup = _match_classes(real, column)
    var = check_genes(syn)
    genes = var.index
    expected = canonical_csr(syn.layers[_keys.MEAN])[kept] if _keys.MEAN in list(layer_names(syn)) else None
    obs = obs_frame(syn)
    weight = obs[_keys.WEIGHT].to_numpy(dtype=np.float64)[kept] if _keys.WEIGHT in obs.columns else np.ones(len(kept))
    return Pair(
        labels_key=real.labels_key,
        names=names,
        real=real.source,
        genes=genes,
        columns=gene_positions(genes, real.var.index),
        counts=counts,
        labels=lookup[column.codes[kept]],
        weight=weight,
        expected=expected,
        dispersion=_column(var, _keys.DISPERSION),
        half_capture=_column(var, _keys.HALF_CAPTURE),
        profile=profile,
        colors=_stored_colors(real, syn, column, names),
        stored_hvg=var[_keys.HVG].to_numpy(dtype=bool) if _keys.HVG in var.columns else None,
    )


def _column(var: pd.DataFrame, name: str) -> NDArray[np.float64] | None:
    return var[name].to_numpy(dtype=np.float64) if name in var.columns else None


def draw_sample(pair: Pair, max_cells: int, seed: int) -> Sample:
    """Draw at most ``max_cells`` real cells; large classes give way first, so that rare ones stay whole."""
    index = balanced_cells(pair.real.labels, max_cells, seed)
    return Sample(index, pair.real.labels[index].astype(np.int64), log_normalize(pair.rows(index)))


def balanced_cells(labels: NDArray[np.integer], max_cells: int, seed: int) -> NDArray[np.int64]:
    """Return positions of at most ``max_cells`` cells, ascending: no class gives more than the same cap."""
    if len(labels) <= max_cells:
        return np.arange(len(labels))
    sizes = np.bincount(labels)
    cap = _cap(sizes[sizes > 0], max_cells)
    rng = stream(seed, "pl", "sample")
    chosen = [
        rng.choice(cells, min(cap, len(cells)), replace=False)
        for cells in (np.flatnonzero(labels == k) for k in np.flatnonzero(sizes))
    ]
    index = np.concatenate(chosen)
    if len(index) > max_cells:
        # more classes than cells
        index = rng.choice(index, max_cells, replace=False)
    return np.sort(index)


def _cap(sizes: NDArray[np.int64], budget: int) -> int:
    """Return the largest cap for which the capped sizes stay within the budget; at least one."""
    low, high = 1, int(sizes.max())
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if np.minimum(sizes, middle).sum() <= budget else (low, middle - 1)
    return low


def _read_rows(
    syn: AnnData, labels_key: str, layer: str | None, profile: bool
) -> tuple[Column, NDArray[np.int64], sp.csr_matrix]:
    """Return the labels, the rows that have one, and their counts.

    The rules of the door on labels are for cells: a set with one row per class is right, though its labels look like
    barcodes.
    """
    check_type(syn)
    column = read_column(syn, labels_key, "labels_key")
    loaded, _ = load_counts(syn, layer)
    verdict = judge(loaded.scan, loaded.library, syn, layer=layer, allow_profiles=profile)
    kept = np.flatnonzero((column.codes >= 0) & (loaded.library > 0))
    if not len(kept):
        msg = f"No row of syn has both a label in obs[{labels_key!r}] and a count."
        raise LabelError(msg)
    counts = loaded.counts[kept] if isinstance(loaded.counts, sp.csr_matrix) else loaded.counts.rows(kept)
    return column, kept, counts if verdict.transform is None else verdict.transform(counts)


def _match_classes(real: CheckedInput, column: Column) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    names = list(real.source.class_names)
    known = set(names)
    extra = [name for name in column.names if name not in known]
    if len(extra) == len(column.names):
        msg = (
            f"adata and syn share no class in obs[{real.labels_key!r}]: {first(names)} in adata, {first(extra)} in syn. "
            "Give the column that both were labelled by with labels_key=."
        )
        raise LabelError(msg)
    if extra:
        warn(f"{len(extra)} classes of syn have no cell in adata: {first(extra)}.")
    names += extra
    code = {name: i for i, name in enumerate(names)}
    return tuple(names), np.array([code[name] for name in column.names], dtype=np.int64)


def _stored_colors(real: CheckedInput, syn: AnnData, column: Column, names: tuple[str, ...]) -> list[str] | None:
    """Return the colours of all classes from the real cells, else from the synthetic set; None unless all are known."""
    stored = syn.uns.get(f"{real.labels_key}_colors")
    for categories, colors in ((real.label_categories, real.colors), (column.categories, stored)):
        if colors is not None and not isinstance(colors, str) and len(colors) == len(categories):
            known = {str(name): str(color) for name, color in zip(categories, colors, strict=True)}
            if all(name in known for name in names):
                return [known[name] for name in names]
    return None

"""The one door: whatever AnnData comes in, canonical counts, labels, batches and genes go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scdd._compat import warn
from scdd.data import BackedSource, MemorySource, Source
from scdd.data._backed import RowReader
from scdd.errors import InputError, InputTypeError, LabelError
from scdd.pp._counts import Verdict, judge, library_warnings
from scdd.pp._genes import check_genes
from scdd.pp._labels import Column, Unlabeled, check_groups, check_labels, read_column, resolve_labels_key
from scdd.pp._load import Loaded, load_counts
from scdd.pp._text import first

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


@dataclass(frozen=True, eq=False)
class CheckedInput:
    """What went through the door.

    Attributes
    ----------
    source
        Counts, labels, batches and donors of the kept cells: in memory, or on disk where the input is on disk.
    var
        A copy of ``adata.var``.
    labels_key
        The label column.
    label_categories
        Categories of the label column in the input's order, unused ones included. A column that is not categorical has
        its sorted values.
    label_ordered
        Whether these are ordered.
    class_codes
        int64 (n_classes,): position in ``label_categories`` of each class of ``source.class_names``.
    batch_key, batch_categories, batch_ordered, batch_codes
        The same of the batch column; None without one.
    donor_key
        The column of the units of inner splits, by default the batch column; None where there is neither.
    donor_names
        Names of the donors, by the codes of ``source.donors``; None without donors.
    colors
        Colours of ``label_categories`` from ``uns``; None where there are none that fit.
    kept
        int64 (source.n_obs,): the input's cells that were kept; cells without a label or without any count may be left out.
    layer
        The layer the counts come from; None: ``X``.
    unlabeled, allow_normalized
        As they were asked for.
    warnings
        All warnings, as they were given.
    count_warnings
        Those of them that tell of the counts.
    """

    source: Source
    var: pd.DataFrame
    labels_key: str
    label_categories: pd.Index
    label_ordered: bool
    class_codes: NDArray[np.int64]
    batch_key: str | None
    batch_categories: pd.Index | None
    batch_ordered: bool
    batch_codes: NDArray[np.int64] | None
    donor_key: str | None
    donor_names: tuple[str, ...] | None
    colors: list[str] | None
    kept: NDArray[np.int64]
    layer: str | None
    unlabeled: Unlabeled
    allow_normalized: bool
    warnings: tuple[str, ...]
    count_warnings: tuple[str, ...]


def check(
    adata: AnnData,
    *,
    labels_key: str | None = None,
    batch_key: str | None = None,
    donor_key: str | None = None,
    layer: str | None = None,
    unlabeled: Unlabeled = "error",
    allow_normalized: bool = False,
    allow_profiles: bool = False,
    allow_identifiers: bool = False,
) -> CheckedInput:
    """Check an AnnData once, and make it canonical; the input itself is never changed.

    Parameters
    ----------
    adata
        Cells x genes with raw counts: sparse or dense of any format, a view, backed, or lazy.
    labels_key
        Column of ``obs`` with the classes. None: ``"cell_type"``, else an error that lists the candidates.
    batch_key
        Column of ``obs`` with the batches.
    donor_key
        Column of ``obs`` with the unit of inner splits. None: ``batch_key``.
    layer
        Layer that holds the counts. None: ``X``.
    unlabeled
        Cells whose label is missing, empty or a word such as "Unknown": ``"error"``, ``"drop"`` them, or keep them as a
        ``"class"``.
    allow_normalized
        Let normalised values in, with a warning: counts are recovered by taking the smallest value of a cell as one count
        (exact for nearly every UMI cell). Scaled (z-scored) values cannot be used.
    allow_profiles
        Let means of cells in, as the methods of :func:`scdd.tl.coreset` make them: no integers, and taken as they are.
    allow_identifiers
        Let labels in of which there are nearly as many as cells, as in a distilled set with one row for each class.
        Otherwise more than 100 of them are taken for barcodes.

    Returns
    -------
    The canonical input. Warnings are given as :class:`~scdd.errors.ScddWarning` and collected in ``warnings``. Cells
    without a single count are left out, with a warning.

    Raises
    ------
    scdd.errors.InputTypeError
        If the input is not an AnnData, or its matrix does not hold numbers.
    scdd.errors.CountsError
        If the matrix does not hold raw counts.
    scdd.errors.LabelError
        If a column is absent or cannot be used.
    scdd.errors.GeneError
        If gene names are empty or repeated.
    scdd.errors.InputError
        If there is nothing in the input.

    Examples
    --------
    >>> import scdd
    >>> checked = scdd.pp.check(scdd.datasets.simulate(n_obs=100, n_vars=50), batch_key="donor")
    >>> checked.source.class_names
    ('class_0', 'class_1', 'class_2', 'class_3')
    """
    check_type(adata)
    warnings: list[str] = []
    # cheap things first: names before values
    labels_key = resolve_labels_key(adata, labels_key)
    labels, found = check_labels(
        read_column(adata, labels_key, "labels_key"), unlabeled, allow_identifiers=allow_identifiers
    )
    warnings += found
    batches = donors = None
    if batch_key is not None:
        batches, found = check_groups(read_column(adata, batch_key, "batch_key"), labels)
        warnings += found
    if donor_key is None or donor_key == batch_key:
        donor_key, donors = batch_key, batches
    else:
        donors, found = check_groups(read_column(adata, donor_key, "donor_key"), labels)
        warnings += found
    var = check_genes(adata)
    if not adata.obs_names.is_unique:
        n = int(adata.obs_names.duplicated().sum())
        warnings.append(f"{n} cell names are used more than once; the result gets names of its own.")

    loaded, found = load_counts(adata, layer)
    warnings += found
    verdict = judge(
        loaded.scan,
        loaded.library,
        adata,
        layer=layer,
        allow_normalized=allow_normalized,
        allow_profiles=allow_profiles,
    )
    count_warnings = (*verdict.warnings, *library_warnings(loaded.library, adata.obs_names))
    warnings += count_warnings
    labelled = labels.codes >= 0
    empty = labelled & ~(loaded.library > 0)
    if empty.any():
        names = first(adata.obs_names[i] for i in np.flatnonzero(empty)[:6])
        warnings.append(f"{int(empty.sum())} cells without a single count are left out: {names}.")
    kept = np.flatnonzero(labelled & ~empty)
    if not len(kept):
        msg = "No cell has both a label and a count."
        raise InputError(msg)
    lost = np.setdiff1d(np.arange(len(labels.used)), labels.codes[kept])
    if len(lost):
        msg = (
            f"{len(lost)} classes of obs[{labels_key!r}] have cells, but none with a single count: "
            f"{first(labels.names[k] for k in lost)}. Remove these cells."
        )
        raise LabelError(msg)

    batches = None if batches is None else _restrict(batches, kept)
    donors = None if donors is None else _restrict(donors, kept)
    source = _source(loaded, kept, labels, batches, donors, verdict)
    for message in warnings:
        warn(message)
    return CheckedInput(
        source=source,
        var=var,
        labels_key=labels_key,
        label_categories=labels.categories,
        label_ordered=labels.ordered,
        class_codes=labels.used,
        batch_key=batch_key,
        batch_categories=None if batches is None else batches.categories,
        batch_ordered=batches is not None and batches.ordered,
        batch_codes=None if batches is None else batches.used,
        donor_key=donor_key,
        donor_names=None if donors is None else donors.names,
        colors=_colors(adata, labels_key, len(labels.categories)),
        kept=kept,
        layer=layer,
        unlabeled=unlabeled,
        allow_normalized=allow_normalized,
        warnings=tuple(warnings),
        count_warnings=count_warnings,
    )


def check_type(adata: Any) -> None:
    """Raise where the input is no AnnData, or holds no cells."""
    from anndata import AnnData

    if not isinstance(adata, AnnData):
        hints = {
            "MuData": ' Pass one modality: mdata["rna"].',
            "SpatialData": ' Pass its table: sdata.tables["table"].',
            "DataFrame": " Make one: anndata.AnnData(frame) with cells as rows, and put the labels into .obs.",
            "str": " Read it first: anndata.read_h5ad(path).",
            "PosixPath": " Read it first: anndata.read_h5ad(path).",
            "WindowsPath": " Read it first: anndata.read_h5ad(path).",
        }
        name = type(adata).__name__
        msg = f"An AnnData is needed, got {name}.{hints.get(name, '')}"
        raise InputTypeError(msg)
    if adata.n_obs == 0:
        msg = f"The input has no cells (shape 0 x {adata.n_vars}). Check the filters that were applied to it."
        raise InputError(msg)


def _restrict(column: Column, kept: NDArray[np.int64]) -> Column:
    """Keep some cells of a column, and only the values that these have."""
    codes = column.codes[kept]
    left, new = np.unique(codes, return_inverse=True)
    return Column(column.key, new.astype(np.int32), column.used[left], column.categories, column.ordered)


def _source(
    loaded: Loaded,
    kept: NDArray[np.int64],
    labels: Column,
    batches: Column | None,
    donors: Column | None,
    verdict: Verdict,
) -> Source:
    counts, transform = loaded.counts, verdict.transform
    # what is changed has other sums
    library = loaded.library[kept] if transform is None else None
    batch_codes = None if batches is None else batches.codes
    batch_names = ("all",) if batches is None else batches.names
    donor_codes = None if donors is None else donors.codes
    if isinstance(counts, RowReader):
        return BackedSource(
            counts if transform is None else counts.with_transform(transform),
            labels.codes[kept],
            labels.names,
            batches=batch_codes,
            batch_names=batch_names,
            donors=donor_codes,
            library=library,
            kept=kept,
        )
    if len(kept) < counts.shape[0]:
        counts = counts[kept]
    return MemorySource(
        counts if transform is None else transform(counts),
        labels.codes[kept],
        labels.names,
        batches=batch_codes,
        batch_names=batch_names,
        donors=donor_codes,
        library=library,
    )


def _colors(adata: AnnData, labels_key: str, n_categories: int) -> list[str] | None:
    colors = adata.uns.get(f"{labels_key}_colors")
    if colors is None or isinstance(colors, str) or len(colors) != n_categories:
        return None
    return [str(color) for color in colors]

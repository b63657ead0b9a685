"""``scdd.pl.markers``: marker genes of the classes as dots, real against synthetic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd._names import several
from scdd._rng import Seed, canonical_seed
from scdd._settings import FROM_SETTINGS
from scdd.pl._arguments import check_counts
from scdd.pl._figure import Box, canvas, size_of, write_nothing
from scdd.pl._ink import heat, ink
from scdd.pl._layout import largest, name_room, name_rows, row_font, row_pitch, shown_classes
from scdd.pl._markers import class_means, prepare_markers
from scdd.pl._means import positive_shares
from scdd.pl._pair import Pair, Sample, draw_sample, make_pair
from scdd.pl._palette import Palette, class_colors, ellipsis

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHARES = (0.1, 0.5, 1.0)  # of the legend
_GAP = 1.0  # columns between the two sets


def markers(
    adata: AnnData,
    syn: AnnData,
    *,
    var_names: str | Sequence[str] | None = None,
    labels_key: str | None = None,
    layer: str | None = None,
    n_markers: int = 3,
    max_cells: int = 5000,
    palette: Palette = None,
    title: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool = False,
    seed: Seed = FROM_SETTINGS,
) -> Figure | None:
    """Draw marker genes of every class as dots, real cells on the left and synthetic rows on the right.

    The colour is the mean of log1p counts per ten thousand, relative to the class in which real cells show most of the gene; the
    area is the share of cells with a count of it. Denoised rows are no single cells: their share is the one that cells
    scattered around their expected counts would have; means of cells (profiles) have none and are drawn as squares.

    Parameters
    ----------
    adata
        The real cells that ``syn`` was made from, with raw counts.
    syn
        The synthetic set; genes and classes are matched by name.
    var_names
        Genes to show, in this order. None: markers found on real cells, those of a class beside each other.
    labels_key
        Column of ``obs`` with the classes, in both. None: the one ``syn`` was made with, else ``"cell_type"``.
    layer
        Layer of ``adata`` that holds the counts. None: ``X``.
    n_markers
        Marker genes of each class; fewer where there are many classes.
    max_cells
        Real cells that are looked at, drawn evenly from the classes.
    palette
        Colours of the classes, as in :func:`scdd.pl.compare`.
    title
        Title of the axes.
    ax
        Axes to draw on. None: those of a new figure.
    show
        Show the figure. None: ``scanpy.settings.autoshow``, unless ``return_fig`` or ``ax`` is given.
    return_fig
        Return the figure.
    seed
        Integer, numpy Generator or None: which real cells are drawn. Default: ``scdd.settings.seed``.

    Returns
    -------
    The figure with ``return_fig=True``, or where it is a new one that is not shown, else None.

    Raises
    ------
    scdd.errors.GeneError
        If ``syn`` lacks genes of ``var_names``, or ``adata`` genes of ``syn``.
    scdd.errors.InputError
        If an argument cannot be used.

    Examples
    --------
    >>> import scdd
    >>> adata = scdd.datasets.simulate(n_obs=100, n_vars=60)
    >>> syn = scdd.tl.coreset(adata, 3)
    >>> figure = scdd.pl.markers(adata, syn, var_names=["gene_1", "gene_2"], show=False)
    """
    check_counts(n_markers=n_markers, max_cells=max_cells)
    pair = make_pair(adata, syn, labels_key=labels_key, layer=layer)
    colors = class_colors(pair.names, palette, pair.colors)
    classes = shown_classes(pair.real_sizes + pair.synthetic_sizes)
    sample = draw_sample(pair, max_cells, canonical_seed(seed))
    genes = None if var_names is None else several(var_names)
    table = prepare_dots(pair, sample, n_markers=n_markers, classes=classes, genes=genes)
    n_genes = table["gene"].nunique()
    pitch, font = row_pitch(len(classes))
    columns = 2 * n_genes + _GAP
    width = max(columns * float(np.clip(11.5 / columns, 0.1, 0.24)), 2.0)
    box = Box(
        width, max(pitch * len(classes), 0.9), left=name_room([pair.names[k] for k in classes], font), right=1.25,
        top=0.75, bottom=1.0,
    )  # fmt: skip
    at = canvas(ax, box, show=show, return_fig=return_fig)
    draw_dots(table, at.ax)
    name_rows(at.ax, pair.names, classes, colors=colors, font=row_font(at.ax, len(classes)))
    text = title or f"Marker genes{largest(len(classes), len(pair.names))}"
    at.ax.set_title(ellipsis(text, 60), fontsize=10, loc="left", pad=20, parse_math=False)
    return at.done(return_fig=return_fig)


def prepare_dots(
    pair: Pair,
    sample: Sample,
    *,
    n_markers: int,
    classes: NDArray[np.integer] | None = None,
    genes: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return the table of :func:`~scdd.pl._markers.prepare_markers` and the column share: cells that show the gene."""
    table = prepare_markers(pair, sample, n_markers=n_markers, classes=classes, genes=genes)
    names = list(dict.fromkeys(table["gene"]))
    columns = pair.genes.astype(str).get_indexer(names)
    n = len(pair.names)
    seen = sp.csr_matrix(sample.values[:, columns] > 0, dtype=np.float64)
    real = class_means(seen, sample.labels, n)
    synthetic = class_means(sp.csr_matrix(positive_shares(pair)[:, columns]), pair.labels, n, pair.weight)
    if pair.profile:
        synthetic[:] = np.nan
    at = (table["class"].to_numpy(), np.array([names.index(gene) for gene in table["gene"]], dtype=np.int64))
    return table.assign(share=np.where(table["set"] == "real", real[at], synthetic[at]))


def draw_dots(table: pd.DataFrame, ax: Axes) -> None:
    """Draw both sets into one axes: a row for each class, real genes on the left, the same genes on the right."""
    genes = list(dict.fromkeys(table["gene"]))
    classes = list(dict.fromkeys(table["class"]))
    if not genes:
        write_nothing(ax, "no marker genes to display")
        return
    width, height = size_of(ax)
    cell = min(width / (2 * len(genes) + _GAP), height / max(len(classes), 1)) * 72  # points
    most = (0.95 * cell) ** 2
    place = {gene: float(k) for k, gene in enumerate(genes)}
    row = {code: k for k, code in enumerate(classes)}
    look: dict[str, Any] = {
        "cmap": heat(),
        "vmin": 0,
        "vmax": 1,
        "edgecolors": ink(0.65),
        "linewidths": 0.3,
    }
    image = None
    for which, offset in (("real", 0.0), ("synthetic", len(genes) + _GAP)):
        side = table[(table["set"] == which) & table["value"].notna()]
        x = offset + side["gene"].map(place).to_numpy(dtype=float)
        y = side["class"].map(row).to_numpy(dtype=float)
        share = side["share"].to_numpy(dtype=float)
        known = np.isfinite(share)
        for part, marker, area in ((known, "o", share * most), (~known, "s", np.full(len(side), 0.4 * most))):
            if part.any():
                image = ax.scatter(
                    x[part], y[part], s=area[part], c=side["scaled"].to_numpy()[part], marker=marker, **look
                )
        lacking = [row[code] for code in classes if code not in set(side["class"])]
        for at in lacking:
            ax.plot([offset, offset + len(genes) - 1], [at, at], color=ink(0.17), linewidth=1.0, zorder=0)
        ax.text(offset - 0.4, -0.75, which, fontsize=9, va="bottom", ha="left")
    ax.axvline(len(genes) - 0.5 + _GAP / 2, color=ink(0.4), linewidth=0.8)
    _group_lines(table, genes, ax)
    ax.set(xlim=(-0.6, 2 * len(genes) + _GAP - 0.4), ylim=(len(classes) - 0.4, -0.6))
    size = float(np.clip(width / (2 * len(genes) + _GAP) * 72 * 0.9, 4.5, 8))
    places = [*range(len(genes)), *(len(genes) + _GAP + k for k in range(len(genes)))]
    # gene names are text, not mathematics
    ax.set_xticks(places, labels=2 * [ellipsis(g, 14) for g in genes], rotation=90, fontsize=size, parse_math=False)
    ax.tick_params(axis="x", length=2, pad=1)
    for spine in ax.spines.values():
        spine.set_linewidth(0.5)
    if image is not None:
        _legend(ax, image, most, with_shares=bool(table["share"].notna().any()))


def _group_lines(table: pd.DataFrame, genes: list[str], ax: Axes) -> None:
    """Separate the markers of one class from those of the next."""
    marks = table.drop_duplicates("gene")["marker_of"].to_numpy()
    for edge in np.flatnonzero(marks[1:] != marks[:-1]):
        for offset in (0.0, len(genes) + _GAP):
            ax.axvline(offset + edge + 0.5, color=ink(0.11), linewidth=0.6, zorder=0)


def _legend(ax: Axes, image: Any, most: float, *, with_shares: bool) -> None:
    """Explain area and colour, right of the axes."""
    width, height = size_of(ax)
    tall = min(0.75, height * 0.55)
    bar = ax.inset_axes((1 + 0.12 / width, 1 - tall / height, 0.1 / width, tall / height))
    colorbar = image.figure.colorbar(image, cax=bar, ticks=[0, 0.5, 1])
    bar.tick_params(labelsize=7, length=2)
    colorbar.outline.set_linewidth(0.5)
    colorbar.set_label("mean log expr.\n/ maximum", fontsize=7)
    if with_shares:
        handles = [
            ax.scatter([], [], s=share * most, c=ink(0.4), edgecolors=ink(0.65), linewidths=0.3) for share in _SHARES
        ]
        ax.legend(
            handles, [f"{share:.0%}" for share in _SHARES], title="cells with\na count", fontsize=7, title_fontsize=7,
            loc="upper left", bbox_to_anchor=(1 + 0.02 / width, 1 - (tall + 0.12) / height), frameon=False,
            labelspacing=max(0.4, np.sqrt(most) / 7 - 0.9), handletextpad=0.4 + np.sqrt(most) / 40, alignment="left", borderaxespad=0.2,
        )  # fmt: skip

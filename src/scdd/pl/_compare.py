"""``scdd.pl.compare``: is the synthetic set good? One figure, four panels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from scdd._rng import Seed, canonical_seed
from scdd._settings import FROM_SETTINGS
from scdd.pl._arguments import check_counts
from scdd.pl._composition import draw_composition, prepare_composition
from scdd.pl._embedding import draw_embedding, prepare_embedding
from scdd.pl._figure import finish, new_figure, shown, write_nothing
from scdd.pl._ink import ink
from scdd.pl._layout import WIDTH, Layout, draw_key, make_layout, shown_classes, wrap
from scdd.pl._markers import draw_markers, prepare_markers
from scdd.pl._means import draw_means, draw_zeros, prepare_means
from scdd.pl._pair import Pair, draw_sample, make_pair
from scdd.pl._palette import Palette, class_colors, ellipsis, headline
from scdd.pl._utility import draw_utility, utility_or_reason

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def compare(
    adata: AnnData,
    syn: AnnData,
    *,
    labels_key: str | None = None,
    layer: str | None = None,
    adata_test: AnnData | None = None,
    models: str | Sequence[str] | None = None,
    n_markers: int = 3,
    max_cells: int = 5000,
    palette: Palette = None,
    title: str | None = None,
    show: bool | None = None,
    return_fig: bool = False,
    seed: Seed = FROM_SETTINGS,
) -> Figure | None:
    """Compare a synthetic set with the real cells it stands for.

    Four panels: (a) an embedding fitted on real cells with the synthetic rows projected into it; (b) marker genes of every
    class, real against synthetic; (c) mean and share of zeros of every gene; (d) with ``adata_test`` the F1 of each class
    for models trained on real cells and on the synthetic rows, else the class sizes before and after.

    Parameters
    ----------
    adata
        The real cells that ``syn`` was made from, with raw counts: sparse, dense, a view or backed. Cells without a label
        are left out.
    syn
        The synthetic set: distilled, expanded, a coreset, class means, or any labelled AnnData with counts in ``X``. Its
        genes must be among those of ``adata``; genes and classes are matched by name.
    labels_key
        Column of ``obs`` with the classes, in all. None: the one ``syn`` was made with, else ``"cell_type"``.
    layer
        Layer of ``adata`` and ``adata_test`` that holds the counts. None: ``X``.
    adata_test
        Real cells that had no part in making ``syn``, best of other donors. Where no class can be scored on them, panel d
        says why.
    models
        Names from :data:`scdd.metrics.TEST_MODELS` for panel d. None: logistic regression, nearest neighbours, forest.
    n_markers
        Marker genes of each class; fewer where there are many classes.
    max_cells
        Real cells that are ranked for markers, embedded (4,000 at most) and used for training; small classes are kept whole.
    palette
        Name of a colormap, a sequence of colours, or a mapping from class to colour. None: ``uns["<labels_key>_colors"]``,
        else colours that colour-blind readers can tell apart.
    title
        Title of the figure. None: the number of cells and rows.
    show
        Show the figure. None: ``scanpy.settings.autoshow``, unless ``return_fig``.
    return_fig
        Return the figure.
    seed
        Integer, numpy Generator or None; the same seed draws the same figure. Default: ``scdd.settings.seed``.

    Returns
    -------
    The figure with ``return_fig=True`` or where it is not shown, else None. ``adata`` and ``syn`` are not changed.

    Raises
    ------
    scdd.errors.GeneError
        If ``adata`` or ``adata_test`` lacks genes of ``syn``.
    scdd.errors.LabelError
        If the label column is absent, or no class is shared.
    scdd.errors.InputError
        If an argument cannot be used.

    Examples
    --------
    >>> import scdd
    >>> adata = scdd.datasets.simulate(n_obs=25, n_vars=60, n_classes=2)
    >>> syn = scdd.tl.coreset(adata, 2)
    >>> figure = scdd.pl.compare(adata, syn, show=False)
    >>> figure.savefig("compare.png")
    """
    check_counts(n_markers=n_markers, max_cells=max_cells)
    seed = canonical_seed(seed)
    pair = make_pair(adata, syn, labels_key=labels_key, layer=layer)
    colors = class_colors(pair.names, palette, pair.colors)
    classes = shown_classes(pair.real_sizes + pair.synthetic_sizes)

    sample = draw_sample(pair, max_cells, seed)
    embedding = prepare_embedding(pair, sample, seed=seed)
    markers = prepare_markers(pair, sample, n_markers=n_markers, classes=classes)
    n_drawn = int((embedding["set"] == "real").sum())
    del sample
    means = prepare_means(pair)
    if adata_test is None:
        detail = prepare_composition(pair)
    else:
        detail = utility_or_reason(pair, adata_test, models=models, layer=layer, max_cells=max_cells, seed=seed)

    lines = wrap(_caption(pair, embedding, means, detail, n_drawn, len(classes)))
    layout = make_layout([pair.names[k] for k in classes], len(classes), len(lines))
    show = shown(show, return_fig=return_fig)
    figure = new_figure(WIDTH, layout.height, managed=show)
    few = "legend" in layout.boxes

    ax = layout.add(figure, "embedding")
    draw_embedding(embedding, ax, colors=colors, numbers=len(pair.names) > 1)
    _head(ax, layout, "a", f"{embedding.attrs['method']} of real cells (dots), synthetic rows projected (outlined)")
    if few:
        draw_key(layout.add(figure, "legend"), pair.names, classes, colors=colors, font=8.5, align=False)

    ax = layout.add(figure, "means")
    draw_means(means, ax)
    _head(ax, layout, "c", "Every gene: mean expression")
    ax = layout.add(figure, "zeros")
    draw_zeros(means, ax)
    _head(ax, layout, "", "Every gene: share of zeros")

    draw_key(layout.add(figure, "key"), pair.names, classes, colors=colors, font=layout.font, align=True)
    n_genes = max(markers["gene"].nunique(), 1)
    gene_size = float(np.clip(layout.boxes["real"][2] / n_genes * 72 * 0.92, 4.5, 8))
    for which, letter in (("real", "b"), ("synthetic", "")):
        ax = layout.add(figure, which)
        image = draw_markers(markers, ax, which=which, gene_size=gene_size)
        _head(ax, layout, letter, f"Marker genes, {which}")
    if image is not None:
        bar = figure.colorbar(image, cax=layout.add(figure, "bar"), ticks=[0, 0.5, 1])
        bar.ax.tick_params(labelsize=7, length=2)
        bar.outline.set_linewidth(0.5)
        bar.set_label("mean log expression / maximum", fontsize=7)

    ax = layout.add(figure, "detail")
    if reason := detail.attrs.get("reason"):
        write_nothing(ax, ellipsis(reason, 240))
    else:
        draw = draw_composition if adata_test is None else draw_utility
        draw(detail, ax, classes=classes, vertical=layout.many)
    if layout.many and not reason:
        ax.set_xticks(range(len(classes)), labels=[str(k + 1) for k in classes], fontsize=6.5)
        ax.tick_params(axis="x", length=0, pad=1)
    _head(ax, layout, "d", "Class sizes" if adata_test is None else "Utility", lift=0 if layout.many else 0.4)

    _write(figure, layout, title or _title(pair), lines)
    return finish(figure, show=show, return_fig=return_fig)


def _title(pair: Pair) -> str:
    n_real, n_rows = pair.real.n_obs, len(pair.labels)
    return f"{n_real:,} real cells and {n_rows:,} synthetic rows, {len(pair.names)} classes, {len(pair.genes):,} genes"


def _caption(
    pair: Pair, embedding: pd.DataFrame, means: pd.DataFrame, detail: pd.DataFrame, n_drawn: int, n_shown: int
) -> str:
    how = "UMAP (cosine) of 50 principal components" if embedding.attrs["method"] == "UMAP" else "Principal components"
    drawn = (
        "all" if n_drawn == pair.real.n_obs else f"{n_drawn:,} (drawn evenly from the classes) of {pair.real.n_obs:,}"
    )
    text = (
        f"(a) {how} fitted on {drawn} real cells; numbers mark the middle of each class. "
        "(b) Mean of log1p counts per 10k; colours are relative to the class in which real cells show most of the gene; "
        "grey: no rows. (c) Mean of the class means, every class counting the same, rows weighted by scdd_weight. "
    )
    if means.attrs["expected"]:
        text += (
            "Synthetic values come from the expected counts (layer scdd_mean): denoised rows stand for many cells and are no "
            "single cells. "
        )
    if "n_real" in detail.attrs:
        text += f"(d) Real training cells: {detail.attrs['n_real']:,}. "
    if n_shown < len(pair.names):
        text += f"(b, d) show the {n_shown} largest of {len(pair.names)} classes."
    return text


def _head(ax: Axes, layout: Layout, letter: str, text: str, *, lift: float = 0.0) -> None:
    """Write letter and title above a panel; ``lift`` leaves room (inches) for a legend between."""
    left, bottom, _, height = layout.boxes[str(ax.get_label())]
    figure = ax.figure
    y = (bottom + height + 0.08 + lift) / layout.height
    if letter:
        figure.text((left - 0.02) / WIDTH, y, letter, fontsize=12, fontweight="bold", va="bottom")
    figure.text((left + (0.18 if letter else 0)) / WIDTH, y, text, fontsize=9.5, va="bottom")


def _write(figure: Figure, layout: Layout, title: str, lines: list[str]) -> None:
    figure.text(0.25 / WIDTH, 1 - 0.2 / layout.height, headline(title, WIDTH), fontsize=13, va="top", parse_math=False)
    figure.text(
        0.25 / WIDTH, layout.caption_top / layout.height, "\n".join(lines), fontsize=7.5, va="top", color=ink(0.73),
        linespacing=1.25, parse_math=False,
    )  # fmt: skip

"""``scdd.pl.composition``: how many cells a class had, and how many rows it has; panel d without test cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scdd.pl._figure import Box, canvas
from scdd.pl._ink import ink
from scdd.pl._layout import name_room, name_rows, row_font, row_pitch, shown_classes
from scdd.pl._pair import Pair, make_pair
from scdd.pl._palette import REAL, SYNTHETIC, Palette, class_colors, ellipsis

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def composition(
    adata: AnnData,
    syn: AnnData,
    *,
    labels_key: str | None = None,
    layer: str | None = None,
    palette: Palette = None,
    title: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Figure | None:
    """Draw the size of each class before and after, on a log axis.

    Parameters
    ----------
    adata
        The real cells that ``syn`` was made from, with raw counts.
    syn
        The synthetic set; genes and classes are matched by name.
    labels_key
        Column of ``obs`` with the classes, in both. None: the one ``syn`` was made with, else ``"cell_type"``.
    layer
        Layer of ``adata`` that holds the counts. None: ``X``.
    palette
        Name of a colormap, a sequence of colours, or a mapping from class to colour. None: ``uns["<labels_key>_colors"]``,
        else colours that colour-blind readers can tell apart.
    title
        Title of the axes. None: the numbers of cells, rows and classes.
    ax
        Axes to draw on. None: those of a new figure.
    show
        Show the figure. None: ``scanpy.settings.autoshow``, unless ``return_fig`` or ``ax`` is given.
    return_fig
        Return the figure.

    Returns
    -------
    The figure with ``return_fig=True``, or where it is a new one that is not shown, else None. Beyond 100 classes
    the largest are drawn.

    Raises
    ------
    scdd.errors.InputError
        If a set cannot be read, or no class is shared.

    Examples
    --------
    >>> import scdd
    >>> adata = scdd.datasets.simulate(n_obs=100, n_vars=60)
    >>> figure = scdd.pl.composition(adata, scdd.tl.coreset(adata, 3), show=False)
    """
    pair = make_pair(adata, syn, labels_key=labels_key, layer=layer)
    colors = class_colors(pair.names, palette, pair.colors)
    classes = shown_classes(pair.real_sizes + pair.synthetic_sizes)
    names = [pair.names[k] for k in classes]
    pitch, font = row_pitch(len(classes))
    box = Box(3.6, max(pitch * len(classes), 0.6), left=name_room(names, font), top=0.85, bottom=0.5)
    at = canvas(ax, box, show=show, return_fig=return_fig)
    draw_composition(prepare_composition(pair), at.ax, classes=classes)
    name_rows(at.ax, pair.names, classes, colors=colors, font=row_font(at.ax, len(classes)))
    all_ = "" if len(classes) == len(pair.names) else f", the {len(classes)} largest"
    text = title or f"Class sizes: {len(pair.names)} class{'es' if len(pair.names) != 1 else ''}{all_}"
    at.ax.set_title(ellipsis(text, 60), fontsize=9.5, loc="left", pad=30, parse_math=False)
    return at.done(return_fig=return_fig)


def prepare_composition(pair: Pair) -> pd.DataFrame:
    """Return a table with the columns class (position in ``pair.names``), set (``"real"``, ``"synthetic"``) and n."""
    import pandas as pd

    codes = np.arange(len(pair.names))
    sizes = (("real", pair.real_sizes), ("synthetic", pair.synthetic_sizes))
    return pd.concat([pd.DataFrame({"class": codes, "set": name, "n": n}) for name, n in sizes], ignore_index=True)


def draw_composition(table: pd.DataFrame, ax: Axes, *, classes: NDArray[np.integer], vertical: bool = False) -> None:
    """Draw class sizes as two marks on a log axis, one place per class of ``classes``, the first on top (or left)."""
    wide = table.pivot(index="class", columns="set", values="n").loc[list(classes)]
    total = table.groupby("set")["n"].sum()
    draw_pairs(
        ax,
        wide["real"].to_numpy(dtype=float),
        wide["synthetic"].to_numpy(dtype=float),
        labels=(f"real: {total['real']:,} cells", f"synthetic: {total['synthetic']:,} rows"),
        vertical=vertical,
    )
    value_axis(
        ax, "cells or rows per class", limits=(0.7, max(float(table["n"].max()) * 1.6, 2)), log=True, vertical=vertical
    )


def value_axis(ax: Axes, label: str, *, limits: tuple[float, float], log: bool = False, vertical: bool = False) -> None:
    """Set up the axis along which the values of :func:`draw_pairs` run."""
    which = "y" if vertical else "x"
    ax.set(**{f"{which}scale": "log" if log else "linear", f"{which}lim": limits})
    (ax.set_ylabel if vertical else ax.set_xlabel)(label, fontsize=8)


def draw_pairs(
    ax: Axes,
    real: NDArray[np.floating],
    synthetic: NDArray[np.floating],
    *,
    labels: tuple[str, str],
    vertical: bool = False,
) -> None:
    """Draw a grey circle (real) and an orange diamond (synthetic) per class, joined by a line; NaN and 0 are left out.

    Parameters
    ----------
    ax
        Where to draw; class 0 is on top, as in an image, or on the left.
    real, synthetic
        Values of each class (n,).
    labels
        What the marks are called in the legend above the axis.
    vertical
        Whether values run upwards.
    """
    places = np.arange(len(real))
    both = (real > 0) & (synthetic > 0)
    grid: dict[str, Any] = {"color": ink(0.09), "linewidth": 0.6, "zorder": 0}
    line: dict[str, Any] = {"color": ink(0.4), "linewidth": 1.2, "zorder": 1}
    if vertical:
        ax.vlines(places, 0, 1, transform=ax.get_xaxis_transform(), **grid)
        ax.vlines(places[both], real[both], synthetic[both], **line)
    else:
        ax.hlines(places, 0, 1, transform=ax.get_yaxis_transform(), **grid)
        ax.hlines(places[both], real[both], synthetic[both], **line)
    size = float(np.clip(900 / max(len(real), 1), 16, 42))
    looks: tuple[dict[str, Any], ...] = (
        {"c": REAL},
        {"c": SYNTHETIC, "marker": "D", "edgecolors": ink(), "linewidths": 0.5},
    )
    for values, label, look, scale in zip((real, synthetic), labels, looks, (1.5, 0.9), strict=True):
        shown = np.where(values > 0, values, np.nan)
        x, y = (places, shown) if vertical else (shown, places)
        # the circle is larger, so that it is seen where both are alike
        ax.scatter(x, y, s=scale * size, label=label, zorder=3, clip_on=False, **look)
    ax.tick_params(labelsize=7)
    ax.spines[["top", "right", "bottom" if vertical else "left"]].set_visible(False)
    if vertical:
        ax.set_xlim(-0.7, len(real) - 0.3)
        ax.set_xticks([])
    else:
        ax.set_ylim(len(real) - 0.5, -0.5)
        ax.set_yticks([])
    ax.legend(
        loc="lower right" if vertical else "lower left", bbox_to_anchor=(1.0 if vertical else -0.02, 1.0), fontsize=8,
        frameon=False, handletextpad=0.3, borderaxespad=0.2, labelspacing=0.25, ncols=2 if vertical else 1,
    )  # fmt: skip

"""Panel d without test cells: how many cells a class had, and how many rows it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scdd.pl._pair import Pair
from scdd.pl._palette import REAL, SYNTHETIC

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


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
    grid: dict[str, Any] = {"color": "#e8e8e8", "linewidth": 0.6, "zorder": 0}
    line: dict[str, Any] = {"color": "#9a9a9a", "linewidth": 1.2, "zorder": 1}
    if vertical:
        ax.vlines(places, 0, 1, transform=ax.get_xaxis_transform(), **grid)
        ax.vlines(places[both], real[both], synthetic[both], **line)
    else:
        ax.hlines(places, 0, 1, transform=ax.get_yaxis_transform(), **grid)
        ax.hlines(places[both], real[both], synthetic[both], **line)
    size = float(np.clip(900 / max(len(real), 1), 16, 42))
    looks: tuple[dict[str, Any], ...] = (
        {"c": REAL},
        {"c": SYNTHETIC, "marker": "D", "edgecolors": "black", "linewidths": 0.5},
    )
    for values, label, look in zip((real, synthetic), labels, looks, strict=True):
        shown = np.where(values > 0, values, np.nan)
        x, y = (places, shown) if vertical else (shown, places)
        ax.scatter(x, y, s=size, label=label, zorder=3, clip_on=False, **look)
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

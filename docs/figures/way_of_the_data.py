"""Draw ``docs/_static/way_of_the_data.svg``: ``python docs/figures/way_of_the_data.py``."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

TARGET = Path(__file__).resolve().parents[1] / "_static" / "way_of_the_data.svg"
INK, SOFT, GRADIENT = "#263238", "#607d8b", "#c62828"
DATA, MODEL, FROZEN, JUDGE = "#e3f2fd", "#fff3e0", "#eceff1", "#e8f5e9"
CLASSES = ("#0072b2", "#d55e00", "#009e73")


def box(ax: Axes, x: float, y: float, w: float, h: float, title: str, text: str, color: str) -> None:
    ax.add_patch(
        FancyBboxPatch((x, y), w, h, boxstyle="round,pad=0,rounding_size=0.12", facecolor=color, edgecolor=INK, lw=1.0)
    )
    ax.text(x + w / 2, y + h - 0.13, title, ha="center", va="top", fontsize=11.5, fontweight="bold", color=INK)
    low = 0.13 if "\n" not in text else (h - 0.35) / 2
    where = "bottom" if "\n" not in text else "center"
    ax.text(x + w / 2, y + low, text, ha="center", va=where, fontsize=10.2, color=INK, linespacing=1.35)


def arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], color: str = INK, **kwargs: object) -> None:
    look = {"arrowstyle": "-|>", "mutation_scale": 13, "lw": 1.5, "shrinkA": 0, "shrinkB": 0} | kwargs
    ax.add_patch(FancyArrowPatch(start, end, color=color, **look))


def dots(ax: Axes, x: float, y: float, n: int, spread: float, size: float, seed: int, edge: str = "none") -> None:
    rng = np.random.default_rng(seed)
    for k, color in enumerate(CLASSES):
        centre = np.array([x + 0.46 * (k - 1), y + (0.12, -0.14, 0.1)[k]])
        points = centre + spread * rng.standard_normal((n, 2)) * (1, 0.8)
        ax.scatter(*points.T, s=size, color=color, edgecolors=edge, linewidths=0.7, zorder=3)


def draw() -> Figure:
    figure = Figure(figsize=(11.4, 5.3))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, 11.4), ylim=(0, 5.3))
    ax.axis("off")

    ax.text(0.25, 5.12, "1  Learn the cells, once", fontsize=12, color=SOFT, fontweight="bold", va="top")
    box(ax, 0.25, 3.3, 2.0, 1.45, "Real cells", "counts, class, batch", DATA)
    dots(ax, 1.25, 3.98, 16, 0.1, 7, seed=1)
    box(
        ax,
        2.85,
        3.3,
        1.9,
        1.45,
        "Encoder and head",
        "trained on the data,\nor a pretrained one:\ncell → latent $z_0$",
        MODEL,
    )
    box(
        ax,
        5.35,
        3.3,
        2.5,
        1.45,
        "SCDG",
        "one call, any noise level $t$:\n$G = z_t-t\\,F(z_t,t,y,b)$,\ngiven class $y$ and batch $b$",
        MODEL,
    )
    box(
        ax,
        8.45,
        3.3,
        2.7,
        1.45,
        "Decoder",
        "latent → share of every gene;\nnegative binomial around\nlibrary size × share",
        MODEL,
    )
    arrow(ax, (2.25, 4.02), (2.85, 4.02))
    arrow(ax, (4.75, 4.02), (5.35, 4.02))
    arrow(ax, (7.85, 4.02), (8.45, 4.02))

    ax.text(0.25, 2.92, "2  Distil: only the codes move", fontsize=12, color=SOFT, fontweight="bold", va="top")
    box(ax, 0.25, 1.1, 2.0, 1.45, "Codes", "one per synthetic cell", DATA)
    dots(ax, 1.25, 1.77, 3, 0.11, 34, seed=4, edge="black")
    box(ax, 2.85, 1.1, 1.9, 1.45, "SCDG, frozen", "exactly one step\nonto the manifold\nof the cells", FROZEN)
    box(
        ax,
        5.35,
        1.1,
        2.5,
        1.45,
        "Decoder, frozen",
        "rates, corrected by the\ncells of each row,\nexpected log under\ncount noise",
        FROZEN,
    )
    box(
        ax,
        8.45,
        1.1,
        2.7,
        1.45,
        "Objective",
        "rows against real minibatches:\ngradients of networks, means,\ncharacteristic functions,\nmoments, kernel regression",
        JUDGE,
    )
    for left, right in ((2.25, 2.85), (4.75, 5.35), (7.85, 8.45)):
        arrow(ax, (left, 1.98), (right, 1.98))
        arrow(ax, (right, 1.6), (left, 1.6), GRADIENT, linestyle="--")
    for x in (2.55, 5.05, 8.15):
        ax.text(x, 1.54, "gradient", fontsize=8.8, color=GRADIENT, ha="center", va="top", fontstyle="italic")

    ax.text(0.25, 0.68, "3  Judge, and write", fontsize=12, color=SOFT, fontweight="bold", va="center")
    for x, w, text, color in (
        (2.85, 3.6, "referee: models trained on the rows,\ntested on donors that were held out inside", JUDGE),
        (7.05, 4.1, "rendering: integer counts of all genes,\ndenoised and noisy rows, nested", DATA),
    ):
        ax.add_patch(
            FancyBboxPatch(
                (x, 0.14), w, 0.6, boxstyle="round,pad=0,rounding_size=0.1", facecolor=color, edgecolor=INK, lw=1.0
            )
        )
        ax.text(x + w / 2, 0.44, text, ha="center", va="center", fontsize=10.2, color=INK)
    arrow(ax, (6.45, 0.44), (7.05, 0.44))
    return figure


if __name__ == "__main__":
    with mpl.rc_context({"svg.hashsalt": "scdd", "font.family": "DejaVu Sans", "mathtext.fontset": "dejavusans"}):
        draw().savefig(TARGET, metadata={"Date": None}, facecolor="white")

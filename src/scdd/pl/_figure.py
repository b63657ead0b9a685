"""A figure, and what becomes of it: shown, returned, or both."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scdd.errors import InputTypeError
from scdd.pl._ink import ink

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "Box",
    "Canvas",
    "canvas",
    "figure_of",
    "finish",
    "grid",
    "new_figure",
    "shown",
    "size_of",
    "write_nothing",
]

_LETTERS = 13  # of 9 points, in an inch


@dataclass(frozen=True)
class Box:
    """The axes of a figure and what stands around them, in inches."""

    width: float
    height: float
    left: float = 0.6
    right: float = 0.3
    top: float = 0.5
    bottom: float = 0.5


@dataclass(frozen=True)
class Canvas:
    """Where a plot is drawn, whether it is shown afterwards, and whether the axes were given."""

    figure: Figure
    ax: Axes
    show: bool
    given: bool = False

    def done(self, *, return_fig: bool) -> Figure | None:
        """Show the figure, or return it; see :func:`finish`."""
        figure = finish(self.figure, show=self.show, return_fig=return_fig)
        # whoever gave the axes has the figure, which a notebook would draw a second time as the value of its cell
        return figure if return_fig or not self.given else None


def shown(show: bool | None, *, return_fig: bool) -> bool:
    """Return whether a figure is shown: as asked for, else as scanpy is set, unless it is returned."""
    if show is None and not return_fig:
        import scanpy as sc

        return bool(sc.settings.autoshow)
    return bool(show)


def new_figure(width: float, height: float, *, managed: bool) -> Figure:
    """Return a new figure of so many inches; pyplot gets to know it only where it has to be shown."""
    if managed:
        import matplotlib.pyplot as plt

        return plt.figure(figsize=(width, height))
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def canvas(ax: Axes | None, box: Box, *, show: bool | None, return_fig: bool) -> Canvas:
    """Return the axes that were given, or those of a new figure; what is drawn into given axes is not shown by itself.

    Raises
    ------
    scdd.errors.InputTypeError
        If ``ax`` is no axes of matplotlib.
    """
    if ax is not None:
        if getattr(ax, "figure", None) is None or not hasattr(ax, "transAxes"):
            msg = f"ax must be axes of matplotlib, got {type(ax).__name__}."
            raise InputTypeError(msg)
        return Canvas(figure_of(ax), ax, bool(show), given=True)
    show = shown(show, return_fig=return_fig)
    width, height = box.left + box.width + box.right, box.bottom + box.height + box.top
    figure = new_figure(width, height, managed=show)
    place = (box.left / width, box.bottom / height, box.width / width, box.height / height)
    return Canvas(figure, figure.add_axes(place), show)


def figure_of(ax: Axes) -> Figure:
    """Return the figure that axes belong to, which is above all its subfigures."""
    assert ax.figure is not None  # axes that are drawn belong to a figure
    # the figure of a subfigure, and of a figure, is the one above all; matplotlib 3.9 has no get_figure(root=True)
    return ax.figure.figure


def size_of(ax: Axes) -> tuple[float, float]:
    """Return width and height of axes in inches."""
    dpi = figure_of(ax).dpi
    return float(ax.bbox.width / dpi), float(ax.bbox.height / dpi)


def grid(ax: Axes, n: int, n_columns: int, *, gap: tuple[float, float]) -> list[Axes]:
    """Put ``n`` panels into axes, row by row, with gaps in inches; the axes themselves become bare."""
    ax.axis("off")
    width, height = size_of(ax)
    n_rows = -(-n // n_columns)
    w, h = (width - (n_columns - 1) * gap[0]) / n_columns, (height - (n_rows - 1) * gap[1]) / n_rows
    return [
        ax.inset_axes(
            (
                (k % n_columns) * (w + gap[0]) / width,
                1 - ((k // n_columns) * (h + gap[1]) + h) / height,
                w / width,
                h / height,
            )
        )
        for k in range(n)
    ]


def write_nothing(ax: Axes, text: str = "no data to display") -> None:
    """Say in the middle of bare axes that there is nothing to draw, in lines that fit."""
    lines = textwrap.fill(text, max(int(size_of(ax)[0] * _LETTERS), 10))
    # names of classes may be in it, which are text and not mathematics
    ax.text(
        0.5, 0.5, lines, transform=ax.transAxes, ha="center", va="center", fontsize=9, color=ink(0.67), parse_math=False
    )
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_color(ink(0.27))


def finish(figure: Figure, *, show: bool, return_fig: bool) -> Figure | None:
    """Show the figure, or return it where that is asked for or it is not shown."""
    if show:
        import matplotlib as mpl
        import matplotlib.pyplot as plt

        plt.show()
        if not mpl.is_interactive():
            # windows are closed by now; without windows the figure would stay with pyplot for ever
            plt.close(figure)
    return figure if return_fig or not show else None

"""A figure, and what becomes of it: shown, returned, or both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scdd.errors import InputTypeError
from scdd.pl._ink import ink

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Box", "Canvas", "canvas", "finish", "grid", "new_figure", "shown", "size_of", "write_nothing"]


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
    """Where a plot is drawn, and whether it is shown afterwards."""

    figure: Figure
    ax: Axes
    show: bool

    def done(self, *, return_fig: bool) -> Figure | None:
        """Show the figure, or return it; see :func:`finish`."""
        return finish(self.figure, show=self.show, return_fig=return_fig)


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
        figure = getattr(ax, "figure", None)
        if figure is None or not hasattr(ax, "transAxes"):
            msg = f"ax must be axes of matplotlib, got {type(ax).__name__}."
            raise InputTypeError(msg)
        return Canvas(figure, ax, bool(show))
    show = shown(show, return_fig=return_fig)
    width, height = box.left + box.width + box.right, box.bottom + box.height + box.top
    figure = new_figure(width, height, managed=show)
    place = (box.left / width, box.bottom / height, box.width / width, box.height / height)
    return Canvas(figure, figure.add_axes(place), show)


def size_of(ax: Axes) -> tuple[float, float]:
    """Return width and height of axes in inches."""
    figure = ax.get_figure(root=True)
    assert figure is not None  # axes that are drawn belong to a figure
    width, height = figure.get_size_inches() * ax.get_position().size
    return float(width), float(height)


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
    """Say in the middle of bare axes that there is nothing to draw."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", fontsize=9, color=ink(0.67))
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

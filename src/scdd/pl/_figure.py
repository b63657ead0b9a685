"""A figure, and what becomes of it: shown, returned, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["finish", "new_figure", "shown"]


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

"""``scdd.pl.benchmark``: which method is the best, on which task, with how many rows? One figure."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from scdd.pl._benchmark_draw import LONGEST, columns_of, draw_cells, draw_curves, draw_ranks
from scdd.pl._benchmark_tables import BenchmarkTables, prepare_benchmark
from scdd.pl._figure import finish, new_figure, shown
from scdd.pl._ink import ink
from scdd.pl._palette import headline

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELL, _PITCH = 0.36, 0.2  # inches: width of a column, height of a row
_LABEL, _RANK, _GAP, _EDGE, _ENDS = 1.55, 1.7, 0.25, 0.3, 1.6
_HEAD, _CURVES, _BELOW, _LINE = 0.95, 2.6, 0.65, 0.13
_LETTER = 0.048  # height that a letter of a slanted name takes


def benchmark(
    results: pd.DataFrame | str | os.PathLike[str],
    *,
    metric: str = "macro_f1",
    ours: str = "scdd",
    n: int | Sequence[int] | None = None,
    tasks: str | Sequence[str] | None = None,
    methods: str | Sequence[str] | None = None,
    title: str | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Figure | None:
    """Draw the results of a benchmark.

    (a) The score of every method on every task, one block for each number of rows per class; the colour is the share of
    what all cells reach. (b) Mean rank over the tasks that all methods have, and the band within which Nemenyi's test
    cannot tell a method from ``ours``; methods that lack many tasks get no rank, and are named; a single task gives ranks
    and no band. (c) Share of the full data's score against the number of rows.

    Parameters
    ----------
    results
        What :func:`scdd.benchmark.run` returned, or the path of its CSV.
    metric
        ``"macro_f1"``, ``"balanced_accuracy"`` or ``"accuracy"``.
    ours
        The method that is marked.
    n
        Rows per class to show: one number or several. None: all.
    tasks, methods
        What is shown, in this order. None: all tasks, and all methods by mean rank.
    title
        Title of the figure. None: the numbers of methods and tasks.
    show
        Show the figure. None: ``scanpy.settings.autoshow``, unless ``return_fig``.
    return_fig
        Return the figure.

    Returns
    -------
    The figure with ``return_fig=True`` or where it is not shown, else None.

    Raises
    ------
    scdd.errors.InputError
        If there is nothing to show, or a name is not in the results.

    Examples
    --------
    >>> import scdd
    >>> results = scdd.benchmark.run(
    ...     "simulated", ["random", "class_mean", "full"], n=[1, 5], splits=[0], models=["LR"], progress=False
    ... )
    >>> figure = scdd.pl.benchmark(results, ours="class_mean", show=False)
    """
    tables = prepare_benchmark(results, metric=metric, ours=ours, n=n, tasks=tasks, methods=methods)
    show = shown(show, return_fig=return_fig)
    columns = columns_of(tables)
    block = max(_CELL * len(columns), 0.7)
    rows = _PITCH * (len(tables.methods) + (0.6 if tables.references else 0) + len(tables.references))
    names = 0.2 + _LETTER * min(max(map(len, columns)), LONGEST)
    left = _LABEL + len(tables.n) * (block + _GAP)
    width = max(left + _RANK + _EDGE, 8.0)
    caption = _caption(tables, int(width * 17), ordered=methods is None)
    height = _HEAD + names + rows + 0.75 + _CURVES + _BELOW + _LINE * (caption.count("\n") + 1)
    figure = new_figure(width, height, managed=show)

    def add(left: float, top: float, w: float, h: float) -> Axes:
        """Add axes at so many inches from the left and from the top."""
        return figure.add_axes((left / width, 1 - (top + h) / height, w / width, h / height))

    top = _HEAD + names
    for k, size in enumerate(tables.n):
        ax = add(_LABEL + k * (block + _GAP), top, block, rows)
        draw_cells(ax, tables, size, names=k == 0)
        figure.text(
            (_LABEL + k * (block + _GAP)) / width, 1 - (_HEAD - 0.2) / height, f"n = {size}", fontsize=10, va="top"
        )
    # few tasks leave room, which the ranks take
    draw_ranks(add(left, top, width - left - _EDGE, rows), tables)
    rank = "Mean rank" if tables.n_ranked > 1 else "Rank"
    figure.text(left / width, 1 - (_HEAD - 0.2) / height, rank, fontsize=10, va="top")
    draw_curves(add(_LABEL, top + rows + 0.75, width - _LABEL - _ENDS, _CURVES), tables)
    what = f"{_number(len(tables.methods), 'method')}, {_number(len(tables.tasks), 'task')}"
    # names of tasks and methods are text, not mathematics
    figure.text(0.12 / width, 1 - 0.2 / height, headline(title or what, width), fontsize=13, va="top", parse_math=False)
    figure.text(0.12 / width, 0.08 / height, caption, fontsize=7.5, va="bottom", color=ink(0.73), parse_math=False)
    for letter, x, y in (("a", 0.12, _HEAD - 0.2), ("b", left - 0.2, _HEAD - 0.2), ("c", 0.12, top + rows + 0.7)):
        figure.text(x / width, 1 - y / height, letter, fontsize=12, fontweight="bold", va="top")
    return finish(figure, show=show, return_fig=return_fig)


def _number(n: int, what: str) -> str:
    return f"{n} {what}{'s' if n != 1 else ''}"


def _caption(tables: BenchmarkTables, width: int, *, ordered: bool) -> str:
    where = f"{_number(tables.n_ranked, 'task')} that all methods have"
    if tables.unranked:
        where += f" but {', '.join(tables.unranked)}"
    order = "Methods are ordered by mean rank." if ordered else ""
    many = tables.n_ranked > 1
    band = (
        f"grey band: mean ranks that Nemenyi's test (5 %) cannot tell from that of {tables.ours} at the largest n; it treats "
        "tasks as independent."
    )
    parts = (
        f"(a) {tables.metric_name} x 100 on real held-out cells, with n rows per class, mean over models, splits and seeds; "
        f"colour: share of the score that all cells reach; cross: a run failed; empty: not run. {order}",
        f"(b) over {where}; {band}" if many else f"(b) over {where}: an order, and no test.",
        f"(c) mean over {where} of the share of the score of all cells; shade: sd over tasks, for {tables.ours}."
        if many
        else "(c) the share of the score of all cells.",
    )
    return "\n".join(line for part in parts for line in textwrap.wrap(part, width))

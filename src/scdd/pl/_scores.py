"""``scdd.pl.utility``: how good are models trained on so many rows per class, one panel for each model?"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from scdd._names import score_name
from scdd.pl._figure import Box, canvas, grid
from scdd.pl._ink import ink, seen
from scdd.pl._palette import COLORS, SYNTHETIC, ellipsis
from scdd.pl._scores_table import MEAN, ours_of, prepare_scores

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

__all__ = ["draw_scores", "utility"]

_NAMED = 7  # methods with a colour of their own; the others are thin and grey
_MARKS = ("o", "s", "D", "^", "v", "P", "X")
_GAP = (0.5, 0.62)  # inches between the panels
_ROOM = 1.75  # inches of the legend


def utility(
    results: pd.DataFrame | Mapping[str, pd.DataFrame] | str | os.PathLike[str],
    *,
    metric: str = "macro_f1",
    ours: str | None = None,
    task: str | None = None,
    methods: str | Sequence[str] | None = None,
    models: str | Sequence[str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Figure | None:
    """Draw the score on test cells against the rows per class, one panel for each model and one for their mean.

    Lines are methods; the shade of ``ours`` is the standard deviation over splits and seeds. Methods that use as many rows
    as they like (``"full"``, ``"full-balanced"``) are horizontal lines. Seven methods are named, the best after ``ours``;
    the axes fit these, and the others are thin and grey.

    Parameters
    ----------
    results
        A table of :func:`scdd.tl.evaluate` (several may be joined by ``pandas.concat``; a column ``"method"`` names the
        methods), a mapping from the name of a method to its table, or what :func:`scdd.benchmark.run` returned, or the
        path of its CSV.
    metric
        ``"macro_f1"``, ``"balanced_accuracy"`` or ``"accuracy"``.
    ours
        The method that is marked. None: ``"scdd"``, else the first.
    task
        Task of a benchmark. None: the only one there is.
    methods, models
        What is shown, in this order. None: all.
    title
        Title above the panels.
    ax
        Axes that the panels are put into. None: a new figure.
    show
        Show the figure. None: ``scanpy.settings.autoshow``, unless ``return_fig`` or ``ax`` is given.
    return_fig
        Return the figure.

    Returns
    -------
    The figure with ``return_fig=True``, or where it is a new one that is not shown, else None.

    Raises
    ------
    scdd.errors.InputError
        If there is no score to show, or only of references; if a name is not in the results, or ``task`` is needed.

    Examples
    --------
    >>> import pandas as pd, scdd
    >>> adata = scdd.datasets.simulate()
    >>> train, test = scdd.pp.split(adata, donor_key="donor")
    >>> tables = {
    ...     method: pd.concat(
    ...         [
    ...             scdd.tl.evaluate(scdd.tl.coreset(adata[train], n, method), adata[test], models=["LR", "kNN"])
    ...             for n in (1, 5)
    ...         ]
    ...     )
    ...     for method in ("herding", "random")
    ... }
    >>> figure = scdd.pl.utility(tables, show=False)
    """
    table = prepare_scores(results, metric=metric, task=task, methods=methods, models=models)
    ours = ours_of(table, ours)
    shown = list(dict.fromkeys(table["model"]))
    n_columns = len(shown) if len(shown) <= 3 else 3
    n_rows = -(-len(shown) // n_columns)
    box = Box(
        n_columns * 2.3 + (n_columns - 1) * _GAP[0], n_rows * 1.9 + (n_rows - 1) * _GAP[1], left=0.65, right=_ROOM,
        top=0.65 if title or table.attrs["task"] else 0.4, bottom=0.55,
    )  # fmt: skip
    at = canvas(ax, box, show=show, return_fig=return_fig)
    draw_scores(table, grid(at.ax, len(shown), n_columns, gap=_GAP), at.ax, ours=ours)
    head = title or table.attrs["task"]
    if head:
        at.ax.set_title(ellipsis(head, 80), fontsize=10.5, loc="left", pad=18, parse_math=False)
    return at.done(return_fig=return_fig)


def draw_scores(table: pd.DataFrame, panels: Sequence[Axes], host: Axes, *, ours: str) -> None:
    """Draw one panel for each model of the table, and the legend right of the axes that hold them."""
    curves = table[~table["reference"]]
    order = _ranked(curves, ours)
    named = order[:_NAMED]
    # what is grey may leave the axes at the bottom, and does not press the others together
    low, high = _limits(table[table["method"].isin(named) | table["reference"]])
    shown = list(dict.fromkeys(table["model"]))
    sizes = sorted(set(curves["n"]))
    lines: dict[str, Line2D] = {}
    for k, (model, panel) in enumerate(zip(shown, panels, strict=True)):
        part = table[table["model"] == model]
        # what is named lies above what is grey, and ours above all
        for method in reversed(order):
            lines[method] = _draw_curve(
                part[(part["method"] == method) & ~part["reference"]], panel, method, ours, named
            )
        for j, (method, row) in enumerate(part[part["reference"]].set_index("method").iterrows()):
            lines[str(method)] = panel.axhline(
                row["mean"], color=ink(0.73), linewidth=1.0, linestyle=("--", ":", "-.")[j % 3]
            )
        _dress(panel, model, sizes, low, high)
        if k % _columns(panels) == 0:
            panel.set_ylabel(score_name(table.attrs["metric"], start=True), fontsize=8)
        if k + _columns(panels) >= len(panels):
            panel.set_xlabel("rows per class", fontsize=8)
    grey = [method for method in order if method not in named]
    references = list(dict.fromkeys(table.loc[table["reference"], "method"]))
    entries = [(lines[m], ellipsis(m, 20)) for m in [*named, *references]]
    if grey:
        entries.append((lines[grey[0]], f"{len(grey)} more methods" if len(grey) > 1 else ellipsis(grey[0], 20)))
    legend = host.legend(
        [line for line, _ in entries], [text for _, text in entries], loc="upper left", bbox_to_anchor=(1.01, 1.0),
        fontsize=8, frameon=False, borderaxespad=0.1, handlelength=2.2,
    )  # fmt: skip
    for text in legend.get_texts():
        # names are text, not mathematics
        text.set_parse_math(False)


def _draw_curve(part: pd.DataFrame, panel: Axes, method: str, ours: str, named: Sequence[str]) -> Line2D:
    part = part.sort_values("n")
    x, y = part["n"].to_numpy(dtype=float), part["mean"].to_numpy(dtype=float)
    if method not in named:
        return panel.plot(x, y, color=ink(0.22), linewidth=0.8, marker=".", markersize=3, zorder=1)[0]
    mine = method == ours
    at = named.index(method)
    color = SYNTHETIC if mine else seen([c for c in COLORS if c != "#d55e00"][(at - 1) % (len(COLORS) - 1)])
    sd = part["sd"].fillna(0).to_numpy(dtype=float)
    if mine:
        panel.fill_between(x, y - sd, y + sd, color=color, alpha=0.15, linewidth=0)
    return panel.plot(
        x, y, color=color, linewidth=2.0 if mine else 1.1, marker=_MARKS[at % len(_MARKS)], markersize=4.5 if mine else 3.5,
        zorder=4 if mine else 3,
    )[0]  # fmt: skip


def _ranked(curves: pd.DataFrame, ours: str) -> list[str]:
    """Return the methods: ours first, the others by their mean score."""
    mean = (
        curves[curves["model"] == curves["model"].iloc[0]]
        if not (curves["model"] == MEAN).any()
        else curves[curves["model"] == MEAN]
    )
    score = mean.groupby("method")["mean"].mean()
    others = sorted(set(curves["method"]) - {ours}, key=lambda m: (-score.get(m, -np.inf), m))
    return [*([ours] if ours in set(curves["method"]) else []), *others]


def _limits(table: pd.DataFrame) -> tuple[float, float]:
    sd = table["sd"].fillna(0)
    low, high = float((table["mean"] - sd).min()), float((table["mean"] + sd).max())
    room = max(0.06 * (high - low), 0.01)
    return max(0.0, low - room), min(1.0, high + room) + 0.005


def _columns(panels: Sequence[Axes]) -> int:
    """Return how many panels stand beside each other."""
    return len(panels) if len(panels) <= 3 else 3


def _dress(panel: Axes, model: str, sizes: Sequence[float], low: float, high: float) -> None:
    title = "mean of models" if model == MEAN else ellipsis(model, 24)
    panel.set_title(title, fontsize=9, loc="left", pad=3, parse_math=False)
    panel.set(ylim=(low, high), xscale="log")
    if sizes:
        panel.set_xlim(min(sizes) / 1.25, max(sizes) * 1.25)
    # not more numbers than fit
    step = -(-len(sizes) // 6) if sizes else 1
    panel.set_xticks(list(sizes)[::step], labels=[f"{n:g}" for n in list(sizes)[::step]])
    panel.minorticks_off()
    panel.grid(axis="y", color=ink(0.07), linewidth=0.6)
    panel.set_axisbelow(True)
    panel.tick_params(labelsize=7, length=2)
    panel.spines[["top", "right"]].set_visible(False)

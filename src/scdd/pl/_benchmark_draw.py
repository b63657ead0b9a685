"""The panels of the figure of a benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scdd.pl._benchmark_tables import BenchmarkTables
from scdd.pl._ink import heat, ink, seen, written_on
from scdd.pl._palette import COLORS, REAL, SYNTHETIC, ellipsis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LONGEST", "columns_of", "draw_cells", "draw_curves", "draw_ranks"]

_LOW, _HIGH = 0.4, 1.0  # share of the full data at the ends of the colours
_LABELLED = 6  # curves that are named; the others are thin and grey
_MARKS = ("o", "s", "D", "^", "v", "P")
LONGEST = 22  # names are cut there
_SPACE = 0.6  # rows between methods and references
_ASIDE = 0.22  # rows between the marks of two n


def _places(tables: BenchmarkTables) -> dict[str, float]:
    """Return the height of each method, in rows from the top."""
    places = {name: float(k) for k, name in enumerate(tables.methods)}
    first = len(tables.methods) - 1 + 1 + _SPACE
    return places | {name: first + k for k, name in enumerate(tables.references)}


def _limits(tables: BenchmarkTables) -> tuple[float, float]:
    return max(_places(tables).values()) + 0.5, -0.5


def columns_of(tables: BenchmarkTables) -> list[str]:
    """Return what stands above the columns: the tasks, and their mean, which says nothing new of a single one."""
    return [*tables.tasks, "mean"] if len(tables.tasks) > 1 else list(tables.tasks)


def draw_cells(ax: Axes, tables: BenchmarkTables, n: int, *, names: bool) -> None:
    """Draw a circle with its score for each method (row) and task (column), and the mean over tasks."""
    places, columns = _places(tables), columns_of(tables)
    cells = tables.cells[tables.cells["n"] == n]
    colors = heat()
    shown = {(row.method, row.task): row for row in cells.itertuples()}
    means = cells[cells["state"] == "ok"].groupby("method")[["mean", "relative"]].mean()
    number = cells[cells["state"] == "ok"].groupby("method")["task"].nunique()
    for method, y in places.items():
        for x, task in enumerate(columns):
            if task == "mean":
                # over another set of tasks a mean would say another thing
                whole = number.get(method, 0) == len(tables.tasks)
                value, share = means.loc[method] if whole else (np.nan, np.nan)
            else:
                row = shown.get((method, task))
                if row is not None and row.state == "failed":
                    ax.plot(x, y, marker="x", color=SYNTHETIC, markersize=5)
                    continue
                value, share = (row.mean, row.relative) if row is not None else (np.nan, np.nan)
            if not np.isfinite(value):
                continue
            level = np.clip((share - _LOW) / (_HIGH - _LOW), 0, 1) if np.isfinite(share) else np.nan
            face = colors(0.08 + 0.82 * level) if np.isfinite(level) else ink(0.07)
            ax.scatter(x, y, s=185, color=face, edgecolors="none", zorder=2)
            ax.text(x, y, f"{100 * value:.0f}", fontsize=6.5, ha="center", va="center_baseline", zorder=3,
                    color=written_on(face), fontweight="bold" if task == "mean" else None)  # fmt: skip
    if tables.ours in places:
        ax.axhspan(places[tables.ours] - 0.5, places[tables.ours] + 0.5, color=SYNTHETIC, alpha=0.12, linewidth=0)
    ax.set(xlim=(-0.5, len(columns) - 0.5), ylim=_limits(tables))
    ax.xaxis.tick_top()
    ax.set_xticks(
        range(len(columns)), labels=[ellipsis(c, LONGEST) for c in columns], rotation=60, ha="left", fontsize=7,
        parse_math=False,
    )  # fmt: skip
    labels = [ellipsis(m, LONGEST) for m in places] if names else []
    ax.set_yticks(list(places.values()), labels=labels, fontsize=8, parse_math=False)
    for label, method in zip(ax.get_yticklabels(), places, strict=False):
        label.set_fontweight("bold" if method == tables.ours else "normal")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def draw_ranks(ax: Axes, tables: BenchmarkTables) -> None:
    """Draw the mean rank of each method, a mark for each n, and the band of what cannot be told from ours."""
    places = _places(tables)
    colors = _n_colors(tables)
    for k, n in enumerate(tables.n):
        ranks = tables.ranks[tables.ranks["n"] == n].set_index("method")["rank"]
        ranks = ranks[[m for m in ranks.index if m in places]]
        aside = _ASIDE * (k - (len(tables.n) - 1) / 2)  # equal ranks would hide each other
        ax.scatter(
            ranks.to_numpy(), [places[m] + aside for m in ranks.index], marker=_MARKS[k % len(_MARKS)], s=16, color=colors[n],
            label=f"n = {n}", zorder=3,
        )  # fmt: skip
    last = max(tables.n)
    ranks = tables.ranks[tables.ranks["n"] == last].set_index("method")["rank"]
    # Nemenyi's test compares tasks: of one it cannot say anything
    if tables.ours in ranks and last in tables.critical and tables.n_ranked > 1:
        centre, half = ranks[tables.ours], tables.critical[last]
        ax.axvspan(centre - half, centre + half, color=REAL, alpha=0.13, linewidth=0)
    most = float(tables.ranks["rank"].max()) if len(tables.ranks) else 1.0
    ax.set(xlim=(0, most + 1), ylim=_limits(tables))
    ax.set_yticks(list(places.values()), labels=[])
    ax.grid(axis="y", color=ink(0.1), linewidth=0.6)
    ax.set_axisbelow(True)
    ax.xaxis.tick_top()
    ax.tick_params(labelsize=7, length=2)
    ax.tick_params(axis="y", length=0)
    ax.spines[["left", "right", "bottom"]].set_visible(False)
    if len(tables.ranks):
        ax.legend(fontsize=6.5, loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=3, frameon=False, handletextpad=0.1,
                  columnspacing=0.8, borderpad=0)  # fmt: skip


def draw_curves(ax: Axes, tables: BenchmarkTables) -> None:
    """Draw the share of the full data's score against the number of rows."""
    curves = tables.curves[tables.curves["method"].isin(tables.methods)].dropna(subset=["relative"])
    best = [m for m in tables.methods if m != tables.ours][: _LABELLED - 1]
    named = [m for m in dict.fromkeys([tables.ours, *best, "random"]) if m in set(curves["method"])]
    ends = []
    for method, part in curves.groupby("method"):
        part = part.sort_values("n")
        x, y = part["n"].to_numpy(), part["relative"].to_numpy()
        if method not in named:
            ax.plot(x, y, color=ink(0.22), linewidth=0.8, zorder=1)
            continue
        mine = method == tables.ours
        color = SYNTHETIC if mine else seen(COLORS[(named.index(method) - 1) % len(COLORS)])
        ax.plot(x, y, color=color, linewidth=2.2 if mine else 1.2, marker=_MARKS[named.index(method) % len(_MARKS)],
                markersize=4, zorder=4 if mine else 3)  # fmt: skip
        if mine:
            sd = part["sd"].fillna(0).to_numpy()
            ax.fill_between(x, y - sd, y + sd, color=color, alpha=0.12, linewidth=0)
        ends.append((float(y[-1]), str(method), color))
    ax.axhline(1, color=ink(0.73), linestyle="--", linewidth=0.9)
    ends.append((1.0, "all cells", ink(0.73)))
    if len(curves):
        low = max(0.0, float(curves["relative"].min()) - 0.05)
        high = max(1.06, float(curves["relative"].max()) + 0.04)
        ax.set_ylim(low, high)
        _name_ends(ax, ends, low, high)
    else:
        ax.text(0.5, 0.5, "no task has a score of all methods and of all cells", fontsize=8, ha="center", va="center",
                color=ink(0.73), transform=ax.transAxes)  # fmt: skip
    ax.set_xscale("log")
    ax.set_xticks(tables.n, labels=[str(n) for n in tables.n])
    ax.minorticks_off()
    ax.set_xlabel("rows per class", fontsize=8)
    ax.set_ylabel("share of the score of all cells", fontsize=8)
    ax.tick_params(labelsize=7)
    ax.spines[["top", "right"]].set_visible(False)


def _name_ends(ax: Axes, ends: list[tuple[float, str, str]], low: float, high: float) -> None:
    """Write the names beside the ends of the curves, one above the other."""
    step = (high - low) * 0.068
    places = spread([value for value, _, _ in ends], step, low, high)
    for at, (_, name, color) in zip(places, ends, strict=True):
        ax.text(1.01, at, ellipsis(name, LONGEST), fontsize=7.5, va="center", color=color, parse_math=False,
                transform=ax.get_yaxis_transform(), fontweight="bold" if color == SYNTHETIC else None)  # fmt: skip


def spread(values: list[float], step: float, low: float, high: float) -> list[float]:
    """Return places at least ``step`` apart, in the order of the values and near them, inside [low, high] if they fit.

    Examples
    --------
    >>> spread([1.0, 1.0, 5.0], 0.5, 0.0, 10.0)
    [1.0, 1.5, 5.0]
    >>> spread([9.9, 9.9], 1.0, 0.0, 10.0)
    [9.0, 10.0]
    """
    order = np.argsort(values, kind="stable")
    places = np.asarray(values, dtype=float)[order]
    for k in range(1, len(places)):
        places[k] = max(places[k], places[k - 1] + step)
    if len(places) and places[-1] > high:
        places[-1] = high
        for k in range(len(places) - 2, -1, -1):
            places[k] = min(places[k], places[k + 1] - step)
    out = np.empty(len(places))
    out[order] = places
    return [float(place) for place in out]


def _n_colors(tables: BenchmarkTables) -> dict[int, str]:
    import matplotlib as mpl
    from matplotlib.colors import to_hex

    shades = mpl.colormaps["viridis"]
    return {n: to_hex(shades(0.15 + 0.7 * k / max(len(tables.n) - 1, 1))) for k, n in enumerate(tables.n)}

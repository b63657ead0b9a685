"""What the figure of a benchmark shows, as tables."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scdd._names import score_name, several
from scdd.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BenchmarkTables", "prepare_benchmark"]


@dataclass(frozen=True)
class BenchmarkTables:
    """Tables behind the figure.

    Attributes
    ----------
    cells
        Columns n, task, method, mean, relative (share of full data) and state (``"ok"`` or ``"failed"``); what was not run
        has no line.
    ranks
        Columns n, method, rank.
    curves
        Columns method, n, relative, sd: mean and standard deviation over the tasks that all ranked methods have.
    critical
        Critical difference of the mean ranks, by n.
    n, tasks, methods, references
        What is shown, in order; references are methods that use as many rows as they like.
    n_ranked
        Number of tasks that all ranked methods have at every n.
    unranked
        Methods without a rank, as they lack scores on too many tasks.
    metric_name, ours
        Text of the score, and the method that is marked.
    """

    cells: pd.DataFrame
    ranks: pd.DataFrame
    curves: pd.DataFrame
    critical: dict[int, float]
    n: list[int]
    tasks: list[str]
    methods: list[str]
    references: list[str]
    n_ranked: int
    unranked: list[str]
    metric_name: str
    ours: str


def prepare_benchmark(
    results: pd.DataFrame | str | os.PathLike[str],
    *,
    metric: str = "macro_f1",
    ours: str = "scdd",
    n: int | Sequence[int] | None = None,
    tasks: str | Sequence[str] | None = None,
    methods: str | Sequence[str] | None = None,
) -> BenchmarkTables:
    """Return the tables; the parameters are those of :func:`scdd.pl.benchmark`."""
    import pandas as pd

    from scdd.benchmark._runs import is_reference
    from scdd.benchmark._statistics import critical_difference, ranked
    from scdd.benchmark._store import results_of
    from scdd.benchmark._tables import scores

    tasks, methods = (None if names is None else several(names) for names in (tasks, methods))
    n = [int(n)] if isinstance(n, int | np.integer) else n
    table = _chosen(_chosen(results_of(results), "task", tasks), "method", methods)
    cells = scores(table, metric=metric)
    if n is not None:
        cells = _chosen(cells, "n", n)
    if not len(cells):
        msg = "There is no run to show: all failed, or the results are empty."
        raise InputError(msg)
    failed = _failed(table, cells)
    sizes = sorted(set(cells["n"])) if n is None else list(n)
    reference = cells["method"].map(is_reference).astype(bool)
    judged = cells[~reference]
    ranks, compared, whole = ranked(table, metric=metric, ours=ours, n=n)
    inside = (cells["task"].isin(whole) & cells["method"].isin(compared)).to_numpy()
    ranks = ranks[["n", "method", "rank"]]
    mean_rank = ranks.groupby("method")["rank"].mean()
    share = judged.groupby("method")["relative"].mean().fillna(0)
    order = sorted(share.index, key=lambda m: (mean_rank.get(m, float("inf")), -share[m], m))
    cells = cells[["n", "task", "method", "mean", "relative"]].assign(state="ok")
    curves = cells[inside].groupby(["method", "n"])["relative"].agg(["mean", "std"]).reset_index()
    return BenchmarkTables(
        cells=pd.concat([cells, failed], ignore_index=True),
        ranks=ranks,
        curves=curves.rename(columns={"mean": "relative", "std": "sd"}),
        critical={k: critical_difference(len(part), len(whole)) for k, part in ranks.groupby("n") if len(part) > 1},
        n=sizes,
        tasks=list(tasks) if tasks is not None else list(dict.fromkeys(table["task"])),
        methods=[m for m in (methods if methods is not None else order) if m in set(order)],
        references=sorted(set(cells.loc[reference.to_numpy(), "method"])),
        n_ranked=len(whole),
        unranked=sorted(set(judged["method"]) - set(compared)),
        metric_name=score_name(metric, start=True),
        ours=ours,
    )


def _chosen(table: pd.DataFrame, column: str, names: Sequence[object] | None) -> pd.DataFrame:
    if names is None:
        return table
    missing = [name for name in names if name not in set(table[column])]
    if missing:
        msg = f"The results have no {column} {', '.join(map(repr, missing[:5]))}."
        raise InputError(msg)
    return table[table[column].isin(list(names))]


def _failed(table: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """Return a line for each task, method and n of which no run succeeded, but one was tried."""
    tried = table[["n", "task", "method"]].drop_duplicates()
    done = set(zip(cells["task"], cells["method"], strict=True))
    lost = tried[[pair not in done for pair in zip(tried["task"], tried["method"], strict=True)]]
    exact = set(zip(cells["n"], cells["task"], cells["method"], strict=True))
    partly = tried[[key not in exact for key in zip(tried["n"], tried["task"], tried["method"], strict=True)]]
    partly = partly[partly["n"].isin(set(cells["n"]))]
    import pandas as pd

    return pd.concat([lost, partly]).drop_duplicates().assign(state="failed")

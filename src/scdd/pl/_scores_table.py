"""Scores of models against the rows per class, from tables of evaluations and of benchmarks."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from scdd._names import SCORE_NAMES, several
from scdd.errors import InputError
from scdd.pp._text import first

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MEAN", "ours_of", "prepare_scores"]

MEAN = "\x00mean"  # the panel of the mean; no model has this name
_RUN = ["method", "n", "run"]


def prepare_scores(
    results: pd.DataFrame | Mapping[str, pd.DataFrame] | str | os.PathLike[str],
    *,
    metric: str = "macro_f1",
    task: str | None = None,
    methods: str | Sequence[str] | None = None,
    models: str | Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return mean and standard deviation over runs; the parameters are those of :func:`scdd.pl.utility`.

    Returns
    -------
    Table with the columns method, model, n, mean, sd (missing for one run), runs and reference (whether the method uses
    as many rows as it likes). With several models the model :data:`MEAN` is their mean, over the runs that have all.
    ``attrs`` hold the metric and the task.
    """
    import pandas as pd

    from scdd.benchmark._runs import is_reference

    if metric not in SCORE_NAMES:
        msg = f"Unknown metric {metric!r}. Available: {', '.join(SCORE_NAMES)}."
        raise InputError(msg)
    methods, models = (None if names is None else several(names) for names in (methods, models))
    runs, task = _runs(results, metric, task)
    runs = _chosen(_chosen(runs, "method", methods), "model", models)
    runs = runs[runs["value"].notna()]
    if not len(runs):
        msg = "There is no score to show: all runs failed, or the results are empty."
        raise InputError(msg)
    panel = list(models) if models is not None else list(dict.fromkeys(runs["model"]))
    if len(panel) > 1:
        whole = runs.groupby(_RUN)["model"].transform("nunique") == len(panel)
        mean = runs[whole].groupby(_RUN, as_index=False, sort=False)["value"].mean().assign(model=MEAN)
        runs = pd.concat([runs, mean], ignore_index=True)
        panel.append(MEAN)
    table = runs.groupby(["model", "method", "n"])["value"].agg(mean="mean", sd="std", runs="size").reset_index()
    table["reference"] = table["method"].map(is_reference).astype(bool)
    if table["reference"].all():
        msg = (
            f"The results hold references only ({first(dict.fromkeys(table['method']))}), and no method that is scored by its "
            "rows per class. Add one."
        )
        raise InputError(msg)
    # references have one line, whatever the number of rows
    table = table[~(table["reference"] & table.duplicated(["model", "method", "reference"]))]
    table = table.sort_values(
        ["model", "method", "n"], key=_order(panel, methods or list(dict.fromkeys(runs["method"])))
    )
    table = table[["method", "model", "n", "mean", "sd", "runs", "reference"]].reset_index(drop=True)
    table.attrs.update(metric=metric, task=task)
    return table


def ours_of(table: pd.DataFrame, ours: str | None) -> str:
    """Return the method that is marked."""
    methods = list(dict.fromkeys(table["method"]))
    if ours is not None:
        if ours not in methods:
            msg = f"The results have no method {ours!r}: {first(methods)}."
            raise InputError(msg)
        return ours
    curves = list(dict.fromkeys(table.loc[~table["reference"], "method"])) or methods
    return "scdd" if "scdd" in curves else str(curves[0])


def _runs(
    results: pd.DataFrame | Mapping[str, pd.DataFrame] | str | os.PathLike[str], metric: str, task: str | None
) -> tuple[pd.DataFrame, str]:
    """Return one line for each model of each run (method, model, n, run, value), and the name of the task."""
    import pandas as pd

    if isinstance(results, Mapping):
        if not results:
            msg = "The mapping of results is empty."
            raise InputError(msg)
        results = pd.concat([table.assign(method=str(name)) for name, table in results.items()], ignore_index=True)
    if isinstance(results, pd.DataFrame) and {"metric", "value"} <= set(results.columns):
        return _of_evaluations(results, metric), task or ""
    from scdd.benchmark._store import results_of

    table = results_of(results)
    table = table[table["status"] == "ok"]
    tasks = list(dict.fromkeys(table["task"]))
    if task is None and len(tasks) > 1:
        msg = f"The results hold {len(tasks)} tasks: give one of them as task=: {first(tasks)}."
        raise InputError(msg)
    if task is not None:
        table = _chosen(table, "task", [task])
    run = table["split"].astype(str) + "/" + table["seed"].astype(str)
    columns = {"method": table["method"], "model": table["model"], "n": table["n"], "run": run, "value": table[metric]}
    return pd.DataFrame(columns).reset_index(drop=True), task or (tasks[0] if tasks else "")


def _of_evaluations(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    table = table[(table["metric"] == metric) & (table["class"] == "")]
    table = table.assign(method=table["method"].astype(str) if "method" in table else "synthetic")
    # tables of several splits, joined: the k-th line of the same model and seed is another run
    again = table.groupby(["method", "model", "n", "seed"]).cumcount()
    table = table.assign(run=table["seed"].astype(str) + "/" + again.astype(str))
    return table[["method", "model", "n", "run", "value"]].reset_index(drop=True)


def _chosen(table: pd.DataFrame, column: str, names: Sequence[str] | None) -> pd.DataFrame:
    if names is None:
        return table
    missing = [name for name in names if name not in set(table[column])]
    if missing:
        msg = f"The results have no {column} {', '.join(map(repr, missing[:5]))}."
        raise InputError(msg)
    return table[table[column].isin(list(names))]


def _order(models: Sequence[str], methods: Sequence[str]) -> Callable[[pd.Series], pd.Series]:
    """Return the sort key that keeps models and methods in these orders."""
    place = {"model": {name: k for k, name in enumerate(models)}, "method": {name: k for k, name in enumerate(methods)}}
    return lambda column: column.map(place[column.name]) if column.name in place else column

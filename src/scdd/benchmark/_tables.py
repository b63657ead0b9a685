"""From results to tables: means, and the best baseline of each task."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scdd.benchmark._runs import comparable_lines, is_baseline, one_per_run
from scdd.benchmark._store import check_metric, results_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["margins", "scores", "summary"]


def summary(
    results: pd.DataFrame | str | os.PathLike[str], *, metric: str = "macro_f1", ours: str = "scdd"
) -> dict[str, pd.DataFrame]:
    """Return all tables of a benchmark.

    Parameters
    ----------
    results
        What :func:`scdd.benchmark.run` returned, or the path of its CSV.
    metric
        ``"macro_f1"``, ``"balanced_accuracy"`` or ``"accuracy"``.
    ours
        The method that the others are compared with; it may be one of your own.

    Returns
    -------
    Tables by name: ``"scores"``, ``"margins"``, ``"tests"``, ``"ranks"`` and ``"donors"``, as of
    :func:`scdd.benchmark.scores`, :func:`scdd.benchmark.margins`, :func:`scdd.benchmark.paired_tests`,
    :func:`scdd.benchmark.mean_ranks` and :func:`scdd.benchmark.donor_intervals`; and ``"failures"``, the runs that
    failed, with their messages. Margins and tests are empty where ``ours`` was not run. A warning names models that not
    all runs of a task have: they count in no table.

    Raises
    ------
    scdd.errors.InputError
        If there is no such metric.

    Examples
    --------
    >>> import scdd
    >>> methods = ["random", "class_mean", "full"]
    >>> results = scdd.benchmark.run("simulated", methods, n=[2], splits=[0], models=["LR", "kNN"], progress=False)
    >>> tables = scdd.benchmark.summary(results, ours="class_mean")
    >>> tables["scores"]["method"].tolist(), tables["margins"]["best"].tolist()
    (['class_mean', 'full', 'random'], ['random'])
    """
    from scdd.benchmark._bootstrap import donor_intervals
    from scdd.benchmark._statistics import mean_ranks, paired_tests

    check_metric(metric)
    table = results_of(results)
    failed = table[table["status"] == "failed"]
    table = comparable_lines(table)  # here, so that what is left out is told once
    return {
        "scores": scores(table, metric=metric),
        "margins": margins(table, metric=metric, ours=ours),
        "tests": paired_tests(table, metric=metric, ours=ours),
        "ranks": mean_ranks(table, metric=metric, ours=ours),
        "donors": donor_intervals(table, ours=ours),
        "failures": failed[["task", "method", "n", "split", "seed", "model", "message"]].reset_index(drop=True),
    }


def scores(results: pd.DataFrame, *, metric: str = "macro_f1") -> pd.DataFrame:
    """Return the mean and standard deviation of each method on each task, over splits and seeds.

    A run is the mean of the models that all runs of the task have; a run in which a model failed has no score.
    References (``full``) and class means, which have one size, stand beside every n.

    Parameters
    ----------
    results
        What :func:`scdd.benchmark.run` returned.
    metric
        The score.

    Returns
    -------
    Columns n, task, method, mean, sd (over runs; missing for one run), runs (their number), and relative: the mean as a
    share of that of ``full``, over the splits and seeds that both have, missing where there are none.

    Examples
    --------
    >>> import scdd
    >>> results = scdd.benchmark.run("simulated", ["random", "full"], n=[1], splits=[0], models=["LR"], progress=False)
    >>> scdd.benchmark.scores(results)[["method", "runs"]].to_numpy().tolist()
    [['full', 2], ['random', 2]]
    """
    runs = one_per_run(results, metric)
    full = runs[runs["method"] == "full"].drop(columns="method").rename(columns={"score": "full"})
    both = runs.merge(full).groupby(["n", "task", "method"])[["score", "full"]].mean()
    table = runs.groupby(["n", "task", "method"])["score"].agg(mean="mean", sd="std", runs="size")
    return table.assign(relative=both["score"] / both["full"]).reset_index()


def margins(results: pd.DataFrame, *, metric: str = "macro_f1", ours: str = "scdd") -> pd.DataFrame:
    """Compare a method with the best of the others, task by task.

    Each of the others is compared over the splits and seeds that it shares with ``ours``; where it has none of them, it
    is left out. The best is chosen after the fact, on the very scores that it is compared by, so this is hard on ``ours``.

    Parameters
    ----------
    results
        What :func:`scdd.benchmark.run` returned.
    metric
        The score.
    ours
        The method.

    Returns
    -------
    Columns n, task, ours (its mean), best (name of the other method that leads most, or is nearest; references and
    variants of scdd do not count), best_mean, margin (ours - best_mean), and runs: the splits and seeds that both means
    are over.

    Examples
    --------
    >>> import scdd
    >>> results = scdd.benchmark.run(
    ...     "simulated", ["random", "class_mean"], n=[1], splits=[0], models=["LR"], progress=False
    ... )
    >>> scdd.benchmark.margins(results, ours="class_mean")["best"].tolist()
    ['random']
    """
    import pandas as pd

    rows = []
    for (n, task), part in one_per_run(results, metric).groupby(["n", "task"]):
        wide = part.pivot(index=["split", "seed"], columns="method", values="score")
        if ours not in wide:
            continue
        margin = wide[[m for m in wide if is_baseline(m, ours)]].rsub(wide[ours], axis=0).mean().dropna()
        if len(margin):
            best = str(margin.idxmin())
            both = wide[[ours, best]].dropna()
            rows.append((n, task, both[ours].mean(), best, both[best].mean(), margin[best], len(both)))
    return pd.DataFrame(rows, columns=["n", "task", "ours", "best", "best_mean", "margin", "runs"])

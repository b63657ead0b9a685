"""From results to tables: means, and the best baseline of each task."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from scdd.benchmark._runs import is_baseline, one_per_run
from scdd.benchmark._store import results_of

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
    failed, with their messages. Margins and tests are empty where ``ours`` was not run.

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

    table = results_of(results)
    failed = table[table["status"] == "failed"]
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

    A run is the mean of its models; a run in which a model failed has no score. References (``full``) and class means,
    which have one size, stand beside every n.

    Parameters
    ----------
    results
        What :func:`scdd.benchmark.run` returned.
    metric
        The score.

    Returns
    -------
    Columns n, task, method, mean, sd (over runs; missing for one run), runs, and relative: the mean as a share of that
    of ``full``, missing where it was not run.

    Examples
    --------
    >>> import scdd
    >>> results = scdd.benchmark.run("simulated", ["random", "full"], n=[1], splits=[0], models=["LR"], progress=False)
    >>> scdd.benchmark.scores(results)[["method", "runs"]].to_numpy().tolist()
    [['full', 2], ['random', 2]]
    """
    runs = one_per_run(results, metric)
    table = runs.groupby(["n", "task", "method"])["score"].agg(mean="mean", sd="std", runs="size").reset_index()
    full = table[table["method"] == "full"].set_index(["n", "task"])["mean"]
    reference = table.set_index(["n", "task"]).index.map(full.to_dict())
    return table.assign(relative=table["mean"].to_numpy() / np.asarray(reference, dtype=np.float64))


def margins(results: pd.DataFrame, *, metric: str = "macro_f1", ours: str = "scdd") -> pd.DataFrame:
    """Compare a method with the best of the others, task by task.

    The best is chosen after the fact, on the very scores that it is compared by, so this is hard on ``ours``.

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
    Columns n, task, ours (its mean), best (name of the other method with the highest mean; references and variants of
    scdd do not count), best_mean, and margin (ours - best_mean).

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

    table = scores(results, metric=metric)
    rows = []
    for (n, task), part in table.groupby(["n", "task"]):
        mean = part.set_index("method")["mean"]
        others = mean[[m for m in mean.index if is_baseline(m, ours)]]
        if ours in mean and len(others):
            best = str(others.idxmax())
            rows.append((n, task, mean[ours], best, others[best], mean[ours] - others[best]))
    return pd.DataFrame(rows, columns=["n", "task", "ours", "best", "best_mean", "margin"])

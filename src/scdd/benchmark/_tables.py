"""From results to tables: means, the best baseline, paired tests, ranks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scdd.benchmark._methods import METHODS
from scdd.benchmark._store import SCORES, read_results
from scdd.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["margins", "mean_ranks", "paired_tests", "scores", "summary"]

_PAIR = ["task", "split", "seed"]


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
    Tables by name: ``"scores"`` (:func:`scdd.benchmark.scores`), ``"margins"`` (:func:`scdd.benchmark.margins`), ``"tests"`` (:func:`scdd.benchmark.paired_tests`),
    ``"ranks"`` (:func:`scdd.benchmark.mean_ranks`), and ``"failures"``, the runs that failed, with their messages. Margins and tests are
    empty where ``ours`` was not run.

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
    import pandas as pd

    table = results if isinstance(results, pd.DataFrame) else read_results(results)
    failed = table[table["status"] == "failed"]
    return {
        "scores": scores(table, metric=metric),
        "margins": margins(table, metric=metric, ours=ours),
        "tests": paired_tests(table, metric=metric, ours=ours),
        "ranks": mean_ranks(table, metric=metric),
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
    Columns n, task, method, mean, sd (over runs; missing for one run), runs, and relative: the mean as a share of that of
    ``full``, missing where it was not run.

    Examples
    --------
    >>> import scdd
    >>> results = scdd.benchmark.run("simulated", ["random", "full"], n=[1], splits=[0], models=["LR"], progress=False)
    >>> scdd.benchmark.scores(results)[["method", "runs"]].to_numpy().tolist()
    [['full', 2], ['random', 2]]
    """
    runs = _runs(results, metric)
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
        others = mean[[m for m in mean.index if _is_baseline(m, ours)]]
        if ours in mean and len(others):
            best = str(others.idxmax())
            rows.append((n, task, mean[ours], best, others[best], mean[ours] - others[best]))
    return pd.DataFrame(rows, columns=["n", "task", "ours", "best", "best_mean", "margin"])


def paired_tests(results: pd.DataFrame, *, metric: str = "macro_f1", ours: str = "scdd") -> pd.DataFrame:
    """Compare a method with each baseline by Wilcoxon's signed-rank test, paired by task, split and seed.

    P values are corrected by Holm over the baselines of one n. Splits and seeds of a task share cells, so the pairs are
    not independent, and p values are too small: take them for an order, not for proof.

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
    Columns n, method, pairs, mean_difference (ours - method), won, tied, lost (pairs), p (two-sided) and p_holm.

    Examples
    --------
    >>> import scdd
    >>> results = scdd.benchmark.run(
    ...     "simulated", ["random", "class_mean"], n=[1], splits=[0], models=["LR"], progress=False
    ... )
    >>> scdd.benchmark.paired_tests(results, ours="class_mean")[["method", "pairs"]].to_numpy().tolist()
    [['random', 2]]
    """
    import pandas as pd

    parts = []
    for n, part in _runs(results, metric).groupby("n"):
        wide = part.pivot(index=_PAIR, columns="method", values="score")
        if ours not in wide:
            continue
        rows = []
        for method in wide.columns:
            difference = (wide[ours] - wide[method]).dropna().to_numpy()
            if _is_baseline(method, ours) and len(difference):
                won, lost = int((difference > 0).sum()), int((difference < 0).sum())
                tied = len(difference) - won - lost
                mean = float(difference.mean())
                rows.append((n, method, len(difference), mean, won, tied, lost, _wilcoxon(difference)))
        columns = ["n", "method", "pairs", "mean_difference", "won", "tied", "lost", "p"]
        table = pd.DataFrame(rows, columns=columns)
        parts.append(table.assign(p_holm=holm(table["p"])))
    columns = ["n", "method", "pairs", "mean_difference", "won", "tied", "lost", "p", "p_holm"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def mean_ranks(results: pd.DataFrame, *, metric: str = "macro_f1") -> pd.DataFrame:
    """Rank the methods within each task (1 is best, ties share), and take the mean over tasks.

    Only tasks on which every method has a score count; references are left out.

    Parameters
    ----------
    results
        What :func:`scdd.benchmark.run` returned.
    metric
        The score.

    Returns
    -------
    Columns n, method, rank, tasks; best first.

    Examples
    --------
    >>> import scdd
    >>> results = scdd.benchmark.run(
    ...     "simulated", ["random", "class_mean"], n=[1], splits=[0], models=["LR"], progress=False
    ... )
    >>> sorted(scdd.benchmark.mean_ranks(results)["rank"])
    [1.0, 2.0]
    """
    import pandas as pd

    table = scores(results, metric=metric)
    parts = []
    for n, part in table[~table["method"].map(_is_reference).astype(bool)].groupby("n"):
        wide = part.pivot(index="task", columns="method", values="mean").dropna()
        rank = wide.rank(axis=1, ascending=False).mean().sort_values(kind="stable")
        parts.append(pd.DataFrame({"n": n, "method": rank.index, "rank": rank.to_numpy(), "tasks": len(wide)}))
    empty = pd.DataFrame(columns=["n", "method", "rank", "tasks"])
    return pd.concat(parts, ignore_index=True) if parts else empty


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Correct p values by Holm's step-down rule.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * (len(values) - np.arange(len(values)))
    out = np.empty_like(values)
    out[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return out


def _wilcoxon(difference: NDArray[np.float64]) -> float:
    from scipy.stats import wilcoxon

    # where nothing differs there is nothing to test
    return float(wilcoxon(difference).pvalue) if np.any(difference != 0) else 1.0


def _runs(results: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return one line per task, method, n, split and seed; methods of one size are repeated at every n."""
    import pandas as pd

    if metric not in SCORES:
        msg = f"Unknown metric {metric!r}. Available: {', '.join(SCORES)}."
        raise InputError(msg)
    key = ["task", "method", "n", "split", "seed"]
    # a run in which a model failed is no run: the mean of the others is that of another panel
    whole = results.groupby(key)["status"].transform(lambda status: (status == "ok").all()).astype(bool)
    runs = results[whole].groupby(key, as_index=False)[metric].mean().rename(columns={metric: "score"})
    fixed = runs["method"].map(lambda name: _sized(name) != "n").astype(bool)
    budgets = sorted(set(runs.loc[~fixed, "n"])) or sorted(set(runs["n"]))
    return pd.concat([runs[~fixed], *(runs[fixed].assign(n=n) for n in budgets)], ignore_index=True).drop_duplicates(
        key
    )


def _sized(name: str) -> str:
    return METHODS.get(name).sized if name in METHODS else "n"


def _is_reference(name: str) -> bool:
    return _sized(name) == "all"


def _is_baseline(name: str, ours: str) -> bool:
    return name != ours and not _is_reference(name) and not (name in METHODS and METHODS.get(name).ours)

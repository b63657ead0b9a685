"""Is one method better than the others? Paired tests and ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scdd.benchmark._runs import is_baseline, is_reference, one_per_run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["critical_difference", "holm", "mean_ranks", "paired_tests"]

_PAIR = ["task", "split", "seed"]


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
    for n, part in one_per_run(results, metric).groupby("n"):
        wide = part.pivot(index=_PAIR, columns="method", values="score")
        if ours not in wide:
            continue
        rows = []
        for method in wide.columns:
            difference = (wide[ours] - wide[method]).dropna().to_numpy()
            if is_baseline(method, ours) and len(difference):
                won, lost = int((difference > 0).sum()), int((difference < 0).sum())
                tied = len(difference) - won - lost
                mean = float(difference.mean())
                rows.append((n, method, len(difference), mean, won, tied, lost, _wilcoxon(difference)))
        columns = ["n", "method", "pairs", "mean_difference", "won", "tied", "lost", "p"]
        table = pd.DataFrame(rows, columns=columns)
        parts.append(table.assign(p_holm=holm(table["p"])))
    columns = ["n", "method", "pairs", "mean_difference", "won", "tied", "lost", "p", "p_holm"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def mean_ranks(results: pd.DataFrame, *, metric: str = "macro_f1", ours: str = "scdd") -> pd.DataFrame:
    """Rank the methods within each task (1 is best, ties share), and take the mean over tasks.

    References are left out. Only tasks on which every method has a score, at every n that it was run with, count; while
    these are fewer than half of the tasks, the method that lacks most of them is left out: one method that cannot be run
    on some tasks must not take these from all others. Ranks are those of the means over the splits and seeds that all of
    them have.

    Parameters
    ----------
    results
        What :func:`scdd.benchmark.run` returned.
    metric
        The score.
    ours
        A method that is never left out.

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
    return ranked(results, metric=metric, ours=ours)[0]


def ranked(
    results: pd.DataFrame, *, metric: str, ours: str, n: Sequence[int] | None = None
) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Return the table of :func:`mean_ranks`, at some n where they are given, and the methods and tasks that are ranked."""
    import pandas as pd

    runs = one_per_run(results, metric)
    runs = runs[~runs["method"].map(is_reference).astype(bool)]
    if n is not None:
        runs = runs[runs["n"].isin(n)]
    if not len(runs):
        return pd.DataFrame(columns=["n", "method", "rank", "tasks"]), [], []
    methods, tasks = comparable(_means(runs), ours=ours)
    runs = runs[runs["method"].isin(methods) & runs["task"].isin(tasks)]
    having = runs.groupby(["n", *_PAIR])["method"].transform("size")
    return ranks_within(_means(runs[having == runs.groupby("n")["method"].transform("nunique")])), methods, tasks


def comparable(scores: pd.DataFrame, *, ours: str = "scdd") -> tuple[list[str], list[str]]:
    """Return methods and tasks such that each of the methods has a score on each of the tasks, at every n it was run with.

    While fewer than half of the tasks are such, the method that lacks most of them is left out.

    Parameters
    ----------
    scores
        What :func:`scdd.benchmark.scores` returned, without references.
    ours
        A method that is never left out.
    """
    present = scores.assign(one=1).pivot_table(index="task", columns=["method", "n"], values="one").notna()
    whole = present.T.groupby(level="method").all().T  # (task, method)
    while 2 * whole.all(axis=1).sum() < len(whole):
        lacking = (~whole).sum().drop(ours, errors="ignore")
        if not len(lacking) or not lacking.max():
            break
        whole = whole.drop(columns=lacking.idxmax())
    return list(whole.columns), list(whole.index[whole.all(axis=1)])


def _means(runs: pd.DataFrame) -> pd.DataFrame:
    return runs.groupby(["n", "task", "method"])["score"].mean().rename("mean").reset_index()


def ranks_within(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the mean rank over tasks of each method at each n: columns n, method, rank, tasks."""
    rank = scores.groupby(["n", "task"])["mean"].rank(ascending=False)
    ranks = scores.assign(rank=rank).groupby(["n", "method"])["rank"].agg(rank="mean", tasks="size").reset_index()
    return ranks.sort_values(["n", "rank"], kind="stable", ignore_index=True)


def critical_difference(n_methods: int, n_tasks: int, *, alpha: float = 0.05) -> float:
    """Return the difference of two mean ranks beyond which two methods differ, by the test of Nemenyi.

    Parameters
    ----------
    n_methods, n_tasks
        Number of methods that are ranked, and of tasks on which they are.
    alpha
        Level of the test, over all pairs of methods together.

    Returns
    -------
    The difference; infinite for one method.

    References
    ----------
    Demsar, Statistical comparisons of classifiers over multiple data sets, JMLR 7:1 (2006), equation 6.

    Examples
    --------
    >>> round(critical_difference(4, 14), 2)
    1.25
    """
    from scipy.stats import studentized_range

    if n_methods < 2:
        return float("inf")
    q = studentized_range.ppf(1 - alpha, n_methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(n_methods * (n_methods + 1) / (6 * n_tasks)))


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

"""Compare scdd with the simple baselines over the splits of some results files: by n, by task and by model.

    python scripts/benchmark_splits.py docs/_static/benchmark/benchmark.csv docs/_static/benchmark/splits.csv

The files are those of ``scdd benchmark``, for example one with ``--splits 0`` and one with ``--splits 1,2``. A split of a
task counts where all of these methods ran on it, and once: with few donors, different numbers can hold out the same ones,
and a transfer has one split. Numbers are means over the splits of a task first, and then over tasks.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark_groups import SIMPLE

if TYPE_CHECKING:
    import pandas as pd

NEIGHBOURS = "kNN"  # the model that makes most of the lead from 10 rows on
CELL_TYPES = ("zheng", "tabula_muris", "baron", "kang")


def joined(*paths: Path) -> pd.DataFrame:
    """Return the runs of several files that ended well, of the methods here, on the splits that all of them have."""
    import pandas as pd

    from scdd.benchmark._held_out import copies
    from scdd.benchmark._store import KEY, read_results

    table = pd.concat([read_results(path) for path in paths]).drop_duplicates(KEY)
    table = table[(table["status"] == "ok") & table["method"].isin([*SIMPLE, "scdd", "full", "full-balanced"])]
    kept = [part for _, part in table.groupby(["task", "split"]) if _is_whole(part)]
    table = pd.concat(kept)
    table = table[~table.set_index(["task", "split"]).index.isin(list(copies(table)))]
    means = table[table["method"].str.startswith("class_mean")]  # one row a class, whatever n: a rival at every n
    return pd.concat([table, *(means.assign(n=n) for n in sorted(set(table["n"]) - {0, *means["n"]}))])


def _is_whole(part: pd.DataFrame) -> bool:
    """Return whether all methods but random_donor, which wants donors, ran at every n."""
    wanted = {*SIMPLE, "scdd", "full", "full-balanced"} - {"random_donor"}
    return wanted <= set(part["method"]) and set(part["n"]) == set(part.loc[part["method"] == "scdd", "n"]) | {0}


def against_baselines(runs: pd.DataFrame, ours: str = "scdd") -> pd.DataFrame:
    """Return, for each n and group of tasks, by how much ``ours`` leads the best simple baseline of each task."""
    import pandas as pd
    from scipy.stats import wilcoxon

    rows = []
    for tasks, name in ((sorted(set(runs["task"])), "all tasks"), (list(CELL_TYPES), "cell types")):
        by_split = runs[runs["task"].isin(tasks)].groupby(["n", "task", "split", "method"])["macro_f1"].mean().unstack()
        for n in sorted(set(by_split.index.get_level_values("n")) - {0}):
            part, full = by_split.loc[n], by_split.loc[0]
            by_task = part.groupby("task").mean()
            winner = by_task[[m for m in SIMPLE if m in by_task]].idxmax(axis=1)
            pairs = pd.Series({key: run[ours] - run[winner[key[0]]] for key, run in part.iterrows()})
            lead, spread = 100 * pairs.groupby(level=0).mean(), 100 * pairs.groupby(level=0).std().mean()
            simple = pd.Series({task: by_task.loc[task, name] for task, name in winner.items()})
            room = 100 * float((full["full-balanced"].groupby("task").mean() - simple).mean())
            shares = [(part[ours] / full[name]).groupby("task").mean().mean() for name in ("full", "full-balanced")]
            rows.append(
                (n, f"{name} ({len(tasks)})", f"{by_task[ours].mean():.3f}", f"{lead.mean():+.1f}", f"{spread:.1f}",
                 f"{lead.min():+.1f} ({lead.idxmin()})", f"{int((lead > 0).sum())}", f"{wilcoxon(pairs).pvalue:.3f}",
                 f"{room:+.1f}", *(f"{value:.3f}" for value in shares))
            )  # fmt: skip
    columns = ["n", "tasks", ours, "lead, points", "sd over splits", "worst task", "tasks won", "p"]
    columns += ["lead of balanced full data", "of full data", "of balanced full data"]
    return pd.DataFrame(rows, columns=columns)


def by_task(runs: pd.DataFrame, ours: str = "scdd") -> pd.DataFrame:
    """Return the score of ``ours`` and its lead over the best simple baseline, for each task and n."""
    import pandas as pd

    scores = runs.groupby(["task", "n", "method", "split", "seed"])["macro_f1"].mean()
    rows = []
    for task in sorted(set(runs["task"])):
        row = [task]
        for n in sorted(set(runs["n"]) - {0}):
            mine = scores.loc[task, n, ours]
            means = scores.loc[task, n].groupby("method").mean()
            best = means[[m for m in SIMPLE if m in means]]
            row.append(
                f"{mine.mean():.3f} ± {mine.std():.3f} ({100 * (mine.mean() - best.max()):+.1f}, {best.idxmax()})"
            )
        rows.append((*row, f"{scores.loc[task, 0, 'full'].mean():.3f}"))
    columns = ["task", *(f"n = {n}" for n in sorted(set(runs["n"]) - {0})), "full data"]
    return pd.DataFrame(rows, columns=columns)


def by_model(runs: pd.DataFrame, ours: str = "scdd") -> pd.DataFrame:
    """Return, for each model, the lead over herding at each n, and the score at n = 1 as a share of full data."""
    import pandas as pd

    scores = runs.groupby(["model", "n", "method", "task"])["macro_f1"].mean()
    rows = []
    for model in sorted(set(runs["model"])):
        table = scores.loc[model].unstack("method")
        leads = {n: 100 * (table.loc[n, ours] - table.loc[n, "herding"]) for n in (1, 10, 50)}
        share = table.loc[1, ours] / table.loc[0, "full"]
        four = [share[share.index.isin(CELL_TYPES)].mean(), share.mean()]
        told = [f"{lead[lead.index.isin(CELL_TYPES)].mean():+.1f} / {lead.mean():+.1f}" for lead in leads.values()]
        rows.append((model, *told, " / ".join(f"{value:.3f}" for value in four)))
    columns = ["model", *(f"over herding, n = {n}" for n in (1, 10, 50)), "of full data, n = 1"]
    return pd.DataFrame(rows, columns=columns)


def section(runs: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return paragraphs, each with its table."""
    splits, seeds = runs.groupby("task")["split"].nunique(), runs["seed"].nunique()
    return [
        (
            f"{_several(splits)} x {seeds} seeds: scdd against the simple baselines ({', '.join(SIMPLE)}), of which "
            "the best on each task is chosen after the fact, over all splits. Means are over the splits of a task first, and "
            "then over tasks; the sd is the mean over tasks of the one over splits, of tasks with at least two. p: paired "
            "Wilcoxon test over tasks and splits, two-sided, against that baseline. The column 'lead of balanced full data' is "
            "the ceiling: how far models trained on all cells, with classes balanced, are ahead of that baseline.",
            against_baselines(runs),
        ),
        (
            f"The same without {NEIGHBOURS}: the mean of the other models, and the baseline that is best for it.",
            against_baselines(runs[runs["model"] != NEIGHBOURS]),
        ),
        ("Each task: macro-F1, mean ± sd over splits and seeds (lead over the best simple baseline, in points).", by_task(runs)),
        ("Each model, on the cell-type tasks / on all tasks: points over herding, and the share of full data.", by_model(runs)),
    ]  # fmt: skip


def _several(splits: pd.Series) -> str:
    """Return how many splits the tasks have.

    Examples
    --------
    >>> import pandas as pd
    >>> _several(pd.Series({"kang": 3, "zheng": 3, "pbmc_study": 1}))
    '3 splits (pbmc_study: 1)'
    """
    most = int(splits.max())
    fewer = [f"{task}: {number}" for task, number in splits.items() if number < most]
    return f"{most} splits" + (f" ({', '.join(fewer)})" if fewer else "")


def main() -> None:
    """Print the tables of the results files that are named."""
    parser = argparse.ArgumentParser(
        description="scdd against the simple baselines, over the splits of some results files."
    )
    parser.add_argument("results", nargs="+", type=Path, help="files that scdd benchmark wrote")
    for words, table in section(joined(*parser.parse_args().results)):
        print(f"{words}\n{table.to_string(index=False)}\n")


if __name__ == "__main__":
    main()

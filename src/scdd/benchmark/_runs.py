"""What can be compared: one score for each run, of the same models; and which methods are baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scdd._compat import warn
from scdd.benchmark._methods import METHODS
from scdd.benchmark._store import check_metric

if TYPE_CHECKING:
    import pandas as pd

_RUN = ["task", "method", "n", "split", "seed"]


def comparable_lines(results: pd.DataFrame) -> pd.DataFrame:
    """Return the lines of runs in which no model failed, of the models that all these runs of a task have.

    The mean over some models is no match for that over others. A warning names the models that are left out.
    """
    whole = results[results.groupby(_RUN)["status"].transform(lambda status: (status == "ok").all()).astype(bool)]
    runs = whole.drop_duplicates(_RUN).groupby("task").size()
    having = whole.drop_duplicates([*_RUN, "model"]).groupby(["task", "model"]).size()
    shared = having == runs.reindex(having.index, level="task")
    if not shared.all():
        named = ", ".join(
            f"{model} of {task} ({having[task, model]} of {runs[task]})" for task, model in shared.index[~shared]
        )
        warn(f"Models that not all runs of a task have are left out of every comparison: {named}.")
    return whole[whole.set_index(["task", "model"]).index.isin(shared.index[shared])]


def one_per_run(results: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return one line per task, method, n, split and seed; methods of one size are repeated at every n."""
    check_metric(metric)
    runs = comparable_lines(results).groupby(_RUN, as_index=False)[metric].mean().rename(columns={metric: "score"})
    return at_every_n(runs).drop_duplicates(_RUN)


def at_every_n(runs: pd.DataFrame) -> pd.DataFrame:
    """Repeat the lines of methods of one size (class means, references) at every n that the others have."""
    import pandas as pd

    fixed = runs["method"].map(lambda name: _sized(name) != "n").astype(bool)
    budgets = sorted(set(runs.loc[~fixed, "n"])) or sorted(set(runs["n"]))
    return pd.concat([runs[~fixed], *(runs[fixed].assign(n=n) for n in budgets)], ignore_index=True)


def _sized(name: str) -> str:
    return METHODS.get(name).sized if name in METHODS else "n"


def is_reference(name: str) -> bool:
    """Tell whether a method may use as many rows as it likes."""
    return _sized(name) == "all"


def is_baseline(name: str, ours: str) -> bool:
    """Tell whether ``ours`` is compared with this method: neither a reference nor a variant of scdd."""
    return name != ours and not is_reference(name) and not (name in METHODS and METHODS.get(name).ours)

"""One score for each run, and which methods are baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scdd.benchmark._methods import METHODS
from scdd.benchmark._store import SCORES
from scdd.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def one_per_run(results: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return one line per task, method, n, split and seed; methods of one size are repeated at every n."""
    if metric not in SCORES:
        msg = f"Unknown metric {metric!r}. Available: {', '.join(SCORES)}."
        raise InputError(msg)
    key = ["task", "method", "n", "split", "seed"]
    # a run in which a model failed is no run: the mean of the others is that of another panel
    whole = results.groupby(key)["status"].transform(lambda status: (status == "ok").all()).astype(bool)
    runs = results[whole].groupby(key, as_index=False)[metric].mean().rename(columns={metric: "score"})
    return at_every_n(runs).drop_duplicates(key)


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

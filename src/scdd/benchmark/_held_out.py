"""Splits that are no new test: few donors give the same ones to different numbers, and a transfer has one split."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from scdd.benchmark._task import TASKS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["copies"]


def copies(results: pd.DataFrame) -> dict[tuple[str, int], int]:
    """Return which splits test on what an earlier one does: the same donors, or the fixed cells of a transfer.

    Parameters
    ----------
    results
        Results with the column ``donors``.

    Returns
    -------
    By task and split: the earlier split of the task.

    Examples
    --------
    >>> import pandas as pd
    >>> donors = ['{"a": 0.5, "b": 0.6}', '{"b": 0.4, "a": 0.3}', '{"a": 0.1, "c": 0.2}']
    >>> copies(pd.DataFrame({"task": "mine", "split": [0, 1, 2], "donors": donors}))
    {('mine', 1): 0}
    >>> copies(pd.DataFrame({"task": "pbmc_study", "split": [0, 1], "donors": ""}))
    {('pbmc_study', 1): 0}
    """
    first: dict[tuple[str, tuple[str, ...]], int] = {}
    found = {}
    for (task, split), donors in results.groupby(["task", "split"])["donors"]:
        tested = () if _is_fixed(task) else _names(donors)
        if tested is None:
            continue
        if (task, tested) in first:
            found[str(task), int(split)] = first[task, tested]
        first.setdefault((task, tested), int(split))
    return found


def _is_fixed(task: str) -> bool:
    return task in TASKS and TASKS.get(task).split_by == "fixed"


def _names(donors: pd.Series) -> tuple[str, ...] | None:
    """Return the donors that a split holds out, or None where they are not known."""
    told = donors[donors.notna() & ~donors.isin(["", "{}"])]
    return tuple(sorted(json.loads(told.iloc[0]))) if len(told) else None

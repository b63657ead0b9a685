"""Splits that hold out the same donors: where donors are few, different numbers draw the same ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["copies"]


def copies(results: pd.DataFrame) -> dict[tuple[str, int], int]:
    """Return which splits hold out the donors of an earlier one.

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
    """
    told = results[results["donors"].notna() & ~results["donors"].isin(["", "{}"])]
    first: dict[tuple[str, tuple[str, ...]], int] = {}
    found = {}
    for (task, split), donors in told.groupby(["task", "split"])["donors"].first().items():
        key = (str(task), tuple(sorted(json.loads(donors))))
        if key in first:
            found[str(task), int(split)] = first[key]
        first.setdefault(key, int(split))
    return found

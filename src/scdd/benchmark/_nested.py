"""The scores of each class and of each donor, which the results hold as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from scdd.benchmark._store import KEY, NESTED
from scdd.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["nested"]


def nested(results: pd.DataFrame, column: Literal["f1", "donors", "quality"] = "f1") -> pd.DataFrame:
    """Open the scores of classes or of donors, or the figures of quality.

    Parameters
    ----------
    results
        What :func:`scdd.benchmark.run` returned.
    column
        ``"f1"``: the F1 of each scored class. ``"donors"``: the macro-F1 within the test cells of each donor, over the
        scored classes of which it has at least 5; empty where donors are not known. ``"quality"``: the figures of
        :data:`scdd.metrics.QUALITY` of runs with ``quality=True``; they do not depend on the model.

    Returns
    -------
    Columns task, method, n, split, seed and model, then ``class``, ``donor`` or ``metric``, and ``value``; for quality
    also ``floor`` (what real cells reach), and one line for all models. Values have 3 decimals.

    Raises
    ------
    scdd.errors.InputError
        If there is no such column.

    Examples
    --------
    >>> import scdd
    >>> results = scdd.benchmark.run("simulated", ["random"], n=[2], splits=[0], models=["LR"], progress=False)
    >>> scdd.benchmark.nested(results)["class"].unique().tolist()[:2]
    ['class_0', 'class_1']
    """
    import pandas as pd

    if column not in NESTED:
        msg = f"Unknown column {column!r}. Available: {', '.join(NESTED)}."
        raise InputError(msg)
    name = {"f1": "class", "donors": "donor", "quality": "metric"}[column]
    filled = results[results[column].notna() & (results[column] != "")]
    judged = column == "quality"
    if judged:
        filled = filled.drop_duplicates(KEY[:-1])
    rows = [
        (*key, of, *(value if judged else (value,)))
        for *key, text in filled[[*KEY, column]].itertuples(index=False)
        for of, value in json.loads(text).items()
    ]
    table = pd.DataFrame(rows, columns=[*KEY, name, "value", *(["floor"] if judged else [])])
    numbers = ["value", "floor"] if judged else ["value"]
    table[numbers] = table[numbers].astype(float)
    return table.drop(columns="model") if judged else table

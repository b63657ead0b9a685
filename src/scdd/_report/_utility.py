"""The part on utility: models trained on the rows and on real cells, tested on the same cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "NO_TEST", "by_class", "by_model", "tidy", "utility_score"]

COLUMNS = ["trained_on", "model", "metric", "class", "value"]

NO_TEST = (
    "No held-out cells were given (adata_test), so nothing is known of how well models trained on this set work on new "
    "cells. Inner scores, where the set carries any, served to choose between candidates, and tell too much good of the "
    "winner."
)


def tidy(prepared: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return what :func:`scdd.pl._utility.prepare_utility` gave under the names of the classes.

    Columns trained_on (``"real"``, ``"synthetic"``), model, metric (``macro_f1``, ``f1``), class and value.
    """
    out = prepared.rename(columns={"set": "trained_on"})
    out["metric"] = np.where(prepared["class"] < 0, "macro_f1", "f1")
    out["class"] = [names[k] if k >= 0 else "" for k in prepared["class"]]
    return out[COLUMNS]


def by_model(table: pd.DataFrame) -> pd.DataFrame:
    """Return the macro-F1 of each model: columns model, synthetic, real and share; the last row is the mean."""
    import pandas as pd

    order = list(dict.fromkeys(table["model"]))
    wide = _wide(table[table["metric"] == "macro_f1"], "model").loc[order].reset_index()
    mean = pd.DataFrame({"model": ["mean"], "synthetic": [wide["synthetic"].mean()], "real": [wide["real"].mean()]})
    out = pd.concat([wide[["model", "synthetic", "real"]], mean], ignore_index=True)
    out["share"] = out["synthetic"] / out["real"].where(out["real"] > 0)
    return out


def by_class(table: pd.DataFrame, model: str | None = None) -> pd.DataFrame:
    """Return the F1 of each class, of one model or as the mean of all: columns class, synthetic, real and difference."""
    part = table[(table["metric"] == "f1") & ((table["model"] == model) | (model is None))]
    out = _wide(part, "class").reset_index()
    out["difference"] = out["synthetic"] - out["real"]
    return out[["class", "synthetic", "real", "difference"]]


def utility_score(table: pd.DataFrame) -> float:
    """Return the macro-F1 of models trained on the rows over that of models trained on real cells; NaN without a test."""
    return float(by_model(table)["share"].iloc[-1]) if len(table) else float("nan")


def _wide(part: pd.DataFrame, index: str) -> pd.DataFrame:
    wide = part.groupby([index, "trained_on"], sort=False)["value"].mean().unstack("trained_on")
    return wide.reindex(columns=["synthetic", "real"]).rename_axis(columns=None)

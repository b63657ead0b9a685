"""Tables of a benchmark as text for people, and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scdd._names import score_name

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["as_json", "as_text"]


def as_json(tables: Mapping[str, pd.DataFrame], **more: Any) -> str:
    """Return tables as one JSON object, each a list of records; what is missing is null."""
    records = {name: json.loads(table.to_json(orient="records", double_precision=6)) for name, table in tables.items()}
    return json.dumps({**more, **records}, indent=1)


def as_text(tables: Mapping[str, pd.DataFrame], *, metric: str = "macro_f1", ours: str = "scdd") -> str:
    """Return tables as plain text in ASCII."""
    blocks = []
    for n, part in tables["scores"].groupby("n"):
        head = f"n = {n}: {score_name(metric)}, mean +- sd over splits and seeds"
        blocks.append(f"{head}\n\n{_scores(part).to_string()}")
    for name, title in (
        ("margins", f"{ours} minus the best baseline of each task"),
        ("tests", f"{ours} against each baseline, paired by task, split and seed"),
        ("ranks", "mean rank"),
        ("failures", "failed"),
    ):
        if len(tables[name]):
            blocks.append(f"{title}\n\n{tables[name].to_string(index=False, float_format='{:.3f}'.format)}")
    return "\n\n".join(blocks).encode("ascii", "replace").decode()


def _scores(part: pd.DataFrame) -> pd.DataFrame:
    """Return methods against tasks, whichever is narrower."""
    sd = part["sd"].map(lambda value: f" +- {value:.3f}" if value == value else "")
    wide = part.assign(text=part["mean"].map("{:.3f}".format) + sd)
    wide = wide.pivot(index="task", columns="method", values="text").fillna("")
    relative = part.pivot(index="task", columns="method", values="relative").dropna()
    if len(relative):
        # over the tasks that all methods have: else the shares would be of different things
        wide.loc[f"share of full, {len(relative)} tasks"] = relative.mean().map("{:.2f}".format)
    return wide.T if len(wide) < len(wide.columns) else wide

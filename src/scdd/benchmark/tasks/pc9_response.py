"""Resistant or sensitive to erlotinib."""

from __future__ import annotations

from scdd.benchmark._data import Stored
from scdd.benchmark._task import TASKS, Task

TASKS.register("pc9_response")(
    Task(
        "pc9_response",
        Stored("drug_pc9_erlotinib"),
        labels_key="drug_response",
        kind="drug",
        note="Confounded with sample: one sample for each label, so part of what is predicted is the sample.",
        studies=("GSE149383",),
    )
)

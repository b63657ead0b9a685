"""Stimulated by interferon or not, donors held out."""

from __future__ import annotations

from scdd.benchmark._data import Stored
from scdd.benchmark._task import TASKS, Task

TASKS.register("kang_condition")(
    Task(
        "kang_condition",
        Stored("pbmc_ifnb_kang_full"),
        labels_key="condition",
        donor_key="donor",
        kind="condition",
        note="An easy one: interferon moves hundreds of genes. Condition and sequencing batch are the same column.",
        studies=("GSE96583",),
    )
)

"""Glioblastoma slices with panobinostat or without, patients held out."""

from __future__ import annotations

from scdd.benchmark._data import Stored
from scdd.benchmark._task import TASKS, Task

TASKS.register("gbm_treatment")(
    Task(
        "gbm_treatment",
        Stored("drug_gbm_panobinostat_300genes"),
        labels_key="condition",
        donor_key="donor",
        kind="drug",
        note="5 patients, each in both conditions; 300 genes only, as they were published.",
        studies=("GSE148842",),
    )
)

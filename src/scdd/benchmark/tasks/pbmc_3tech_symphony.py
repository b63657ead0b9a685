"""Cell types of blood cells, one chemistry held out: reserved until the algorithm is final."""

from __future__ import annotations

from scdd.benchmark._data import Stored
from scdd.benchmark._task import TASKS, Task

TASKS.register("pbmc_3tech_symphony")(
    Task(
        "pbmc_3tech_symphony",
        Stored("pbmc_3tech_symphony"),
        donor_key="batch",
        test_size=1 / 3,
        reserved=True,
        note="Three chemistries, one of them held out whole.",
        studies=("10x PBMC 3pv1, 3pv2, 5p",),
    )
)

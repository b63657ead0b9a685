"""Cell types of sorted blood cells, fine T cell types among them."""

from __future__ import annotations

from scdd.benchmark._data import Stored
from scdd.benchmark._task import TASKS, Task

TASKS.register("zheng")(
    Task(
        "zheng",
        Stored("pbmc_facs_zheng"),
        note="Labels come from sorting, not from the counts. One donor: cells are held out at random.",
        studies=("Zheng 2017",),
    )
)

"""Cell types of blood cells with and without interferon, donors held out."""

from __future__ import annotations

from scdd.benchmark._data import Stored
from scdd.benchmark._task import TASKS, Task

TASKS.register("kang")(
    Task(
        "kang",
        Stored("pbmc_ifnb_kang_full"),
        donor_key="donor",
        note="8 donors, each in both conditions.",
        studies=("GSE96583",),
    )
)

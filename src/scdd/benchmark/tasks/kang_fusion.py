"""Cell types of blood cells from five centres (donors) that do not share their cells, other donors held out."""

from __future__ import annotations

from scdd.benchmark._data import Stored
from scdd.benchmark._task import TASKS, Task

TASKS.register("kang_fusion")(
    Task(
        "kang_fusion",
        Stored("pbmc_ifnb_kang_full"),
        donor_key="donor",
        fuse_key="donor",
        kind="fusion",
        note="Every training donor is a centre: n rows per class and centre, put together.",
        studies=("GSE96583",),
    )
)

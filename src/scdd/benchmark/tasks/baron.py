"""Cell types of the bundled human pancreas, donors held out."""

from __future__ import annotations

from scdd.benchmark._task import TASKS, Task
from scdd.datasets import pancreas

TASKS.register("baron")(
    Task(
        "baron",
        pancreas,
        donor_key="donor",
        note="4 donors; epsilon and schwann cells come from one of them.",
        studies=("GSE84133",),
    )
)

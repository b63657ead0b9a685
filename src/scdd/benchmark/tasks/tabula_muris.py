"""Many cell types of 18 tissues of the mouse."""

from __future__ import annotations

from scdd.benchmark._data import Stored
from scdd.benchmark._task import TASKS, Task

TASKS.register("tabula_muris")(
    Task(
        "tabula_muris",
        Stored("tabula_muris_facs_subsample"),
        note="Deep read counts, not UMI; about 20 cells a class and tissue; donors are not known: cells are held out at random.",
        studies=("Tabula Muris",),
    )
)

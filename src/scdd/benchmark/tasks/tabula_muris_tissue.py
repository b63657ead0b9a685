"""The tissue that a cell comes from."""

from __future__ import annotations

from scdd.benchmark._data import Stored
from scdd.benchmark._task import TASKS, Task

TASKS.register("tabula_muris_tissue")(
    Task(
        "tabula_muris_tissue",
        Stored("tabula_muris_facs_subsample"),
        labels_key="tissue",
        kind="tissue",
        note="Confounded with sample: donors are not known, and a tissue was one preparation. Cells are held out at random.",
        studies=("Tabula Muris",),
    )
)

"""Cell types of the mouse pancreas: reserved until the algorithm is final."""

from __future__ import annotations

from scdd.benchmark._data import Stored
from scdd.benchmark._task import TASKS, Task

TASKS.register("pancreas_mouse_baron")(
    Task(
        "pancreas_mouse_baron",
        Stored("pancreas_mouse_baron", where=("donor", "mouse1")),
        load_test=Stored("pancreas_mouse_baron", where=("donor", "mouse2")),
        reserved=True,
        note="Train on one mouse, test on the other.",
        studies=("GSE84133",),
    )
)

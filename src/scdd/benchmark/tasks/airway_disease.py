"""Cystic fibrosis or not, animals held out."""

from __future__ import annotations

from scdd.benchmark._data import Stored
from scdd.benchmark._task import TASKS, Task

TASKS.register("airway_disease")(
    Task(
        "airway_disease",
        Stored("disease_airway_cf_pig"),
        labels_key="disease",
        donor_key="donor",
        kind="disease",
        note="7 pigs. Across animals there is next to no signal, even with all cells; a random split would hide that.",
        studies=("Thurman 2021",),
    )
)

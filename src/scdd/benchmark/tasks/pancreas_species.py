"""From man to mouse: pancreas."""

from __future__ import annotations

from scdd.benchmark._data import Stored
from scdd.benchmark._task import TASKS, Task
from scdd.datasets import pancreas

SAME = (
    "activated_stellate", "alpha", "beta", "delta", "ductal", "endothelial", "gamma", "macrophage",
    "quiescent_stellate", "schwann",
)  # fmt: skip

TASKS.register("pancreas_species")(
    Task(
        "pancreas_species",
        pancreas,
        donor_key="donor",
        load_test=Stored("pancreas_mouse_baron"),
        kind="transfer",
        classes={name: name for name in (*SAME, "t_cell")},
        test_classes={**{name: name for name in SAME}, "T_cell": "t_cell"},
        gene_name=str.upper,
        note="Genes are matched by upper-cased symbols, not by orthology; schwann and t_cell have 5 and 4 training cells.",
        studies=("GSE84133",),
    )
)

"""From droplets (Baron) to plates (Enge): human pancreas."""

from __future__ import annotations

from scdd.benchmark._data import Stored
from scdd.benchmark._task import TASKS, Task
from scdd.datasets import pancreas

SAME = ("acinar", "alpha", "beta", "delta", "ductal", "endothelial", "epsilon", "gamma")

TASKS.register("pancreas_technology")(
    Task(
        "pancreas_technology",
        pancreas,
        donor_key="donor",
        load_test=Stored("pancreas_human_enge_subsample"),
        kind="transfer",
        classes={**{name: name for name in SAME}, "activated_stellate": "stellate", "quiescent_stellate": "stellate"},
        test_classes={name: name for name in (*SAME, "stellate")},
        note="inDrop UMI to Smart-seq2 reads; 9 shared classes, at most 20 test cells each.",
        studies=("GSE84133", "GSE81547"),
    )
)

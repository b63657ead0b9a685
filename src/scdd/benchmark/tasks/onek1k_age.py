"""Age of the donor in three groups, donors held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scdd.benchmark._data import Stored
from scdd.benchmark._task import TASKS, Task

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

GROUPS = ("below 60", "60 to 74", "75 and above")


class _Load:
    stored = Stored("pbmc_onek1k_1000genes")

    def check(self) -> Path:
        """Return the path, or raise where the file is not there."""
        return self.stored.check()

    def __call__(self) -> AnnData:
        """Read the cells and put each donor into its group."""
        import pandas as pd

        adata = self.stored()
        age = adata.obs["age"].astype(int)
        adata.obs["age_group"] = pd.cut(age, [0, 60, 75, 200], right=False, labels=list(GROUPS))
        return adata


TASKS.register("onek1k_age")(
    Task(
        "onek1k_age",
        _Load(),
        labels_key="age_group",
        donor_key="donor",
        kind="age",
        note="40 donors of 30 to 88 years; a stand-in for a developmental stage. 1,000 genes, blood: next to no signal, even with all cells.",
        studies=("OneK1K",),
    )
)

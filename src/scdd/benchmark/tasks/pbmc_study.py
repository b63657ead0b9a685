"""From one study of blood cells to another: Zheng to the unstimulated cells of Kang."""

from __future__ import annotations

from scdd.benchmark._data import Stored
from scdd.benchmark._task import TASKS, Task

TASKS.register("pbmc_study")(
    Task(
        "pbmc_study",
        Stored("pbmc_facs_zheng"),
        load_test=Stored("pbmc_ifnb_kang_full", where=("condition", "CTRL")),
        kind="transfer",
        # left out, as Kang has no such class: CD34+, regulatory and helper T cells
        classes={
            "CD14+ Monocyte": "CD14 Mono",
            "CD19+ B": "B",
            "CD4+/CD45RA+/CD25- Naive T": "CD4 Naive T",
            "CD4+/CD45RO+ Memory": "CD4 Memory T",
            "CD56+ NK": "NK",
            "CD8+ Cytotoxic T": "CD8 T",
            "CD8+/CD45RA+ Naive Cytotoxic": "CD8 T",
        },
        # left out, as Zheng has no such class: CD16 monocytes, dendritic cells, megakaryocytes, activated B and T cells
        test_classes={name: name for name in ("B", "CD14 Mono", "CD4 Memory T", "CD4 Naive T", "CD8 T", "NK")},
        note="Labels from sorting there, from clusters here, so even a perfect model would not agree in full; healthy donor to lupus.",
        studies=("Zheng 2017", "GSE96583"),
    )
)

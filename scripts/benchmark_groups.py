"""The groups of methods that scdd is compared with; each method is named in one of them."""

from __future__ import annotations

SIMPLE = (
    "random", "random_donor", "herding", "k_center", "k_medoids", "geosketch", "scvalue", "class_mean", "class_mean_log",
    "kmeans", "kmeans_log",
)  # fmt: skip
GROUPS = {
    "simple baselines": SIMPLE,
    "earlier distillation, as published": ("dc", "dsa", "dm", "mtt", "idm", "kip", "ncfm", "rded"),
    "earlier distillation, tuned like ours": (
        "dc-tuned", "dsa-tuned", "dm-tuned", "mtt-tuned", "idm-tuned", "kip-tuned", "ncfm-tuned",
    ),
    "generator scVI": ("scvi",),
    "scdd-paper": ("scdd-paper",),
}  # fmt: skip

"""What scdd is compared with: ways to shrink a labelled set without learning, under one signature.

``random``, ``herding``, ``k_center`` and ``k_medoids`` return real cells; ``class_mean`` and ``kmeans`` return means of
counts, ``class_mean_log`` and ``kmeans_log`` means of log1p CP10k.
"""

from __future__ import annotations

# importing a file registers its methods
from scdd.baselines import _class_mean, _herding, _k_center, _k_medoids, _kmeans, _random
from scdd.baselines._base import BASELINES, Baseline, Choice, Rows
from scdd.baselines._embed import embed, embed_selected
from scdd.baselines._profiles import mean_profiles

__all__ = ["BASELINES", "Baseline", "Choice", "Rows", "embed", "embed_selected", "mean_profiles"]

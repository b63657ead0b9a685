"""What scdd is compared with: other ways to shrink a labelled set, under one signature.

Rows are not optimised by ``random``, ``herding``, ``k_center``, ``k_medoids``, ``geosketch``, ``scvalue`` and ``rded``,
which return real cells, by ``class_mean`` and ``kmeans``, which return means of counts, and by ``class_mean_log`` and
``kmeans_log``, means of log1p CP10k. Earlier
distillation methods move rows in log space along a matching loss: ``dc``, ``dsa``, ``dm``, ``mtt``, ``idm``, ``kip`` and
``ncfm`` start and step as published, within a fixed budget of steps; with ``-tuned`` they start from k-means and move by
Adam on a leash.
"""

from __future__ import annotations

# importing a file registers its methods
from scdd.baselines import (
    _class_mean,
    _dc,
    _dm,
    _dsa,
    _geosketch,
    _herding,
    _idm,
    _k_center,
    _k_medoids,
    _kip,
    _kmeans,
    _mtt,
    _ncfm,
    _random,
    _rded,
    _scvalue,
)
from scdd.baselines._base import Baseline, Choice, coresets
from scdd.baselines._embed import embed, embed_selected
from scdd.baselines._learned import LearnConfig, Learned
from scdd.baselines._method import BASELINES, Method, Rows
from scdd.baselines._profiles import mean_profiles
from scdd.baselines._random import random_by_donor

__all__ = [
    "BASELINES",
    "Baseline",
    "Choice",
    "LearnConfig",
    "Learned",
    "Method",
    "Rows",
    "coresets",
    "embed",
    "embed_selected",
    "mean_profiles",
    "random_by_donor",
]

"""Metrics: arrays in, numbers and tidy tables out.

Utility (train on distilled rows, test on real cells) and fidelity (do generated cells look real?).
"""

from __future__ import annotations

from scdd.metrics._energy import energy_distance
from scdd.metrics._fidelity import fidelity, real_or_generated_auc
from scdd.metrics._models import TEST_MODELS, TestModel
from scdd.metrics._preprocess import log_normalize, preprocess
from scdd.metrics._utility import PANEL, classification_scores, scored_classes, utility

__all__ = [
    "PANEL",
    "TEST_MODELS",
    "TestModel",
    "classification_scores",
    "energy_distance",
    "fidelity",
    "log_normalize",
    "preprocess",
    "real_or_generated_auc",
    "scored_classes",
    "utility",
]

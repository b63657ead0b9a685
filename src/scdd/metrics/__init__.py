"""Metrics: arrays in, numbers and tidy tables out.

Utility (train on distilled rows, test on real cells) and fidelity (do generated cells look real?).
"""

from __future__ import annotations

from scdd.metrics._biology import cluster_agreement, fold_changes, marker_precision
from scdd.metrics._distribution import mmd, wasserstein
from scdd.metrics._energy import energy_distance
from scdd.metrics._fidelity import fidelity, real_or_generated_auc
from scdd.metrics._models import TEST_MODELS, TestModel
from scdd.metrics._preprocess import log_normalize, preprocess
from scdd.metrics._quality import quality
from scdd.metrics._quality_metrics import QUALITY, QualityMetric
from scdd.metrics._utility import PANEL, classification_scores, scored_classes, utility

__all__ = [
    "PANEL",
    "QUALITY",
    "TEST_MODELS",
    "QualityMetric",
    "TestModel",
    "classification_scores",
    "cluster_agreement",
    "energy_distance",
    "fidelity",
    "fold_changes",
    "log_normalize",
    "marker_precision",
    "mmd",
    "preprocess",
    "quality",
    "real_or_generated_auc",
    "scored_classes",
    "utility",
    "wasserstein",
]

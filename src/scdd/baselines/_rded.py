"""RDED without patches: the cells that a teacher finds most realistic."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scdd._rng import stream
from scdd.baselines._base import Baseline, Choice, choose_per_class
from scdd.baselines._method import BASELINES

_POOL = 300  # random cells of a class that are scored, as published


def choose_rded(
    embedding: NDArray[np.float32], labels: NDArray[np.integer], sizes: NDArray[np.integer], seed: int
) -> Choice:
    """Choose, from 300 random cells of each class, those with the least cross-entropy under a teacher.

    The teacher is a logistic regression on the embedding of all training cells. Published RDED also stitches four
    image patches into one row, which has no counterpart in expression; that part is left out.

    References
    ----------
    Sun et al., On the diversity and realism of distilled dataset: an efficient dataset distillation paradigm, CVPR
    2024.
    """
    from sklearn.linear_model import LogisticRegression

    classes = np.unique(labels)
    # there is nothing to be sure of in one class
    teacher = LogisticRegression(max_iter=500).fit(embedding, labels) if len(classes) > 1 else None
    column = {int(code): k for k, code in enumerate(classes)}

    def within(points: NDArray[np.float64], n: int, code: int) -> tuple[NDArray[np.int64], None]:
        pool = stream(seed, "rded", code).permutation(len(points))[: max(_POOL, n)]
        if teacher is None:
            return pool[:n], None
        confidence = teacher.predict_log_proba(points[pool])[:, column[code]]
        return pool[np.argsort(-confidence, kind="stable")[:n]], None

    return choose_per_class(embedding, labels, sizes, within, real=True)


BASELINES.register("rded")(Baseline("rded", choose_rded, space=None))

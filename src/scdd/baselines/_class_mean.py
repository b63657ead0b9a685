"""The mean of each class: one row, whatever the asked size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scdd.baselines._base import Baseline, Choice, choose_per_class
from scdd.baselines._method import BASELINES


def choose_class_mean(
    embedding: NDArray[np.float32], labels: NDArray[np.integer], sizes: NDArray[np.integer], seed: int
) -> Choice:
    """Put all cells of a class into one group; a class has one mean, so ``sizes`` above 1 give 1."""

    def within(points: NDArray[np.float64], n: int, code: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return np.zeros(1, dtype=np.int64), np.zeros(len(points), dtype=np.int64)

    return choose_per_class(embedding, labels, sizes, within, real=False)


BASELINES.register("class_mean")(Baseline("class_mean", choose_class_mean, space="count", uses_embedding=False))
BASELINES.register("class_mean_log")(Baseline("class_mean_log", choose_class_mean, space="log", uses_embedding=False))

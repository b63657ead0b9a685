"""Random cells of each class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scdd._rng import stream
from scdd.baselines._base import Baseline, Choice, choose_per_class
from scdd.baselines._method import BASELINES


def choose_random(
    embedding: NDArray[np.float32], labels: NDArray[np.integer], sizes: NDArray[np.integer], seed: int
) -> Choice:
    """Draw cells of each class without replacement."""

    def within(points: NDArray[np.float64], n: int, code: int) -> tuple[NDArray[np.int64], None]:
        return stream(seed, "random", code).permutation(len(points))[:n], None

    return choose_per_class(embedding, labels, sizes, within, real=True)


BASELINES.register("random")(Baseline("random", choose_random, space=None, uses_embedding=False))

"""Geometric sketching: cells that cover the space of each class evenly, whatever its density."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scdd._optional import require
from scdd._rng import numpy_state_kept, stream
from scdd.baselines._base import Baseline, Choice, choose_per_class
from scdd.baselines._method import BASELINES


def choose_geosketch(
    embedding: NDArray[np.float32], labels: NDArray[np.integer], sizes: NDArray[np.integer], seed: int
) -> Choice:
    """Sketch each class with the package ``geosketch``: as many occupied boxes as rows, one random cell of each.

    References
    ----------
    Hie et al., Geometric sketching compactly summarizes the single-cell transcriptomic landscape, Cell Systems 8:483
    (2019).
    """
    gs = require("geosketch", extra="benchmark", what="The method 'geosketch'").gs

    def within(points: NDArray[np.float64], n: int, code: int) -> tuple[NDArray[np.int64], None]:
        rng = stream(seed, "geosketch", code)
        if n == len(points) or not np.ptp(points, axis=0).any():
            return rng.permutation(len(points))[:n], None  # there is nothing to cover
        with numpy_state_kept():
            chosen = gs(points, n, seed=int(rng.integers(2**31)), replace=False)
        return rng.permutation(np.asarray(chosen, dtype=np.int64)), None

    return choose_per_class(embedding, labels, sizes, within, real=True)


BASELINES.register("geosketch")(Baseline("geosketch", choose_geosketch, space=None))

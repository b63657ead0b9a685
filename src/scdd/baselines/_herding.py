"""Herding: cells whose running mean follows the mean of the class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scdd.baselines._base import Baseline, Choice, choose_per_class
from scdd.baselines._method import BASELINES

__all__ = ["herd"]


def herd(points: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """Choose, one after the other, the point that brings the mean of the chosen nearest to the mean of all.

    Parameters
    ----------
    points
        float64 (n_cells, d).
    n
        Number of points, at most n_cells; none is chosen twice.

    Returns
    -------
    int64 (n,): in the order of choice, so that every beginning is a good set.

    Examples
    --------
    >>> import numpy as np
    >>> herd(np.array([[0.0], [1.0], [2.0], [9.0]]), 2).tolist()
    [2, 1]
    """
    target = points.mean(axis=0)
    centred = points - target
    norm = np.einsum("ij,ij->i", centred, centred)
    chosen = np.empty(n, dtype=np.int64)
    total = np.zeros(points.shape[1])
    for k in range(n):
        # |total + x|^2 without what all points share
        score = norm + 2 * (centred @ total)
        score[chosen[:k]] = np.inf
        chosen[k] = int(score.argmin())
        total += centred[chosen[k]]
    return chosen


def choose_herding(
    embedding: NDArray[np.float32], labels: NDArray[np.integer], sizes: NDArray[np.integer], seed: int
) -> Choice:
    """Herd each class; the seed does not matter."""
    return choose_per_class(embedding, labels, sizes, lambda points, n, _code: (herd(points, n), None), real=True)


BASELINES.register("herding")(Baseline("herding", choose_herding, space=None))

"""k-center: cells that leave no cell of the class far away."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scdd.baselines._base import Baseline, Choice, choose_per_class
from scdd.baselines._method import BASELINES

__all__ = ["farthest_points"]


def farthest_points(points: NDArray[np.float64], n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Start at the point nearest to the mean, then add the point that is farthest from the chosen.

    Parameters
    ----------
    points
        float64 (n_cells, d).
    n
        Number of points, at most n_cells.

    Returns
    -------
    int64 (n,) the chosen points, in their order; int64 (n_cells,) the chosen point that each point is nearest to.

    Examples
    --------
    >>> import numpy as np
    >>> chosen, nearest = farthest_points(np.array([[0.0], [1.0], [2.0], [9.0]]), 2)
    >>> chosen.tolist(), nearest.tolist()
    ([2, 3], [0, 0, 0, 1])
    """
    norm = np.einsum("ij,ij->i", points, points)
    chosen = np.empty(n, dtype=np.int64)
    chosen[0] = int(((points - points.mean(axis=0)) ** 2).sum(axis=1).argmin())
    distance = np.full(len(points), np.inf)
    nearest = np.zeros(len(points), dtype=np.int64)
    for k in range(n):
        if k:
            chosen[k] = int(distance.argmax())
        new = np.maximum(norm - 2 * (points @ points[chosen[k]]) + norm[chosen[k]], 0)
        closer = new < distance
        distance[closer], nearest[closer] = new[closer], k
        # below every distance, so that twins of a chosen cell come first and no cell comes twice
        distance[chosen[: k + 1]] = -1
        nearest[chosen[k]] = k
    return chosen, nearest


def choose_k_center(
    embedding: NDArray[np.float32], labels: NDArray[np.integer], sizes: NDArray[np.integer], seed: int
) -> Choice:
    """Cover each class; the seed does not matter."""
    return choose_per_class(embedding, labels, sizes, lambda points, n, _code: farthest_points(points, n), real=True)


BASELINES.register("k_center")(Baseline("k_center", choose_k_center, space=None))

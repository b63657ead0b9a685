"""k-means: the mean of each cluster of each class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scdd._rng import stream
from scdd.baselines._base import Baseline, Choice, choose_per_class
from scdd.baselines._method import BASELINES

__all__ = ["cluster", "greedy_order"]


def cluster(
    points: NDArray[np.float64], n: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Cluster points by k-means; clusters are ordered so that the first ones serve most points.

    Parameters
    ----------
    points
        float64 (n_cells, d).
    n
        Number of clusters wanted, at most n_cells; fewer come back where points coincide.
    rng
        Source of the starting centres.

    Returns
    -------
    float64 (k, d) the centres, int64 (n_cells,) the cluster of each point.

    Examples
    --------
    >>> import numpy as np
    >>> points = np.array([[0.0], [0.2], [9.0]])
    >>> centres, member = cluster(points, 2, np.random.default_rng(0))
    >>> member.tolist()
    [0, 0, 1]
    """
    n = min(n, len(np.unique(points, axis=0)))
    if n == 1:
        return points.mean(axis=0, keepdims=True), np.zeros(len(points), dtype=np.int64)
    from sklearn.cluster import KMeans

    model = KMeans(n, n_init=3, random_state=int(rng.integers(2**31 - 1))).fit(points)
    used, member = np.unique(model.labels_, return_inverse=True)
    centres = model.cluster_centers_[used]
    order = greedy_order(_distances(points, centres))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return centres[order], rank[member]


def greedy_order(distances: NDArray[np.float64]) -> NDArray[np.int64]:
    """Order columns so that each next one lowers the summed distance to the nearest chosen column most.

    Parameters
    ----------
    distances
        float64 (n_cells, m), cell to candidate.

    Examples
    --------
    >>> import numpy as np
    >>> greedy_order(np.array([[0.0, 9.0], [1.0, 8.0], [9.0, 0.0]])).tolist()
    [0, 1]
    """
    m = distances.shape[1]
    order = np.empty(m, dtype=np.int64)
    best = np.full(len(distances), np.inf)
    free = np.ones(m, dtype=bool)
    for k in range(m):
        cost = np.minimum(distances, best[:, None]).sum(axis=0)
        cost[~free] = np.inf
        order[k] = int(cost.argmin())
        free[order[k]] = False
        best = np.minimum(best, distances[:, order[k]])
    return order


def _distances(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.spatial.distance import cdist

    return cdist(points, centres)


def choose_kmeans(
    embedding: NDArray[np.float32],
    labels: NDArray[np.integer],
    sizes: NDArray[np.integer],
    seed: int,
) -> Choice:
    """Cluster each class."""

    def within(points: NDArray[np.float64], n: int, code: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        centres, member = cluster(points, n, stream(seed, "kmeans", code))
        return np.zeros(len(centres), dtype=np.int64), member

    return choose_per_class(embedding, labels, sizes, within, real=False)


BASELINES.register("kmeans")(Baseline("kmeans", choose_kmeans, space="count"))
BASELINES.register("kmeans_log")(Baseline("kmeans_log", choose_kmeans, space="log"))

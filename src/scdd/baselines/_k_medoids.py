"""k-medoids: real cells with the smallest summed distance to the cells of the class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scdd._rng import stream
from scdd.baselines._base import Baseline, Choice, choose_per_class
from scdd.baselines._kmeans import cluster, greedy_order
from scdd.baselines._method import BASELINES

__all__ = ["medoids"]

_MAX_CELLS = 20_000  # cells on which a swap is judged
_POOL = 512  # cells that may become medoids
_MAX_SWAPS = 100


def medoids(
    points: NDArray[np.float64], n: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose points by k-means, go to the nearest real ones, and swap as long as the summed distance falls.

    Swaps are judged exactly, all at once (FastPAM), within a pool of candidates: the points near the k-means centres
    and random ones. Up to 512 points everything is a candidate, and the result is a local optimum of PAM.

    Parameters
    ----------
    points
        float64 (n_cells, d).
    n
        Number of medoids, at most n_cells.
    rng
        Source of the k-means starts and of the pool.

    Returns
    -------
    int64 (n,) the medoids, ordered so that the first ones serve most points; int64 (n_cells,) the nearest medoid of
    each point.

    Examples
    --------
    >>> import numpy as np
    >>> points = np.array([[0.0], [1.0], [2.0], [9.0], [9.1]])
    >>> medoids(points, 1, np.random.default_rng(0))[0].tolist()
    [2]
    """
    from scipy.spatial.distance import cdist

    if n >= len(points):
        order = greedy_order(cdist(points, points)) if len(points) <= _MAX_CELLS else np.arange(len(points))
        return order, np.argsort(order)
    judged = points if len(points) <= _MAX_CELLS else points[rng.choice(len(points), _MAX_CELLS, replace=False)]
    centres, _ = cluster(points, n, rng)
    pool = _pool(points, centres, rng)
    distance = cdist(points[pool], judged).astype(np.float32)  # (pool, cells); half the memory and time
    current = _start(cdist(points[pool], centres), n)
    _swap(distance, current)
    order = greedy_order(distance[current].T.astype(np.float64))
    chosen = pool[current[order]]
    # block by block, so that a large class never needs cells x medoids at once beyond one block
    nearest = np.concatenate(
        [cdist(points[i : i + _MAX_CELLS], points[chosen]).argmin(axis=1) for i in range(0, len(points), _MAX_CELLS)]
    )
    nearest[chosen] = np.arange(n)  # also among twins
    return chosen, nearest


def _pool(points: NDArray[np.float64], centres: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the candidates: half of them nearest to the centres, the others random."""
    from scipy.spatial.distance import cdist

    size = max(_POOL, 4 * len(centres))
    if len(points) <= size:
        return np.arange(len(points))
    each = -(-size // (2 * len(centres)))
    near = np.argpartition(cdist(centres, points), each, axis=1)[:, :each].ravel()
    return np.unique(np.concatenate([near, rng.choice(len(points), size - size // 2, replace=False)]))


def _start(distance: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """Return for each centre its nearest candidate that is not taken; more if there are fewer centres than ``n``."""
    taken = np.zeros(len(distance), dtype=bool)
    start = []
    for k in range(n):
        # centres are fewer than n where points coincide
        column = np.where(taken, np.inf, distance[:, k % distance.shape[1]])
        start.append(int(column.argmin()))
        taken[start[-1]] = True
    return np.asarray(start, dtype=np.int64)


def _swap(distance: NDArray[np.float32], current: NDArray[np.int64]) -> None:
    """Swap medoids for candidates, the best swap first, until none lowers the summed distance; in place."""
    n, n_cells = len(current), distance.shape[1]
    columns = np.arange(n_cells)
    for _ in range(_MAX_SWAPS):
        to_medoid = distance[current]
        nearest = to_medoid.argmin(axis=0)
        first = to_medoid[nearest, columns]
        to_medoid[nearest, columns] = np.inf
        second = to_medoid.min(axis=0)
        gain_new = np.minimum(distance - first, 0)  # the candidate is added, all medoids stay
        gain_lost = np.minimum(distance, second) - first - gain_new  # and the nearest medoid of a cell goes
        member = np.zeros((n_cells, n), dtype=np.float32)
        member[columns, nearest] = 1
        change = gain_new.sum(axis=1)[:, None] + gain_lost @ member
        change[current] = np.inf
        candidate, medoid = np.unravel_index(int(change.argmin()), change.shape)
        if change[candidate, medoid] >= -1e-6 * float(first.sum()):
            return
        current[medoid] = candidate


def choose_k_medoids(
    embedding: NDArray[np.float32], labels: NDArray[np.integer], sizes: NDArray[np.integer], seed: int
) -> Choice:
    """Find the medoids of each class."""

    def within(points: NDArray[np.float64], n: int, code: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return medoids(points, n, stream(seed, "k-medoids", code))

    return choose_per_class(embedding, labels, sizes, within, real=True)


BASELINES.register("k_medoids")(Baseline("k_medoids", choose_k_medoids, space=None))

"""Distances of two samples of points: kernel mean discrepancy and Wasserstein."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scdd._rng import stream
from scdd.errors import InputError

__all__ = ["mmd", "wasserstein"]

_BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)


def mmd(x: NDArray[np.floating], y: NDArray[np.floating], *, bandwidth: float | None = None) -> float:
    r"""Squared maximum mean discrepancy, without bias: 0 is best, and chance takes it below.

    .. math:: E k(x, x') + E k(y, y') - 2 E k(x, y)

    The kernel is the mean of Gaussians whose bandwidths are 1/4, 1/2, 1, 2 and 4 times ``bandwidth``: a single narrow one
    would be 0 between any two cells, and the distance with it. Every cell counts, whatever its place in the array.

    Parameters
    ----------
    x, y
        Points (n, d) and (m, d), at least two each.
    bandwidth
        Default: the median distance of the points of ``x``.

    Returns
    -------
    At most 2; near 0 for two samples of one distribution.

    Raises
    ------
    InputError
        If a sample has fewer than two points.

    References
    ----------
    Gretton et al., A kernel two-sample test, JMLR 13:723 (2012), equation 3.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(0, 1, (200, 5)), rng.normal(0, 1, (200, 5))
    >>> bool(abs(mmd(x, y)) < 0.02 < mmd(x, y + 1))
    True
    """
    from sklearn.metrics.pairwise import euclidean_distances

    _need_two(x, y)
    xx, yy, xy = (euclidean_distances(a, b) for a, b in ((x, x), (y, y), (x, y)))
    if bandwidth is None:
        bandwidth = float(np.median(xx[np.triu_indices(len(x), 1)])) or 1.0

    def kernel(distance: NDArray[np.floating]) -> NDArray[np.floating]:
        scaled = distance**2 / (2 * bandwidth**2)
        return np.mean([np.exp(-scaled / width**2) for width in _BANDWIDTHS], axis=0)

    def apart(k: NDArray[np.floating]) -> float:
        n = len(k)
        return float((k.sum() - np.trace(k)) / (n * (n - 1)))

    return apart(kernel(xx)) + apart(kernel(yy)) - 2 * float(kernel(xy).mean())


def wasserstein(x: NDArray[np.floating], y: NDArray[np.floating], *, max_points: int = 500, seed: int = 0) -> float:
    """Wasserstein distance of order 2 by optimal assignment: 0 is best, in the units of the points.

    Both samples are brought to the same number of points: the larger one is thinned at random, so that no order of the
    rows matters.

    Parameters
    ----------
    x, y
        Points (n, d) and (m, d), at least two each.
    max_points
        Points of each sample at most: the assignment takes time in its cube.
    seed
        Of the thinning.

    Returns
    -------
    Root of the mean squared distance of assigned points. Two samples of one distribution have a distance above 0, which
    falls slowly with their size: compare only samples of equal size.

    Raises
    ------
    InputError
        If a sample has fewer than two points.

    Examples
    --------
    >>> wasserstein(np.array([[0.0], [1.0]]), np.array([[3.0], [2.0]]))
    2.0
    """
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics.pairwise import euclidean_distances

    _need_two(x, y)
    n = min(len(x), len(y), max_points)
    x, y = (
        points if len(points) == n else points[stream(seed, "wasserstein", side).permutation(len(points))[:n]]
        for side, points in enumerate((x, y))
    )
    squared = euclidean_distances(x, y, squared=True)
    return float(np.sqrt(squared[linear_sum_assignment(squared)].mean()))


def _need_two(x: NDArray[np.floating], y: NDArray[np.floating]) -> None:
    if min(len(x), len(y)) < 2:
        msg = f"A distance of distributions needs at least two points on each side, got {len(x)} and {len(y)}."
        raise InputError(msg)

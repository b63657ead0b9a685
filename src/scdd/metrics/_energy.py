"""Energy distance between two samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scdd.errors import InputError

__all__ = ["energy_distance"]

_BLOCK = 2048


def energy_distance(x: NDArray[np.floating], y: NDArray[np.floating]) -> float:
    """Return the unbiased energy distance 2 E|x - y| - E|x - x'| - E|y - y'| (Euclidean).

    The terms within a sample leave out the pairs of a point with itself, so the expectation is 0 for two samples of one
    distribution, and single values may be below 0.

    Parameters
    ----------
    x, y
        float (n, d) and (m, d), at least two rows each.

    Returns
    -------
    The energy distance, in the units of ``x`` and ``y``.

    Raises
    ------
    InputError
        If a sample has fewer than two rows or the widths differ.

    Examples
    --------
    >>> import numpy as np
    >>> energy_distance(np.array([[0.0], [1.0]]), np.array([[5.0], [6.0]]))
    8.0

    References
    ----------
    Szekely & Rizzo, Energy statistics: a class of statistics based on distances, Journal of Statistical Planning and
    Inference 143:1249 (2013).
    """
    x, y = np.atleast_2d(x), np.atleast_2d(y)
    if len(x) < 2 or len(y) < 2 or x.shape[1] != y.shape[1]:
        msg = f"Energy distance needs two samples of at least two rows and one width, got {x.shape} and {y.shape}."
        raise InputError(msg)
    within = sum(_total(z, z) / (len(z) * (len(z) - 1)) for z in (x, y))
    return 2 * _total(x, y) / (len(x) * len(y)) - within


def _total(x: NDArray[np.floating], y: NDArray[np.floating]) -> float:
    from scipy.spatial.distance import cdist

    return float(sum(cdist(x[i : i + _BLOCK], y).sum() for i in range(0, len(x), _BLOCK)))

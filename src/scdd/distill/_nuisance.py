r"""Nuisance: the direction in which cells vary most, whatever their class.

Often it is depth: how much of a cell was seen. Classes differ along it too, by chance or because a
treatment shrinks cells, and a model that goes by distance from class means follows: it weighs a difference of means
:math:`\Delta` as it is, where the best linear boundary weighs it by :math:`\Sigma^{-1} \Delta`, that is, hardly at all
along the leading eigenvector :math:`u` of the covariance :math:`\Sigma` within classes. So the rows of different classes
are made not to differ along :math:`u`: the mean of class k moves by :math:`-u u^\top (\mu_k - \bar \mu)`.

It is worth it where much of what blurs a boundary lies along :math:`u`. Cells scatter around the boundary between two means
with variance :math:`\Delta^\top \Sigma \Delta`, of which :math:`\lambda\,(u^\top \Delta)^2` is along :math:`u`; without
it, the distance of the means in units of that scatter grows by the factor

.. math:: \frac{1 - (u^\top \Delta)^2 / \|\Delta\|^2}{\sqrt{1 - \lambda\,(u^\top \Delta)^2 / \Delta^\top \Sigma \Delta}}.

Where it does not grow (most sets of cell types), the means stay as they are. All classes count the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["apart_from", "nuisance_directions"]

_ITERATIONS = 7  # of the subspace; the leading value stands out
_BLOCK = 256  # classes at a time


def nuisance_directions(
    batches: Sequence[tuple[Tensor, Tensor]], n: int, *, least_gain: float = 0.0
) -> NDArray[np.float64]:
    """Return the leading directions of the covariance within classes, where they blur what tells classes apart.

    Parameters
    ----------
    batches
        Batches of real cells, features (m, n_features) and labels (m,).
    n
        How many directions.
    least_gain
        The factor by which a class must get farther from the nearest other one, in units of the scatter along the way
        between them, when these directions are left out; the median over classes.

    Returns
    -------
    (n_features, n): orthonormal columns; fewer where cells do not vary in so many, none where the gain is too small.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[3.0, 0.0], [-3.0, 0.1], [2.0, 5.0], [-2.0, 5.1]])
    >>> np.abs(nuisance_directions([(x, torch.tensor([0, 0, 1, 1]))], 1)).round(1).tolist()
    [[1.0], [0.0]]
    """
    from sklearn.utils.extmath import randomized_svd

    within, means = _scatter(batches)
    if not len(within):
        return np.zeros((means.shape[1], 0))
    _, strength, directions = randomized_svd(within, min(n, *within.shape), n_iter=_ITERATIONS, random_state=0)
    found = strength > 1e-6
    directions = np.asarray(directions[found].T, dtype=np.float64)
    if _gain(within, means, directions, strength[found]) < least_gain:
        return np.zeros((means.shape[1], 0))
    return directions


def _scatter(batches: Sequence[tuple[Tensor, Tensor]]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return cells minus the means of their classes (m, n_features), all classes of one weight; and means of classes."""
    n_features = batches[0][0].shape[1]
    # the largest array here, hence filled in place
    within = np.empty((sum(len(x) for x, _ in batches), n_features), dtype=np.float32)
    used = 0
    totals: defaultdict[int, NDArray[np.float64]] = defaultdict(lambda: np.zeros(n_features))
    sizes: defaultdict[int, int] = defaultdict(int)
    for x, y in batches:
        labels = y.cpu().numpy()
        for label in np.unique(labels).tolist():
            own = x[torch.from_numpy(labels == label).to(x.device)].detach().cpu().numpy()
            totals[label] += own.sum(axis=0, dtype=np.float64)
            sizes[label] += len(own)
            if len(own) > 1:
                within[used : used + len(own)] = (own - own.mean(axis=0)) / np.sqrt(len(own) - 1)
                used += len(own)
    return within[:used], np.stack([totals[label] / sizes[label] for label in totals])


def _gain(
    within: NDArray[np.float32],
    means: NDArray[np.float64],
    directions: NDArray[np.float64],
    strength: NDArray[np.floating],
) -> float:
    """Return by what factor a class gets farther from the nearest one without the directions, in units of the scatter."""
    from sklearn.metrics.pairwise import euclidean_distances

    distance = euclidean_distances(means, squared=True)
    np.fill_diagonal(distance, np.inf)
    way = means - means[distance.argmin(axis=1)]
    length = np.square(way).sum(axis=1)
    along = way @ directions
    scatter = np.concatenate(
        [
            np.square(within @ way[start : start + _BLOCK].T.astype(np.float32)).sum(axis=0, dtype=np.float64)
            for start in range(0, len(way), _BLOCK)
        ]
    )
    told = (length > 0) & (scatter > 0)
    if not told.any():
        return 0.0
    length, along, scatter = length[told], np.square(along[told]), scatter[told]
    left = (1 - along @ np.square(strength) / scatter).clip(1e-9)
    return float(np.median((1 - along.sum(axis=1) / length).clip(0) / np.sqrt(left)))


def apart_from(directions: NDArray[np.floating], rows: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return by how much rows move so that they do not differ along some directions; their mean stays.

    Parameters
    ----------
    directions
        (n_features, n): orthonormal columns.
    rows
        (m, n_features): one row a class.

    Returns
    -------
    (m, n_features)

    Examples
    --------
    >>> apart_from(np.array([[1.0], [0.0]]), np.array([[1.0, 5.0], [3.0, 7.0]]))[:, 0].tolist()
    [1.0, -1.0]
    """
    return -((rows - rows.mean(axis=0)) @ directions) @ directions.T

r"""Nuisance: the direction in which cells vary most, whatever their class.

In most data it is depth and complexity: how much of a cell was seen. Classes differ along it too, by chance or because a
treatment shrinks cells, and a model that goes by distance from class means follows: it weighs a difference of means
:math:`\Delta` as it is, where the best linear boundary weighs it by :math:`\Sigma^{-1} \Delta`, that is, hardly at all
along the leading eigenvector :math:`u` of the covariance :math:`\Sigma` within classes. So the rows of different classes
are made not to differ along :math:`u`: the mean of class k moves by :math:`-u u^\top (\mu_k - \bar \mu)`.

One direction is enough, and more cost: further ones are cell types and programmes, along which classes differ for good
reasons. All classes count the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["apart_from", "nuisance_directions"]

_ITERATIONS = 7  # of the subspace; the leading value stands out


def nuisance_directions(batches: Sequence[tuple[Tensor, Tensor]], n: int) -> NDArray[np.float64]:
    """Return the leading directions of the covariance within classes.

    Parameters
    ----------
    batches
        Batches of real cells, features (m, n_features) and labels (m,).
    n
        How many directions.

    Returns
    -------
    (n_features, n): orthonormal columns; fewer where cells do not vary in so many.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[3.0, 0.0], [-3.0, 0.1], [2.0, 5.0], [-2.0, 5.1]])
    >>> np.abs(nuisance_directions([(x, torch.tensor([0, 0, 1, 1]))], 1)).round(1).tolist()
    [[1.0], [0.0]]
    """
    from sklearn.utils.extmath import randomized_svd

    n_features = batches[0][0].shape[1]
    # the largest array here, hence filled in place
    within = np.empty((sum(len(x) for x, _ in batches), n_features), dtype=np.float32)
    used = 0
    for x, y in batches:
        labels = y.cpu().numpy()
        for label in np.unique(labels):
            own = x[torch.from_numpy(labels == label).to(x.device)].detach().cpu().numpy()
            if len(own) > 1:
                within[used : used + len(own)] = (own - own.mean(axis=0)) / np.sqrt(len(own) - 1)
                used += len(own)
    if not used or n < 1:
        return np.zeros((n_features, 0))
    within = within[:used]
    n = min(n, *within.shape)
    _, strength, directions = randomized_svd(within, n, n_iter=_ITERATIONS, random_state=0)
    return np.asarray(directions[strength > 1e-6].T, dtype=np.float64)


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

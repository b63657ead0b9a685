"""Whether biology survives: marker genes, fold changes, clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scdd._rng import random_state

__all__ = ["cluster_agreement", "fold_changes", "marker_precision"]


def fold_changes(
    rates: NDArray[np.floating], labels: NDArray[np.integer], classes: NDArray[np.integer], *, offset: float = 1.0
) -> NDArray[np.float64]:
    """Compare each class with the mean of the others.

    Parameters
    ----------
    rates
        Counts per ten thousand (n, n_genes).
    labels, classes
        int (n,) codes, and the codes that are compared; each must occur.
    offset
        Added to every mean, in counts per ten thousand: it keeps genes without a count finite.

    Returns
    -------
    log2 fold changes (n_classes, n_genes).

    Examples
    --------
    >>> x = np.array([[3.0, 0.0], [0.0, 1.0]])
    >>> fold_changes(x, np.array([0, 1]), np.array([0, 1])).tolist()
    [[2.0, -1.0], [-2.0, 1.0]]
    """
    means = np.stack([rates[labels == code].mean(axis=0, dtype=np.float64) for code in classes])
    others = (means.sum(0, keepdims=True) - means) / max(len(classes) - 1, 1)
    return np.log2(means + offset) - np.log2(others + offset)


def marker_precision(real: NDArray[np.floating], made: NDArray[np.floating], k: int) -> float:
    """Return which share of the k genes with the highest fold changes of each class are among the real k: mean over classes.

    Parameters
    ----------
    real, made
        Fold changes (n_classes, n_genes), see :func:`fold_changes`.
    k
        Number of genes; all where there are fewer.

    Returns
    -------
    In [0, 1], higher is better; chance gives k / n_genes.

    Examples
    --------
    >>> marker_precision(np.array([[3.0, 2.0, 1.0, 0.0]]), np.array([[3.0, 0.0, 2.0, 1.0]]), 2)
    0.5
    """
    k, shares = min(k, real.shape[1]), []
    for a, b in zip(real, made, strict=True):
        first, second = (set(np.argsort(-v, kind="stable")[:k].tolist()) for v in (a, b))
        shares.append(len(first & second) / k)
    return float(np.mean(shares))


def cluster_agreement(
    made: NDArray[np.floating],
    cells: NDArray[np.floating],
    labels: NDArray[np.integer],
    n_clusters: int,
    *,
    seed: int = 0,
) -> tuple[float, float]:
    """Cluster a small set, assign new cells to its clusters, and compare these with their labels.

    The i-th row of the small set and the i-th new cell have nothing to do with each other, so that it is new cells, and
    not rows, whose clusters and labels are compared.

    Parameters
    ----------
    made
        Rows (m, d) of the small set.
    cells, labels
        New cells (n, d) in the same space, and their codes (n,).
    n_clusters
        Number of clusters of k-means; not more than there are rows.
    seed
        Of k-means.

    Returns
    -------
    Adjusted Rand index (at most 1; 0 by chance) and normalised mutual information (0 to 1); higher is better.

    Examples
    --------
    >>> made = np.array([[0.0], [0.1], [5.0], [5.1]])
    >>> cluster_agreement(made, np.array([[5.2], [0.2], [4.9]]), np.array([1, 0, 1]), 2)
    (1.0, 1.0)
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    model = KMeans(min(n_clusters, len(made)), n_init=5, random_state=random_state(seed)).fit(made.astype(np.float64))
    found = model.predict(cells.astype(np.float64))
    return float(adjusted_rand_score(labels, found)), float(normalized_mutual_info_score(labels, found))

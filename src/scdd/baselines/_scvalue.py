"""scValue: cells that a random forest finds helpful, taken from all levels of helpfulness."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scdd._rng import random_state, stream
from scdd.baselines._base import Baseline, Choice, choose_per_class
from scdd.baselines._method import BASELINES

__all__ = ["data_values"]

_N_TREES = 100
_N_BINS = 10


def data_values(
    points: NDArray[np.floating], labels: NDArray[np.integer], seed: int, *, n_trees: int = _N_TREES
) -> NDArray[np.float64]:
    """Return the value of each cell (n,): the share of trees that did not see it and name its class right.

    A cell that all trees saw has the mean value.

    Parameters
    ----------
    points, labels
        (n, d) and int (n,).
    seed
        Seed of the forest.
    n_trees
        Its size.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0]] * 9 + [[1.0]] * 9 + [[0.0]])  # the last cell carries the wrong label
    >>> values = data_values(x, np.array([0] * 9 + [1] * 10), 0)
    >>> bool(values[-1] < 0.5 < values[:-1].min())
    True
    """
    from sklearn.ensemble import RandomForestClassifier

    classes, codes = np.unique(labels, return_inverse=True)
    forest = RandomForestClassifier(n_estimators=n_trees, random_state=random_state(seed), n_jobs=1).fit(points, codes)
    right, seen = np.zeros(len(codes)), np.zeros(len(codes))
    x = np.asarray(points, dtype=np.float32)
    for tree, inside in zip(forest.estimators_, forest.estimators_samples_, strict=True):
        outside = np.bincount(inside, minlength=len(codes)) == 0
        if not outside.any():
            continue
        right[outside] += tree.predict(x[outside]).astype(np.int64) == codes[outside]
        seen[outside] += 1
    mean = right.sum() / max(seen.sum(), 1)
    return np.where(seen > 0, right / np.maximum(seen, 1), mean)


def choose_scvalue(
    embedding: NDArray[np.float32], labels: NDArray[np.integer], sizes: NDArray[np.integer], seed: int
) -> Choice:
    """Choose by full binning: bins of the value get rows by their share of the cells, the best of each bin are taken.

    The published allocation between classes is not used: every class gets the number of rows that is asked for. The
    rule is that of the package ``scvalue``, whose functions take files and not arrays.

    References
    ----------
    Huang et al., scValue: value-based subsampling of large-scale single-cell transcriptomic data for machine and deep
    learning tasks, Briefings in Bioinformatics 26:bbaf279 (2025).
    """
    values = data_values(embedding, labels, int(stream(seed, "scvalue").integers(2**31)))
    by_class = {int(code): values[labels == code] for code in np.unique(labels)}

    def within(points: NDArray[np.float64], n: int, code: int) -> tuple[NDArray[np.int64], None]:
        return _full_binning(by_class[code], n), None

    return choose_per_class(embedding, labels, sizes, within, real=True)


def _full_binning(values: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """Return n cells, best first; rows go to bins of width 0.1 by largest remainders."""
    bins = np.minimum((values * _N_BINS).astype(int), _N_BINS - 1)
    exact = np.bincount(bins, minlength=_N_BINS) * n / len(values)
    number = np.floor(exact).astype(int)
    number[np.argsort(number - exact, kind="stable")[: n - number.sum()]] += 1
    best_first = np.argsort(-values, kind="stable")
    chosen = [best_first[bins[best_first] == b][: number[b]] for b in range(_N_BINS)[::-1]]
    return np.concatenate(chosen)


BASELINES.register("scvalue")(Baseline("scvalue", choose_scvalue, space=None))

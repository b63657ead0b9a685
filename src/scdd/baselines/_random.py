"""Random cells of each class, and of each class and donor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scdd._rng import stream
from scdd.baselines._base import Baseline, Choice, choose_per_class
from scdd.baselines._method import BASELINES


def choose_random(
    embedding: NDArray[np.float32], labels: NDArray[np.integer], sizes: NDArray[np.integer], seed: int
) -> Choice:
    """Draw cells of each class without replacement."""

    def within(points: NDArray[np.float64], n: int, code: int) -> tuple[NDArray[np.int64], None]:
        return stream(seed, "random", code).permutation(len(points))[:n], None

    return choose_per_class(embedding, labels, sizes, within, real=True)


def random_by_donor(
    labels: NDArray[np.integer], donors: NDArray[np.integer], sizes: NDArray[np.integer], seed: int
) -> NDArray[np.int64]:
    """Draw cells of each class, from one donor after the other: shares of the donors differ by at most one cell.

    Parameters
    ----------
    labels, donors
        int (n,) codes.
    sizes
        int (n_classes,): cells wanted of each class; a class with fewer gives all of them.
    seed
        Fixes the result.

    Returns
    -------
    int64 (m,) indices; cells of a class stand together.

    Examples
    --------
    >>> labels, donors = np.zeros(100, dtype=int), np.array([0] * 98 + [1] * 2)
    >>> donors[random_by_donor(labels, donors, np.array([4]), seed=0)].tolist().count(1)
    2
    """
    chosen = []
    for code, size in enumerate(sizes):
        rng = stream(seed, "random-by-donor", code)
        cells = rng.permutation(np.flatnonzero(labels == code))
        of = donors[cells]
        # rank of each cell within its donor; donors take turns in a random order
        order = np.argsort(of, kind="stable")
        starts = np.r_[0, np.flatnonzero(np.diff(of[order])) + 1]
        rank = np.empty(len(cells), dtype=np.int64)
        rank[order] = np.arange(len(cells)) - np.repeat(starts, np.diff(np.r_[starts, len(cells)]))
        turn = rng.permutation(int(donors.max()) + 1)[of]
        chosen.append(cells[np.lexsort((turn, rank))[:size]])
    return np.concatenate(chosen).astype(np.int64)


BASELINES.register("random")(Baseline("random", choose_random, space=None, uses_embedding=False))

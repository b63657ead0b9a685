"""Splits of cells into training and test: whole donors where donors are known."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scdd.errors import InputError

_MAX_SETS = 2000  # sets of donors that are compared; where there are more, this many are drawn
_TOLERANCE = 0.1  # a test share this near to the asked one is as good as any
_MIN_CHOICE = 3  # sets of donors among which chance decides, so that seeds differ


def split_indices(
    labels: ArrayLike, donors: ArrayLike | None, test_size: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split cells into training and test.

    With two donors or more, whole donors are held out: ``round(test_size * n_donors)`` of them, at least one, drawn
    at random among the sets that leave training cells to the most classes and whose share of cells is near
    ``test_size``. Otherwise cells are held out at random within each class, and a class with one cell stays in training.

    Parameters
    ----------
    labels
        Class of each cell (n_obs,).
    donors
        Donor of each cell (n_obs,), or None.
    test_size
        Share that is held out, in (0, 1).
    rng
        Source of randomness.

    Returns
    -------
    Indices of the training and of the test cells, sorted, int64.

    Raises
    ------
    scdd.errors.InputError
        If ``test_size`` lies outside of (0, 1) or the vectors differ in length.

    Examples
    --------
    >>> import numpy as np
    >>> train, test = split_indices([0, 0, 1, 1], [0, 1, 0, 1], 0.5, np.random.default_rng(0))
    >>> len(train), len(test)
    (2, 2)
    """
    if isinstance(test_size, bool | str) or not 0.0 < test_size < 1.0:
        msg = f"test_size must lie strictly between 0 and 1, got {test_size!r}."
        raise InputError(msg)
    classes, codes = np.unique(np.asarray(labels), return_inverse=True)
    if donors is not None:
        units, unit_codes = np.unique(np.asarray(donors), return_inverse=True)
        if len(unit_codes) != len(codes):
            msg = f"labels has {len(codes)} entries, donors has {len(unit_codes)}."
            raise InputError(msg)
        if len(units) >= 2:
            held_out = _choose_donors(codes, unit_codes, len(classes), len(units), test_size, rng)
            in_test = held_out[unit_codes]
            return np.flatnonzero(~in_test), np.flatnonzero(in_test)
    return _stratified(codes, len(classes), test_size, rng)


def _choose_donors(
    codes: NDArray[np.intp],
    units: NDArray[np.intp],
    n_classes: int,
    n_units: int,
    test_size: float,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    table = np.zeros((n_units, n_classes), dtype=np.int64)
    np.add.at(table, (units, codes), 1)
    n_out = min(max(round(n_units * test_size), 1), n_units - 1)
    if comb(n_units, n_out) <= _MAX_SETS:
        sets = np.array(list(combinations(range(n_units), n_out)))
    else:
        sets = np.argsort(rng.random((_MAX_SETS, n_units)), axis=1)[:, :n_out]
    out = np.zeros((len(sets), n_units), dtype=bool)
    out[np.arange(len(sets))[:, None], sets] = True
    left = (~out).astype(np.int64) @ table  # training cells of each class, per set
    lost = (left == 0).sum(axis=1)
    gap = np.abs(1.0 - left.sum(axis=1) / table.sum() - test_size)
    # classes first; then the share of cells, where everything within the tolerance is equal
    rank = np.lexsort([gap, lost])
    rank = rank[lost[rank] == lost[rank[0]]]
    near = rank[gap[rank] <= max(_TOLERANCE, gap[rank[0]] + _TOLERANCE / 2)]
    if len(near) < _MIN_CHOICE:
        near = rank[:_MIN_CHOICE]
    return out[rng.choice(near)]


def _stratified(
    codes: NDArray[np.intp], n_classes: int, test_size: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    sizes = np.bincount(codes, minlength=n_classes)
    n_test = np.clip(np.rint(sizes * test_size).astype(np.int64), sizes > 1, np.maximum(sizes - 1, 0))
    order = np.lexsort([rng.random(len(codes)), codes])
    rank = np.arange(len(codes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    in_test = np.zeros(len(codes), dtype=bool)
    in_test[order] = rank < n_test[codes[order]]
    return np.flatnonzero(~in_test), np.flatnonzero(in_test)

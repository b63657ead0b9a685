"""Rows per class (I06, I07, I08)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from scdd._budget import resolve_sizes
from scdd.errors import BudgetError

SIZES, NAMES = [100, 40, 3], ["alpha", "beta", "gamma"]


def test_same_for_all() -> None:
    rows, warnings = resolve_sizes(3, None, SIZES, NAMES)
    assert rows.dtype == np.int64
    assert rows.tolist() == [3, 3, 3]
    assert warnings == []
    assert resolve_sizes(np.int32(2), None, SIZES, NAMES)[0].tolist() == [2, 2, 2]


def test_mapping_in_any_order_and_with_other_keys() -> None:
    assert resolve_sizes({"gamma": 1, "alpha": 5, "beta": 2}, None, SIZES, NAMES)[0].tolist() == [5, 2, 1]
    assert resolve_sizes({1: 5, 2: 6}, None, [10, 10], ["1", "2"])[0].tolist() == [5, 6]


def test_i06_small_classes() -> None:
    rows, warnings = resolve_sizes(10, None, SIZES, NAMES)
    assert rows.tolist() == [10, 10, 10]
    assert "'gamma' (3 cells, 10 rows)" in warnings[0]
    rows, warnings = resolve_sizes(10, None, SIZES, NAMES, "cap")
    assert rows.tolist() == [10, 10, 3]
    assert "'gamma'" in warnings[0]
    with pytest.raises(BudgetError, match="'gamma'"):
        resolve_sizes(10, None, SIZES, NAMES, "error")
    with pytest.raises(BudgetError, match='"keep", "cap" or "error"'):
        resolve_sizes(10, None, SIZES, NAMES, "drop")


@pytest.mark.parametrize("bad", [0, -1, 1.0, 10.5, True, math.nan, "10", None, [1, 2]], ids=repr)
def test_i07_not_a_number_of_rows(bad: Any) -> None:
    with pytest.raises(BudgetError, match="integer of at least 1"):
        resolve_sizes(bad, None, SIZES, NAMES)
    with pytest.raises(BudgetError, match="'beta'"):
        resolve_sizes({"alpha": 1, "beta": bad, "gamma": 1}, None, SIZES, NAMES)


def test_i07_absurd_budget_shows_the_estimate() -> None:
    with pytest.raises(BudgetError, match=r"3,000,000,000 synthetic cells from 143 real ones.*limit 10,000"):
        resolve_sizes(10**9, None, SIZES, NAMES)
    assert resolve_sizes(15_000, None, [2_000], ["a"])[0].tolist() == [15_000]


def test_i07_mapping_with_other_classes() -> None:
    with pytest.raises(BudgetError, match=r"lacks 1 of 3 classes: 'gamma'"):
        resolve_sizes({"alpha": 1, "beta": 1}, None, SIZES, NAMES)
    with pytest.raises(BudgetError, match=r"'gama'\. Did you mean 'gamma'"):
        resolve_sizes({"alpha": 1, "beta": 1, "gama": 1}, None, SIZES, NAMES)
    with pytest.raises(BudgetError, match=r"The classes are 'alpha', 'beta', 'gamma'"):
        resolve_sizes({"zzz": 1}, None, SIZES, NAMES)


def test_i08_fraction() -> None:
    assert resolve_sizes(10, 0.1, SIZES, NAMES)[0].tolist() == [10, 4, 1]
    with pytest.raises(BudgetError, match="use fraction="):
        resolve_sizes(0.01, None, SIZES, NAMES)


@pytest.mark.parametrize("bad", [0, -0.1, 1.1, math.nan, True, "0.1", [0.1]], ids=repr)
def test_i08_bad_fraction(bad: Any) -> None:
    with pytest.raises(BudgetError, match="fraction must be"):
        resolve_sizes(10, bad, SIZES, NAMES)

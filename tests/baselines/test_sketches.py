"""Sketching, value-based and teacher-based choices, and draws that share donors: what each promises, on toys."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from scdd.baselines import BASELINES, random_by_donor
from scdd.baselines._scvalue import _full_binning, data_values


def _choose(name: str, embedding: np.ndarray, labels: np.ndarray, sizes: list[int], seed: int = 0) -> np.ndarray:
    return BASELINES.get(name).choose(embedding.astype(np.float32), labels, np.array(sizes), seed).index


def test_geosketch_sees_a_rare_state() -> None:
    """2 % of the cells lie apart: boxes see them nearly always, random cells in about a fifth of the draws."""
    rng = np.random.default_rng(0)
    embedding = np.vstack([rng.normal(0, 1, (490, 3)), rng.normal(12, 1, (10, 3))])
    labels = np.zeros(500, dtype=int)
    found = {
        name: np.mean([(_choose(name, embedding, labels, [10], seed) >= 490).any() for seed in range(30)])
        for name in ("geosketch", "random")
    }
    assert found["geosketch"] > 0.9
    assert found["random"] < 0.5


def test_geosketch_leaves_the_global_state_alone() -> None:
    state = repr(np.random.get_state())
    _choose("geosketch", np.random.default_rng(0).normal(size=(50, 2)), np.zeros(50, dtype=int), [5])
    assert repr(np.random.get_state()) == state


def test_geosketch_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "geosketch", None)
    with pytest.raises(ImportError, match=r'pip install "scdd\[benchmark\]"'):
        _choose("geosketch", np.eye(4), np.array([0, 0, 1, 1]), [1, 1])


def test_values_are_out_of_bag_shares_of_right_trees() -> None:
    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (60, 4)) + np.repeat([0.0, 1.0], 30)[:, None]
    y = np.repeat([3, 8], 30)
    forest = RandomForestClassifier(n_estimators=100, random_state=5, oob_score=True).fit(x, y)
    # trees vote by class here, so the out-of-bag probability is near the share of trees (leaves are pure)
    expected = forest.oob_decision_function_[np.arange(60), np.repeat([0, 1], 30)]
    np.testing.assert_allclose(data_values(x, y, 5), expected, atol=1e-6)


def test_full_binning_keeps_the_spread_of_values() -> None:
    values = np.array([0.95] * 50 + [0.55] * 30 + [0.05] * 20)
    chosen = values[_full_binning(values, 10)]
    assert chosen.tolist() == [0.95] * 5 + [0.55] * 3 + [0.05] * 2
    within = np.array([0.91, 0.99, 0.95, 0.93])
    assert within[_full_binning(within, 2)].tolist() == [0.99, 0.95]
    assert sorted(_full_binning(np.linspace(0, 1, 37), 37)) == list(range(37))


def test_scvalue_takes_no_more_unhelpful_cells_than_their_share() -> None:
    rng = np.random.default_rng(1)
    embedding = rng.normal(0, 1, (200, 3)) + np.repeat([0.0, 5.0], 100)[:, None]
    labels = np.repeat([0, 1], 100)
    labels[:5] = 1  # five wrong labels, 5 % of the class
    assert (data_values(embedding, labels, 0)[:5] < 0.3).all()
    assert len(set(_choose("scvalue", embedding, labels, [10, 10])) & set(range(5))) <= 1


def test_rded_takes_what_the_teacher_is_sure_of() -> None:
    rng = np.random.default_rng(2)
    embedding = rng.normal(0, 1, (400, 2)) + np.repeat([0.0, 2.0], 200)[:, None] * [1, 0]
    chosen = _choose("rded", embedding, np.repeat([0, 1], 200), [10, 10])
    # far from the border at 1, on the side of their class
    assert embedding[chosen[:10], 0].max() < -0.5
    assert embedding[chosen[10:], 0].min() > 2.5


def test_donors_take_turns() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 400)
    donors = rng.choice(4, 400, p=[0.85, 0.05, 0.05, 0.05])
    chosen = random_by_donor(labels, donors, np.array([8, 6]), seed=0)
    assert labels[chosen].tolist() == [0] * 8 + [1] * 6
    assert np.bincount(donors[chosen[:8]], minlength=4).tolist() == [2, 2, 2, 2]
    assert sorted(np.bincount(donors[chosen[8:]], minlength=4)) == [1, 1, 2, 2]
    assert len(set(chosen)) == len(chosen)
    # a donor that has run out gives way
    few = random_by_donor(np.zeros(9, dtype=int), np.array([0] * 8 + [1]), np.array([6]), seed=0)
    assert len(few) == 6
    assert 8 in few
    assert set(random_by_donor(labels, donors, np.array([8, 6]), seed=1)) != set(chosen)

"""Minibatches: balanced, stateless, fast."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from scdd.data import ClassSampler
from scdd.errors import InputError

LABELS = np.repeat([2, 0, 1], [900, 90, 10])


def test_stateless() -> None:
    one, two = (ClassSampler(LABELS, batch_size=64, seed=1) for _ in range(2))
    for step in (5, 0, 3):
        np.testing.assert_array_equal(one.batch(step), two.batch(step))
        np.testing.assert_array_equal(one.per_class(step, 4), two.per_class(step, 4))
    assert (one.batch(0) != one.batch(1)).any()
    assert (one.batch(0) != ClassSampler(LABELS, batch_size=64, seed=2).batch(0)).any()


def test_balance() -> None:
    for balance, low, high in [(1.0, 0.33, 0.34), (0.0, 0.0, 0.05), (0.5, 0.15, 0.2)]:
        sampler = ClassSampler(LABELS, batch_size=300, balance=balance, seed=0)
        share = np.mean([(LABELS[sampler.batch(step)] == 1).mean() for step in range(20)])
        assert low <= share <= high
    assert sampler.batch(0).dtype == np.int64
    assert ClassSampler(LABELS, batch_size=1, balance=1.0, seed=0).batch(0).shape == (1,)
    seen = {int(LABELS[ClassSampler(LABELS, batch_size=1, balance=1.0, seed=0).batch(step)[0]]) for step in range(50)}
    assert seen == {0, 1, 2}


def test_every_cell_is_drawn() -> None:
    sampler = ClassSampler(LABELS, batch_size=500, seed=0)
    counts = np.bincount(np.concatenate([sampler.batch(step) for step in range(100)]), minlength=1000)
    assert (counts > 0).all()
    large = counts[:900]
    assert large.std() / large.mean() < 0.3


def test_per_class() -> None:
    sampler = ClassSampler(LABELS, batch_size=8, seed=0)
    drawn = sampler.per_class(0, 20)
    assert drawn.shape == (3, 20)
    for row, k in zip(drawn, (0, 1, 2), strict=True):
        assert (LABELS[row] == k).all()
        assert len(set(row.tolist())) == 20 or k == 1
    # a class taken whole is each of its cells once
    assert sorted(sampler.per_class(4, 10)[1]) == list(range(990, 1000))


def test_per_class_is_uniform() -> None:
    sampler = ClassSampler(np.zeros(6, int), batch_size=1, seed=0)
    draws = np.stack([sampler.per_class(step, 3)[0] for step in range(4000)])
    for position in range(3):
        np.testing.assert_allclose(np.bincount(draws[:, position], minlength=6) / 4000, 1 / 6, atol=0.025)
    assert all(len(set(row)) == 3 for row in draws.tolist())


def test_classes_without_cells_are_left_out() -> None:
    sampler = ClassSampler([0, 0, 3, 3], batch_size=8, balance=1.0, seed=0)
    np.testing.assert_array_equal(sampler.classes, [0, 3])
    assert sampler.per_class(0, 2).shape == (2, 2)


def test_fast_at_a_million_cells() -> None:
    sampler = ClassSampler(np.random.default_rng(0).integers(60, size=1_000_000), batch_size=512, seed=0)
    sampler.batch(0)
    start = time.perf_counter()
    for step in range(100):
        sampler.batch(step)
    assert (time.perf_counter() - start) / 100 < 2e-3  # measured 0.04 ms


@pytest.mark.parametrize("bad", [{"batch_size": 0}, {"balance": 1.5}, {"labels": []}], ids=repr)
def test_refused(bad: dict[str, Any]) -> None:
    kwargs: dict[str, Any] = {"labels": [0, 1], "batch_size": 2, "balance": 0.5, "seed": 0} | bad
    with pytest.raises(InputError):
        ClassSampler(kwargs.pop("labels"), **kwargs)
    with pytest.raises(InputError):
        ClassSampler([0], batch_size=1, seed=0).per_class(0, 0)


def test_up_to_takes_each_cell_of_a_small_class_once() -> None:
    labels = np.array([0] * 50 + [1] * 3 + [2] * 8)
    sampler = ClassSampler(labels, batch_size=1, seed=0)
    cells = sampler.up_to(5, 8)
    assert len(cells) == len(set(cells.tolist()))
    np.testing.assert_array_equal(np.bincount(labels[cells]), [8, 3, 8])
    np.testing.assert_array_equal(cells[:8], sampler.per_class(5, 8)[0])
    np.testing.assert_array_equal(np.sort(cells[8:11]), np.flatnonzero(labels == 1))

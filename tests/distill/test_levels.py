"""Levels: what classes hardly differ in is made equal."""

from __future__ import annotations

import numpy as np
import pytest

from scdd.distill._levels import fuse, ladder


def slow(values: np.ndarray, gap: float) -> np.ndarray:
    """Merge one gene, in plain Python."""
    groups = [[i] for i in np.argsort(values, kind="stable")]
    while len(groups) > 1:
        means = [values[g].mean() for g in groups]
        nearest = int(np.argmin(np.diff(means)))
        if means[nearest + 1] - means[nearest] >= gap:
            break
        groups[nearest] += groups.pop(nearest + 1)
    out = np.empty(len(values))
    for group in groups:
        out[group] = values[group].mean()
    return out


@pytest.mark.parametrize("n", [1, 2, 3, 12, 40])
def test_fuse_gene_by_gene(n: int) -> None:
    rng = np.random.default_rng(n)
    values, gap = rng.random((n, 60)), rng.random(60) * 0.4
    values[:, :5] = np.rint(values[:, :5] * 3)  # ties
    gap[5:8] = 0
    before = values.copy()
    expected = np.stack([slow(values[:, g], gap[g]) for g in range(60)], axis=1)
    np.testing.assert_allclose(fuse(values, gap), expected, atol=1e-12)
    np.testing.assert_array_equal(values, before)
    np.testing.assert_allclose(fuse(values, gap).mean(0), values.mean(0))  # no gene is lost or won


def test_what_is_left_is_apart() -> None:
    values = np.random.default_rng(0).random((20, 100))
    levels = np.sort(fuse(values, np.full(100, 0.1)), axis=0)
    steps = np.diff(levels, axis=0)
    assert ((steps < 1e-12) | (steps >= 0.1 - 1e-12)).all()
    assert (steps < 1e-12).any()


def test_every_prefix_of_the_ladder_is_even() -> None:
    for n in (1, 3, 7, 15, 31):
        np.testing.assert_allclose(np.sort(ladder(n)), np.arange(1, n + 1) / (n + 1))
    np.testing.assert_array_equal(ladder(10), ladder(50)[:10])

"""Denoising: rows are drawn together, and what classes hardly differ in is made equal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scdd.distill import RowPlan
from scdd.distill._denoise import Denoising
from scdd.distill._levels import fuse, ladder
from scdd.distill._rows import ranks


def plan(n: int, n_classes: int = 3, kind: str = "denoised") -> RowPlan:
    labels = np.repeat(np.arange(n_classes), n)
    block = np.tile(np.minimum(np.arange(n), 1), n_classes)
    return RowPlan(labels, 0 * labels, block, np.full(len(labels), kind), np.full(len(labels), 1000.0))


def targets(n: int, n_classes: int = 3, within: float = 0.3) -> np.ndarray:
    rng = np.random.default_rng(0)
    own = rng.normal(0, within, (n_classes, n, 50))
    own[:, 0] = 0
    return (6 + rng.normal(0, 0.5, (n_classes, 1, 50)) + own).reshape(-1, 50)


def test_nothing_is_done_to_other_rows() -> None:
    t, rows = targets(4), plan(4)
    kind = np.array(["denoised", "noisy"] * 6)
    out = Denoising(0.5, 1.0, np.ones(50))(t, replace(rows, kind=kind))
    np.testing.assert_array_equal(out[kind == "noisy"], t[kind == "noisy"])
    assert (out[kind == "denoised"] != t[kind == "denoised"]).any()
    np.testing.assert_array_equal(Denoising(0.5, 1.0, np.ones(50))(t, plan(4, kind="plain")), t)


def test_without_levels_and_drawing_all_stays() -> None:
    t = targets(4)
    np.testing.assert_allclose(Denoising(1.0, 0.0, np.ones(50))(t, plan(4)), t)


def test_rows_are_drawn_to_the_first_of_their_class() -> None:
    t = targets(5)
    out = Denoising(0.25, 0.0, np.ones(50))(t, plan(5)).reshape(3, 5, 50)
    own = t.reshape(3, 5, 50)
    np.testing.assert_allclose(out - own[:, :1], 0.25 * (own - own[:, :1]))


def test_where_classes_are_near_rows_are_drawn_more() -> None:
    """Three times as far within a class as between classes: a ninth of the way is left, and less."""
    t = targets(5, within=0.5)
    own = t.reshape(3, 5, 50)
    first = own[:, 0]
    near = np.median([np.sort(np.linalg.norm(first - row, axis=1))[1] for row in first])
    far = np.median(np.sqrt(np.square(own[:, 1:] - own[:, :1]).sum(2).mean(1)))
    t = (first[:, None] + (own - own[:, :1]) * 3 * near / far).reshape(-1, 50)
    out = Denoising(0.5, 0.0, np.ones(50))(t, plan(5)).reshape(3, 5, 50)
    own = t.reshape(3, 5, 50)
    np.testing.assert_allclose(out - own[:, :1], 0.5 / 9 * (own - own[:, :1]), rtol=1e-6, atol=1e-9)


def test_rows_of_one_rank_are_levelled_together() -> None:
    t, noise = targets(3), np.full(50, 0.2)
    out = Denoising(1.0, 1.0, noise)(t, plan(3)).reshape(3, 3, 50)
    for number, share in enumerate(ladder(3)):
        expected = fuse(t.reshape(3, 3, 50)[:, number], share * 2 * noise)
        np.testing.assert_allclose(out[:, number], expected)


def test_a_class_with_few_rows_is_represented_by_its_first() -> None:
    t, rows = targets(3), plan(3)
    kept = np.array([True, True, True, True, False, False, True, True, True])
    few = RowPlan(*(getattr(rows, name)[kept] for name in RowPlan.__dataclass_fields__))
    denoising = Denoising(1.0, 1.0, np.full(50, 0.2))
    out = denoising(t[kept], few)
    group = np.stack([t[2], t[8], t[3]])
    np.testing.assert_allclose(out[[2, 6]], fuse(group, ladder(3)[2] * 0.4 * np.ones(50))[:2])


def test_weak_differences_are_kept_where_there_are_no_others() -> None:
    """Two classes that differ by a hundredth of the noise still differ in the genes that tell them best apart."""
    rng = np.random.default_rng(0)
    t = 2 + rng.normal(0, 0.01, (2, 200))
    out = Denoising(0.5, 0.75, np.ones(200))(t, plan(1, 2))
    differ = out[0] != out[1]
    assert 10 <= differ.sum() < 100
    assert np.abs(t[0] - t[1])[differ].min() > np.abs(t[0] - t[1])[~differ].max()


def test_ranks() -> None:
    assert ranks(np.array([0, 0, 0, 2, 2, 5])).tolist() == [0, 1, 2, 0, 1, 0]
    assert ranks(np.array([], dtype=int)).tolist() == []

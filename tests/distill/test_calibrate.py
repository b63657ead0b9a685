"""Calibration: rows become better prototypes, and what is equal stays equal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from scdd.distill import RowPlan
from scdd.distill._calibrate import CalibrationConfig, _views, calibrate, ties
from scdd.distill._cells_around import CellsAround
from scdd.distill._rows import ranks
from scdd.objectives import Prototypes

GENES = 40
CONFIG = CalibrationConfig()


def cells(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two classes that differ a little in ten quiet genes; ten others scatter, and a few cells' means mislead."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    x = 3 + rng.normal(0, np.where(np.arange(GENES) < 20, 0.3, 1.5), (n, GENES))
    x[:, :10] += 0.25 * (2 * y[:, None] - 1)
    return x.clip(0).astype(np.float32), y.astype(np.int64)


def batches(seed: int = 0):
    x, y = cells(600, seed)
    return [(torch.from_numpy(x), torch.from_numpy(y))]


def plan(n: int, kind: str = "denoised") -> RowPlan:
    labels = np.repeat([0, 1], n)
    block = np.tile(np.searchsorted([1, 5, 10], np.arange(n), side="right"), 2)
    return RowPlan(labels, 0 * labels, block, np.full(2 * n, kind), np.full(2 * n, 1000.0))


def start(n: int) -> np.ndarray:
    """Rows that are means of few cells: the scattering genes differ as much as the quiet ones."""
    x, y = cells(40 * n, 5)
    return np.concatenate([x[y == k].reshape(n, -1, GENES).mean(1) for k in (0, 1)])


def run(target: np.ndarray, rows: RowPlan, config: CalibrationConfig = CONFIG) -> np.ndarray:
    return calibrate(target, rows, batches(), scale=np.full(GENES, 0.5), config=config)


def right(target: np.ndarray, rows: RowPlan) -> float:
    """Share of new cells whose nearest row is of their class."""
    x, y = cells(2000, 99)
    distance = ((x[:, None] - target[None]) ** 2).sum(2)
    return float((rows.labels[distance.argmin(1)] == y).mean())


@pytest.mark.parametrize("n", [1, 5])
def test_new_cells_are_nearer_to_their_class(n: int) -> None:
    rows = plan(n)
    before = right(start(n), rows)
    assert before < 0.9
    assert right(run(start(n), rows), rows) > before + 0.03


def test_the_leash_keeps_rows_where_they_are() -> None:
    target, rows = start(2), plan(2)
    moved = [np.abs(run(target, rows, replace(CONFIG, leash=leash)) - target).mean() for leash in (0.0, 3.0, 1e4)]
    assert moved[0] > 1.2 * moved[1] > 5 * moved[2]
    np.testing.assert_array_equal(run(target, rows, replace(CONFIG, n_steps=0)), target)


def test_what_is_equal_stays_equal() -> None:
    target, rows = start(3), plan(3)
    target[rows.labels == 1, 5:25] = target[rows.labels == 0, 5:25]
    target[1, 7] = target[4, 7] = target[0, 7]  # equal to rows of another rank: these need not stay so
    out = run(target, rows)
    np.testing.assert_array_equal(out[rows.labels == 1, 5:25], out[rows.labels == 0, 5:25])
    assert (out[rows.labels == 1, :5] != out[rows.labels == 0, :5]).all()
    assert (out != target).mean() > 0.9


def test_first_rows_do_not_depend_on_how_many_follow() -> None:
    target, rows = start(10), plan(10)
    whole = run(target, rows)
    first = ranks(rows.labels) < 5
    few = RowPlan(*(getattr(rows, name)[first] for name in RowPlan.__dataclass_fields__))
    np.testing.assert_allclose(run(target[first], few), whole[first], atol=1e-6)


def test_other_rows_are_left_alone() -> None:
    target, rows = start(4), plan(4)
    kind = np.array(["denoised", "noisy"] * 4)
    out = run(target, replace(rows, kind=kind))
    np.testing.assert_array_equal(out[kind == "noisy"], target[kind == "noisy"])
    assert (out[kind == "denoised"] != target[kind == "denoised"]).any()
    np.testing.assert_array_equal(run(target, replace(rows, kind=np.full(8, "plain"))), target)


def test_one_class_and_values_below_zero() -> None:
    target, rows = start(2), plan(2)
    one = replace(rows, labels=np.zeros(4, np.int64))
    np.testing.assert_array_equal(run(target, one), target)
    target[:, 30] = 0
    assert run(target, rows).min() >= 0


def test_the_same_twice() -> None:
    target, rows = start(3), plan(3)
    np.testing.assert_array_equal(run(target, rows), run(target, rows))


def test_ties_against_plain_python() -> None:
    rng = np.random.default_rng(0)
    values, rank = rng.integers(0, 4, (12, 7)).astype(float), np.repeat([0, 1, 2], [5, 4, 3])
    tied, n = ties(values, rank)
    seen: dict[tuple[int, int, float], set[int]] = {}
    for i in range(12):
        for g in range(7):
            seen.setdefault((rank[i], g, values[i, g]), set()).add(tied[i, g])
    assert all(len(numbers) == 1 for numbers in seen.values())
    assert n == len(seen) == len(set(tied.ravel())) == tied.max() + 1


def test_what_cells_see_of_earlier_rows_is_what_the_objective_sees() -> None:
    """The loss in which earlier rows are two numbers a cell is that of all rows together, and so is its gradient."""
    target, rows = start(3), plan(3)
    moving = ranks(rows.labels) > 0
    x, labels = torch.from_numpy(target.astype(np.float32)), torch.from_numpy(rows.labels)
    earlier, later = ((x[of], labels[of]) for of in (torch.from_numpy(~moving), torch.from_numpy(moving)))
    real = batches()
    cells = [CellsAround(*batch, x.mean(0), labels.unique()) for batch in real]
    (view,) = _views(earlier, later, cells, CONFIG.prototypes)
    own, whole = later[0].clone().requires_grad_(), x.clone().requires_grad_()
    assert float(view.beta) > 0
    parts = view.loss(own, later[1])
    together = Prototypes(n_features=GENES, n_classes=2, seed=0).loss(whole, labels, *real[0], 0)
    assert parts.item() == pytest.approx(together.item(), rel=1e-5)
    (expected,) = torch.autograd.grad(together, whole)
    torch.testing.assert_close(torch.autograd.grad(parts, own)[0], expected[torch.from_numpy(moving)])


def test_a_class_without_moving_rows() -> None:
    """Rows of one class end earlier: its cells still push the others, by finite gradients."""
    labels = np.array([0, 0, 0, 1])
    rows = RowPlan(labels, 0 * labels, np.array([0, 1, 1, 0]), np.full(4, "denoised"), np.full(4, 1000.0))
    target = start(3)[[0, 1, 2, 3]]
    out = run(target, rows)
    assert np.isfinite(out).all()
    assert (out != target).any(axis=1).all()

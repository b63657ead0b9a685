"""What every matching objective must do."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from scdd.errors import InputError
from scdd.objectives import OBJECTIVES, build

from ._toy import make, toy

NAMES = ["characteristic", "distribution", "gradient", "kernel", "moments", "prototypes"]
EXACT = ["characteristic", "distribution", "moments", "gradient"]  # 0 where the rows are the cells


def test_registry() -> None:
    assert OBJECTIVES.names() == NAMES
    for name in NAMES:
        kind = OBJECTIVES.get(name)
        assert kind.name == name
        assert dataclasses.is_dataclass(kind.config_class)
        assert kind.config_class.__dataclass_params__.frozen


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize("name", NAMES)
def test_gradient_against_finite_differences(name: str, step: int) -> None:
    real_x, real_y = toy()
    objective = make(name)
    objective.prepare(real_x, real_y)
    syn_x = toy(per_class=3, seed=5)[0][:7] + 0.3  # 3, 3 and 1 rows
    syn_y = torch.tensor([0, 0, 0, 1, 1, 1, 2])
    syn_x.requires_grad_()
    torch.autograd.gradcheck(
        lambda x: objective.loss(x, syn_y, real_x, real_y, step), (syn_x,), eps=1e-6, atol=1e-5, rtol=1e-4
    )
    (slope,) = torch.autograd.grad(objective.loss(syn_x, syn_y, real_x, real_y, step), syn_x)
    assert (slope.norm(dim=1) > 1e-6).all(), "every row must be reached"


@pytest.mark.parametrize("name", EXACT)
def test_zero_at_the_truth(name: str) -> None:
    x, y = toy()
    objective = make(name)
    away = objective.loss(x.roll(1, 1), y, x, y, 0)
    for step in range(3):
        assert abs(objective.loss(x, y, x, y, step)) < 1e-3 * away


@pytest.mark.parametrize("name", NAMES)
def test_falls_towards_the_truth(name: str) -> None:
    real_x, real_y = toy(per_class=40)
    objective = make(name)
    objective.prepare(real_x, real_y)
    truth, syn_y = toy(per_class=8, seed=3)
    noise = 3 * torch.rand(truth.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def value(share: float) -> float:
        x = share * truth + (1 - share) * noise
        return float(np.mean([objective.loss(x, syn_y, real_x, real_y, step) for step in range(6)]))

    values = [value(share) for share in (0.0, 0.5, 1.0)]
    assert values[0] > values[1] > values[2]
    assert values[2] < 0.5 * values[0]


@pytest.mark.parametrize("name", NAMES)
def test_order_of_rows_and_exchange_of_classes(name: str) -> None:
    x, y = toy()
    objective = make(name)
    syn_x, syn_y = toy(per_class=4, seed=2)
    base = objective.loss(syn_x, syn_y, x, y, 0)
    order = torch.randperm(len(syn_y), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(objective.loss(syn_x[order], syn_y[order], x, y, 0), base)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(objective.loss(syn_x, syn_y, x[order], y[order], 0), base)
    exchanged = torch.tensor([1, 0, 2])[syn_y]
    assert objective.loss(syn_x, exchanged, x, y, 0) > 1.5 * base


@pytest.mark.parametrize("name", NAMES)
def test_seed_and_step_decide(name: str) -> None:
    x, y = toy()
    syn_x, syn_y = toy(per_class=2, seed=4)

    def value(seed: int, step: int) -> float:
        objective = make(name, seed=seed)
        objective.prepare(x, y)
        objective.loss(syn_x, syn_y, x, y, 7)  # what happened before must not matter
        return float(objective.loss(syn_x, syn_y, x, y, step))

    state = torch.get_rng_state()
    values = [value(0, step) for step in range(4)]
    assert torch.equal(state, torch.get_rng_state()), "the global stream was touched"
    assert values == [value(0, step) for step in range(4)]
    if name in {"gradient", "distribution", "characteristic"}:
        assert len(set(values)) == 4
        assert value(1, 0) != values[0]
    else:
        assert len(set(values)) == 1


@pytest.mark.parametrize("name", NAMES)
def test_classes_missing_in_a_batch_and_unequal_rows(name: str) -> None:
    x, y = toy(n_classes=4)
    objective = make(name, n_classes=4)
    objective.prepare(x, y)
    syn_y = torch.tensor([3, 0, 0, 1, 0])  # class 2 has no row
    syn_x = torch.rand(5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    keep = y != 3  # and the batch has no cell of class 3
    loss = objective.loss(syn_x, syn_y, x[keep], y[keep], 0)
    (slope,) = torch.autograd.grad(loss, syn_x)
    assert torch.isfinite(slope).all()
    assert (slope[1:].norm(dim=1) > 0).all()
    if name not in {"kernel", "prototypes"}:  # there the row of class 3 still attracts cells of other classes
        assert not slope[0].any()
    # cells of a class without rows do not matter
    keep = keep & (y != 2)
    torch.testing.assert_close(objective.loss(syn_x, syn_y, x[keep], y[keep], 0), loss)
    nothing = objective.loss(syn_x, syn_y, x[y == 2], y[y == 2], 0)
    nothing.backward()
    assert nothing.item() == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", [1, 5])
def test_rows_from_noise_train_a_classifier(name: str, rows: int) -> None:
    """50 steps from noise; single precision and the default config, as in use."""
    real_x, real_y = toy(n_classes=4, per_class=60, n_features=30, dtype=torch.float32)
    test_x, test_y = toy(n_classes=4, per_class=60, n_features=30, seed=1, dtype=torch.float32)
    objective = OBJECTIVES.get(name)(n_features=30, n_classes=4, seed=0)
    objective.prepare(real_x, real_y)
    syn_y = torch.arange(4).repeat_interleave(rows)
    syn_x = (3 * torch.rand(len(syn_y), 30, generator=torch.Generator().manual_seed(2))).requires_grad_()

    def accuracy() -> float:
        model = LogisticRegression(max_iter=500).fit(syn_x.detach().numpy(), syn_y.numpy())
        return model.score(test_x.numpy(), test_y.numpy())

    before = accuracy()
    optimizer = torch.optim.Adam([syn_x], lr=0.1)
    for step in range(50):
        batch = torch.randperm(len(real_y), generator=torch.Generator().manual_seed(step))[:120]
        optimizer.zero_grad()
        objective.loss(syn_x, syn_y, real_x[batch], real_y[batch], step).backward()
        optimizer.step()
    assert before < 0.6
    assert accuracy() > 0.95


@pytest.mark.parametrize("name", NAMES)
def test_single_precision_agrees(name: str) -> None:
    x, y = toy(n_features=50)
    syn_x, syn_y = toy(n_features=50, per_class=3, seed=4)
    values, slopes = [], []
    for dtype in (torch.float32, torch.float64):
        objective = make(name, n_features=50, dtype=dtype)
        rows = syn_x.to(dtype).requires_grad_()
        loss = objective.loss(rows, syn_y, x.to(dtype), y, 0)
        loss.backward()
        assert loss.dtype == dtype
        values.append(loss.item())
        slopes.append(rows.grad.double())
    assert values[0] == pytest.approx(values[1], rel=1e-3)
    assert torch.nn.functional.cosine_similarity(slopes[0].flatten(), slopes[1].flatten(), dim=0) > 0.999


@pytest.mark.parametrize("name", NAMES)
def test_degenerate_rows_stay_finite(name: str) -> None:
    """All rows equal, cells that are constant, one cell per class."""
    objective = make(name, dtype=torch.float32)
    x, y = torch.ones(3, 6), torch.arange(3)
    syn_x = torch.zeros(6, 6, requires_grad=True)
    loss = objective.loss(syn_x, torch.arange(3).repeat_interleave(2), x, y, 1)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(syn_x.grad).all()


@pytest.mark.parametrize("name", NAMES)
def test_one_class(name: str) -> None:
    if OBJECTIVES.get(name).needs_classes:
        with pytest.raises(InputError, match="one class only"):
            make(name, n_classes=1)
        with pytest.raises(InputError, match=r"characteristic, distribution, moments"):
            build(name, n_features=6, n_classes=1, seed=0)
        return
    x, y = toy(n_classes=1)
    objective = make(name, n_classes=1)
    assert objective.loss(x + 1, y, x, y, 0) > 10 * objective.loss(x, y, x, y, 0)


@pytest.mark.parametrize("name", NAMES)
def test_wrong_input(name: str) -> None:
    objective = make(name)
    x, y = toy()
    with pytest.raises(InputError, match=r"real features must be of shape \(rows, 6\)"):
        objective.prepare(x[:, :5], y)
    with pytest.raises(InputError, match=r"range\(3\), got 1 to 3"):
        objective.prepare(x, y + 1)
    with pytest.raises(InputError, match="integers of shape"):
        objective.loss(x, y.double(), x, y, 0)
    with pytest.raises(InputError, match="1 of 36 real cells have features that are not finite"):
        objective.prepare(torch.where(torch.arange(36)[:, None] == 4, torch.nan, x), y)
    with pytest.raises(InputError, match="Config"):
        make(name, config=object())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", NAMES)
def test_gpu_agrees(name: str) -> None:
    x, y = toy(n_features=50)
    syn_x, syn_y = toy(n_features=50, per_class=3, seed=4)
    values = []
    for device in ("cpu", "cuda"):
        objective = make(name, n_features=50, device=device)
        rows = syn_x.clone().requires_grad_()
        loss = objective.loss(rows, syn_y, x, y, 1)
        loss.backward()
        values.append((loss.item(), rows.grad))
    assert values[0][0] == pytest.approx(values[1][0], rel=1e-6)
    torch.testing.assert_close(values[0][1], values[1][1], rtol=1e-4, atol=1e-7)

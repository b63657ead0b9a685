"""Each loss against an independent computation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.kernel_ridge import KernelRidge as SklearnKernelRidge

from scdd.errors import InputError
from scdd.objectives import (
    CharacteristicConfig,
    CharacteristicMatching,
    DistributionMatching,
    KernelConfig,
    KernelRidge,
    MomentMatching,
    MomentsConfig,
    Projection,
    Prototypes,
    PrototypesConfig,
)
from scdd.objectives._statistics import RealStatistics

from ._toy import toy

COMMON = {"n_features": 6, "n_classes": 3, "seed": 0, "dtype": torch.float64}


@pytest.mark.parametrize("kind", ["linear", "rbf", "mixed"])
def test_kernel_equals_sklearn(kind: str) -> None:
    x, y = toy()
    weights = {"linear": (1.0, 0.0), "rbf": (0.0, 1.0), "mixed": (0.7, 0.3)}[kind]
    config = KernelConfig(linear=weights[0], rbf=weights[1], bias=0.2, bandwidth=1.5, ridge=0.05)
    objective = KernelRidge(**COMMON, config=config)
    objective.prepare(x, y)
    syn_x, syn_y = toy(per_class=4, seed=8)
    rows, cells = objective.scaled(syn_x).numpy(), objective.scaled(x).numpy()
    i, j = np.triu_indices(len(cells), 1)
    width = 1.5 * np.median(np.linalg.norm(cells[i] - cells[j], axis=1))

    def kernel(a, b):
        squared = ((a[:, None, :] - b[None, :, :]) ** 2).sum(2)
        return weights[0] * (a @ b.T + 0.2) + weights[1] * np.exp(-squared / (2 * width**2))

    among = kernel(rows, rows)
    model = SklearnKernelRidge(alpha=0.05 * np.diag(among).mean(), kernel="precomputed")
    expected = model.fit(among, np.eye(3)[syn_y] - 1 / 3).predict(kernel(cells, rows))
    # torch and numpy take another median of an even number of distances
    np.testing.assert_allclose(objective.predict(syn_x, syn_y, x).numpy(), expected, rtol=1e-3, atol=1e-4)
    error = ((expected - (np.eye(3)[y] - 1 / 3)) ** 2).sum(1)
    balanced = np.mean([error[y.numpy() == label].mean() for label in range(3)])
    assert float(objective.loss(syn_x, syn_y, x, y, 0)) == pytest.approx(balanced, rel=1e-3)


def test_kernel_loss_is_class_balanced() -> None:
    x, y = toy()
    objective = KernelRidge(**COMMON)
    objective.prepare(x, y)
    syn_x, syn_y = toy(per_class=2, seed=1)
    base = objective.loss(syn_x, syn_y, x, y, 0)
    twice = torch.cat([torch.arange(36), torch.arange(12)])  # class 0 twice
    torch.testing.assert_close(objective.loss(syn_x, syn_y, x[twice], y[twice], 0), base)


def test_arccos_is_an_infinite_relu_layer() -> None:
    x, y = toy()
    objective = KernelRidge(**COMMON, config=KernelConfig(linear=0.0, rbf=0.0, arccos=1.0, bias=0.0))
    objective.prepare(x, y)
    rows = objective.scaled(x[::9])
    weights = torch.randn(400_000, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    hidden = (rows @ weights.T).clamp_min(0)
    torch.testing.assert_close(objective.kernel(rows, rows), 2 * hidden @ hidden.T / len(weights), rtol=0, atol=0.02)


def test_slope_of_the_kernel_also_where_a_row_meets_itself() -> None:
    x, y = toy()
    objective = KernelRidge(**COMMON, config=KernelConfig(linear=0.2, rbf=0.3, arccos=0.5))
    objective.prepare(x, y)
    rows, others = objective.scaled(x[::9]).requires_grad_(), objective.scaled(x[1::7])
    assert torch.autograd.gradcheck(lambda a: objective.kernel(a, a), (rows,))
    assert torch.autograd.gradcheck(lambda a: objective.kernel(others, a), (rows,))


def test_characteristic_of_known_points() -> None:
    """One row at a, one cell at b, in a given space: amplitudes are 1, only the phase differs."""
    objective = CharacteristicMatching(
        n_features=2, n_classes=1, seed=0, dtype=torch.float64, config=CharacteristicConfig(n_frequencies=64)
    )
    objective.set_projection(Projection(torch.zeros(2).double(), torch.eye(2).double()))
    a, b, y = torch.tensor([[0.3, 0.1]]).double(), torch.tensor([[0.0, 0.2]]).double(), torch.zeros(1).long()
    objective.prepare(b, y)
    angle = (a - b) @ objective.frequencies(5)
    expected = (0.5 * 2 * (1 - angle.cos())).sqrt().mean()
    torch.testing.assert_close(objective.loss(a, y, b, y, 5), expected, rtol=2e-2, atol=0)


def test_characteristic_sees_spread_but_moments_without_covariance_do_not() -> None:
    x, y = toy(per_class=40)
    means = torch.stack([x[y == label].mean(0) for label in range(3)])[y]
    narrow = means + 0.2 * (x - means)  # same class means, a fifth of the spread
    blind = MomentMatching(**COMMON, config=MomentsConfig(covariance=0.0))
    assert float(blind.loss(narrow, y, x, y, 0)) < 1e-20
    assert float(MomentMatching(**COMMON).loss(narrow, y, x, y, 0)) > 1e-3
    objective = CharacteristicMatching(**COMMON)
    assert float(objective.loss(narrow, y, x, y, 0)) > 0.05


def test_characteristic_phase_and_amplitude_are_apart() -> None:
    x, y = toy(per_class=40)
    amplitude_only = CharacteristicMatching(**COMMON, config=CharacteristicConfig(phase=0.0))
    assert float(amplitude_only.loss(x + 1.0, y, x, y, 0)) < 1e-9  # a shift changes phases only
    assert float(CharacteristicMatching(**COMMON).loss(x + 1.0, y, x, y, 0)) > 0.1


def test_distribution_equals_a_loop() -> None:
    from scdd._rng import torch_stream
    from scdd.objectives._networks import Network

    x, y = toy()
    syn_x, syn_y = toy(per_class=2, seed=6)
    objective = DistributionMatching(**COMMON)
    objective.prepare(x, y)
    net = Network.draw((6, 128, 128), generator=torch_stream(0, "distribution", 4), dtype=torch.float64)
    center, scale = objective.real.center(), objective.real.scale()
    total = torch.zeros((), dtype=torch.float64)
    for label in range(3):
        a = net.outputs((syn_x[syn_y == label] - center) / scale).relu().mean(0)
        b = net.outputs((x[y == label] - center) / scale).relu().mean(0)
        total += (a - b).square().mean() / 3
    torch.testing.assert_close(objective.loss(syn_x, syn_y, x, y, 4), total)


def test_moments_equal_numpy() -> None:
    x, y = toy()
    syn_x, syn_y = toy(per_class=2, seed=6)
    objective = MomentMatching(**COMMON, config=MomentsConfig(covariance=0.0, sd_floor=0.0))
    objective.prepare(x, y)
    a, b, c = x.numpy(), y.numpy(), syn_x.numpy()
    sd = np.sqrt(np.mean([a[b == label].var(0) for label in range(3)], 0))
    difference = np.stack([c[syn_y.numpy() == label].mean(0) - a[b == label].mean(0) for label in range(3)])
    value = float(objective.loss(syn_x, syn_y, x, y, 0))
    assert value == pytest.approx(np.mean((difference / sd) ** 2))
    # the means are those of all cells, not of the batch
    assert float(objective.loss(syn_x, syn_y, x[::4], y[::4], 0)) == pytest.approx(value)
    batch_means = MomentMatching(**COMMON, config=MomentsConfig(covariance=0.0, exact_means=False))
    batch_means.prepare(x, y)
    assert float(batch_means.loss(x[::4], y[::4], x[::4], y[::4], 0)) < 1e-20


def test_statistics_do_not_depend_on_batches() -> None:
    x, y = toy(per_class=30)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    whole, pieces = (
        RealStatistics(n_features=6, n_classes=3, seed=0, device=torch.device("cpu"), dtype=torch.float64)
        for _ in range(2)
    )
    whole.add(x, y)
    for index in order.split(7):
        pieces.add(x[index], y[index])
    torch.testing.assert_close(pieces.class_means(), whole.class_means())
    torch.testing.assert_close(pieces.within_sd(), whole.within_sd())
    torch.testing.assert_close(pieces.scale(), whole.scale())
    assert torch.equal(pieces.sample_x.sort(0).values, whole.sample_x.sort(0).values)
    expected = torch.stack([x[y == label].var(0, correction=0) for label in range(3)]).mean(0).sqrt()
    torch.testing.assert_close(whole.within_sd(), expected)


def test_sample_is_bounded_and_uniform() -> None:
    real = RealStatistics(n_features=1, n_classes=2, seed=0, device=torch.device("cpu"))
    for start in range(0, 4000, 100):
        real.add(torch.arange(start, start + 100).float()[:, None], (torch.arange(100) % 10 == 0).long())
    assert torch.bincount(real.sample_y).tolist() == [64, 64]
    for label in range(2):  # early and late cells alike
        assert real.sample_x[real.sample_y == label].mean() == pytest.approx(2000, abs=450)


@pytest.mark.parametrize("options", [{"ridge": 0.0}, {"linear": -1.0}, {"linear": 0.0, "rbf": 0.0, "arccos": 0.0}])
def test_kernel_config(options) -> None:
    with pytest.raises(InputError):
        KernelConfig(**options)


def test_characteristic_config() -> None:
    with pytest.raises(InputError):
        CharacteristicConfig(bandwidths=(0.0,))


def soft_nearest(rows, row_y, x, y, beta) -> float:
    """Class-balanced cross-entropy of soft nearest prototypes, cell by cell."""
    errors: dict[int, list[float]] = {}
    for cell, label in zip(x, y, strict=True):
        near = np.exp(-beta * ((cell - rows) ** 2).sum(1))
        errors.setdefault(int(label), []).append(-np.log(near[row_y == label].sum() / near.sum()))
    return float(np.mean([np.mean(of_class) for of_class in errors.values()]))


@pytest.mark.parametrize("per_class", [1, 4])
def test_prototypes_against_plain_numpy(per_class: int) -> None:
    """Overlapping classes, so that neither the sharpest nor the softest temperature is the best."""
    x, y = toy(per_class=20)
    x = x + 0.8 * torch.randn(x.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    rows, row_y = toy(per_class=per_class, seed=8)
    config = PrototypesConfig()
    objective = Prototypes(**COMMON, config=config)
    value = float(objective.loss(rows, row_y, x, y, 0))
    distance = ((x[:, None] - rows[None]) ** 2).sum(2)
    unit = 1 / float(distance.median())
    arrays = (rows.numpy(), row_y.numpy(), x.numpy(), y.numpy())
    tried = [soft_nearest(*arrays, unit * sharpness) for sharpness in config.sharpness]
    assert value == pytest.approx(min(tried), rel=1e-6)
    assert 0 < int(np.argmin(tried)) < len(tried) - 1
    # the temperature is that of the start, whatever comes later
    later = float(objective.loss(rows + 0.5, row_y, x, y, 1))
    beta = unit * config.sharpness[int(np.argmin(tried))]
    assert later == pytest.approx(soft_nearest(rows.numpy() + 0.5, *arrays[1:], beta), rel=1e-6)


def test_prototypes_learn_weights_of_genes() -> None:
    """One row a class: by its loss alone a noisy feature loses its say, and accuracy rises to that of the quiet one."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(400) % 2
    x = torch.randn(400, 2, generator=generator) * torch.tensor([0.2, 3.0]) + torch.stack([0.5 * y, 0.0 * y], 1)
    rows = torch.tensor([[0.0, -0.4], [0.5, 0.4]], requires_grad=True)
    objective = Prototypes(n_features=2, n_classes=2, seed=0)
    optimizer = torch.optim.Adam([rows], lr=0.02)

    def accuracy() -> float:
        return float((torch.cdist(x, rows).argmin(1) == y).float().mean())

    before = accuracy()
    for step in range(100):
        optimizer.zero_grad()
        objective.loss(rows, torch.tensor([0, 1]), x, y, step).backward()
        optimizer.step()
    assert before < 0.65
    assert accuracy() > 0.85


def test_prototypes_options() -> None:
    for sharpness in ((), (1.0, 0.0)):
        with pytest.raises(InputError, match="sharpness"):
            PrototypesConfig(sharpness=sharpness)

"""Real cells that are never formed give what formed ones give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional as F

from scdd.baselines import BASELINES
from scdd.baselines._augment import Augmentation
from scdd.baselines._cells import Cells
from scdd.baselines._depth import change
from scdd.baselines._problem import Problem, Trainee, optimise
from scdd.objectives import OBJECTIVES, KernelConfig, Projection
from scdd.objectives._networks import Network

GENES = 30


def _logs(density: float) -> sp.csr_matrix:
    logs = sp.random(40, GENES, density, format="csr", dtype=np.float32, rng=np.random.default_rng(0))
    logs.data = 3 * logs.data
    return sp.csr_matrix(sp.vstack([logs, sp.csr_matrix((1, GENES), dtype=np.float32)]))


@pytest.fixture(params=[2, 1], ids=["two classes", "one class"])
def problem(request: pytest.FixtureRequest) -> Problem:
    logs, n = _logs(0.1), request.param
    labels = np.arange(logs.shape[0]) % n
    return Problem(logs, labels, np.arange(6) % n, n_classes=n, seed=0)


def _rows() -> Tensor:
    return (2 * torch.rand(6, GENES, generator=torch.Generator().manual_seed(1))).requires_grad_()


def _assert_same(ours: Tensor, theirs: Tensor, rows: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=2e-4, atol=1e-6)
    gradients = [torch.autograd.grad(loss, rows)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-4 * float(gradients[1].abs().max()))


@pytest.mark.parametrize("density", [0.05, 0.6])
def test_products_are_those_of_formed_cells(density: float) -> None:
    logs = _logs(density)
    center, scale = torch.rand(GENES), torch.tensor(0.7)
    cells, formed = Cells(logs, center, scale), (torch.from_numpy(logs.toarray()) - center) / scale
    torch.testing.assert_close(cells.standardised(), formed)
    torch.testing.assert_close(cells.squared_lengths(), formed.square().sum(1))
    net = Network.draw((GENES, 5, 3), generator=torch.Generator().manual_seed(0))
    weights = [w.requires_grad_() for w in net.weights]
    y = torch.arange(len(formed)) % 3
    for ours, theirs in zip(cells.layers(net)[1], net.layers(formed)[1], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    gradients = [
        torch.autograd.grad(F.cross_entropy(logits, y), weights)
        for logits in (cells.layers(net)[1][-1], net.outputs(formed))
    ]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("factor", [0.6, 1.0, 1.7])
def test_change_of_depth_is_what_it_says(factor: float) -> None:
    x = torch.tensor([[0.0, 1e-3, 0.5], [2.0, 9.0, 1.0]], dtype=torch.float64, requires_grad=True)
    keep = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    _assert_same(change(x, factor, keep).sum(), (torch.log1p(torch.expm1(x) * factor) * keep).sum(), x)


def test_augmented_cells_are_augmented_where_they_are_not_zero(problem: Problem) -> None:
    augmentation = Augmentation.draw(GENES, mask=0.3, jitter=0.3, seed=0, step=0)
    before, after = (problem.real(10, 0, augmentation=a)[0] for a in (None, augmentation))
    formed = torch.from_numpy(before.logs.toarray())
    torch.testing.assert_close(torch.from_numpy(after.logs.toarray()), augmentation(formed))
    again = problem.real(10, 0)[0].logs
    assert (again != before.logs).nnz == 0, "and the cells themselves stay"


def _plain(problem: Problem, config: object, rows: Tensor, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, formed real cells and their classes of a step, augmented if the method does."""
    cells, y = problem.real(config.real_per_class, step)
    x = torch.from_numpy(cells.logs.toarray())
    if getattr(config, "mask", 0.0) > 0:
        augment = Augmentation.draw(GENES, mask=config.mask, jitter=config.jitter, seed=problem.seed, step=step)
        rows, x = (torch.log1p(torch.expm1(v) * augment.factor) * augment.keep for v in (rows, x))
    return rows, x, y


@pytest.mark.parametrize("name", ["dm", "dm-tuned", "ncfm-tuned", "dc", "dsa", "kip", "kip-tuned"])
def test_loss_is_that_of_the_objective_on_formed_cells(name: str, problem: Problem) -> None:
    method, rows = BASELINES.get(name), _rows()
    if problem.n_classes == 1 and name not in ("dm", "dm-tuned", "ncfm-tuned"):
        pytest.skip("needs classes")
    config = replace(method.config, real_per_class=12)
    matching = method.matching(problem, config)
    for step in range(2):
        loss = matching(rows, step)
        if name.startswith("kip"):
            options = KernelConfig(linear=config.linear, rbf=config.rbf, arccos=config.arccos, ridge=config.ridge)
            objective = OBJECTIVES.get("kernel")(n_features=GENES, n_classes=2, seed=0, config=options)
            objective.real, factor = problem.statistics, 1.0
        else:
            objective = matching._plain if name.startswith("ncfm") else matching.objective
            factor = {"dm": problem.n_used * 128, "nc": 1.0}.get(name[:2], problem.n_used)
        augmented, x, y = _plain(problem, config, rows, step)
        _assert_same(loss, factor * objective.loss(augmented, problem.rows_y, x, y, step), rows)


def test_distance_in_trained_features_is_that_of_formed_cells(problem: Problem) -> None:
    if problem.n_classes == 1:
        pytest.skip("needs classes")
    method, rows = BASELINES.get("ncfm"), _rows()
    config = replace(method.config, n_networks=1, train_steps=2, real_per_class=12)
    matching = method.matching(problem, config)
    network, (cells, y) = matching.networks[0][1], problem.real(12, 0)
    ours = matching._in_features(network, rows, cells, y, 0)

    def features(x: Tensor) -> Tensor:
        return F.normalize(network.layers(problem.standardised(x))[0][-1], dim=1)

    plain = OBJECTIVES.get("characteristic")(n_features=128, n_classes=2, seed=0, config=matching.options)
    plain.set_projection(Projection(torch.zeros(128), torch.eye(128)))
    real = features(torch.from_numpy(cells.logs.toarray())).detach()
    _assert_same(ours, plain.loss(features(rows), problem.rows_y, real, y, 0), rows)


def test_training_is_that_on_formed_cells(problem: Problem) -> None:
    start = Network.draw((GENES, 6, 3), generator=torch.Generator().manual_seed(0))
    trainee = Trainee(start, lr=0.1, momentum=0.9, weight_decay=1e-2)
    parameters = [p.clone().requires_grad_() for p in (*start.weights, *start.biases)]
    plain = torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=1e-2)
    for step in range(5):
        cells, y = problem.real(8, step)
        accuracy = trainee.step(cells, y)
        logits = Network(tuple(parameters[:2]), tuple(parameters[2:])).outputs(
            problem.standardised(torch.from_numpy(cells.logs.toarray()))
        )
        assert accuracy == pytest.approx(float((logits.argmax(1) == y).float().mean()))
        plain.zero_grad()
        F.cross_entropy(logits, y).backward()
        plain.step()
    for ours, theirs in zip((*trainee.network.weights, *trainee.network.biases), parameters, strict=True):
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"leash": 0.3, "optimizer": "adam", "unit": "within", "relative": True}])
def test_steps_of_rows_are_those_of_autograd(problem: Problem, options: dict) -> None:
    config = replace(BASELINES.get("dm").config, steps=5, lr=0.05, full_rate_rows=1, **options)
    start, target = _rows().detach(), torch.rand(GENES)
    rows = optimise(start.numpy(), lambda rows, step: (rows - target).square().sum(), problem, config)
    delta, unit = torch.zeros_like(start, requires_grad=True), problem.unit(config.unit)
    kinds = {"sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=config.momentum)}
    optimizer = kinds.get(config.optimizer, lambda p: torch.optim.Adam(p, lr=0.05))([delta])
    first = float((start - target).square().sum()) if config.relative else 1.0
    for _ in range(5):
        loss = (start + unit * delta - target).square().sum() / first + config.leash * delta.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            delta.clamp_(min=-start / unit)
    np.testing.assert_allclose(rows, (start + unit * delta).detach().numpy(), rtol=1e-4, atol=1e-5)

"""Closed-form gradient matching against autograd."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from scdd.errors import InputError
from scdd.objectives import GradientConfig, GradientMatching
from scdd.objectives._networks import Network

from ._toy import toy


def by_autograd(net: Network, syn, real, classes) -> torch.Tensor:
    """The loss as the paper's authors compute it: gradients by autograd, one class at a time."""
    weights = [w.clone().requires_grad_() for w in net.weights]
    net = Network(tuple(weights), net.biases, net.activation)

    def gradients(x, y, label, *, create_graph):
        chosen = y == label
        return torch.autograd.grad(
            F.cross_entropy(net.outputs(x[chosen]), y[chosen]), weights, create_graph=create_graph
        )

    total = torch.zeros((), dtype=torch.float64)
    for label in classes:
        ours = gradients(*syn, label, create_graph=True)
        theirs = gradients(*real, label, create_graph=False)
        for a, b in zip(ours, theirs, strict=True):
            alive = b.norm(dim=1) > 1e-9
            total = total + (1 - F.cosine_similarity(a[alive], b[alive], dim=1, eps=1e-12)).sum()
    return total / len(classes)


@pytest.mark.parametrize("hidden", [(), (5,), (6, 4)])
@pytest.mark.parametrize("activation", ["relu", "silu", "tanh"])
@pytest.mark.parametrize("step", [0, 1])
def test_equals_autograd(hidden, activation, step) -> None:
    real_x, real_y = toy(n_classes=4, per_class=20)
    keep = torch.arange(80)[torch.arange(80) % 7 > 0]  # unequal classes
    real_x, real_y = real_x[keep], real_y[keep]
    config = GradientConfig(hidden=hidden, activation=activation, stages=(0, 4))
    objective = GradientMatching(n_features=6, n_classes=4, seed=3, dtype=torch.float64, config=config)
    objective.prepare(real_x, real_y)
    syn_y = torch.tensor([0, 2, 0, 3, 2, 2, 0])  # class 1 is missing
    syn_x = 3 * torch.rand(7, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    syn_x.requires_grad_()
    ours = objective.loss(syn_x, syn_y, real_x, real_y, step)
    theirs = by_autograd(
        objective.network(step),
        (objective.standardised(syn_x), syn_y),
        (objective.standardised(real_x), real_y),
        [0, 2, 3],
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    (a,) = torch.autograd.grad(ours, syn_x)
    (b,) = torch.autograd.grad(theirs, syn_x)
    torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_stages_train_on_real_cells() -> None:
    x, y = toy(per_class=30)
    objective = GradientMatching(
        n_features=6, n_classes=3, seed=0, dtype=torch.float64, config=GradientConfig(stages=(0, 20, 60), lr=1e-2)
    )
    objective.prepare(x, y)
    with torch.no_grad():
        loss = [float(F.cross_entropy(objective.network(s).outputs(objective.standardised(x)), y)) for s in range(3)]
    assert loss[0] > 2 * loss[1] > 2 * loss[2]
    again = objective.network(1 + 3 * objective.config.n_networks)  # the pool comes round
    assert all(map(torch.equal, again.weights, objective.network(1).weights))
    assert not torch.equal(objective.network(3).weights[0], objective.network(0).weights[0])


def test_batch_is_capped_per_class() -> None:
    x, y = toy(per_class=12)
    config = GradientConfig(stages=(0,), max_real_per_class=5)
    objective = GradientMatching(n_features=6, n_classes=3, seed=0, dtype=torch.float64, config=config)
    objective.prepare(x, y)
    first = torch.cat([torch.arange(5), 12 + torch.arange(5), 24 + torch.arange(5)])
    torch.testing.assert_close(objective.loss(x, y, x, y, 0), objective.loss(x, y, x[first], y[first], 0))


@pytest.mark.parametrize("options", [{"stages": ()}, {"stages": (-1,)}, {"n_networks": 0}])
def test_config(options) -> None:
    with pytest.raises(InputError):
        GradientConfig(**options)

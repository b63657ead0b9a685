"""Training in the span of the rows is SGD, and its derivative is that of SGD."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from scdd.baselines._row_training import RowTraining
from scdd.objectives._networks import Network

X = torch.rand(7, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
Y = torch.tensor([0, 1, 2, 0, 1, 2, 2])


def _network(hidden: tuple[int, ...], seed: int = 0) -> Network:
    generator = torch.Generator().manual_seed(seed)
    return Network.draw((12, *hidden, 3), generator=generator, activation="silu", dtype=torch.float64)


def _parameters(network: Network) -> list[Tensor]:
    return [*network.weights, *network.biases]


@pytest.mark.parametrize("hidden", [(), (5,), (5, 4)])
def test_it_is_sgd_with_momentum_that_goes_on_on_other_rows(hidden: tuple[int, ...]) -> None:
    network, velocity = _network(hidden), None
    parameters = [p.clone().requires_grad_() for p in _parameters(network)]
    cut = len(network.weights)
    optimizer = torch.optim.SGD(parameters, lr=0.3, momentum=0.7)
    for x in (X, X.flip(0).square(), X + 1):
        training = RowTraining(network, x, Y, lr=0.3, momentum=0.7, velocity=velocity)
        for _ in range(4):
            training.step()
            logits = Network(tuple(parameters[:cut]), tuple(parameters[cut:]), "silu").outputs(x)
            optimizer.zero_grad()
            F.cross_entropy(logits, Y).backward()
            optimizer.step()
        network, velocity = training.network, training.velocity
        for got, expected in zip(_parameters(network), parameters, strict=True):
            torch.testing.assert_close(got, expected.detach())


@pytest.mark.parametrize("hidden", [(), (5,), (5, 4)])
def test_distance_from_another_network_and_its_derivative(hidden: tuple[int, ...]) -> None:
    start, goal = _network(hidden), _network(hidden, seed=1)
    cut = len(start.weights)
    x, lr = X.clone().requires_grad_(), torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    training = RowTraining(start, x, Y, lr=lr)
    for _ in range(5):
        training.step()
    distance = training.squared_distance(goal)

    now = [p.clone().requires_grad_() for p in _parameters(start)]
    for _ in range(5):
        loss = F.cross_entropy(Network(tuple(now[:cut]), tuple(now[cut:]), "silu").outputs(x), Y)
        now = [p - lr * g for p, g in zip(now, torch.autograd.grad(loss, now, create_graph=True), strict=True)]
    expected = torch.stack([(p - g).square().sum() for p, g in zip(now, _parameters(goal), strict=True)]).sum()
    torch.testing.assert_close(distance, expected)
    for got, slope in zip(torch.autograd.grad(distance, (x, lr)), torch.autograd.grad(expected, (x, lr)), strict=True):
        torch.testing.assert_close(got, slope)

"""Products and distances among rows, without forming what is known or not wanted."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scdd.objectives._kernel import Gram
from scdd.objectives._networks import Network
from scdd.objectives._projection import median_distance


@pytest.mark.parametrize("shape", [(5, 3), (301, 7), (2, 130, 4)])
def test_gram_is_the_product_of_rows_with_themselves(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    weight = torch.randn((*shape[:-1], shape[-2]), dtype=torch.float64)
    ours, theirs = Gram.apply(x), x @ x.mT
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(*(torch.autograd.grad((g * weight).sum(), x)[0] for g in (ours, theirs)))


def _median(z: Tensor, y: Tensor) -> float:
    pairs = [(z[i] - z[j]).norm() for i in range(len(z)) for j in range(i) if y[i] == y[j]]
    return float(torch.stack(pairs).median())


@pytest.mark.parametrize("classes", [1, 4, 20])
def test_median_distance_is_over_pairs_of_a_class(classes: int) -> None:
    generator = torch.Generator().manual_seed(0)
    z, y = torch.randn(40, 3, generator=generator), torch.randint(classes, (40,), generator=generator)
    assert median_distance(z, y) == pytest.approx(_median(z, y), rel=1e-5)
    one = torch.arange(len(z))
    assert median_distance(z, one) == pytest.approx(_median(z, torch.zeros(40)), rel=1e-5), "no pair: of all classes"


def test_network_of_features_that_are_not_standardised() -> None:
    net = Network.draw((6, 5, 3), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x, center, scale = torch.rand(4, 6).double(), torch.rand(6).double(), torch.tensor(0.3).double()
    torch.testing.assert_close(net.unstandardised(center, scale).outputs(x), net.outputs((x - center) / scale))

"""Distances of a batch of cells to rows: as if formed plainly, whether or not the cells are sparse."""

from __future__ import annotations

import pytest
import torch

from scdd.distill._cells_around import CellsAround


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_distances_and_gradients_are_those_of_dense_cells(share: float) -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.rand(30, 40, generator=rng) * (torch.rand(30, 40, generator=rng) < share)
    x[3] = 0  # a cell without a count
    y, rows = torch.arange(30) % 3, torch.rand(7, 40, generator=rng)
    cells = CellsAround(x, y, rows.mean(0), torch.arange(3))
    assert (cells._sparse is not None) == (share < 0.25)
    ours, plain = (rows.clone().requires_grad_() for _ in range(2))
    distance, expected = cells.distance(ours), (x[:, None] - plain[None]).square().sum(2)
    torch.testing.assert_close(distance, expected, rtol=1e-5, atol=1e-5)
    weight = torch.randn(expected.shape, generator=rng)
    gradients = [torch.autograd.grad((d * weight).sum(), r)[0] for d, r in ((distance, ours), (expected, plain))]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)


def test_cells_of_classes_without_rows_are_left_out_and_classes_weigh_the_same() -> None:
    y = torch.tensor([0, 0, 0, 1, 2])
    cells = CellsAround(torch.eye(5), y, torch.zeros(5), torch.tensor([0, 1, 7]))
    assert cells.y.tolist() == [0, 0, 0, 1]
    torch.testing.assert_close(cells.weight, torch.tensor([1 / 6, 1 / 6, 1 / 6, 1 / 2]))
    assert cells.distance(torch.zeros(2, 5)).shape == (4, 2)


def test_no_row() -> None:
    cells = CellsAround(torch.eye(3), torch.tensor([0, 1, 1]), torch.zeros(3), torch.tensor([0, 1]))
    assert cells.distance(torch.zeros(0, 3)).shape == (3, 0)

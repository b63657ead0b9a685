"""Squared distances of real cells to rows that move, step after step, around a fixed point."""

from __future__ import annotations

from typing import Any

import scipy.sparse as sp
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from scdd.objectives._classes import averaging

__all__ = ["CellsAround"]

_SPARSE = 0.25  # share of values that are not 0, below which products of sparse cells are faster than dense ones


class CellsAround:
    """A batch of real cells, prepared for many distances; what does not depend on the rows is computed once.

    Most values of a cell are 0: on a CPU, products with the cells pass over the others alone.

    Parameters
    ----------
    x, y
        Features (n, d) and int64 class (n,) of the cells.
    center
        A point (d,) among the rows, so that single precision is enough.
    classes
        Classes that have rows; cells of other classes have nothing to be near to, and are left out.

    Attributes
    ----------
    y, weight
        Class and weight (n,) of the cells that are kept; classes weigh the same.

    Examples
    --------
    >>> x, y = torch.eye(3), torch.tensor([0, 0, 1])
    >>> cells = CellsAround(x, y, torch.zeros(3), torch.tensor([0, 1]))
    >>> cells.distance(torch.eye(3)[:1]).flatten().tolist(), cells.weight.tolist()
    ([0.0, 2.0, 2.0], [0.25, 0.25, 0.5])
    """

    def __init__(self, x: Tensor, y: Tensor, center: Tensor, classes: Tensor) -> None:
        weight = averaging(y, classes[torch.isin(classes, y)], x.dtype).mean(0)
        known = weight.nonzero().flatten()
        x, self.y, self.weight, self.center = x[known], y[known], weight[known], center
        self._sparse: sp.csr_matrix | None = None
        if x.device.type == "cpu":
            values = sp.csr_matrix(x.numpy())
            self._sparse = values if values.nnz < _SPARSE * x.numel() else None
        self._x = x
        self.squared_length = (x - center).square().sum(1)

    def distance(self, rows: Tensor) -> Tensor:
        """Return the squared distances (n, m) of the cells to rows (m, d)."""
        out: Tensor = _Distance.apply(rows, self)
        return out

    def products(self, rows: Tensor) -> Tensor:
        """Return the scalar products (n, m) with rows (m, d)."""
        return self._x @ rows.T if self._sparse is None else torch.from_numpy(self._sparse @ rows.numpy().T)

    def sums(self, weight: Tensor) -> Tensor:
        """Return the sums (m, d) of the cells, with weights (n, m)."""
        return weight.T @ self._x if self._sparse is None else torch.from_numpy(self._sparse.T @ weight.numpy()).T


class _Distance(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, cells: CellsAround) -> Tensor:
        moved = rows - cells.center
        along = cells.products(moved) - moved @ cells.center
        out = along.mul_(-2).add_(cells.squared_length[:, None]).add_(moved.square().sum(1)).clamp_min_(0)
        ctx.cells = cells
        ctx.save_for_backward(rows, out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        rows, out = ctx.saved_tensors
        grad = grad.masked_fill(out <= 0, 0)
        return 2 * (rows * grad.sum(0)[:, None] - ctx.cells.sums(grad)), None

"""A batch of real cells that is asked for nothing but products, so that their zeros cost nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from scdd.objectives._networks import Network

__all__ = ["Cells"]

_DENSE = 0.2  # share of non-zeros from which on dense products are quicker


class Cells:
    """Real cells as networks see them: centred, over one common scale, and not formed.

    Parameters
    ----------
    logs
        CSR float32 (n, d): log1p CP10k.
    center, scale
        (d,) and (): what is subtracted from them, and what they are divided by.

    Examples
    --------
    >>> cells = Cells(sp.csr_matrix([[0.0, 3.0]], dtype=np.float32), torch.tensor([0.0, 1.0]), torch.tensor(2.0))
    >>> cells.standardised(), cells.products(torch.eye(2))
    (tensor([[0., 1.]]), tensor([[0., 1.]]))
    """

    def __init__(self, logs: sp.csr_matrix, center: Tensor, scale: Tensor) -> None:
        self.logs, self.center, self.scale = logs, center, scale
        self._formed: Tensor | None = None
        if logs.nnz > _DENSE * np.prod(logs.shape):
            self._formed = self.standardised()

    def __len__(self) -> int:
        return int(self.logs.shape[0])

    def standardised(self) -> Tensor:
        """Return the cells, (n, d)."""
        if self._formed is not None:
            return self._formed
        return torch.from_numpy(self.logs.toarray()).sub_(self.center).div_(self.scale)

    def products(self, weights: Tensor) -> Tensor:
        """Return the products (n, k) with weights (k, d); differentiable in these."""
        if self._formed is not None:
            return self._formed @ weights.T
        products: Tensor = _Products.apply(weights, self)
        return products

    def squared_lengths(self) -> Tensor:
        """Return the squared length of each cell, (n,)."""
        if self._formed is not None:
            return self._formed.square().sum(1)
        squares = np.asarray(self.logs.multiply(self.logs).sum(axis=1)).ravel() - 2 * (self.logs @ self.center.numpy())
        return (torch.from_numpy(squares) + self.center.square().sum()) / self.scale.square()

    def layers(self, network: Network) -> tuple[list[Tensor], list[Tensor]]:
        """Return the inputs of the later layers and the pre-activations of all, see :meth:`Network.layers`."""
        return network.continued(self.products(network.weights[0]))


class _Products(torch.autograd.Function):
    """Sparse cells times weights (k, d); the centre goes through the weights."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, cells: Cells) -> Tensor:
        ctx.cells, ctx.plain = cells, weights.is_contiguous()
        products = torch.from_numpy(cells.logs @ weights.detach().numpy().T)
        return products.sub_(weights @ cells.center).div_(cells.scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        cells, grad = ctx.cells, grad / ctx.cells.scale
        along = torch.from_numpy(cells.logs.T @ grad.numpy()).addr_(cells.center, grad.sum(0), alpha=-1)
        # laid out in memory as the weights are
        return along.T.contiguous() if ctx.plain else along.T, None

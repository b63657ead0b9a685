r"""Expected log-normalised expression under Poisson noise: what a noiseless row has to show to look like real cells.

The log of a mean is not the mean of the logs. Models are trained and tested on :math:`\log(1 + 10^4 x / L)`, so a row
that stands for many cells should show

.. math:: T(\mu, L) = E_{x \sim \mathrm{Poisson}(\mu)} \log(1 + 10^4 x / L), \qquad \mu = L r,

not :math:`\log(1 + 10^4 r)`. The difference is largest for genes with about one count per cell.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_LOG_MU = (-9.0, 5.0)  # below: linear in mu; above: second-order expansion
_N_GRID = 561
_STEP = (_LOG_MU[1] - _LOG_MU[0]) / (_N_GRID - 1)
_LARGE = _N_GRID - 3  # position on the grid from which on the expansion holds
_N_COUNTS = 260  # Poisson(e^5) is below this but for 1e-15


class ExpectedLog:
    """The function T(mu, L), differentiable in mu, from one table per library size.

    Parameters
    ----------
    library
        Library sizes (n,) of the rows.
    target_sum
        Total to which counts are normalised.

    Examples
    --------
    >>> import torch
    >>> table = ExpectedLog(torch.tensor([1000.0]))
    >>> table(torch.tensor([[0.001]])).shape
    torch.Size([1, 1])
    """

    def __init__(self, library: Tensor, *, target_sum: float = 1e4) -> None:
        self.library = library
        self.scale = target_sum / library
        grid = torch.linspace(*_LOG_MU, _N_GRID, dtype=torch.float64, device=library.device)
        counts = torch.arange(_N_COUNTS, dtype=torch.float64, device=library.device)
        log_pmf = counts * grid[:, None] - grid.exp()[:, None] - torch.lgamma(counts + 1)
        values = torch.log1p(self.scale.double()[:, None] * counts)
        self.table = (values @ log_pmf.exp().T).to(library.dtype)  # (n, n_grid)

    def __call__(self, rates: Tensor) -> Tensor:
        """Return T(L r, L): (n, n_genes) for rates (n, n_genes)."""
        out: Tensor = _Lookup.apply(rates * self.library[:, None], self.scale[:, None], self.table)
        return out


class _Lookup(torch.autograd.Function):
    """T at expected counts mu (n, n_genes), with its slope: what autograd would make of the three pieces is far slower."""

    @staticmethod
    def forward(ctx: Any, mu: Tensor, scale: Tensor, table: Tensor) -> Tensor:
        table = table.to(mu.dtype)
        position = mu.clamp_min(1e-30).log_().sub_(_LOG_MU[0]).div_(_STEP).clamp_(0, _N_GRID - 1.001)
        left = position.long()
        low, rise = table.gather(1, left), table.diff(dim=1).gather(1, left)
        small, highest = (position <= 0).to(mu.dtype), position.amax(0)
        lowest = math.exp(_LOG_MU[0])
        first = table[:, :1] / lowest
        # lerp by 0 or 1 is torch.where, at a fifth of its time where a branch cannot be foreseen
        out = position.frac().mul_(rise).add_(low).lerp_(first * mu, small)
        slope = rise.div_(mu.clamp_min(lowest / 2).mul_(_STEP)).lerp_(first.expand_as(mu), small)
        genes = torch.nonzero(highest >= _LARGE)[:, 0]  # few genes have such counts
        if len(genes):
            large, mu = position[:, genes] >= _LARGE, mu[:, genes]
            above = 1 + scale * mu
            ratio = scale / above
            out[:, genes] = torch.where(large, above.log() - 0.5 * mu * ratio.square(), out[:, genes])
            slope[:, genes] = torch.where(large, ratio - ratio.square() * (0.5 - mu * ratio), slope[:, genes])
        ctx.save_for_backward(slope)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        return grad * slope, None, None

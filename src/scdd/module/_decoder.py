"""Rates of all genes at a latent: highly variable genes by the network, the remaining ones by a log-linear refit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_MAX_REST = 0.98  # the remaining genes never take more than this share of the counts
_BLOCK_VALUES = 2**20  # rates at a time that are summed and forgotten: they stay in the cache of a core


class RestDecoder(nn.Module):
    r"""Log-linear rates of the genes outside the HVGs: :math:`\log r_g(z) = b_g + w_g \cdot z`.

    These genes vary little between cells, so a linear model of the log rate on the latent is enough, and it costs
    next to nothing: one Poisson regression per gene on pooled counts (:meth:`fit`), no pass over cells x genes.

    Parameters
    ----------
    n_latent
        Dimension of the latents.
    n_genes
        Number of remaining genes.
    """

    weight: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, n_latent: int, n_genes: int) -> None:
        super().__init__()
        self.n_genes = n_genes
        self.register_buffer("weight", torch.zeros(n_latent + 1, n_genes))
        self.register_buffer("low", torch.full((n_genes,), -torch.inf))
        self.register_buffer("high", torch.full((n_genes,), -torch.inf))

    def forward(self, z: Tensor) -> Tensor:
        """Return rates (n, n_genes), as shares of a cell's total counts; their sum is below 0.98.

        The linear predictor is held in the range seen at the anchors: a log-linear model must not extrapolate.
        """
        predictor = torch.addmm(self.weight[0].to(z.dtype), z, self.weight[1:].to(z.dtype))
        rates = predictor.clamp(self.low.to(z.dtype), self.high.to(z.dtype)).exp()
        total = rates.sum(1, keepdim=True)
        return rates * (_MAX_REST / total.clamp_min(_MAX_REST))

    @torch.no_grad()
    def total(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the share of all these genes (n, 1), and its gradient (n, n_latent), in closed form.

        As the sum of :meth:`forward` and what autograd makes of it, but rates are never kept: a few rows at a time.
        """
        weight, low, high = (v.to(z.dtype) for v in (self.weight, self.low, self.high))
        total, slope = z.new_empty(len(z), 1), torch.empty_like(z)
        size = max(1, _BLOCK_VALUES // max(self.n_genes, 1))
        for start in range(0, len(z), size):
            rows = slice(start, start + size)
            predictor = torch.addmm(weight[0], z[rows], weight[1:])
            inside = predictor.clamp(low, high)
            follow = inside == predictor  # the others are held, and no longer move with the latent
            rates = inside.exp_()
            total[rows] = rates.sum(1, keepdim=True)
            slope[rows] = rates.mul_(follow) @ weight[1:].T
        slope.masked_fill_(total >= _MAX_REST, 0)  # there the sum stays where it is
        return total.clamp_max_(_MAX_REST), slope

    @torch.no_grad()
    def fit(self, z: Tensor, counts: Tensor, library: Tensor, *, ridge: float = 5.0, n_iter: int = 40) -> None:
        r"""Poisson regression by Newton steps: :math:`x_{ag} \sim \mathrm{Poisson}(L_a e^{b_g + w_g \cdot z_a})`.

        Parameters
        ----------
        z
            Latents (n_anchors, n_latent) of groups of cells.
        counts
            Summed counts (n_anchors, n_genes) of the groups.
        library
            Summed total counts (n_anchors,) over all genes.
        ridge
            Precision of the prior on the slopes: a gene with few counts keeps a constant rate.
        n_iter
            Most Newton steps; each is limited to a factor e in any rate, and a gene is done when its rates move by 1 %.
        """
        design = torch.cat([torch.ones_like(z[:, :1]), z], dim=1).double()
        i, j = torch.tril_indices(design.shape[1], design.shape[1], device=z.device)
        products = design[:, i] * design[:, j]  # a Hessian is symmetric: its lower half is enough
        penalty = torch.full((design.shape[1],), ridge, dtype=torch.float64, device=z.device)
        penalty[0] = 1e-6
        library = library.double()
        for start in range(0, self.n_genes, 1024):  # bounded memory: the Hessians of 1024 genes at a time
            part = slice(start, start + 1024)
            x = counts[:, part].double()
            weight = torch.zeros(design.shape[1], x.shape[1], dtype=torch.float64, device=z.device)
            weight[0] = (x.sum(0).clamp_min(0.1) / library.sum()).log()
            active = torch.arange(x.shape[1], device=z.device)
            for _ in range(n_iter):
                beta, y = weight[:, active], x[:, active]
                mu = library[:, None] * (design @ beta).clamp_max(0).exp()
                gradient = design.T @ (y - mu) - penalty[:, None] * beta * (penalty[:, None] > 1e-3)
                hessian = z.new_zeros(len(active), len(penalty), len(penalty), dtype=torch.float64)
                hessian[:, i, j] = mu.T @ products
                hessian.diagonal(dim1=1, dim2=2).add_(penalty)
                step = torch.cholesky_solve(gradient.T[:, :, None], torch.linalg.cholesky(hessian))[:, :, 0].T
                longest = (design @ step).abs().amax(0)
                weight[:, active] = beta + step / longest.clamp_min(1.0)
                active = active[longest > 1e-2]  # after a Newton step of 1 % a rate is right to 0.01 %
                if not len(active):
                    break
            predictor = design @ weight
            seen = x.sum(0) > 0  # a gene that never occurs has rate 0
            self.weight[:, part] = weight.float()
            self.low[part] = torch.where(seen, predictor.amin(0), -torch.inf).float()
            self.high[part] = torch.where(seen, predictor.amax(0), -torch.inf).float()

r"""What the cells of a row say beyond the decoder: it is the prior, they are the evidence.

A decoder smooths. Where it is wrong (few cells, deep reads, genes that its latent does not carry) the cells that a row
stands for correct it, gene by gene, as far as their number allows:

* a denoised row in the log, where models look: its target moves by
  :math:`w\,(\overline{\log x} - T(r_{dec}, \bar L))` with :math:`w = n / (n + \kappa)` for n cells;
* every other row, and the expected counts, in the rate. The decoder leaves negative-binomial counts, that is, a rate
  that varies between cells like :math:`r_{dec} \cdot \mathrm{Gamma}(\theta_g, \theta_g)`; its posterior mean given the
  counts x of the row's n cells is :math:`r = r_{dec}\,(s + \sum x) / (s + r_{dec} \sum L)` with
  :math:`s = \min(n \theta_g, \kappa')`: the prior of a cell is the dispersion that is left around the decoder, and never
  worth more than :math:`\kappa'` counts, for a decoder can be wrong on average too.

Both corrections are fixed when the codes are placed and stay with the row while its code is refined.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from scdd.data import Source
from scdd.distill._expected_log import ExpectedLog
from scdd.encoders import ExpressionFeatures
from scdd.module import SCDDModule

_BLOCK = 2048  # cells at a time
_PARTS = 16  # blocks that are summed before they are added to the rest: that copies all of it
_ROWS = 256  # rows whose rates of all genes are dense at once


@dataclass(frozen=True)
class Evidence:
    r"""Corrections of the decoder by the cells of each row.

    Attributes
    ----------
    log_offset
        (n, n_hvg) float32: added to the expected log expression of the HVGs.
    counts
        CSR (n, n_vars): summed counts of the row's cells.
    expected
        Latents (n, n_latent) at which the decoder was corrected.
    library
        Summed library sizes (n,) of the row's cells.
    cells
        Number of cells (n,) of each row.
    prior_counts
        Most counts that the decoder is worth, :math:`\kappa'`.
    """

    log_offset: NDArray[np.float32]
    counts: sp.csr_matrix
    expected: Tensor
    library: NDArray[np.float64]
    cells: NDArray[np.int64]
    prior_counts: float

    @torch.no_grad()
    def ratio(self, module: SCDDModule, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return posterior rates over decoded ones (len(rows), n_vars) for some rows; those sum to 1 as these do."""
        prior = module.rates(self.expected[torch.from_numpy(rows).to(module.device)]).cpu().numpy().astype(np.float64)
        theta = module.theta.cpu().numpy().astype(np.float64)
        strength = np.minimum(np.maximum(self.cells[rows], 1)[:, None] * theta, self.prior_counts)
        out = (strength + self.counts[rows].toarray()) / (strength + prior * self.library[rows, None])
        return out / (prior * out).sum(axis=1, keepdims=True)

    def correct(self, module: SCDDModule, rates: NDArray[np.floating], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the corrected rates (len(rows), n_vars) of some rows; each sums to 1 as before."""
        out = rates * self.ratio(module, rows)
        return out / out.sum(axis=1, keepdims=True)

    def corrections(self, module: SCDDModule, in_log: NDArray[np.bool_]) -> tuple[Tensor, Tensor]:
        """Return factors of the rates and offsets of the expected log (n, n_hvg): one of the two for each row.

        Parameters
        ----------
        module
            Trained module.
        in_log
            The rows (n,) that are corrected in the log.
        """
        hvg = module.hvg.cpu().numpy()
        factor = np.ones_like(self.log_offset)
        in_rate = np.flatnonzero(~in_log)
        for start in range(0, len(in_rate), _ROWS):
            rows = in_rate[start : start + _ROWS]
            factor[rows] = self.ratio(module, rows)[:, hvg]
        offset = np.where(in_log[:, None], self.log_offset, 0).astype(np.float32)
        return torch.from_numpy(factor).to(module.device), torch.from_numpy(offset).to(module.device)


@torch.no_grad()
def gather_evidence(
    module: SCDDModule,
    source: Source,
    members: sp.csr_matrix,
    latents: Tensor,
    *,
    prior_cells: float,
    prior_counts: float,
) -> Evidence:
    """Collect what the cells of each row say, in one pass over the source.

    Parameters
    ----------
    module
        Trained module.
    source
        The cells.
    members
        CSR (n, n_obs) of ones: the cells of each row.
    latents
        Latents (n, n_latent) of the rows, without guidance.
    prior_cells, prior_counts
        How many cells, and at most how many counts, the decoder is worth.
    """
    n, hvg = len(latents), module.hvg.cpu().numpy()
    expression = ExpressionFeatures(len(hvg))
    by_cell = members.T.tocsr()
    log_sum = np.zeros((n, len(hvg)), dtype=np.float32)
    counts, parts = sp.csr_matrix((n, source.n_vars), dtype=np.float64), []
    for index, block in source.blocks(_BLOCK):
        member = by_cell[index].T.tocsr()
        parts.append(member @ block)
        if len(parts) == _PARTS:
            counts, parts = counts + sum(parts), []
        log_sum += member @ expression(index, sp.csr_matrix(block[:, hvg]), source.library[index])
    counts = counts + sum(parts) if parts else counts
    cells = np.diff(members.indptr)
    library = members @ source.library
    typical = torch.from_numpy(np.exp(members @ np.log(source.library) / np.maximum(cells, 1))).to(module.device)
    decoded = ExpectedLog(typical)(module.hvg_rates(latents).double()).cpu().numpy()
    weight = (cells / (cells + prior_cells))[:, None]
    offset = weight * (log_sum / np.maximum(cells, 1)[:, None] - decoded)
    offset[cells == 0] = 0
    return Evidence(offset.astype(np.float32), sp.csr_matrix(counts), latents, library, cells, prior_counts)

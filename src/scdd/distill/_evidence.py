r"""What the cells of a row say beyond the decoder: it is the prior, they are the evidence.

A decoder smooths. Where it is wrong (few cells, deep reads, genes that its latent does not carry) the cells that a row
stands for correct it, gene by gene, as far as their number allows:

* in the log, where models look: the row's target moves by
  :math:`w\,(\overline{\log x} - T(r_{dec}, \bar L))` with :math:`w = n / (n + \kappa)` for n cells;
* in the rate, for the noisy rows and the expected counts: the Gamma-Poisson posterior mean
  :math:`r = r_{dec}\,(\kappa' + \sum x) / (\kappa' + r_{dec} \sum L)`.

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

_BLOCK = 2048


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
    strength
        Prior counts of the decoder, :math:`\\kappa'`.
    """

    log_offset: NDArray[np.float32]
    counts: sp.csr_matrix
    expected: Tensor
    library: NDArray[np.float64]
    strength: float

    def correct(self, module: SCDDModule, rates: NDArray[np.floating], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the corrected rates (len(rows), n_vars) of some rows; each sums to 1 as before."""
        prior = module.rates(self.expected[torch.from_numpy(rows).to(module.device)]).cpu().numpy()
        observed = self.counts[rows].toarray()
        out = rates * (self.strength + observed) / (self.strength + prior * self.library[rows, None])
        return out / out.sum(axis=1, keepdims=True)


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
        How many cells, and how many counts, the decoder is worth.
    """
    n, hvg = len(latents), module.hvg.cpu().numpy()
    expression = ExpressionFeatures(len(hvg))
    by_cell = members.T.tocsr()
    log_sum = np.zeros((n, len(hvg)), dtype=np.float32)
    counts = sp.csr_matrix((n, source.n_vars), dtype=np.float64)
    for index, block in source.blocks(_BLOCK):
        member = by_cell[index].T.tocsr()
        counts = counts + member @ block
        log_sum += member @ expression(index, sp.csr_matrix(block[:, hvg]), source.library[index])
    cells = np.diff(members.indptr)
    library = members @ source.library
    typical = torch.from_numpy(np.exp(members @ np.log(source.library) / np.maximum(cells, 1))).to(module.device)
    decoded = ExpectedLog(typical)(module.hvg_rates(latents).double()).cpu().numpy()
    weight = (cells / (cells + prior_cells))[:, None]
    offset = weight * (log_sum / np.maximum(cells, 1)[:, None] - decoded)
    offset[cells == 0] = 0
    return Evidence(offset.astype(np.float32), sp.csr_matrix(counts), latents, library, prior_counts)

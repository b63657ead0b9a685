"""New cells: one generator step from noise, then counts with the noise of real ones."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from scdd._rng import stream, torch_stream
from scdd.module import SCDDModule

_BLOCK = 512


@torch.no_grad()
def sample_latents(
    module: SCDDModule, labels: NDArray[np.int64], batches: NDArray[np.int64], *, guidance: float, seed: int
) -> torch.Tensor:
    """Return latents (n, n_latent) by exactly one call of the generator for each cell, from pure noise."""
    device = module.device
    noise = torch.randn(len(labels), module.scdg.n_latent, generator=torch_stream(seed, "generate")).to(device)
    conditions = (torch.from_numpy(v).to(device) for v in (labels, batches))
    return module.scdg(noise, torch.ones(len(labels), device=device), *conditions, guidance)


@torch.no_grad()
def sample_counts(
    module: SCDDModule, latents: torch.Tensor, library: NDArray[np.float64], *, seed: int
) -> sp.csr_matrix:
    r"""Return negative-binomial counts CSR float32 (n, n_vars): :math:`x \sim NB(L r(z), \theta)`, in blocks of cells."""
    theta = module.theta.cpu().numpy().astype(np.float64)
    rng = stream(seed, "counts")
    parts = []
    for start in range(0, len(latents), _BLOCK):
        rates = module.rates(latents[start : start + _BLOCK]).cpu().numpy().astype(np.float64)
        mu = rates * library[start : start + _BLOCK, None]
        parts.append(sp.csr_matrix(rng.poisson(mu * rng.gamma(theta, 1 / theta, size=mu.shape)).astype(np.float32)))
    return sp.csr_matrix(sp.vstack(parts, format="csr"))

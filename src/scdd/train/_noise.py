"""The scatter of the counts around the decoder, from a sample of cells."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from scdd._rng import stream
from scdd.data import Source
from scdd.module import SCDDModule

__all__ = ["fit_noise"]

_MAX_CELLS, _MAX_CELLS_FOR_ZEROS = 2000, 400
_BLOCK = 256
_MAX_THETA = 1000.0


@torch.no_grad()
def fit_noise(module: SCDDModule, source: Source, latents: NDArray[np.float32], *, seed: int) -> None:
    r"""Set the dispersion that is left around the decoder, and what cells are drawn with.

    The dispersion within classes, with which the autoencoder is trained, also holds what the latent explains: cells
    drawn with it would be noisier than real ones. A gene is never taken for more dispersed than within classes.

    Parameters
    ----------
    module
        ``theta``, which holds the dispersions within classes, becomes :math:`\sum \mu^2 / \sum ((x - \mu)^2 - \mu)`,
        and ``noise`` is fitted.
    source, latents
        The cells and their latents (n_obs, n_latent).
    seed
        Chooses the cells.
    """
    n = min(source.n_obs, _MAX_CELLS)
    cells = np.sort(stream(seed, "dispersion").choice(source.n_obs, n, replace=False))
    first, second, excess = np.zeros((3, source.n_vars))
    for start in range(0, n, _BLOCK):
        index = cells[start : start + _BLOCK]
        mu = _expected(module, source, latents, index)
        first += mu.sum(axis=0, dtype=np.float64)
        second += (mu**2).sum(axis=0, dtype=np.float64)
        excess += ((source.rows(index).toarray() - mu) ** 2 - mu).sum(axis=0, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        theta = np.where(excess > 0, second / excess, np.inf)
    least = module.theta.cpu().numpy()
    few = cells[:: -(-n // _MAX_CELLS_FOR_ZEROS)]
    module.noise.fit(
        source.rows(few),
        _expected(module, source, latents, few),
        first=first / n,
        second=second / n,
        excess=excess / n,
        least=least,
    )
    module.theta.copy_(torch.from_numpy(np.clip(theta, least, _MAX_THETA).astype(np.float32)))


def _expected(
    module: SCDDModule, source: Source, latents: NDArray[np.float32], index: NDArray[np.integer]
) -> NDArray[np.float32]:
    """Return the expected counts (n, n_vars) of cells."""
    rates: NDArray[np.float32] = module.rates(torch.from_numpy(latents[index]).to(module.device)).cpu().numpy()
    return rates * source.library[index, None].astype(np.float32)

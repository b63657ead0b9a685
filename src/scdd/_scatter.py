"""Counts around their expectation, with arrays alone: capture or not, then a negative binomial."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["draw_counts", "share_seen"]


def draw_counts(
    mu: NDArray[np.float64], theta: NDArray[np.float64], half: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Draw counts; see :class:`scdd.module.CountNoise` for the model.

    Parameters
    ----------
    mu
        Expected counts (n, n_genes).
    theta, half
        Inverse dispersion and half-capture level (n_genes,) of each gene.
    rng
        Source of the draw.

    Returns
    -------
    float32 (n, n_genes), integers.

    Examples
    --------
    >>> mu, one = np.full((2000, 1), 3.0), np.ones(1)
    >>> counts = draw_counts(mu, one, 6 * one, np.random.default_rng(0))
    >>> bool(abs(counts.mean() - 3) < 0.6), bool((counts > 0).mean() < 0.34)
    (True, True)
    """
    captured = rng.random(mu.shape) * (mu + half) < mu
    gene = (np.flatnonzero(captured) % mu.shape[1]).astype(np.int32)
    # in place: these are as large as the block, where no gene drops out
    rate = rng.standard_gamma(theta[gene])
    rate *= (1 / theta)[gene]
    rate *= mu[captured] + half[gene]
    out = np.zeros(mu.shape, dtype=np.float32)
    out[captured] = rng.poisson(rate)
    return out


def share_seen(
    mu: NDArray[np.floating], theta: NDArray[np.floating], half: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Return the probability of a positive count, for arrays that broadcast."""
    level = mu + half
    captured = np.divide(mu, level, out=np.zeros_like(level), where=level > 0)
    return captured * -np.expm1(-theta * np.log1p(level / theta))

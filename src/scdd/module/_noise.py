"""How counts scatter around the decoder: a negative binomial, with dropout where it leaves too few zeros."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from scdd._scatter import draw_counts, share_seen

__all__ = ["CountNoise"]

_MAX_THETA = 1000.0  # nearly Poisson
_GENES = 2048  # genes at a time
# half-capture levels that are tried, as multiples of a gene's mean count; 0 is the negative binomial alone
_GRID = np.concatenate([[0.0], np.geomspace(0.03, 3000.0, 18)])


class CountNoise(nn.Module):
    r"""Counts of real cells around their expectation :math:`\mu`: capture or not, then a negative binomial.

    .. math:: c \sim \mathrm{Bernoulli}\left(\frac{\mu}{\mu + K_g}\right), \qquad
              x \mid c \sim c \cdot \mathrm{NB}(\mu + K_g, \theta_g)

    The mean is :math:`\mu` whatever the half-capture level :math:`K_g`. Counts of molecules (UMI) need no dropout,
    :math:`K_g = 0`; reads of full-length protocols do: a gene is not seen at all in most cells and high in some, which
    no negative binomial of the same variance shows.

    Parameters
    ----------
    n_vars
        Number of genes.

    References
    ----------
    Andrews & Hemberg, M3Drop: dropout-based feature selection for scRNASeq, Bioinformatics 35:2865 (2019), for the
    Michaelis-Menten form of the capture probability.
    """

    theta: Tensor
    half_capture: Tensor

    def __init__(self, n_vars: int) -> None:
        super().__init__()
        self.register_buffer("theta", torch.ones(n_vars))
        self.register_buffer("half_capture", torch.zeros(n_vars))

    def fit(
        self,
        counts: sp.csr_matrix,
        mu: NDArray[np.float32],
        *,
        first: NDArray[np.float64],
        second: NDArray[np.float64],
        excess: NDArray[np.float64],
        least: NDArray[np.floating],
    ) -> None:
        r"""Fit by three moments of every gene: the mean (that of ``mu``), the variance and the share of zeros.

        Parameters
        ----------
        counts, mu
            Counts of some cells and their expectations (n, n_vars), for the zeros.
        first, second
            Means (n_vars,) of :math:`\mu` and of :math:`\mu^2` over cells, these or more.
        excess
            Mean (n_vars,) of :math:`(x - \mu)^2 - \mu` over the same: variance beyond Poisson.
        least
            Smallest inverse dispersion (n_vars,) that is believed.
        """
        wanted = 1 - np.asarray((counts > 0).mean(axis=0)).ravel()
        half, theta = np.zeros(len(first)), np.full(len(first), _MAX_THETA)
        for start in range(0, len(first), _GENES):  # bounded memory
            part = slice(start, start + _GENES)
            moments = (first[part], second[part], excess[part], least[part])
            levels = _GRID[:, None] * first[part]
            zeros = 1 - np.stack([_seen(mu[:, part], level, _theta(level, *moments)) for level in levels])
            needed = wanted[part] > zeros[0] + 2 * np.sqrt(zeros[0] * (1 - zeros[0]) / len(mu))  # beyond chance
            half[part] = np.where(needed, _crossing(np.maximum.accumulate(zeros), wanted[part], levels), 0.0)
            theta[part] = _theta(half[part], *moments)
        seen = wanted < 1  # nothing is known of the zeros of a gene that these cells lack
        self.half_capture.copy_(torch.from_numpy(np.where(seen, half, 0.0)))
        self.theta.copy_(torch.from_numpy(np.where(seen, theta, _theta(0 * half, first, second, excess, least))))

    def sample(self, mu: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float32]:
        """Draw counts (n, n_vars) around expectations of the same shape."""
        theta, half = (v.cpu().numpy().astype(np.float64) for v in (self.theta, self.half_capture))
        return draw_counts(mu, theta, half, rng)


def _theta(
    half: NDArray[np.float64],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    excess: NDArray[np.float64],
    least: NDArray[np.floating],
) -> NDArray[np.float64]:
    r"""Return the inverse dispersion that keeps the variance at half-capture levels (n_vars,).

    From :math:`E[x^2] - \mu = \mu (\mu + K) (1 + 1 / \theta)`.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        more = (second + excess) / (second + half * first) - 1
        theta = np.where(more > 0, 1 / more, np.inf)
    return np.clip(theta, least, _MAX_THETA)


def _seen(mu: NDArray[np.float32], half: NDArray[np.float64], theta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the expected share of cells (n_vars,) with a count of each gene."""
    return share_seen(mu, theta.astype(np.float32), half.astype(np.float32)).mean(0, dtype=np.float64)


def _crossing(
    zeros: NDArray[np.float64], wanted: NDArray[np.floating], levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the level (n_vars,) at which the rising ``zeros`` (n_levels, n_vars) reach what is wanted."""
    above = np.clip((zeros < wanted).sum(0), 0, len(levels) - 1)
    below = np.maximum(above - 1, 0)
    gene = np.arange(zeros.shape[1])
    low, high = zeros[below, gene], zeros[above, gene]
    share = np.clip((wanted - low) / np.maximum(high - low, 1e-12), 0, 1)
    return levels[below, gene] + share * (levels[above, gene] - levels[below, gene])

r"""The linear part of scdd-base in closed form: a factor model of the expression within the data sets, all sets alike.

In units of how much each gene varies, expression less its mean is taken for :math:`x = B z + e` with factors
:math:`z \sim N(0, I)` and noise :math:`e_g \sim N(0, \psi_g)` (factor analysis; Tipping & Bishop 1999, J. R. Stat. Soc. B
61, 611, where all :math:`\psi_g` are one). What a cell is, given the genes that were measured, is then the mean of the
posterior, whichever genes these are:

.. math:: E[z \mid x] = (I + \sum_g b_g b_g^\top / \psi_g)^{-1} \sum_g b_g x_g / \psi_g .

The principal components of the pooled covariance give the loadings :math:`B`, and what they leave of the variance of each
gene its noise.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd._rng import stream
from scdd.encoders._pretrain._corpus import Corpus, Member, log_scaled

LEAST_SD = 0.1  # added to the standard deviation of a gene: what hardly varies is hardly more than noise
_CELLS = 1500  # of each data set
_MORE = 8  # further directions, which make the wanted ones exact
_ROUNDS = 3  # of the subspace iteration


def factors(corpus: Corpus, n: int, *, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return loadings (n_genes, n), by falling variance, and the noise (n_genes,).

    Where there are fewer genes than factors, the last loadings are 0. No gene is without noise: as much as genes have on
    average is added, for tissues that were not seen.
    """
    pooled = Pooled(corpus, seed)
    vectors, values = pooled.components(min(n, pooled.n_genes))
    left = np.maximum(pooled.variances() - (vectors**2 * values).sum(axis=1), 0)
    noise = left + max(float(left[left > 0].mean()) if (left > 0).any() else 0.0, 1e-12)
    loadings = np.zeros((pooled.n_genes, n))
    loadings[:, : len(values)] = vectors * np.sqrt(np.maximum(values, 0))
    return loadings.astype(np.float32), noise.astype(np.float32)


class Pooled:
    """Some cells of all data sets, centred by the mean of their data set, each data set of the same total variance.

    So differences between data sets do not count. Classes of a data set count alike, where it has any. Nothing dense has a
    row per cell and a column per gene.

    Parameters
    ----------
    corpus
        The data sets.
    seed
        Of the cells that are drawn and of the first directions.
    """

    def __init__(self, corpus: Corpus, seed: int) -> None:
        self.n_genes, self.seed = len(corpus.genes), seed
        self._blocks = [_block(corpus, number, seed) for number in range(len(corpus.members))]

    def components(self, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the first eigenvectors (n_genes, n) of the covariance, and their eigenvalues (n,), by subspace iteration."""
        rng = stream(self.seed, "components")
        basis = rng.standard_normal((self.n_genes, min(n + _MORE, self.n_genes)))
        for _ in range(_ROUNDS):
            basis = np.linalg.qr(self._covariance(basis))[0]
        values, vectors = np.linalg.eigh(basis.T @ self._covariance(basis))
        first = np.argsort(-values)[:n]
        return basis @ vectors[:, first], values[first]

    def variances(self) -> NDArray[np.float64]:
        """Return the variance of each gene (n_genes,): the diagonal of the covariance."""
        squares = (np.asarray(x.multiply(x).sum(axis=0), dtype=np.float64).ravel() for x, _ in self._blocks)
        means = (x.shape[0] * mean.astype(np.float64) ** 2 for x, mean in self._blocks)
        return np.sum([s - m for s, m in zip(squares, means, strict=True)], axis=0)

    def _covariance(self, basis: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the covariance of the genes times some directions."""
        out = np.zeros_like(basis)
        for x, mean in self._blocks:
            # products in single precision, their sums in double
            scores = x @ basis.astype(np.float32) - mean @ basis.astype(np.float32)
            out += x.T @ scores - np.outer(mean, scores.sum(axis=0))
        return out


def _block(corpus: Corpus, number: int, seed: int) -> tuple[sp.csr_matrix, NDArray[np.float32]]:
    """Return expression of some cells of a data set, in units of each gene and of total variance 1, and its mean."""
    member = corpus.members[number]
    x = member.match.align(member.opened.source.rows(_cells(member, stream(seed, "components", number))))
    x.data = log_scaled(x, float(corpus.fraction[member.present].sum())) / (corpus.sd + LEAST_SD)[x.indices]
    mean = np.asarray(x.mean(axis=0), dtype=np.float64).ravel()
    total = float((x.data**2).sum() - x.shape[0] * (mean**2).sum())
    scale = 1 / np.sqrt(max(total, 1e-12))
    return (x * scale).astype(np.float32), (mean * scale).astype(np.float32)


def _cells(member: Member, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw cells without replacement, those of small classes before others."""
    labels = np.asarray(member.opened.source.labels)
    chance = 1.0 / np.bincount(labels)[labels]
    n = min(len(labels), _CELLS)
    return np.sort(rng.choice(len(labels), n, replace=False, p=chance / chance.sum()))

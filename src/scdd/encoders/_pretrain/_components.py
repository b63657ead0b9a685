"""The first values of the gene vectors: principal components within the data sets, all sets alike."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd._rng import stream
from scdd.encoders._pretrain._corpus import Corpus, log_scaled

_CELLS = 800  # of each data set
_MORE = 8  # further directions, which make the wanted ones exact
_ROUNDS = 3  # of the subspace iteration


class Pooled:
    """Some cells of all data sets, centred by the mean of their data set, each data set of the same total variance.

    So differences between data sets do not count. Nothing dense has a row per cell and a column per gene.

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

    def components(self, n: int) -> NDArray[np.float32]:
        """Return weights of genes (n_genes, n), by falling variance; fewer columns where there are fewer genes.

        Found by subspace iteration.
        """
        rng, n = stream(self.seed, "components"), min(n, self.n_genes)
        basis = rng.standard_normal((self.n_genes, min(n + _MORE, self.n_genes)))
        for _ in range(_ROUNDS):
            basis = np.linalg.qr(self._covariance(basis))[0]
        values, vectors = np.linalg.eigh(basis.T @ self._covariance(basis))
        first = np.argsort(-values)[:n]
        # between raw components, where few count, and whitened ones, where all do
        weights = (basis @ vectors[:, first]) / np.maximum(values[first], values.max() * 1e-6) ** 0.25
        return weights.astype(np.float32)

    def spread(self, weights: NDArray[np.floating]) -> float:
        """Return the sum of the variances of weighted sums of genes, weights (n_genes, n)."""
        return float((weights * self._covariance(weights.astype(np.float64))).sum())

    def _covariance(self, basis: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the covariance of the genes times some directions."""
        out = np.zeros_like(basis)
        for x, mean in self._blocks:
            # products in single precision, their sums in double
            scores = x @ basis.astype(np.float32) - mean @ basis.astype(np.float32)
            out += x.T @ scores - np.outer(mean, scores.sum(axis=0))
        return out


def _block(corpus: Corpus, number: int, seed: int) -> tuple[sp.csr_matrix, NDArray[np.float32]]:
    """Return log expression of some cells of a data set, of total variance 1, and its mean."""
    member = corpus.members[number]
    n = member.opened.source.n_obs
    index = np.sort(stream(seed, "components", number).choice(n, min(n, _CELLS), replace=False))
    x = member.match.align(member.opened.source.rows(index))
    x.data = log_scaled(x, float(corpus.fraction[member.present].sum())).astype(np.float32)
    mean = np.asarray(x.mean(axis=0), dtype=np.float64).ravel()
    total = float((x.data**2).sum() - x.shape[0] * (mean**2).sum())
    scale = 1 / np.sqrt(max(total, 1e-12))
    return x * np.float32(scale), (mean * scale).astype(np.float32)

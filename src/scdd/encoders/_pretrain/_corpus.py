"""The cells of a data set, brought to the vocabulary, and the statistics that all data sets make together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd._genes import GeneMatch, match_genes
from scdd.data import Source
from scdd.errors import GeneError

if TYPE_CHECKING:
    import pandas as pd

    from scdd.encoders._pretrain._config import Study

_LOOKED_AT = 4096  # cells of a data set that the statistics are made from
_ROUNDS = 50  # of the fixed point of the fractions
_MIN_GENES = 50  # of the vocabulary, that a data set must have


@dataclass(frozen=True, eq=False)
class Opened:
    """A data set that went through the door.

    Attributes
    ----------
    study
        What was asked for.
    source
        Counts, labels and batches.
    symbols
        Names of the genes in capitals (n_vars,).
    var
        Table of the genes.
    labelled
        Whether the labels of the source are those of the study; else there are none.
    sha256
        Of the file, or of the cells where there is none.
    of
        What the hash is of, in words.
    """

    study: Study
    source: Source
    symbols: NDArray[Any]
    var: pd.DataFrame
    labelled: bool
    sha256: str
    of: str


@dataclass(frozen=True, eq=False)
class Member:
    """A data set of the corpus.

    Attributes
    ----------
    opened
        The cells.
    match
        Where its genes stand in the vocabulary.
    present
        int64: positions of its genes in the vocabulary, ascending.
    """

    opened: Opened
    match: GeneMatch
    present: NDArray[np.int64]

    def rows(self, index: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return counts of the present genes (len(index), n_present)."""
        known = self.match.align(self.opened.source.rows(index))
        return known[:, self.present].toarray()


@dataclass(frozen=True, eq=False)
class Corpus:
    """All data sets, and what they have in common.

    Attributes
    ----------
    genes
        Symbols in capitals (n_genes,).
    members
        The data sets.
    fraction
        Share of each gene in the counts of a cell, in general (n_genes,); sums to 1.
    mean, sd
        Of log1p of the scaled counts of each gene, over the data sets that have it (n_genes,).
    """

    genes: NDArray[np.object_]
    members: tuple[Member, ...]
    fraction: NDArray[np.float32]
    mean: NDArray[np.float32]
    sd: NDArray[np.float32]


def choose_genes(sets: Sequence[Opened], *, n_genes: int, min_cells: int) -> NDArray[np.object_]:
    """Return the genes that the largest share of the cells of some data set expresses, sorted by name.

    Examples
    --------
    >>> choose_genes([], n_genes=10, min_cells=1)
    array([], dtype=object)
    """
    best: dict[str, float] = {}
    for opened in sets:
        counts = opened.source.rows(_some(opened.source))
        cells = np.asarray((counts > 0).sum(axis=0)).ravel()
        for symbol, n in zip(opened.symbols, cells.tolist(), strict=True):
            if n >= min_cells and symbol:
                best[symbol] = max(best.get(symbol, 0.0), n / counts.shape[0])
    order = sorted(best, key=lambda symbol: (-best[symbol], symbol))
    return np.array(sorted(order[:n_genes]), dtype=object)


def build_corpus(sets: Sequence[Opened], genes: NDArray[np.object_]) -> Corpus:
    """Find the genes of each data set in the vocabulary, and make the statistics.

    Raises
    ------
    scdd.errors.GeneError
        If a data set has next to none of the genes.
    """
    if not len(genes):
        msg = "No gene is expressed by enough cells: there is nothing to learn from."
        raise GeneError(msg)
    members, looked_at = [], []
    for opened in sets:
        counts = opened.source.rows(_some(opened.source))
        totals = np.asarray(counts.sum(axis=0), dtype=np.float64).ravel()
        match = match_genes(opened.symbols, genes, var=opened.var, totals=totals)
        match.require(f"the data set {opened.study.title!r}", min_genes=min(_MIN_GENES, len(genes)))
        members.append(Member(opened, match, np.unique(match.target[match.target >= 0])))
        looked_at.append(sp.csr_matrix(match.align(counts)))
    fraction = _fractions(looked_at, [member.present for member in members])
    mean, sd = _moments(looked_at, [member.present for member in members], fraction)
    return Corpus(genes, tuple(members), fraction.astype(np.float32), mean, sd)


def _some(source: Source) -> NDArray[np.int64]:
    """Return cells spread evenly over the data set."""
    return np.unique(np.linspace(0, source.n_obs - 1, min(source.n_obs, _LOOKED_AT)).astype(np.int64))


def _fractions(counts: Sequence[sp.csr_matrix], present: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Return the share of each gene in the counts of a cell with all genes.

    A data set of 300 genes tells shares among these 300 only: they are scaled by the share that these genes have together
    in the others, which depends on the result, hence a fixed point.
    """
    n_genes = counts[0].shape[1]
    known = np.zeros((len(counts), n_genes))
    has = np.zeros((len(counts), n_genes), dtype=bool)
    for i, (x, genes) in enumerate(zip(counts, present, strict=True)):
        totals = np.maximum(np.asarray(x.sum(axis=1), dtype=np.float64).ravel(), 1.0)
        shares = x.data / np.repeat(totals, np.diff(x.indptr))
        known[i] = np.bincount(x.indices, weights=shares, minlength=n_genes) / x.shape[0]
        has[i, genes] = True
    together = has.mean(axis=1)  # a first guess: all genes alike
    fraction = np.zeros(n_genes)
    for _ in range(_ROUNDS):
        fraction = (known * together[:, None]).sum(axis=0) / np.maximum(has.sum(axis=0), 1)
        fraction = np.maximum(fraction, 1e-9)
        fraction /= fraction.sum()
        together = has @ fraction
    return fraction


def _moments(
    counts: Sequence[sp.csr_matrix], present: Sequence[NDArray[np.int64]], fraction: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and standard deviation of each gene within a data set, averaged over those that have it."""
    n_genes = len(fraction)
    total_mean, total_var, n_sets = np.zeros(n_genes), np.zeros(n_genes), np.zeros(n_genes)
    for x, genes in zip(counts, present, strict=True):
        logged = log_scaled(x, float(fraction[genes].sum()))
        first = np.bincount(x.indices, weights=logged, minlength=n_genes) / x.shape[0]
        second = np.bincount(x.indices, weights=logged**2, minlength=n_genes) / x.shape[0]
        total_mean[genes] += first[genes]
        total_var[genes] += np.maximum(second - first**2, 0)[genes]
        n_sets[genes] += 1
    n_sets = np.maximum(n_sets, 1)
    return (total_mean / n_sets).astype(np.float32), np.sqrt(total_var / n_sets).astype(np.float32)


def log_scaled(x: sp.csr_matrix, share: float) -> NDArray[np.float64]:
    """Return log1p of the entries of a CSR matrix, each cell scaled to 10,000 x ``share`` counts (n_entries,)."""
    totals = np.maximum(np.asarray(x.sum(axis=1), dtype=np.float64).ravel(), 1.0)
    return np.log1p(x.data * np.repeat(1e4 * share / totals, np.diff(x.indptr)))

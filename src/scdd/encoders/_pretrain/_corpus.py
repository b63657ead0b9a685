"""The cells of a data set, brought to the vocabulary, and the statistics that all data sets make together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd._genes import GeneMatch, match_genes
from scdd.data import Source

if TYPE_CHECKING:
    import pandas as pd

    from scdd.encoders._pretrain._config import Study

_LOOKED_AT = 4096  # cells of a data set that the statistics are made from
# names of clones, predicted and antisense genes
_CLONE = re.compile(r"(AC|AL|AP|CT[A-D]|GM|KB|LINC|LOC|RP\d*)-?\d.*|.*-(AS|OT|IT)\d|.*\.\d+|.*RIK\d?")
_COMMON = 0.01  # share of the cells of a data set that makes a gene a common one
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
    mean
        Of log1p of the scaled counts of these genes (n_present,).
    """

    opened: Opened
    match: GeneMatch
    present: NDArray[np.int64]
    mean: NDArray[np.float32]

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
    """Return symbols, sorted: first those that a hundredth of the cells of some data set expresses, then the others.

    Genes that hardly any cell expresses matter too, since a tissue that was not seen may be full of them: without the vectors
    of insulin and glucagon a model of blood could not tell the cells of a pancreas apart. They are taken by the number of data
    sets that name them, clones and predicted genes last.

    Examples
    --------
    >>> choose_genes([], n_genes=10, min_cells=1)
    array([], dtype=object)
    """
    share: dict[str, float] = {}
    named: dict[str, int] = {}
    for opened in sets:
        counts = opened.source.rows(_some(opened.source))
        cells = np.asarray((counts > 0).sum(axis=0)).ravel()
        for symbol in set(opened.symbols) - {""}:
            named[symbol] = named.get(symbol, 0) + 1
        for symbol, n in zip(opened.symbols, cells.tolist(), strict=True):
            if n >= min_cells:
                share[symbol] = max(share.get(symbol, 0.0), n / counts.shape[0])
    common = {symbol: value for symbol, value in share.items() if value >= _COMMON}
    order = sorted(named, key=lambda s: (-common.get(s, 0.0), -named[s], _is_clone(s), -share.get(s, 0.0), s))
    return np.array(sorted(order[:n_genes]), dtype=object)


def build_corpus(sets: Sequence[Opened], genes: NDArray[np.object_]) -> Corpus:
    """Find the genes of each data set in the vocabulary, and make the statistics.

    Raises
    ------
    scdd.errors.GeneError
        If a data set has next to none of the genes.
    """
    matches, counts = [], []
    for opened in sets:
        some = opened.source.rows(_some(opened.source))
        totals = np.asarray(some.sum(axis=0), dtype=np.float64).ravel()
        match = match_genes(opened.symbols, genes, var=opened.var, totals=totals)
        match.require(f"the data set {opened.study.title!r}", min_genes=min(_MIN_GENES, len(genes)))
        matches.append(match)
        counts.append(match.align(some))
    present = [np.unique(match.target[match.target >= 0]) for match in matches]
    fraction = _fractions(counts, present)
    moments = [_moments(x, own, fraction) for x, own in zip(counts, present, strict=True)]
    members = tuple(
        Member(opened, match, own, mean[own].astype(np.float32))
        for opened, match, own, (mean, _) in zip(sets, matches, present, moments, strict=True)
    )
    n_sets = np.zeros(len(genes))
    for own in present:
        n_sets[own] += 1
    mean, variance = (np.sum(parts, axis=0) / np.maximum(n_sets, 1) for parts in zip(*moments, strict=True))
    return Corpus(
        genes, members, fraction.astype(np.float32), mean.astype(np.float32), np.sqrt(variance).astype(np.float32)
    )


def _is_clone(symbol: str) -> bool:
    return _CLONE.fullmatch(symbol) is not None


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
    counts: sp.csr_matrix, present: NDArray[np.int64], fraction: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and variance of log1p of the scaled counts of each gene (n_genes,)."""
    logged = log_scaled(counts, float(fraction[present].sum()))
    first, second = (
        np.bincount(counts.indices, weights=weights, minlength=len(fraction)) / counts.shape[0]
        for weights in (logged, logged**2)
    )
    return first, np.maximum(second - first**2, 0)


def log_scaled(x: sp.csr_matrix, share: float) -> NDArray[np.float64]:
    """Return log1p of the entries of a CSR matrix, each cell scaled to 10,000 x ``share`` counts (n_entries,)."""
    totals = np.maximum(np.asarray(x.sum(axis=1), dtype=np.float64).ravel(), 1.0)
    return np.log1p(x.data * np.repeat(1e4 * share / totals, np.diff(x.indptr)))

"""Find the genes of the data in a vocabulary, by name: once for all encoders."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from scdd._genes._identify import GeneIds, as_text, identify_genes, kinds_of, without_version
from scdd._genes._refuse import reason
from scdd._genes._search import Search
from scdd.errors import GeneError, InputError

if TYPE_CHECKING:
    import pandas as pd

# a column that names genes: kinds and chromosomes are words too, and some are symbols of genes ("TEC")
_COLUMN_SHARE = 0.5  # of its values that must be of the right kind
_COLUMN_DISTINCT = 0.8  # of its values that differ from one another
_COLUMN_FOUND = 0.05  # of the genes that are left, which it must find


@dataclass(frozen=True, eq=False)
class GeneMatch:
    """Where each gene of the data stands in a vocabulary.

    Attributes
    ----------
    target
        int64 (n_genes,): position in the vocabulary, -1 where the gene is not in it. Several genes may have one target:
        their counts are summed.
    n_vocabulary
        Number of genes of the vocabulary.
    ids, vocabulary_ids
        What kind of names the genes and the vocabulary have.
    by
        How many genes were found in which way: ``"name"``, ``"version"`` (Ensembl id without its version), ``"column"``,
        ``"alias"``, ``"dot"``, ``"case"`` and ``"made unique"``.
    column
        The column of ``var`` whose identifiers were used, if any.
    share
        Share of the counts that belongs to genes that were found; None where the counts were not given.
    missing
        The first names that were not found.
    """

    target: NDArray[np.int64]
    n_vocabulary: int
    ids: GeneIds
    vocabulary_ids: GeneIds
    by: Mapping[str, int]
    column: str | None
    share: float | None
    missing: tuple[str, ...]

    @property
    def n_genes(self) -> int:
        """Number of genes of the data."""
        return len(self.target)

    @property
    def n_matched(self) -> int:
        """Number of genes of the data that were found."""
        return int((self.target >= 0).sum())

    @cached_property
    def n_found(self) -> int:
        """Number of genes of the vocabulary that the data has."""
        return len(np.unique(self.target[self.target >= 0]))

    def align(self, counts: sp.csr_matrix) -> sp.csr_matrix:
        """Bring counts to the genes of the vocabulary, in its order; those of one target are summed.

        Parameters
        ----------
        counts
            CSR (n, n_genes).

        Returns
        -------
        CSR (n, n_vocabulary) of the same type, with sorted indices; genes that the data lacks have no entries.
        """
        out = sp.csr_matrix(counts @ self._projection)
        out.sum_duplicates()
        return out.astype(counts.dtype, copy=False)

    @cached_property
    def _projection(self) -> sp.csr_matrix:
        rows = np.flatnonzero(self.target >= 0)
        ones = np.ones(len(rows), dtype=np.float32)
        return sp.csr_matrix((ones, (rows, self.target[rows])), shape=(self.n_genes, self.n_vocabulary))

    def require(self, what: str, *, min_genes: int = 1, min_share: float = 0.0) -> None:
        """Raise where too little was found, with the cause and what to do.

        Parameters
        ----------
        what
            Whose vocabulary it is, for the message: ``"encoder 'scgpt'"``.
        min_genes
            Genes of the vocabulary that the data must have.
        min_share
            Share of the counts that must belong to genes that were found.

        Raises
        ------
        scdd.errors.GeneError
            If fewer genes, or a smaller share, were found.
        """
        few, little = self.n_found < max(min_genes, 1), self.share is not None and self.share < min_share
        if few or little:
            wanted = f"{min_genes} genes" if few else f"{min_share:.0%} of the counts"
            msg = f"The genes do not fit {what}, which needs {wanted}: {self}. {reason(self)}"
            raise GeneError(msg)

    def __str__(self) -> str:
        share = "" if self.share is None else f", {self.share:.1%} of the counts"
        ways = ", ".join(f"{n} by {way}" for way, n in self.by.items() if n)
        if self.column is not None:
            ways = ways.replace("by column", f"by var[{self.column!r}]")
        merged = self.n_matched - self.n_found
        return (
            f"{self.n_found} of {self.n_vocabulary} genes of the vocabulary ({self.vocabulary_ids}) found among "
            f"{self.n_genes} genes named by {self.ids}{share}"
            + (f" ({ways})" if ways else "")
            + (f"; counts of {merged} repeated genes summed" if merged else "")
        )


def match_genes(
    genes: ArrayLike,
    vocabulary: ArrayLike,
    *,
    var: pd.DataFrame | None = None,
    aliases: Mapping[str, str] | None = None,
    totals: ArrayLike | None = None,
) -> GeneMatch:
    """Find genes in a vocabulary by name.

    In this order: the name itself; an Ensembl id without its version; a column of ``var`` that holds the identifiers of the
    vocabulary (``gene_ids``, ``ensembl_id``, ``feature_name``, ...), nearly all of them different; an alias; the name with hyphens for the dots that R
    puts in their place; the name in capitals, which also takes mouse symbols to their human namesakes; the name without the
    number that ``var_names_make_unique()`` appends, unless a column tells such genes apart.

    Parameters
    ----------
    genes
        Names of the genes of the data (n_genes,).
    vocabulary
        Names of the genes that are known (n_vocabulary,): symbols or Ensembl ids.
    var
        Table of the genes, for a column with the other identifier; one row per gene.
    aliases
        Other names of genes: from an alias, an earlier symbol or an id to a name in the vocabulary.
    totals
        Counts per gene (n_genes,), to tell which share of the counts was found.

    Returns
    -------
    The match, which brings counts to the vocabulary and tells what was found. Nothing is raised where nothing was found:
    :meth:`GeneMatch.require` does.

    Raises
    ------
    scdd.errors.InputError
        If ``var`` or ``totals`` has another length than there are genes.

    Examples
    --------
    >>> import scdd
    >>> match = scdd.pp.match_genes(["Ins", "GCG", "TP53.1"], ["GCG", "INS", "SST"])
    >>> match.target
    array([ 1,  0, -1])
    >>> print(match)
    2 of 3 genes of the vocabulary (human symbols) found among 3 genes named by symbols (1 by name, 1 by case)
    """
    names, known = as_text(genes), as_text(vocabulary)
    for what, value in (("var", var), ("totals", totals)):
        if value is not None and len(value) != len(names):  # type: ignore[arg-type]
            msg = f"{what} has {len(value)} rows for {len(names)} genes."  # type: ignore[arg-type]
            raise InputError(msg)
    ids, known_ids = identify_genes(names), identify_genes(known)
    search = Search(names, known)
    search.step("name", lambda name: name)
    search.step("version", without_version)
    column = None if var is None else _column(search, var, known_ids)
    if column is not None:
        values = as_text(np.asarray(var[column], dtype=object))  # type: ignore[index]
        search.step("column", without_version, values)
    search.step_alias(aliases or {})
    search.step("dot", lambda name: name.replace(".", "-"))
    search.step_by_case()
    search.step_made_unique()

    target = search.target
    share = None
    if totals is not None:
        weights = np.asarray(totals, dtype=np.float64)
        share = float(weights[target >= 0].sum() / weights.sum()) if weights.sum() > 0 else 0.0
    missing = tuple(names[target < 0][:5])
    used = column if search.by.get("column") else None
    return GeneMatch(target, len(known), ids, known_ids, search.by, used, share, missing)


def _column(search: Search, var: pd.DataFrame, known: GeneIds) -> str | None:
    """Return the column of ``var`` that finds the most further genes, among those that name genes in the right way."""
    wanted = 1 if known.kind == "ensembl" else 0
    best, most = None, max(0, math.ceil(_COLUMN_FOUND * len(search.left())) - 1)
    for column in var.columns:
        values = var[column]
        if values.dtype.kind in "biufcmM":
            continue
        names = as_text(np.asarray(values, dtype=object))
        if np.mean(kinds_of(names) == wanted) < _COLUMN_SHARE or not _differ(names):
            continue
        n = search.count(names)
        if n > most:
            best, most = column, n
    return best


def _differ(names: NDArray[np.object_]) -> bool:
    """Return whether nearly all names are those of one gene."""
    given = names[names != ""]
    return len(set(given)) >= _COLUMN_DISTINCT * len(given)

"""What kind of identifier gene names are: symbols, Ensembl ids, numbers; and of which species."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

# ENSG00000141510, ENSMUSG00000059552.8, ENSG00000182378.14_PAR_Y, and the older ENSGR0000182378 of the Y chromosome
ENSEMBL = re.compile(r"ENS([A-Z]{3,5})?GR?\d{8,11}(\.\d+)?(_PAR_[XY])?", re.IGNORECASE)
_OF_Y = re.compile(r"GR(?=\d)")
_NUMBER = re.compile(r"\d+(\.0)?")
_SPECIES = {"": "human", "MUS": "mouse", "RNO": "rat", "SSC": "pig", "MMU": "macaque", "DAR": "zebrafish"}
_MOST = 0.8  # of the names, to speak of a kind or a species
_SYMBOL, _ENSEMBL, _OTHER = 0, 1, 2


@dataclass(frozen=True)
class GeneIds:
    """What kind of names genes have.

    Attributes
    ----------
    kind
        ``"symbol"``, ``"ensembl"``, ``"number"`` or ``"mixed"``.
    species
        ``"human"``, ``"mouse"``, another species that Ensembl ids tell, or ``"unknown"``.
    n_symbols, n_ensembl, n_numbers
        How many of each there are.
    """

    kind: str
    species: str
    n_symbols: int
    n_ensembl: int
    n_numbers: int

    def __str__(self) -> str:
        if self.kind == "mixed":
            parts = {"symbols": self.n_symbols, "Ensembl ids": self.n_ensembl, "numbers": self.n_numbers}
            return "a mixture of " + ", ".join(f"{n} {name}" for name, n in parts.items() if n)
        kind = {"symbol": "symbols", "ensembl": "Ensembl ids", "number": "numbers"}[self.kind]
        return kind if self.species == "unknown" else f"{self.species} {kind}"


def identify_genes(genes: ArrayLike) -> GeneIds:
    """Tell what kind of identifier gene names are, and of which species.

    Parameters
    ----------
    genes
        Names of genes (n_genes,), as text.

    Returns
    -------
    The kind that at least 80 % of the names have, else ``"mixed"``. The species of symbols is read from their case:
    human genes are in capitals (``INS``), those of mouse begin with one (``Ins2``).

    Examples
    --------
    >>> import scdd
    >>> print(scdd.pp.identify_genes(["INS", "GCG", "SST", "PPY"]))
    human symbols
    >>> print(scdd.pp.identify_genes(["ENSMUSG00000000215.4", "ENSMUSG00000000394"]))
    mouse Ensembl ids
    """
    names = as_text(genes)
    kinds = kinds_of(names)
    n_symbols, n_ensembl, n_other = (int((kinds == kind).sum()) for kind in (_SYMBOL, _ENSEMBL, _OTHER))
    known = {"symbol": n_symbols, "ensembl": n_ensembl, "number": n_other}
    kind = next((name for name, n in known.items() if n and n >= _MOST * len(names)), "mixed")
    if n_ensembl >= n_symbols and n_ensembl:
        species = _species_of_ensembl(names[kinds == _ENSEMBL])
    else:
        species = _species_of_symbols(names[kinds == _SYMBOL])
    return GeneIds(kind, species, n_symbols, n_ensembl, n_other)


def as_text(genes: ArrayLike) -> NDArray[np.object_]:
    """Return names as an object array of text (n_genes,) without spaces around; what is missing is empty."""
    import pandas as pd

    values = np.asarray(genes, dtype=object).ravel()
    missing = pd.isna(values)
    return np.array(["" if m else str(v).strip() for v, m in zip(values, missing, strict=True)], dtype=object)


def kinds_of(names: NDArray[np.object_]) -> NDArray[np.int8]:
    """Return the kind of each name (n_genes,): 0 symbol, 1 Ensembl id, 2 number or empty."""
    return np.array(
        [
            _ENSEMBL if ENSEMBL.fullmatch(name) else _OTHER if not name or _NUMBER.fullmatch(name) else _SYMBOL
            for name in names
        ],
        dtype=np.int8,
    )


def without_version(name: str) -> str:
    """Return an Ensembl id in capitals and without its version: ``ENSG00000141510.18`` is ``ENSG00000141510``.

    Genes of the pseudoautosomal regions stand twice in an annotation, once as ``ENSGR0000182378`` or
    ``ENSG00000182378_PAR_Y``; both are the same gene.
    """
    if not ENSEMBL.fullmatch(name):
        return name
    return _OF_Y.sub("G0", name.upper().partition(".")[0].partition("_PAR_")[0])


def _species_of_ensembl(names: NDArray[np.object_]) -> str:
    found = [(match.group(1) or "").upper() for match in map(ENSEMBL.fullmatch, names) if match]
    prefix, n = max(((p, found.count(p)) for p in set(found)), key=lambda pair: pair[1])
    return _SPECIES.get(prefix, f"ENS{prefix}") if n >= _MOST * len(found) else "unknown"


def _species_of_symbols(names: NDArray[np.object_]) -> str:
    letters = [re.sub(r"[^A-Za-z]", "", name) for name in names]
    # clones such as AC012345.1 are in capitals in every species, as are one-letter names
    told = [text for text in letters if len(text) > 2]
    if not told:
        return "unknown"
    capitals = sum(text.isupper() for text in told) / len(told)
    # Ins2, and 0610007P14Rik, whose letters are PRik
    mixed = sum(text[0].isupper() and not text.isupper() for text in told) / len(told)
    return "human" if capitals >= _MOST else "mouse" if mixed >= _MOST else "unknown"

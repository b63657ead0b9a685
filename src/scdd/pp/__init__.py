"""Preparation: the one door that checks the input, donor-aware splits, highly variable genes, gene names."""

from __future__ import annotations

from scdd._genes import GeneIds, GeneMatch, identify_genes, match_genes
from scdd.pp._check import CheckedInput, check
from scdd.pp._hvg import highly_variable
from scdd.pp._split import split

__all__ = [
    "CheckedInput",
    "GeneIds",
    "GeneMatch",
    "check",
    "highly_variable",
    "identify_genes",
    "match_genes",
    "split",
]

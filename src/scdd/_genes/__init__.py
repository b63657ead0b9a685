"""Genes by name: what kind of identifier they are, and where they stand in the vocabulary of an encoder."""

from __future__ import annotations

from scdd._genes._identify import GeneIds, identify_genes
from scdd._genes._match import GeneMatch, match_genes

__all__ = ["GeneIds", "GeneMatch", "identify_genes", "match_genes"]

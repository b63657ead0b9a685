"""Why genes do not fit a vocabulary, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scdd._genes._match import GeneMatch

_FEW = 3000  # genes: data that were cut to the highly variable ones


def reason(match: GeneMatch) -> str:
    """Return the likely cause and the fix, for a match that found too little."""
    ids, known = match.ids, match.vocabulary_ids
    first = f" (not found: {', '.join(match.missing)})" if match.missing else ""
    if ids.kind == "number":
        return f"var_names are numbers{first}. Put the gene names there: adata.var_names = adata.var[<column>]."
    other_species = "unknown" not in (ids.species, known.species) and ids.species != known.species
    if other_species:
        return (
            f"The data has genes of {ids.species}, the vocabulary those of {known.species}{first}. Replace var_names by "
            f"the {known.species} orthologs, or take an encoder for {ids.species}."
        )
    if match.column is None and ids.kind != known.kind and known.kind in ("symbol", "ensembl"):
        wanted = "symbols" if known.kind == "symbol" else "Ensembl ids"
        example = "gene_symbols" if known.kind == "symbol" else "ensembl_id"
        return f"The vocabulary needs {wanted}{first}: put them into a column of var, such as var[{example!r}]."
    if match.n_genes < _FEW:
        return f"The data has {match.n_genes} genes only{first}. Give all measured genes, not just the highly variable ones."
    return f"Most names are unknown{first}. Are they of this species and annotation?"

"""Gene names: what they are, where they stand in a vocabulary, and what is said where they do not fit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scdd.errors import GeneError, InputError
from scdd.pp import GeneMatch, identify_genes, match_genes

SYMBOLS = ["INS", "GCG", "SST", "PPY", "HLA-A", "NKX2-1"]
ENSEMBL = ["ENSG00000254647", "ENSG00000115263", "ENSG00000157005", "ENSG00000108849"]


@pytest.mark.parametrize(
    ("names", "kind", "species"),
    [
        (SYMBOLS, "symbol", "human"),
        (["Ins1", "Gcg", "0610007P14Rik", "H2-K1", "mt-Nd1", "Sst", "Ppy", "Rplp0"], "symbol", "mouse"),
        (ENSEMBL, "ensembl", "human"),
        ([f"{name}.12" for name in ENSEMBL], "ensembl", "human"),
        (["ensg00000254647", "ENSGR0000214717", "ENSG00000182378.14_PAR_Y"], "ensembl", "human"),
        (["ENSMUSG00000000215", "ENSMUSG00000000394.7"], "ensembl", "mouse"),
        (["ENSRNOG00000000215"], "ensembl", "rat"),
        (["ENSBTAG00000000215"], "ensembl", "ENSBTA"),
        (["ENSG00000254647", "ENSMUSG00000000215"], "ensembl", "unknown"),
        (["ins", "gcg", "sst"], "symbol", "unknown"),
        (["0", "1", "2", "3.0"], "number", "unknown"),
        ([*SYMBOLS[:4], *ENSEMBL], "mixed", "human"),
        ([], "mixed", "unknown"),
        (["ENSGALLO", "ENSA"], "symbol", "human"),
    ],
)
def test_kind_and_species(names: list[str], kind: str, species: str):
    ids = identify_genes(names)
    assert (ids.kind, ids.species) == (kind, species)
    assert ids.n_symbols + ids.n_ensembl + ids.n_numbers == len(names)
    assert str(ids)


def test_mixture_is_told_with_its_parts():
    assert str(identify_genes([*SYMBOLS[:2], *ENSEMBL[:2]])) == "a mixture of 2 symbols, 2 Ensembl ids"


def found(match: GeneMatch, vocabulary: list[str]) -> list[str | None]:
    return [vocabulary[t] if t >= 0 else None for t in match.target]


def test_names_as_they_are_in_any_order():
    match = match_genes(["SST", "XYZ", "INS"], SYMBOLS)
    assert found(match, SYMBOLS) == ["SST", None, "INS"]
    assert (match.n_genes, match.n_matched, match.n_found, match.n_vocabulary) == (3, 2, 2, 6)
    assert match.missing == ("XYZ",)
    assert match.by == {"name": 2}
    assert match.share is None


def test_versions_on_either_side():
    versioned = [f"{name}.{i}" for i, name in enumerate(ENSEMBL)]
    assert found(match_genes(versioned, ENSEMBL), ENSEMBL) == ENSEMBL
    assert found(match_genes(ENSEMBL, versioned), versioned) == versioned
    other = [f"{name}.{i + 30}" for i, name in enumerate(ENSEMBL)]
    assert found(match_genes(other, versioned), versioned) == versioned
    lower = [name.lower() for name in ENSEMBL]
    assert found(match_genes(lower, ENSEMBL), ENSEMBL) == ENSEMBL


def test_genes_of_both_sex_chromosomes_are_one():
    names = ["ENSGR0000182378", "ENSG00000182378.14_PAR_Y", "ensg00000182378"]
    assert match_genes(names, ["ENSG00000182378"]).target.tolist() == [0, 0, 0]


def test_case_takes_mouse_symbols_to_their_namesakes_but_mixes_no_two_genes():
    match = match_genes(["Ins", "Gcg", "hla-a"], SYMBOLS)
    assert found(match, SYMBOLS) == ["INS", "GCG", "HLA-A"]
    assert match.by == {"case": 3}
    # INS is there by its own name: another gene that is written alike stays out
    assert found(match_genes(["INS", "ins"], SYMBOLS), SYMBOLS) == ["INS", None]
    # a vocabulary that tells genes apart by case is matched by case
    assert found(match_genes(["abc", "ABC", "Abc"], ["ABC", "abc"]), ["ABC", "abc"]) == ["abc", "ABC", None]


def test_dots_that_r_writes_for_hyphens():
    assert found(match_genes(["HLA.A", "NKX2.1"], SYMBOLS), SYMBOLS) == ["HLA-A", "NKX2-1"]


def test_mixed_identifiers_are_found_each_in_its_way():
    vocabulary = [*SYMBOLS, *ENSEMBL]
    match = match_genes(["INS", "ENSG00000115263.5", "Sst"], vocabulary)
    assert found(match, vocabulary) == ["INS", "ENSG00000115263", "SST"]


@pytest.mark.parametrize("column", ["gene_ids", "ensembl_id", "anything"])
def test_column_with_the_other_identifier_is_used_and_told(column: str):
    var = pd.DataFrame({"n_cells": [1, 2, 3], column: ["ENSG00000254647.2", "ENSG00000115263", None]})
    match = match_genes(["INS", "GCG", "XYZ"], ENSEMBL, var=var)
    assert found(match, ENSEMBL) == [ENSEMBL[0], ENSEMBL[1], None]
    assert match.column == column
    assert f"2 by var[{column!r}]" in str(match)
    # and the other way round
    var = pd.DataFrame({"feature_name": pd.Categorical(["INS", "GCG"]), "chromosome": ["11", "2"]})
    match = match_genes(ENSEMBL[:2], SYMBOLS, var=var)
    assert found(match, SYMBOLS) == ["INS", "GCG"]
    assert match.column == "feature_name"


def test_columns_that_do_not_name_genes_are_left_alone():
    """TEC is a kind of gene and a gene, and so may be a word in a column of notes that differ."""
    novel = [f"NOVEL{i}" for i in range(40)]
    kinds = ["TEC"] * 20 + ["protein_coding"] * 20
    notes = ["INS", *(f"note{i}" for i in range(39))]
    match = match_genes(novel, [*SYMBOLS, "TEC"], var=pd.DataFrame({"gene_type": kinds, "note": notes}))
    assert match.n_found == 0
    assert match.column is None
    # of two that name genes, the one that finds more
    var = pd.DataFrame({"some": [*SYMBOLS[:3], *novel[3:]], "more": [*SYMBOLS[:4], *novel[4:]], "kind": kinds})
    assert match_genes(novel, SYMBOLS, var=var).column == "more"


@pytest.mark.parametrize("dtype", [object, "string", "category"])
def test_column_of_any_type_of_text(dtype: object):
    column = pd.Series(["INS", None, "GCG"]).astype(dtype)
    match = match_genes(["ENSG00000254647", "ENSG2", "ENSG00000115263"], SYMBOLS, var=pd.DataFrame({"name": column}))
    assert found(match, SYMBOLS) == ["INS", None, "GCG"]


def test_column_that_adds_nothing_is_not_named():
    var = pd.DataFrame({"name": ["INS", "GCG"]})
    assert match_genes(["INS", "GCG"], SYMBOLS, var=var).column is None


def test_aliases_lead_to_the_vocabulary_whatever_their_case_and_version():
    aliases = {"Insulin": "INS", "ENSG00000115263": "GCG", "GCG1": "NOT-THERE"}
    match = match_genes(["INSULIN", "ENSG00000115263.4", "GCG1"], SYMBOLS, aliases=aliases)
    assert found(match, SYMBOLS) == ["INS", "GCG", None]
    assert match.by == {"alias": 2}
    assert found(match_genes(["OLD"], ["C1ORF112"], aliases={"OLD": "C1orf112"}), ["C1ORF112"]) == ["C1ORF112"]


def test_names_that_were_made_unique_are_one_gene():
    match = match_genes(["INS", "INS-1", "NKX2-1", "GCG-2"], SYMBOLS)
    assert found(match, SYMBOLS) == ["INS", "INS", "NKX2-1", None]
    assert "counts of 1 repeated genes summed" in str(match)
    # a column tells them apart: the second is another gene, which the vocabulary does not know
    var = pd.DataFrame({"id": [ENSEMBL[0], "ENSG00000999999"]})
    assert found(match_genes(["INS", "INS-1"], ENSEMBL, var=var), ENSEMBL) == [ENSEMBL[0], None]
    # but of genes that it did not find it tells nothing
    var = pd.DataFrame({"name": ["", "", "SST", "GCG"]})
    match = match_genes(["INS", "INS-1", "ENSG1", "ENSG2"], SYMBOLS, var=var)
    assert found(match, SYMBOLS) == ["INS", "INS", "SST", "GCG"]


def test_alignment_sums_repeated_genes_and_fills_zeros():
    rng = np.random.default_rng(0)
    counts = sp.csr_matrix(rng.poisson(1.0, (7, 5)).astype(np.float32))
    match = match_genes(["SST", "ENSG1", "INS", "INS-1", "Gcg"], SYMBOLS)
    dense, got = counts.toarray(), match.align(counts)
    expected = np.zeros((7, 6), np.float32)
    expected[:, 2], expected[:, 0], expected[:, 1] = dense[:, 0], dense[:, 2] + dense[:, 3], dense[:, 4]
    np.testing.assert_array_equal(got.toarray(), expected)
    assert got.dtype == np.float32
    assert got.has_sorted_indices
    assert got.nnz == (expected > 0).sum()
    np.testing.assert_array_equal(counts.toarray(), dense)


def test_slow_reference_on_drawn_names():
    rng = np.random.default_rng(1)
    vocabulary = [f"G{i}" for i in range(50)]
    genes = [f"{'g' if rng.random() < 0.5 else 'G'}{i}" for i in rng.permutation(80)]
    match = match_genes(genes, vocabulary)
    for gene, target in zip(genes, match.target, strict=True):
        assert (vocabulary[target] if target >= 0 else None) == (gene.upper() if gene.upper() in vocabulary else None)


def test_share_of_the_counts():
    assert match_genes(["INS", "XYZ"], SYMBOLS, totals=[30, 10]).share == 0.75
    assert match_genes(["INS", "XYZ"], SYMBOLS, totals=[0, 0]).share == 0


def test_lengths_that_differ_are_an_error():
    with pytest.raises(InputError, match="3 rows for 2 genes"):
        match_genes(["INS", "GCG"], SYMBOLS, totals=[1, 2, 3])
    with pytest.raises(InputError, match="1 rows for 2 genes"):
        match_genes(["INS", "GCG"], SYMBOLS, var=pd.DataFrame({"a": ["x"]}))


@pytest.mark.parametrize(
    ("genes", "vocabulary", "words"),
    [
        (SYMBOLS, ENSEMBL, r"needs Ensembl ids.*var\['ensembl_id'\]"),
        (ENSEMBL, SYMBOLS, r"needs symbols.*var\['gene_symbols'\]"),
        (["ENSMUSG00000000215", "ENSMUSG00000000394"], ENSEMBL, "genes of mouse.*those of human.*orthologs"),
        (["0", "1", "2"], SYMBOLS, "var_names are numbers"),
        (["ABC", "DEF", "INS"], SYMBOLS, "3 genes only.*all measured genes"),
        ([f"XYZ{i}" for i in range(4000)], SYMBOLS, "not found: XYZ0, XYZ1"),
    ],
)
def test_too_few_genes_are_an_error_with_cause_and_fix(genes: list[str], vocabulary: list[str], words: str):
    match = match_genes(genes, vocabulary)
    with pytest.raises(GeneError, match="encoder 'x', which needs 4 genes") as caught:
        match.require("encoder 'x'", min_genes=4)
    with pytest.raises(GeneError, match=words):
        match.require("encoder 'x'", min_genes=4)
    assert f"of {len(vocabulary)} genes" in str(caught.value)


def test_nothing_found_never_passes():
    with pytest.raises(GeneError):
        match_genes(["XYZ"], SYMBOLS).require("encoder 'x'", min_genes=0)


def test_too_small_a_share_of_the_counts_is_an_error():
    match = match_genes(["INS", "XYZ"], SYMBOLS, totals=[10, 30])
    match.require("encoder 'x'", min_genes=1, min_share=0.2)
    with pytest.raises(GeneError, match=r"needs 50% of the counts.*25.0% of the counts"):
        match.require("encoder 'x'", min_genes=1, min_share=0.5)


def test_missing_names_find_nothing():
    assert match_genes(["", None, np.nan, pd.NA, "INS"], [*SYMBOLS, ""]).target.tolist() == [-1, -1, -1, -1, 0]

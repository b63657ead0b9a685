"""Gene names of real data sets in released vocabularies: how much is found, in which way, and what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from anndata import AnnData

from scdd.errors import GeneError
from scdd.pp import GeneMatch, match_genes

VOCAB = Path(os.environ.get("SCDD_DATA", Path(__file__).parents[3] / "shared" / "data")).parent / "vocab"
FILES = {
    "scimilarity": "gene_vocabs/scimilarity_gene_order.tsv",
    "scgpt": "gene_vocabs/default_census_vocab.json",
    "geneformer": "geneformer_dicts/token_dictionary_gc104M.json",
}


def vocabulary(name: str) -> list[str]:
    path = VOCAB / FILES[name]
    if not path.exists():
        pytest.skip(f"the released vocabulary {path.name} is not at hand (it lies beside the folder SCDD_DATA)")
    names = path.read_text().split() if path.suffix == ".tsv" else json.loads(path.read_text())
    return [gene for gene in names if not gene.startswith("<")]


def match(adata: AnnData, name: str) -> GeneMatch:
    totals = np.asarray(adata.X.sum(axis=0)).ravel()
    return match_genes(adata.var_names, vocabulary(name), var=adata.var, totals=totals)


@pytest.mark.parametrize(
    ("data", "name", "genes", "share", "way"),
    [
        ("pancreas_human_baron", "scimilarity", 17_000, 0.9, "name"),
        ("pancreas_human_baron", "scgpt", 18_000, 0.95, "name"),
        ("pbmc_ifnb_kang_full", "scimilarity", 12_000, 0.95, "name"),
        ("pbmc_facs_zheng", "geneformer", 13_000, 0.95, "column"),
        ("pancreas_mouse_baron", "scgpt", 12_000, 0.7, "case"),
        ("tabula_muris_facs_subsample", "scimilarity", 14_000, 0.7, "case"),
    ],
)
def test_most_counts_are_found(
    shared_data: Callable[[str], AnnData], data: str, name: str, genes: int, share: float, way: str
):
    found = match(shared_data(data), name)
    found.require(name, min_genes=5000, min_share=0.5)
    assert found.n_found > genes
    assert found.share > share
    assert max(found.by, key=found.by.get) == way
    assert found.ids.species == ("mouse" if way == "case" else "human")


def test_counts_survive_the_alignment(shared_data: Callable[[str], AnnData]):
    adata = shared_data("pbmc_facs_zheng")[:300]
    found = match(adata, "scimilarity")
    aligned = found.align(adata.X.tocsr())
    known = found.target >= 0
    np.testing.assert_allclose(aligned.sum(1), adata.X[:, known].sum(1))
    gene = vocabulary("scimilarity")[int(found.target[np.flatnonzero(known)[100]])]
    np.testing.assert_array_equal(
        aligned[:, vocabulary("scimilarity").index(gene)].toarray(), adata[:, gene].X.toarray()
    )


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        ("pbmc_onek1k_1000genes", "scimilarity", "1000 genes only"),
        ("pancreas_human_baron", "geneformer", "needs Ensembl ids"),
        ("pancreas_mouse_baron", "geneformer", "genes of mouse, the vocabulary those of human"),
    ],
)
def test_what_does_not_fit_is_told(shared_data: Callable[[str], AnnData], data: str, name: str, words: str):
    with pytest.raises(GeneError, match=words):
        match(shared_data(data), name).require(name, min_genes=5000, min_share=0.5)

"""Highly variable genes are scanpy's."""

from __future__ import annotations

import anndata as ad
import numpy as np
import scanpy as sc

from scdd.datasets import simulate
from scdd.pp import check, highly_variable


def test_same_as_scanpy() -> None:
    adata = simulate(n_obs=300, n_vars=400, seed=2)
    ours = highly_variable(check(adata).source, n_top=100)
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    sc.pp.highly_variable_genes(adata, n_top_genes=100, flavor="seurat")
    np.testing.assert_array_equal(ours, adata.var["highly_variable"])
    assert ours.dtype == bool


def test_few_genes_are_all_taken(toy: ad.AnnData) -> None:
    assert highly_variable(check(toy).source).all()


def test_large_data_are_represented_by_some_cells() -> None:
    source = check(simulate(n_obs=300, n_vars=200)).source
    first, again = (highly_variable(source, n_top=50, max_cells=100, seed=4) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.sum() == 50
    assert (first != highly_variable(source, n_top=50)).any()


def test_counts_are_not_written_to(toy: ad.AnnData) -> None:
    source = check(toy).source
    before = toy.X.data.copy()
    highly_variable(source, n_top=20)
    np.testing.assert_array_equal(toy.X.data, before)

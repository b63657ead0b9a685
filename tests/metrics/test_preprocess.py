from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
import scipy.sparse as sp

from scdd.errors import InputError
from scdd.metrics import log_normalize, preprocess


def _counts(rng: np.random.Generator) -> sp.csr_matrix:
    return sp.csr_matrix(rng.poisson(0.7, (20, 30)).astype(np.float32))


def test_equals_scanpy_and_uses_the_sum_over_all_genes() -> None:
    counts = _counts(np.random.default_rng(0))
    hvg = np.arange(30) % 3 == 0
    adata = ad.AnnData(counts.copy())
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    np.testing.assert_allclose(preprocess(counts, hvg), adata.X.toarray()[:, hvg], rtol=1e-5)


def test_leaves_its_input_alone() -> None:
    counts = _counts(np.random.default_rng(1))
    before = counts.copy()
    log_normalize(counts)
    preprocess(counts, np.ones(30, dtype=bool))
    assert (counts != before).nnz == 0
    assert counts.data is not log_normalize(counts).data


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csc_matrix, sp.csr_array])
def test_empty_cells_stay_zero_and_formats_agree(kind: type) -> None:
    dense = np.array([[0, 0, 0], [1, 0, 3]], dtype=np.float32)
    out = preprocess(kind(dense), np.array([True, False, True]))
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, [[0, 0], np.log1p([2500, 7500])], rtol=1e-6)


@pytest.mark.parametrize("mask", [np.zeros(30, bool), np.ones(29, bool), np.arange(30)])
def test_refuses_a_mask_that_does_not_fit(mask: np.ndarray) -> None:
    with pytest.raises(InputError, match="hvg"):
        preprocess(_counts(np.random.default_rng(0)), mask)


def test_refuses_a_library_of_other_length() -> None:
    with pytest.raises(InputError, match="library has 3"):
        log_normalize(_counts(np.random.default_rng(0)), np.ones(3))

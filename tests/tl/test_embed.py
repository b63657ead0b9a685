"""Embedding cells by an encoder, without labels."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

import scdd
from scdd.errors import CountsError, EncoderError, InputTypeError


def test_table_has_the_cells_and_tells_the_encoder(toy: AnnData):
    before = toy.copy()
    table = scdd.tl.embed(toy, "pca:5")
    assert table.shape == (240, 5)
    assert table.index.equals(toy.obs_names)
    assert (table.dtypes == np.float32).all()
    assert table.attrs["encoder"] == "pca:5"
    assert table.attrs["hash"]
    np.testing.assert_array_equal(toy.X.toarray(), before.X.toarray())
    pd.testing.assert_frame_equal(toy.obs, before.obs)
    assert not toy.obsm


def test_it_is_what_a_model_reads(toy: AnnData):
    toy.obsm["X_pca5"] = scdd.tl.embed(toy, "pca:5").to_numpy()
    np.testing.assert_allclose(scdd.tl.embed(toy, "precomputed:X_pca5"), toy.obsm["X_pca5"])


def test_hash_tells_embeddings_apart(toy: AnnData):
    rng, hashes = np.random.default_rng(0), []
    for _ in range(2):
        toy.obsm["X_own"] = rng.normal(size=(toy.n_obs, 3))
        hashes += [scdd.tl.embed(toy, "precomputed:X_own").attrs["hash"] for _ in range(2)]
    assert hashes[0] == hashes[1] != hashes[2] == hashes[3]


def test_sparse_embedding_is_read(toy: AnnData):
    toy.obsm["X_own"] = np.random.default_rng(0).normal(size=(toy.n_obs, 3)).astype(np.float32)
    toy.obsm["X_sparse"] = sp.csr_matrix(toy.obsm["X_own"])
    np.testing.assert_array_equal(scdd.tl.embed(toy, "precomputed:X_sparse"), toy.obsm["X_own"])


def test_seed_decides(toy: AnnData):
    one, two = (scdd.tl.embed(toy, "pca:5", seed=3) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)


def test_backed_and_layer(toy: AnnData, tmp_path: Path):
    expected = scdd.tl.embed(toy, "pca:5")
    toy.write_h5ad(tmp_path / "a.h5ad")
    backed = anndata.read_h5ad(tmp_path / "a.h5ad", backed="r")
    np.testing.assert_allclose(np.abs(scdd.tl.embed(backed, "pca:5")), np.abs(expected), atol=1e-3)
    backed.file.close()
    toy.layers["counts"] = toy.X.copy()
    toy.X = np.log1p(toy.X)
    pd.testing.assert_frame_equal(scdd.tl.embed(toy, "pca:5", layer="counts"), expected)
    with pytest.raises(CountsError):
        scdd.tl.embed(toy, "pca:5")


def test_what_cannot_be_embedded(toy: AnnData):
    with pytest.raises(EncoderError, match="get_latent_representation"):
        scdd.tl.embed(toy, "self")
    with pytest.raises(InputTypeError):
        scdd.tl.embed("a.h5ad", "pca")

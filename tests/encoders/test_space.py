"""Encoders as the space in which an objective matches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import scdd
from scdd.data import MemorySource
from scdd.distill import PRESETS, DistillConfig, RefineConfig
from scdd.encoders import Cells, get
from scdd.errors import EncoderError, InputError

from ._pretraining import laboratory, small


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small(tmp_path_factory.mktemp("base")).path


def cells_of(adata, hvg: np.ndarray) -> Cells:
    source = MemorySource(adata.X, np.zeros(adata.n_obs, int), ["a"])
    return Cells(source, np.asarray(adata.var_names), hvg)


def logged(adata, hvg: np.ndarray) -> torch.Tensor:
    x = adata.X.toarray()
    return torch.from_numpy(np.log1p(1e4 * x / x.sum(1, keepdims=True))[:, hvg].astype(np.float32))


def test_components_of_the_data_are_those_that_encode_gives():
    adata, hvg = laboratory(4), np.arange(0, 200, 2)
    cells, encoder = cells_of(adata, hvg), get("pca:5")
    with pytest.raises(scdd.errors.NotTrainedError):
        encoder.space(cells)
    encoder.fit(cells, seed=0)
    x = logged(adata, hvg).requires_grad_()
    z = encoder.space(cells)(x)
    np.testing.assert_allclose(z.detach().numpy(), encoder.encode(cells), atol=1e-4)
    (gradient,) = torch.autograd.grad(z.square().sum(), x)
    assert gradient.abs().max() > 0


def test_base_sees_the_genes_as_a_panel(whole: Path):
    """What it gives is what it would give of cells that were measured on these genes alone."""
    adata, hvg = laboratory(4), np.arange(0, 400, 3)
    cells, encoder = cells_of(adata, hvg), get(f"scdd-base:{whole}")
    encoder.fit(cells, seed=0)
    x = logged(adata, hvg).requires_grad_()
    z = encoder.space(cells)(x)
    panel = adata[:, hvg].copy()
    alone = get(f"scdd-base:{whole}")
    of_panel = cells_of(panel, np.empty(0, int))
    alone.fit(of_panel, seed=0)
    alone.restore(encoder.arrays())
    np.testing.assert_allclose(z.detach().numpy(), alone.encode(of_panel), atol=2e-3)
    (gradient,) = torch.autograd.grad(z[:, 0].sum(), x)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().max() > 0
    with pytest.raises(EncoderError, match="highly variable genes, and needs 100"):
        encoder.space(cells_of(adata, np.arange(20)))


@pytest.mark.usefixtures("small_budget")
@pytest.mark.parametrize("encoder", ["self", "pca:6", "base"])
def test_objectives_match_there(whole: Path, encoder: str):
    adata = laboratory(4)
    spec = f"scdd-base:{whole}" if encoder == "base" else encoder
    scdd.model.SCDD.setup_anndata(adata, labels_key="cell_type")
    model = scdd.model.SCDD(adata, encoder=spec, n_latent=6, n_hidden=16)
    model.train(max_epochs=20, progress=False)
    refine = RefineConfig(n_steps=8, checkpoints=(8,))
    config = replace(PRESETS.get("default"), objective="moments", referee=False, refine=refine)
    made = {
        space: model.distill(2, preset=replace(config, space=space), progress=False)
        for space in ("expression", "encoder")
    }
    losses = made["encoder"].uns["scdd"]["record"]["losses"]
    assert losses[-1] < losses[0]
    assert made["encoder"].uns["scdd"]["params"]["space"] == "encoder"
    assert not np.array_equal(made["encoder"].obsm["X_scdd"], made["expression"].obsm["X_scdd"])


@pytest.mark.usefixtures("small_budget")
def test_what_cannot_be_matched_is_refused():
    with pytest.raises(InputError, match="space must be one of expression, encoder"):
        DistillConfig(space="latent")
    adata = laboratory(4)
    adata.obsm["mine"] = np.random.default_rng(0).standard_normal((adata.n_obs, 5)).astype(np.float32)
    scdd.model.SCDD.setup_anndata(adata, labels_key="cell_type")
    model = scdd.model.SCDD(adata, encoder="precomputed:mine", n_latent=6, n_hidden=16)
    model.train(max_epochs=2, progress=False)
    with pytest.raises(EncoderError, match="gives no gradient"):
        model.distill(1, preset=replace(PRESETS.get("default"), space="encoder"), progress=False)

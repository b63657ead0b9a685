"""A model whose encoder has its weights on disk: named by path, checked by hash, told in the result."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest

from scdd.datasets import simulate
from scdd.errors import EncoderError
from scdd.model import SCDD

# the checkpoints are those of the tests of encoders, which are another folder
_SPEC = importlib.util.spec_from_file_location(
    "_checkpoints", Path(__file__).parents[1] / "encoders" / "_checkpoints.py"
)
checkpoints = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(checkpoints)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, small_budget):
    folder = checkpoints.scimilarity(tmp_path_factory.mktemp("on_disk") / "model")
    adata = simulate(n_obs=120, n_vars=5200, n_classes=3, depth=2000, seed=1)
    adata.var_names = list(checkpoints.scimilarity_genes()[:5200])
    SCDD.setup_anndata(adata, labels_key="cell_type", batch_key="donor")
    model = SCDD(adata, encoder=f"scimilarity:{folder}", n_latent=6, n_top_genes=300)
    model.train(progress=False)
    return model, adata, folder


def test_result_tells_the_encoder(trained):
    model, adata, folder = trained
    syn = model.distill(n_per_class=2, objective=None, progress=False)
    encoder = syn.uns["scdd"]["encoder"]
    assert encoder["name"] == f"scimilarity:{folder}"
    assert encoder["sha256"] == hashlib.sha256((folder / "encoder.ckpt").read_bytes()).hexdigest()
    assert encoder["hash"] == model._encoder.content_hash()
    assert "5200 of 28231 genes" in encoder["genes"]
    assert encoder["licence"] == "CC-BY-SA-4.0"


def test_saved_model_comes_back_with_its_encoder(trained, tmp_path: Path):
    model, adata, _ = trained
    model.save(tmp_path / "saved")
    again = SCDD.load(tmp_path / "saved", adata)
    np.testing.assert_allclose(again.get_latent_representation(), model.get_latent_representation(), atol=1e-5)
    np.testing.assert_allclose(
        again.get_latent_representation(adata[:7]), model.get_latent_representation()[:7], atol=1e-3
    )
    assert not any(name.suffix == ".ckpt" for name in (tmp_path / "saved").iterdir())


def test_checkpoint_that_moved_is_named_anew(trained, tmp_path: Path):
    model, adata, folder = trained
    model.save(tmp_path / "saved")
    moved = Path(shutil.copytree(folder, tmp_path / "moved"))
    again = SCDD.load(tmp_path / "saved", adata, encoder=f"scimilarity:{moved}")
    assert again._encoder.content_hash() == model._encoder.content_hash()


def test_checkpoint_that_is_gone_or_changed_is_an_error(trained, tmp_path: Path):
    model, adata, folder = trained
    moved = Path(shutil.copytree(folder, tmp_path / "moved"))
    model.save(tmp_path / "saved")
    config = tmp_path / "saved"
    weights = moved / "encoder.ckpt"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    with pytest.raises(EncoderError, match=r"trained with other files.*encoder.ckpt changed"):
        SCDD.load(config, encoder=f"scimilarity:{moved}")
    weights.unlink()
    with pytest.raises(EncoderError, match=r"encoder.ckpt is not there"):
        SCDD.load(config, encoder=f"scimilarity:{moved}")
    shutil.rmtree(moved)
    with pytest.raises(EncoderError, match="moved is not there"):
        SCDD.load(config, encoder=f"scimilarity:{moved}")


def test_another_encoder_is_refused(trained, tmp_path: Path):
    model, adata, _ = trained
    model.save(tmp_path / "saved")
    with pytest.raises(EncoderError, match="other files"):
        SCDD.load(tmp_path / "saved", encoder="pca")

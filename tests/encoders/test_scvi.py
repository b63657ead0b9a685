"""Models that scvi-tools saved: trust, the latent of scvi-tools itself, genes by name, covariates, files that are broken."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from anndata import AnnData

import scdd
from scdd.data import MemorySource
from scdd.datasets import simulate
from scdd.encoders import Cells, SavedScviEncoder, ScviEncoder, get
from scdd.errors import EncoderError, GeneError, InputError


@pytest.fixture(autouse=True)
def quiet():
    loggers = [logging.getLogger(name) for name in ("scvi", "lightning.pytorch")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def train(adata: AnnData, folder: Path, *, kind: str = "SCVI", **options):
    import scvi

    setup: dict[str, Any] = {"batch_key": "donor", "layer": "counts"}
    adata.layers["counts"] = adata.X.copy()
    adata.obs["depth"] = np.log(np.asarray(adata.X.sum(1)).ravel())
    adata.obs["site"] = pd.Categorical(["x" if i % 3 else "y" for i in range(adata.n_obs)])
    if options.get("encode_covariates"):
        setup |= {"continuous_covariate_keys": ["depth"], "categorical_covariate_keys": ["site"]}
    if kind == "SCANVI":
        if options.get("encode_covariates"):
            labels = adata.obs["cell_type"].astype(str).to_numpy()
            labels[::7] = "Unknown"
            adata.obs["cell_type"] = labels
        setup |= {"labels_key": "cell_type", "unlabeled_category": "Unknown"}
    cls = getattr(scvi.model, kind)
    cls.setup_anndata(adata, **setup)
    model = cls(adata, n_latent=4, n_hidden=8, **options)
    model.module.eval()
    model.is_trained_ = True  # weights as they were drawn: they need not be good
    model.save(str(folder))
    return model


def as_cells(adata: AnnData, **more) -> Cells:
    source = MemorySource(adata.X, np.zeros(adata.n_obs, np.int32), ["a"])
    return Cells(source, np.asarray(adata.var_names), np.arange(5), adata=adata, **more)


@pytest.fixture(scope="module")
def adata() -> AnnData:
    return simulate(n_obs=90, n_vars=60, n_classes=3, depth=400, seed=2)


# scvi-tools hands torch covariates that pandas 3 does not let it write to
@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable:UserWarning")
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("SCVI", {}),
        ("SCVI", {"encode_covariates": True}),
        ("SCVI", {"n_layers": 2}),
        ("SCANVI", {}),
        ("SCANVI", {"encode_covariates": True}),
    ],
)
def test_latent_is_that_of_scvi_tools(adata: AnnData, tmp_path: Path, kind: str, options: dict):
    model = train(adata.copy(), tmp_path / "model", kind=kind, **options)
    encoder = get(f"scvi:{tmp_path / 'model'}", trust=True)
    assert isinstance(encoder, SavedScviEncoder)
    got = encoder.encode(as_cells(model.adata), batch_size=32)
    np.testing.assert_allclose(got, model.get_latent_representation(), atol=1e-5)
    assert (encoder.info.n_vocabulary, encoder.info.dim) == (60, 4)
    assert not encoder.network().training


def test_genes_are_brought_to_the_model_by_name(adata: AnnData, tmp_path: Path):
    model = train(adata.copy(), tmp_path / "model")
    expected = model.get_latent_representation()
    more = np.hstack([adata.X.toarray()[:, ::-1], np.ones((90, 5))])
    names = [*adata.var_names[::-1], *(f"more{i}" for i in range(5))]
    other = AnnData(more.astype(np.float32), obs=adata.obs.copy(), var=pd.DataFrame(index=names))
    encoder = get(f"scvi:{tmp_path / 'model'}", trust=True)
    np.testing.assert_allclose(encoder.encode(as_cells(other)), expected, atol=1e-5)
    few = other[:, :40].copy()
    with pytest.raises(GeneError, match="needs 48 genes: 40 of 60"):
        encoder.encode(as_cells(few))


def test_model_in_memory_embeds_the_cells_that_it_is_given(adata: AnnData, tmp_path: Path):
    """Other cells under the names of the training cells, their genes in another order, and from a file."""
    model = train(adata.copy(), tmp_path / "model")
    encoder, expected = get(model), model.get_latent_representation()
    np.testing.assert_allclose(encoder.encode(as_cells(adata)), expected, atol=1e-5)
    turned = adata[::-1, ::-1].copy()
    turned.obs_names = adata.obs_names
    np.testing.assert_allclose(encoder.encode(as_cells(turned)), expected[::-1], atol=1e-5)
    turned.write_h5ad(tmp_path / "turned.h5ad")
    backed = anndata.read_h5ad(tmp_path / "turned.h5ad", backed="r")
    np.testing.assert_allclose(scdd.tl.embed(backed, encoder, device="cpu"), expected[::-1], atol=1e-5)
    backed.file.close()
    with pytest.raises(GeneError, match="encoder 'scvi', which needs 48 genes: 40 of 60"):
        encoder.encode(as_cells(adata[:, :40].copy()))
    with pytest.raises(EncoderError, match="1 cells have no count"):
        encoder.encode(as_cells(AnnData(sp.csr_matrix((1, 60), dtype=np.float32), var=adata.var)))


def test_model_in_memory_runs_where_it_is_told_and_stays_as_it_is(adata: AnnData, tmp_path: Path):
    model = train(adata.copy(), tmp_path / "model")
    model.module.train()
    before = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    get(model).encode(as_cells(adata), batch_size=32)
    with pytest.raises(EncoderError, match="'scvi' cannot run on 'bogus'"):
        get(model).encode(as_cells(adata), device="bogus")
    assert model.module.training
    assert all(p.requires_grad for p in model.module.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.module.state_dict().items())


def test_batch_that_the_encoder_does_not_see_may_be_new(adata: AnnData, tmp_path: Path):
    model = train(adata.copy(), tmp_path / "model")
    new = adata.copy()
    del new.obs["donor"]
    encoder = get(f"scvi:{tmp_path / 'model'}", trust=True)
    np.testing.assert_allclose(encoder.encode(as_cells(new)), model.get_latent_representation(), atol=1e-5)
    np.testing.assert_array_equal(get(model).encode(as_cells(new)), encoder.encode(as_cells(new)))


def test_covariates_that_it_sees_must_be_there_and_known(adata: AnnData, tmp_path: Path):
    model = train(adata.copy(), tmp_path / "model", encode_covariates=True)
    encoder = get(f"scvi:{tmp_path / 'model'}", trust=True)
    new = model.adata.copy()
    new.obs["donor"] = ["elsewhere"] * new.n_obs
    with pytest.raises(EncoderError, match=r"does not know 1 values of obs\['donor'\]: elsewhere"):
        encoder.encode(as_cells(new))
    del new.obs["donor"]
    for either in (encoder, get(model)):
        with pytest.raises(EncoderError, match=r"sees obs\['donor'\], which the cells do not have"):
            either.encode(as_cells(new))


def test_cells_that_were_kept(adata: AnnData, tmp_path: Path):
    model = train(adata.copy(), tmp_path / "model", encode_covariates=True)
    kept = np.array([4, 9, 50])
    source = MemorySource(model.adata.X[kept], np.zeros(3, np.int32), ["a"])
    cells = Cells(source, np.asarray(adata.var_names), np.arange(5), adata=model.adata, kept=kept)
    expected = model.get_latent_representation()[kept]
    np.testing.assert_allclose(get(f"scvi:{tmp_path / 'model'}", trust=True).encode(cells), expected, atol=1e-5)
    np.testing.assert_allclose(ScviEncoder(model).encode(cells), expected, atol=1e-5)


def test_nothing_is_loaded_without_trust(tmp_path: Path):
    class Canary:
        def __reduce__(self):
            return Path.touch, (tmp_path / "trace",)

    folder = tmp_path / "model"
    folder.mkdir()
    torch.save({"a": Canary()}, folder / "model.pt")
    with pytest.raises(EncoderError, match=r"model.pt is a pickle.*trust=True"):
        get(f"scvi:{folder}")
    assert not (tmp_path / "trace").exists()
    # its hash is known without loading it: a saved model is compared before anything runs
    get(f"scvi:{folder}", trust=True).content_hash()
    assert not (tmp_path / "trace").exists()


def test_trust_is_for_scvi_only():
    with pytest.raises(InputError, match="leave trust out"):
        get("pca:3", trust=True)


def test_files_that_do_not_fit(adata: AnnData, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(EncoderError, match="model.pt is not there"):
        get(f"scvi:{tmp_path / 'empty'}", trust=True).encode(as_cells(adata))
    train(adata.copy(), tmp_path / "model")
    cut = Path(shutil.copytree(tmp_path / "model", tmp_path / "cut"))
    data = (cut / "model.pt").read_bytes()
    (cut / "model.pt").write_bytes(data[: len(data) // 2])
    with pytest.raises(EncoderError, match="model.pt cannot be read as a model of scvi-tools"):
        get(f"scvi:{cut}", trust=True).encode(as_cells(adata))
    content = torch.load(tmp_path / "model" / "model.pt", weights_only=False)
    name = next(name for name in content["model_state_dict"] if name.startswith("z_encoder") and "weight" in name)
    content["model_state_dict"][name] = torch.ones(3, 3)
    torch.save(content, cut / "model.pt")
    with pytest.raises(EncoderError, match="cannot be loaded by scvi-tools"):
        get(f"scvi:{cut}", trust=True).encode(as_cells(adata))
    content["attr_dict"]["registry_"]["model_name"] = "TOTALVI"
    torch.save(content, cut / "model.pt")
    with pytest.raises(EncoderError, match="holds a TOTALVI; of saved models, SCVI and SCANVI"):
        get(f"scvi:{cut}", trust=True).encode(as_cells(adata))

"""tl.distill by every preset, generator, objective and encoder, and with a model of one's own."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import scdd
from scdd.distill import PRESETS
from scdd.errors import EncoderError, GeneError, InputError, LabelError, NotTrainedError, ScddWarning
from scdd.objectives import OBJECTIVES
from scdd.tl import distill

if TYPE_CHECKING:
    from anndata import AnnData

pytestmark = pytest.mark.usefixtures("small_budget")


def _small() -> AnnData:
    adata = scdd.datasets.simulate(n_obs=160, n_vars=100, n_batches=3, seed=2)
    adata.obsm["X_emb"] = np.log1p(adata.X.toarray()[:, :12])
    return adata


@pytest.fixture
def small() -> AnnData:
    return _small()


@pytest.fixture(scope="module")
def model(small_budget: None) -> scdd.model.SCDD:
    adata = _small()
    model = scdd.model.SCDD.from_checked(scdd.pp.check(adata, batch_key="donor"), adata)
    model.train(progress=False)
    return model


def _contract(syn: AnnData, n: int) -> dict[str, Any]:
    assert syn.n_obs == 4 * n
    assert np.isfinite(syn.X.data).all()
    np.testing.assert_array_equal(syn.X.data, np.rint(syn.X.data))
    assert syn.obs["scdd_weight"].sum() == 160
    assert syn.uns["scdd"]["status"] == "complete"
    return syn.uns["scdd"]


def test_presets_are_what_they_say(model: scdd.model.SCDD) -> None:
    paper = _contract(model.distill(2, preset="paper", progress=False), 2)
    params = paper["params"]
    assert params["code_noise"] == 1.0
    assert params["init"] == "noise"
    assert params["rendering"] == "plain"
    assert params["generator"] == "scdg"
    assert not params["referee"]
    assert params["refine"]["leash"] == 0
    assert paper["record"]["objective"] == "gradient"
    fast = model.distill(2, preset="fast", progress=False)
    assert _contract(fast, 2)["record"]["n_steps"] == 0
    assert fast.uns["scdd"]["record"]["losses"] == []
    default = _contract(model.distill(2, progress=False), 2)
    assert default["params"]["referee"]
    assert 0 < default["params"]["code_noise"] < 1
    assert {PRESETS.get(name).generator for name in PRESETS} == {"scdg"}


def test_rows_of_the_paper_are_rounded_means(model: scdd.model.SCDD) -> None:
    syn = model.distill(2, preset="paper", progress=False)
    assert set(syn.obs["scdd_kind"]) == {"plain"}
    mean = syn.layers["scdd_mean"].toarray()
    difference = np.abs(syn.X.toarray() - mean)
    assert (difference <= 0.501 + mean / 31).all()  # the layer keeps 5 significant bits


@pytest.mark.parametrize("generator", ["gaussian", "none"])
def test_ablations(small: AnnData, generator: Any) -> None:
    calls: list[int] = []
    from scdd.module import SCDG

    true = SCDG.forward
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SCDG, "forward", lambda *a, **k: calls.append(1) or true(*a, **k))
        uns = _contract(distill(small, 2, preset="fast", generator=generator, progress=False), 2)
    assert uns["params"]["generator"] == generator
    assert "generator" not in uns["training"]
    # the quality assurance may look at the untouched generator once; the rows may not
    assert len(calls) <= 1


@pytest.mark.parametrize("objective", [*OBJECTIVES.names(), {"moments": 1.0, "kernel": 0.5}, "none", None], ids=str)
def test_objectives(model: scdd.model.SCDD, objective: Any) -> None:
    from dataclasses import replace

    from scdd.distill import RefineConfig

    preset = replace(PRESETS.get("default"), referee=False, refine=RefineConfig(n_steps=4, checkpoints=(4,)))
    uns = _contract(model.distill(2, objective=objective, preset=preset, progress=False), 2)
    losses = uns["record"]["losses"]
    assert len(losses) == (0 if objective in ("none", None) else 4)
    assert np.isfinite(losses).all()


@pytest.mark.parametrize("encoder", ["auto", "self", "pca:10", "precomputed:X_emb"])
def test_encoders(small: AnnData, encoder: str) -> None:
    uns = _contract(distill(small, 2, encoder=encoder, preset="fast", progress=False), 2)
    assert uns["encoder"]["name"] == {"auto": "self"}.get(encoder, encoder)
    assert uns["encoder"]["hash"]


def test_the_hash_tells_embeddings_apart(small: AnnData) -> None:
    first = distill(small, 1, encoder="pca:5", preset="fast", progress=False).uns["scdd"]["encoder"]["hash"]
    again = distill(small, 1, encoder="pca:5", preset="fast", progress=False).uns["scdd"]["encoder"]["hash"]
    other = distill(small[:100].copy(), 1, encoder="pca:5", preset="fast", progress=False).uns["scdd"]["encoder"][
        "hash"
    ]
    assert first == again != other


def test_scvi_encoder(small: AnnData) -> None:
    import scvi

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scvi.model.SCVI.setup_anndata(small, batch_key="donor")
        trained = scvi.model.SCVI(small, n_latent=5, n_hidden=16)
        trained.train(2, accelerator="cpu", enable_progress_bar=False)
    columns = list(small.obs)
    uns = _contract(distill(small, 2, encoder=trained, preset="fast", progress=False), 2)
    assert uns["encoder"]["name"] == "scvi"
    assert list(small.obs) == columns


def test_embeddings_where_cells_are_left_out(small: AnnData) -> None:
    small.obs.loc[small.obs_names[:10], "cell_type"] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScddWarning)
        for encoder in ("precomputed:X_emb", "pca:5"):
            syn = distill(small, 1, encoder=encoder, unlabeled="drop", preset="fast", progress=False)
            assert syn.obs["scdd_weight"].sum() == 150


def test_embedding_with_nan(small: AnnData) -> None:
    small.obsm["X_emb"][3, 2] = np.nan
    with pytest.raises(EncoderError, match="1 cells"):
        distill(small, 1, encoder="precomputed:X_emb", progress=False)


def test_with_a_model(small: AnnData, model: scdd.model.SCDD) -> None:
    own = model.distill(2, preset="fast", progress=False)
    order = np.random.default_rng(0).permutation(small.n_vars)
    permuted = small[:, order].copy()
    given = distill(permuted, 2, model=model, preset="fast", progress=False)
    assert given.var_names.tolist() in (own.var_names.tolist(), permuted.var_names.tolist())
    assert (given[:, own.var_names].X != own.X).nnz == 0
    part = distill(small[:120].copy(), 1, model=model, preset="fast", progress=False)
    assert part.uns["scdd"]["n_obs"] == sum(part.uns["scdd"]["class_sizes"]) == 120
    assert part.obs["scdd_weight"].sum() == 120
    assert model.distill(1, preset="fast", progress=False).obs["scdd_weight"].sum() == 160
    with pytest.raises(GeneError, match="1 of the model's 100 genes"):
        distill(small[:, 1:].copy(), 1, model=model)
    stranger = small.copy()
    stranger.obs["cell_type"] = stranger.obs["cell_type"].cat.rename_categories({"class_2": "new"})
    with pytest.raises(LabelError, match="new"):
        distill(stranger, 1, model=model)


def test_with_a_model_that_lacks_classes_or_training(small: AnnData, model: scdd.model.SCDD) -> None:
    for missing in ("class_1", "class_3"):
        some = small[small.obs["cell_type"] != missing].copy()
        with pytest.raises(LabelError, match=missing):
            distill(some, 1, model=model, preset="fast", progress=False)
    fresh = scdd.model.SCDD.from_checked(scdd.pp.check(small), small)
    with pytest.raises(NotTrainedError, match="train"):
        distill(small, 1, model=fresh)


def test_a_model_takes_its_cells_as_it_took_them_before(small: AnnData, tmp_path: Path) -> None:
    cells = small.copy()
    cells.layers["counts"] = cells.X.copy()
    cells.obs["cell_type"] = cells.obs["cell_type"].astype(object)
    cells.obs.iloc[:7, cells.obs.columns.get_loc("cell_type")] = np.nan
    with pytest.warns(ScddWarning, match="7 cells without a label"):
        checked = scdd.pp.check(cells, unlabeled="drop")
    model = scdd.model.SCDD.from_checked(checked, cells)
    model.train(progress=False)
    model.save(tmp_path / "m")
    own = model.distill(1, preset="fast", progress=False)
    with pytest.warns(ScddWarning, match="7 cells without a label"):
        again = distill(cells, 1, model=model, preset="fast", progress=False)
    with pytest.warns(ScddWarning, match="7 cells without a label"):
        loaded = scdd.model.SCDD.load(tmp_path / "m", cells)
    assert (again.X != own.X).nnz == 0
    assert (loaded.distill(1, preset="fast", progress=False).X != own.X).nnz == 0
    del cells.X
    with pytest.warns(ScddWarning, match="7 cells without a label"):
        layer = distill(cells, 1, model=model, layer="counts", preset="fast", progress=False)
    assert (layer.X != own.X).nnz == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_key": "other"}, "batch_key=None, not 'other'"),
        ({"donor_key": "other"}, "donor_key=None, not 'other'"),
        ({"encoder": "pca"}, "leave them out"),
        ({"device": "cpu"}, "leave them out"),
    ],
    ids=str,
)
def test_what_a_model_cannot_change_is_refused(small: AnnData, options: dict[str, Any], words: str) -> None:
    model = scdd.model.SCDD.from_checked(scdd.pp.check(small), small)
    model.train(max_epochs=1, progress=False)
    with pytest.raises(InputError, match=words):
        distill(small, 1, model=model, **options)


def test_one_class_and_an_objective_between_classes_are_refused_before_training(
    small: AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = small[small.obs["cell_type"] == "class_0"].copy()
    monkeypatch.setattr(scdd.model.SCDD, "train", lambda *args, **options: pytest.fail("trained"))
    with pytest.raises(InputError, match="class"):
        distill(one, 1, preset="paper", progress=False)


@pytest.mark.parametrize("device", ["cpu:3", "auto:1", "tpu", "cuda:x"])
def test_devices_that_there_are_not(small: AnnData, device: str) -> None:
    with pytest.raises(InputError, match="Unknown device"):
        distill(small, 1, device=device)


def test_a_torch_device_is_taken(small: AnnData) -> None:
    assert distill(small, 1, preset="fast", device=torch.device("cpu"), progress=False).n_obs == 4

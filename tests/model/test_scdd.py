"""The model class: registration, training, latents, new cells."""

from __future__ import annotations

import gc
import warnings
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scdd
from scdd.errors import GeneError, InputError, LabelError, NotTrainedError, ScddWarning
from scdd.model import SCDD
from scdd.module import SCDG

if TYPE_CHECKING:
    from anndata import AnnData

pytestmark = pytest.mark.usefixtures("small_budget")


def _small() -> AnnData:
    return scdd.datasets.simulate(n_obs=160, n_vars=100, n_batches=3, seed=2)


@pytest.fixture
def small() -> AnnData:
    return _small()


@pytest.fixture(scope="module")
def model(small_budget: None) -> SCDD:
    adata = _small()
    SCDD.setup_anndata(adata, labels_key="cell_type", batch_key="donor")
    model = SCDD(adata, n_latent=8, seed=3)
    model.train(accelerator="cpu", progress=False)
    return model


def test_setup_writes_only_the_fields_of_scvi(small: AnnData) -> None:
    x, obs, var, uns = small.X.copy(), small.obs.copy(), small.var.copy(), set(small.uns)
    SCDD.setup_anndata(small, labels_key="cell_type", batch_key="donor")
    assert set(small.obs) - set(obs) == {"_scvi_labels", "_scvi_batch"}
    assert set(small.uns) - uns == {"_scvi_uuid", "_scvi_manager_uuid"}
    pd.testing.assert_frame_equal(small.obs[obs.columns], obs)
    pd.testing.assert_frame_equal(small.var, var)
    assert (small.X != x).nnz == 0
    assert not list(small.obsm)


def test_a_model_needs_a_registered_anndata(small: AnnData) -> None:
    with pytest.raises(ValueError, match="setup_anndata"):
        SCDD(small)
    with pytest.raises(LabelError, match="cell_type"):
        SCDD.setup_anndata(small, labels_key="celltype")


@pytest.mark.parametrize("call", ["generate", "distill", "get_latent_representation"])
def test_untrained(small: AnnData, call: str) -> None:
    fresh = SCDD.from_checked(scdd.pp.check(small), small)
    assert "not trained" in repr(fresh)
    with pytest.raises(NotTrainedError, match="train"):
        getattr(fresh, call)()


def test_untrained_is_not_saved(small: AnnData, tmp_path: Any) -> None:
    with pytest.raises(NotTrainedError, match="train"):
        SCDD.from_checked(scdd.pp.check(small), small).save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_history_and_status(model: SCDD) -> None:
    assert model.is_trained_
    assert model.status == {"autoencoder": "complete", "generator": "complete"}
    assert len(model.history) >= 2
    for frame in model.history.values():
        assert isinstance(frame, pd.DataFrame)
        assert len(frame)
        assert np.isfinite(frame.to_numpy()).all()


def test_early_stopping_and_epochs(small: AnnData) -> None:
    model = SCDD.from_checked(scdd.pp.check(small), small)
    model.train(2, early_stopping=True, generator=False, batch_size=32, progress=False)
    assert any("validation" in name for name in model.history)
    with pytest.raises(InputError, match="max_epochs"):
        model.train(0)


def test_text(model: SCDD) -> None:
    text = repr(model)
    assert text.splitlines()[0] == "SCDD model, trained"
    for part in (
        "160 cells", "100 genes", "4 classes in obs['cell_type']: class_0, ", "3 batches", "self", "n_latent 8",
        "engine energy", "autoencoder complete, generator complete", "class_accuracy",
    ):  # fmt: skip
        assert part in text
    assert str(model) == text
    html = model._repr_html_()
    assert html.startswith("<div><strong>SCDD model, trained</strong><table ")
    # in the colours of the page, light or dark; without it, browsers may take black
    assert "color: inherit" in html
    assert "<tr><th" in html
    assert "160 cells" in html


def test_text_of_odd_labels(small: AnnData) -> None:
    names = ["<script>alert(1)</script>", "b" * 10_000, "c\nd", "e"]
    small.obs["cell_type"] = small.obs["cell_type"].cat.rename_categories(names)
    model = SCDD.from_checked(scdd.pp.check(small))
    assert "not trained" in repr(model)
    assert len(repr(model).splitlines()) == 11
    assert max(map(len, repr(model).splitlines())) < 250
    html = model._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


# --- latents --------------------------------------------------------------------------------------------------------


def test_latents(model: SCDD) -> None:
    z = model.get_latent_representation()
    assert z.shape == (160, 8)
    assert z.dtype == np.float32
    np.testing.assert_allclose(z.std(axis=0), 1, atol=0.05)
    z[:] = 0
    assert model.get_latent_representation().any(), "the caller's changes reach the model"


def test_latents_of_new_cells(model: SCDD, small: AnnData) -> None:
    expected = model.get_latent_representation()
    order = np.random.default_rng(0).permutation(small.n_vars)
    new = small[:, order].copy()
    del new.obs["cell_type"], new.obs["donor"]
    np.testing.assert_allclose(model.get_latent_representation(new), expected, atol=1e-4)
    np.testing.assert_allclose(model.get_latent_representation(small[:7]), expected[:7], atol=1e-4)
    more = small.copy()
    more.layers["counts"] = more.X.copy()
    more.X = sp.csr_matrix(more.shape, dtype=np.float32)
    np.testing.assert_allclose(model.get_latent_representation(more, layer="counts"), expected, atol=1e-4)
    with pytest.raises(GeneError, match="2 of the model's 100 genes are missing: gene_0, gene_1"):
        model.get_latent_representation(small[:, 2:].copy())


def test_latents_of_normalised_cells_are_refused(model: SCDD, small: AnnData) -> None:
    small.X = sp.csr_matrix(np.log1p(small.X.toarray()))
    with pytest.raises(InputError, match="counts"):
        model.get_latent_representation(small)


# --- new cells ------------------------------------------------------------------------------------------------------


def test_generate(model: SCDD, small: AnnData) -> None:
    cells = model.generate(50)
    assert cells.shape == (50, 100)
    assert cells.X.dtype == np.float32
    np.testing.assert_array_equal(cells.X.data, np.rint(cells.X.data))
    assert cells.X.data.min() > 0
    assert cells.var_names.tolist() == small.var_names.tolist()
    assert cells.obs_names.is_unique
    assert cells.obs["cell_type"].cat.categories.tolist() == small.obs["cell_type"].cat.categories.tolist()
    assert cells.obs["cell_type"].cat.codes.is_monotonic_increasing
    assert cells.obsm["X_scdd"].shape == (50, 8)
    assert cells.uns["scdd"]["kind"] == "generated"
    many = model.generate(4000, seed=1).obs
    share = many["cell_type"].value_counts(normalize=True)
    real = small.obs["cell_type"].value_counts(normalize=True)
    np.testing.assert_allclose(share[real.index], real, atol=0.04)
    np.testing.assert_allclose(
        pd.crosstab(many["cell_type"], many["donor"], normalize=True),
        pd.crosstab(small.obs["cell_type"], small.obs["donor"], normalize=True),
        atol=0.04,
    )


def test_generate_conditions(model: SCDD) -> None:
    assert set(model.generate(5, labels="class_2").obs["cell_type"]) == {"class_2"}
    cells = model.generate(3, labels=["class_2", "class_0", "class_2"], batch="donor_1")
    assert sorted(cells.obs["cell_type"]) == ["class_0", "class_2", "class_2"]
    assert set(cells.obs["donor"]) == {"donor_1"}
    paired = model.generate(2, labels=["class_3", "class_0"], batch=["donor_2", "donor_0"]).obs
    assert dict(zip(paired["cell_type"], paired["donor"], strict=True)) == {"class_3": "donor_2", "class_0": "donor_0"}
    assert model.generate(2, labels=np.array(["class_1", "class_0"]), batch=pd.Series(["donor_0"] * 2)).n_obs == 2
    with pytest.raises(LabelError, match=r"T cell.*class_0"):
        model.generate(2, labels="T cell")
    with pytest.raises(LabelError, match="donor_0"):
        model.generate(2, batch="donor_8")
    with pytest.raises(InputError, match="3 values"):
        model.generate(2, labels=["class_0"] * 3)
    for n in (0, -1, 1.5, "2", True):
        with pytest.raises(InputError, match="n must"):
            model.generate(n)  # type: ignore[arg-type]


def test_generate_seed_and_guidance(model: SCDD) -> None:
    first = model.generate(20, seed=4)
    assert (first.X != model.generate(20, seed=4).X).nnz == 0
    assert (first.X != model.generate(20, seed=5).X).nnz > 0
    strong = model.generate(20, guidance=3.0, seed=4)
    assert np.abs(strong.obsm["X_scdd"] - first.obsm["X_scdd"]).max() > 1e-3
    with pytest.raises(InputError, match="seed"):
        model.generate(2, seed=-1)


@pytest.mark.parametrize("what", ["generate", "distill"])
def test_one_generator_call_per_cell(model: SCDD, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    calls: list[int] = []
    monkeypatch.setattr("scdd.distill._start.invert", lambda module, codes, targets: codes)
    monkeypatch.setattr("scdd.distill._start.gather_evidence", lambda *args, **kwargs: None)
    hook = model.module.scdg.register_forward_hook(lambda module, args, out: calls.append(len(args[0])))
    try:
        if what == "generate":
            model.generate(30)
            assert calls == [30]
        else:
            model.distill(3, preset="fast", progress=False)
            assert set(calls) == {12}, "every call decodes all rows at once"
    finally:
        hook.remove()
    assert isinstance(model.module.scdg, SCDG)


def test_distill_is_that_of_tl(model: SCDD, small: AnnData) -> None:
    syn = model.distill({"class_0": 2, "class_1": 1, "class_2": 3, "class_3": 1}, preset="fast", progress=False)
    assert syn.obs["cell_type"].value_counts(sort=False).tolist() == [2, 1, 3, 1]
    again = scdd.tl.distill(
        small,
        {"class_0": 2, "class_1": 1, "class_2": 3, "class_3": 1},
        model=model,
        preset="fast",
        seed=3,
        progress=False,
    )
    assert (syn.X != again.X).nnz == 0


# --- memory ---------------------------------------------------------------------------------------------------------


def test_from_checked_leaves_the_input_alone_and_lets_go_of_it(small: AnnData) -> None:
    obs, uns = small.obs.copy(), set(small.uns)
    model = SCDD.from_checked(scdd.pp.check(small), small)
    model.train(progress=False)
    pd.testing.assert_frame_equal(small.obs, obs)
    assert set(small.uns) == uns
    syn = model.distill(1, preset="fast", progress=False)
    held = [weakref.ref(model.module), weakref.ref(model), weakref.ref(model._checked.source)]
    adata = weakref.ref(small.copy())
    del model
    gc.collect()
    assert [ref() for ref in held] == [None] * 3
    assert adata() is None
    assert syn.n_obs == 4


def test_distill_lets_go_of_the_input() -> None:
    adata = _small()
    ref = weakref.ref(adata)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScddWarning)
        syn = scdd.tl.distill(adata, 1, preset="fast", progress=False)
    del adata
    gc.collect()
    assert ref() is None
    assert syn.n_obs == 4


def test_a_given_encoder_is_not_shared(small: AnnData) -> None:
    """Two models with one encoder object each keep what they have learned."""
    other = scdd.datasets.simulate(n_obs=150, n_vars=100, seed=9)
    encoder = scdd.encoders.get("pca:5")
    first, second = (SCDD.from_checked(scdd.pp.check(a), a, encoder=encoder) for a in (small, other))
    assert first._encoder is not second._encoder
    hashes = [model._encoder.content_hash() for model in (first, second)]
    assert hashes[0] != hashes[1]
    scdd.tl.embed(other, first._encoder)
    assert first._encoder.content_hash() == hashes[0]
    assert not encoder.arrays()


def test_wrong_names_fail_before_any_work(small: AnnData, model: SCDD) -> None:
    with pytest.raises(InputError, match="enrgy"):
        SCDD.from_checked(scdd.pp.check(small), small, engine="enrgy")
    with pytest.raises(InputError, match="gradeint"):
        model.distill(1, objective="gradeint", progress=False)


def test_an_objective_that_cannot_be_judged_is_told() -> None:
    few = scdd.datasets.simulate(n_obs=30, n_vars=60)
    model = SCDD.from_checked(scdd.pp.check(few), few)
    model.train(accelerator="cpu", progress=False)
    with pytest.warns(ScddWarning, match="the objective was not used"):
        syn = model.distill(1, objective="moments", progress=False)
    assert any("the objective was not used" in text for text in syn.uns["scdd"]["warnings"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", ScddWarning)
        model.distill(1, progress=False)

"""Save and load: whole or not at all, and the same model afterwards."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import scdd
from scdd.errors import CorruptModelError, GeneError, InputError, LabelError, ScddError, ScddWarning
from scdd.model import SCDD

if TYPE_CHECKING:
    from anndata import AnnData

pytestmark = [
    pytest.mark.usefixtures("small_budget"),
    pytest.mark.filterwarnings("ignore:1 categories of obs"),
]


def _small() -> AnnData:
    adata = scdd.datasets.simulate(n_obs=160, n_vars=100, n_batches=3, seed=2)
    adata.obs["cell_type"] = (
        adata.obs["cell_type"].cat.rename_categories({"class_0": "T/NK 😀"}).cat.add_categories("z")
    )
    adata.uns["cell_type_colors"] = [f"#11111{k}" for k in range(5)]
    adata.obsm["X_emb"] = np.log1p(adata.X.toarray()[:, :12])
    return adata


@pytest.fixture
def small() -> AnnData:
    return _small()


def _trained(encoder: str = "auto", cls: type[SCDD] = SCDD) -> SCDD:
    adata = _small()
    cls.setup_anndata(adata, batch_key="donor")
    model = cls(adata, n_latent=8, seed=3, encoder=encoder)
    model.train(progress=False)
    return model


@pytest.fixture(scope="module")
def model(small_budget: None) -> SCDD:
    return _trained()


@pytest.fixture
def saved(model: SCDD, tmp_path: Path) -> Path:
    model.save(tmp_path / "model")
    return tmp_path / "model"


def test_round_trip_without_cells(model: SCDD, saved: Path) -> None:
    back = SCDD.load(saved)
    first, again = model.generate(40, batch="donor_1", seed=9), back.generate(40, batch="donor_1", seed=9)
    assert (first.X != again.X).nnz == 0
    assert first.obs.equals(again.obs)
    assert first.obs["cell_type"].cat.categories.tolist() == again.obs["cell_type"].cat.categories.tolist()
    assert list(again.uns["cell_type_colors"]) == list(first.uns["cell_type_colors"])
    assert again.uns["scdd"] == first.uns["scdd"]
    assert "trained" in repr(back)
    assert back.status == model.status
    assert back.history_.keys() == model.history_.keys()
    for name, frame in model.history_.items():
        pd.testing.assert_frame_equal(back.history_[name], frame)
    np.testing.assert_allclose(back.get_latent_representation(_small()), model.get_latent_representation(), atol=1e-5)
    for call in (back.distill, back.get_latent_representation):
        with pytest.raises(ScddError, match="adata"):
            call()
    with pytest.raises(ScddError, match="adata"):
        back.train(1)


def test_files_hold_no_pickle_and_no_cells(saved: Path, small: AnnData) -> None:
    assert {p.suffix for p in saved.iterdir()} == {".json", ".safetensors"}
    text = b"".join(p.read_bytes() for p in saved.iterdir())
    assert small.obs_names[0].encode() + b'"' not in text
    assert sum(p.stat().st_size for p in saved.iterdir()) < 10e6
    assert [p.name for p in saved.parent.iterdir()] == ["model"]
    assert json.loads((saved / "config.json").read_text(encoding="utf-8"))["versions"]


@pytest.mark.parametrize("encoder", ["auto", "pca:6", "precomputed:X_emb"])
def test_distill_after_load(model: SCDD, small: AnnData, tmp_path: Path, encoder: str) -> None:
    model = model if encoder == "auto" else _trained(encoder)
    before = model.distill(2, preset="fast", progress=False)
    model.save(tmp_path / "model")
    order = np.random.default_rng(0).permutation(small.n_vars)
    for cells in (small, small[:, order].copy()):
        back = SCDD.load(tmp_path / "model", cells)
        after = back.distill(2, preset="fast", progress=False)
        assert after.var_names.tolist() == before.var_names.tolist()
        assert (after.X != before.X).nnz == 0
        assert after.obs.equals(before.obs)
        assert after.uns["scdd"]["encoder"] == before.uns["scdd"]["encoder"]
        assert after.uns["scdd"]["seed"] == 3


def test_var_survives_where_cells_come_with_the_load(model: SCDD, saved: Path, small: AnnData) -> None:
    before = model.distill(1, preset="fast", progress=False)
    after = SCDD.load(saved, small).distill(1, preset="fast", progress=False)
    assert set(before.var) == set(after.var)


def test_train_after_load(saved: Path, small: AnnData) -> None:
    back = SCDD.load(saved, small)
    back.train(1, progress=False)
    assert back.distill(1, preset="fast", progress=False).n_obs == 4


class _Child(SCDD):
    """A subclass of the user."""


def test_subclass(tmp_path: Path) -> None:
    child = _trained(cls=_Child)
    child.save(tmp_path / "child")
    back = _Child.load(tmp_path / "child")
    assert type(back) is _Child
    assert (back.generate(5).X != child.generate(5).X).nnz == 0


def test_overwrite(model: SCDD, saved: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="overwrite"):
        model.save(saved)
    model.save(saved, overwrite=True)
    assert SCDD.load(saved).generate(1).n_obs == 1
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("precious")
    with pytest.raises(InputError, match="not a saved"):
        model.save(other, overwrite=True)
    assert (other / "chapter.txt").read_text() == "precious"
    with pytest.raises(InputError, match="does not exist"):
        model.save(tmp_path / "a" / "b")


@pytest.mark.parametrize("name", ["config.json", "manifest.json", "model.safetensors"])
@pytest.mark.parametrize("damage", ["flip", "cut", "missing"])
def test_damage_is_seen(saved: Path, name: str, damage: str) -> None:
    path = saved / name
    data = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    else:
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)
    with pytest.raises(CorruptModelError, match="model"):
        SCDD.load(saved)


def test_what_is_no_model(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(CorruptModelError):
            SCDD.load(path)


def test_cells_that_do_not_fit(saved: Path, small: AnnData) -> None:
    with pytest.raises(GeneError, match="3 of the model's 100 genes are missing"):
        SCDD.load(saved, small[:, 3:].copy())
    strange = small.copy()
    strange.obs["cell_type"] = strange.obs["cell_type"].cat.rename_categories({"class_1": "B cell"})
    with pytest.raises(LabelError, match="B cell"):
        SCDD.load(saved, strange)
    strange = small.copy()
    strange.obs["donor"] = strange.obs["donor"].cat.rename_categories({"donor_1": "patient"})
    with pytest.raises(LabelError, match="patient"):
        SCDD.load(saved, strange)


def test_fewer_cells_are_taken(saved: Path, small: AnnData) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScddWarning)
        back = SCDD.load(saved, small[:100].copy())
        assert back.distill(1, preset="fast", progress=False).obs["scdd_weight"].sum() == 100
    assert back.get_latent_representation().shape == (100, 8)

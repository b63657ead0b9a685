from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp

from scdd.baselines import coresets
from scdd.errors import BudgetError, InputError, LabelError, ScddWarning
from scdd.tl._coreset import coreset

if TYPE_CHECKING:
    from anndata import AnnData

REAL = ["random", "herding", "k_center", "k_medoids"]
MEANS = ["class_mean", "class_mean_log", "kmeans", "kmeans_log"]


def _n(method: str) -> int:
    return 1 if method.startswith("class_mean") else 3


def _frozen(adata: AnnData) -> dict[str, object]:
    return {
        "x": adata.X.copy(),
        "obs": adata.obs.copy(),
        "var": adata.var.copy(),
        "uns": json.dumps({k: list(map(str, v)) for k, v in adata.uns.items()}),
        "keys": (list(adata.obsm), list(adata.varm), [k for k in adata.layers.keys() if k], list(adata.obsp)),
    }


@pytest.mark.parametrize("method", REAL + MEANS)
def test_contract(toy: AnnData, method: str) -> None:
    toy.uns["cell_type_colors"] = ["#000000", "#111111", "#222222", "#333333"]
    before = _frozen(toy)
    small = coreset(toy, _n(method), method, batch_key="donor")
    assert isinstance(small.X, sp.csr_matrix | sp.csr_array)
    assert small.X.dtype == np.float32
    assert small.var_names.tolist() == toy.var_names.tolist()
    assert small.var["scdd_hvg"].dtype == bool
    labels = small.obs["cell_type"]
    assert isinstance(labels.dtype, pd.CategoricalDtype)
    expected = toy.obs["cell_type"].astype("category").cat.categories
    assert labels.cat.categories.tolist() == expected.tolist()
    assert labels.value_counts().tolist() == [_n(method)] * 4
    assert small.obs["scdd_weight"].sum() == pytest.approx(toy.n_obs)
    per_class = small.obs.groupby("cell_type", observed=True)["scdd_weight"].sum()
    np.testing.assert_allclose(per_class, toy.obs["cell_type"].value_counts()[per_class.index.astype(str)])
    np.testing.assert_allclose(small.obs["scdd_library"], np.asarray(small.X.sum(axis=1)).ravel(), rtol=1e-6)
    assert set(small.obs["donor"]) <= set(toy.obs["donor"])
    assert list(small.uns["cell_type_colors"]) == toy.uns["cell_type_colors"]
    provenance = small.uns["scdd"]
    json.dumps(provenance)
    assert provenance["kind"] == ("coreset" if method in REAL else "profile")
    assert provenance["method"] == method
    assert provenance["seed"] == 0
    assert provenance["integer"] == (not method.endswith("_log"))
    assert not set(provenance) & set(expected)
    after = _frozen(toy)
    assert (before["x"] != after["x"]).nnz == 0
    pd.testing.assert_frame_equal(before["obs"], after["obs"])
    pd.testing.assert_frame_equal(before["var"], after["var"])
    assert before["uns"] == after["uns"]
    assert before["keys"] == after["keys"]


@pytest.mark.parametrize("method", REAL)
def test_real_cells_keep_names_counts_and_labels(toy: AnnData, method: str) -> None:
    small = coreset(toy, 3, method, batch_key="donor")
    original = toy[small.obs_names]
    assert (small.X != original.X).nnz == 0
    assert small.obs["cell_type"].astype(str).tolist() == original.obs["cell_type"].astype(str).tolist()
    assert small.obs["donor"].astype(str).tolist() == original.obs["donor"].astype(str).tolist()


def test_every_method_is_offered() -> None:
    assert set(REAL + MEANS) <= set(coresets().names())


def test_learned_methods_are_no_coresets(toy: AnnData) -> None:
    with pytest.raises(InputError, match=r"'dm-tuned' learns its rows.*herding"):
        coreset(toy, 2, "dm-tuned")
    with pytest.raises(InputError, match=r"Did you mean 'herding'\?") as error:
        coreset(toy, 2, "hording")
    assert "dm-tuned" not in str(error.value)


def test_means_have_names_of_their_own(toy: AnnData) -> None:
    small = coreset(toy, 2, "kmeans")
    assert small.obs_names.is_unique
    assert small.obs_names[0] == "kmeans_class_0_0"
    assert not set(small.obs_names) & set(toy.obs_names)


def test_double_cell_names_are_replaced(toy: AnnData) -> None:
    toy.obs_names = ["cell"] * toy.n_obs
    with pytest.warns(ScddWarning, match="used more than once"):
        assert coreset(toy, 2, "herding").obs_names.is_unique


def test_same_seed_same_cells(toy: AnnData) -> None:
    one, two, other = (coreset(toy, 3, "random", seed=s).obs_names.tolist() for s in (1, 1, 2))
    assert one == two
    assert set(one) != set(other)


def test_budget_mapping_and_fraction(toy: AnnData) -> None:
    small = coreset(toy, {"class_0": 4, "class_1": 3, "class_2": 2, "class_3": 1})
    assert small.obs["cell_type"].value_counts(sort=False).tolist() == [4, 3, 2, 1]
    tenth = coreset(toy, fraction=0.1)
    np.testing.assert_allclose(
        tenth.obs["cell_type"].value_counts(sort=False), toy.obs["cell_type"].value_counts(sort=False) / 10, atol=0.51
    )
    with pytest.raises(BudgetError, match="integer of at least 1"):
        coreset(toy, 0)


@pytest.mark.parametrize("method", ["herding", "k_medoids", "kmeans"])
def test_small_classes_give_what_they_have(toy: AnnData, method: str) -> None:
    keep = np.r_[
        np.flatnonzero(toy.obs["cell_type"] != "class_3"), np.flatnonzero(toy.obs["cell_type"] == "class_3")[:2]
    ]
    few = toy[np.sort(keep)].copy()
    with pytest.warns(ScddWarning, match="class_3"):
        small = coreset(few, 5, method)
    assert small.obs["cell_type"].value_counts()["class_3"] == 2
    assert any("class_3" in message for message in small.uns["scdd"]["warnings"])
    with pytest.raises(BudgetError):
        coreset(few, 5, method, small_class="error")


def test_one_mean_per_class_is_said(toy: AnnData) -> None:
    with pytest.warns(ScddWarning, match="one row per class"):
        assert coreset(toy, 10, "class_mean").n_obs == 4


def test_bad_input_is_named(toy: AnnData) -> None:
    with pytest.raises(InputError, match="Did you mean 'herding'"):
        coreset(toy, 1, "hearding")
    toy.obs["cell_type"] = toy.obs["cell_type"].astype(object)
    toy.obs.iloc[0, toy.obs.columns.get_loc("cell_type")] = np.nan
    with pytest.raises(LabelError, match="no label"):
        coreset(toy, 1)
    with pytest.warns(ScddWarning, match="left out"):
        small = coreset(toy, 1, unlabeled="drop")
    assert small.obs["scdd_weight"].sum() == toy.n_obs - 1


def test_counts_in_a_layer_and_every_matrix_type(toy: AnnData, array_type) -> None:
    expected = coreset(toy, 2, "k_medoids").obs_names.tolist()
    toy.layers["counts"] = array_type(toy.X)
    toy.X = toy.X / 3
    assert coreset(toy, 2, "k_medoids", layer="counts").obs_names.tolist() == expected


@pytest.mark.parametrize("method", ["herding", "kmeans", "class_mean_log"])
def test_backed_input_gives_the_same(toy: AnnData, method: str, tmp_path: Path) -> None:
    expected = coreset(toy, _n(method), method)
    toy.write_h5ad(tmp_path / "toy.h5ad")
    backed = ad.read_h5ad(tmp_path / "toy.h5ad", backed="r")
    small = coreset(backed, _n(method), method)
    backed.file.close()
    np.testing.assert_allclose(small.X.toarray(), expected.X.toarray(), rtol=1e-5)


@pytest.mark.parametrize("method", ["herding", "kmeans_log"])
def test_round_trips_and_goes_through_scanpy(toy: AnnData, method: str, tmp_path: Path) -> None:
    small = coreset(toy, 3, method, batch_key="donor")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what storage libraries say of themselves
        small.write_h5ad(tmp_path / "small.h5ad")
        back = ad.read_h5ad(tmp_path / "small.h5ad")
        small.write_zarr(tmp_path / "small.zarr")
        zarr = ad.read_zarr(tmp_path / "small.zarr")
    for other in (back, zarr):
        assert (other.X != small.X).nnz == 0
        pd.testing.assert_frame_equal(other.obs, small.obs, check_dtype=False, check_categorical=False)
        assert str(other.uns["scdd"]["method"]) == method
    sc.pp.normalize_total(small, target_sum=1e4)
    sc.pp.log1p(small)
    sc.pp.pca(small, n_comps=3)
    sc.tl.rank_genes_groups(small, "cell_type")

"""The result of tl.distill, line by line of its contract."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp

import scdd
from scdd.errors import BudgetError, InputError, LabelError, ScddWarning
from scdd.tl import distill

if TYPE_CHECKING:
    from anndata import AnnData

pytestmark = pytest.mark.usefixtures("small_budget")

AWKWARD = ["T/NK", 'it\'s "quoted" \\', "β-Zelle 😀\nmore", "x" * 10_000, " leading"]
N = 6


def _awkward() -> AnnData:
    """Return five classes with awkward names in an order of their own, unused categories, colours, a layer, a mask."""
    adata = scdd.datasets.simulate(n_obs=220, n_vars=120, n_classes=5, n_batches=3, seed=3)
    names = [AWKWARD[k] for k in adata.obs["cell_type"].cat.codes]
    adata.obs["cell_type"] = pd.Categorical(names, categories=["unused a", *AWKWARD[::-1], "unused b"])
    adata.obs["donor"] = adata.obs["donor"].cat.add_categories("donor_9")
    adata.uns["cell_type_colors"] = [f"#00000{k}" for k in range(7)]
    return adata


@pytest.fixture(scope="module")
def real(small_budget: None) -> AnnData:
    return _awkward()


@pytest.fixture(scope="module")
def syn(real: AnnData) -> AnnData:
    with warnings.catch_warnings(action="ignore", category=ScddWarning):
        return distill(real, N, batch_key="donor", preset="fast", progress=False)


@pytest.fixture(scope="module")
def many(real: AnnData) -> AnnData:
    """So many rows that some of them are noisy."""
    with warnings.catch_warnings(action="ignore", category=ScddWarning):
        return distill(real, 5 * N, batch_key="donor", preset="fast", progress=False)


@pytest.fixture(scope="module")
def model(small_budget: None) -> scdd.model.SCDD:
    adata = scdd.datasets.simulate(n_obs=200, n_vars=120, n_batches=3, seed=1)
    model = scdd.model.SCDD.from_checked(scdd.pp.check(adata, batch_key="donor"), adata, seed=5)
    model.train(progress=False)
    return model


@pytest.fixture
def plain() -> AnnData:
    return scdd.datasets.simulate(n_obs=200, n_vars=120, n_batches=3, seed=1)


def _same(a: AnnData, b: AnnData) -> None:
    """Raise unless two results are equal to the last bit."""
    assert a.shape == b.shape
    for x, y in ((a.X, b.X), (a.layers["scdd_mean"], b.layers["scdd_mean"])):
        x, y = sp.csr_matrix(x), sp.csr_matrix(y)
        assert x.dtype == y.dtype
        for part in ("data", "indices", "indptr"):
            np.testing.assert_array_equal(getattr(x, part), getattr(y, part))
    pd.testing.assert_frame_equal(a.obs, b.obs, check_dtype=False)
    pd.testing.assert_frame_equal(a.var, b.var, check_dtype=False)
    for column in a.obs:
        if isinstance(a.obs[column].dtype, pd.CategoricalDtype):
            assert a.obs[column].cat.categories.tolist() == b.obs[column].cat.categories.tolist()
    np.testing.assert_array_equal(a.obsm["X_scdd"], b.obsm["X_scdd"])


def _plain_json(value: Any) -> Any:
    """Turn what a file gave back (arrays, numpy numbers) into plain JSON values."""
    if isinstance(value, dict):
        return {k: _plain_json(v) for k, v in value.items()}
    if isinstance(value, (np.ndarray, list)):
        return [_plain_json(v) for v in list(value)]
    return value.item() if isinstance(value, np.generic) else value


# --- matrix, rows, columns ------------------------------------------------------------------------------------------


def test_x_is_integer_csr_of_all_genes_in_order(real: AnnData, syn: AnnData) -> None:
    assert syn.shape == (5 * N, real.n_vars)
    assert syn.var_names.tolist() == real.var_names.tolist()
    assert isinstance(syn.X, sp.csr_matrix | sp.csr_array)
    assert syn.X.dtype == np.float32
    assert syn.X.data.min() >= 0
    np.testing.assert_array_equal(syn.X.data, np.rint(syn.X.data))
    assert (np.asarray(syn.X.sum(axis=1)).ravel() > 0).all()
    assert syn.X.has_canonical_format


def test_labels_keep_categories_and_order(real: AnnData, syn: AnnData) -> None:
    labels = syn.obs["cell_type"]
    assert labels.cat.categories.tolist() == real.obs["cell_type"].cat.categories.tolist()
    assert labels.value_counts()[AWKWARD].tolist() == [N] * 5
    assert list(syn.uns["cell_type_colors"]) == list(real.uns["cell_type_colors"])


def test_batches_are_known_and_there_only_if_given(real: AnnData, syn: AnnData, plain: AnnData) -> None:
    assert syn.obs["donor"].cat.categories.tolist() == real.obs["donor"].cat.categories.tolist()
    seen = set(zip(real.obs["cell_type"], real.obs["donor"], strict=True))
    assert set(zip(syn.obs["cell_type"], syn.obs["donor"], strict=True)) <= seen
    without = distill(plain, 1, donor_key="donor", preset="fast", progress=False)
    assert "donor" not in without.obs
    assert without.uns["scdd"]["donor_key"] == "donor"


def test_weights_sum_to_the_cells_of_each_class(real: AnnData, syn: AnnData) -> None:
    weight = syn.obs.groupby("cell_type", observed=True)["scdd_weight"].sum()
    cells = real.obs["cell_type"].value_counts()
    assert weight.sum() == real.n_obs
    assert {name: weight[name] for name in AWKWARD} == {name: cells[name] for name in AWKWARD}
    assert (syn.obs["scdd_weight"] >= 0).all()


def test_library_and_kind(real: AnnData, syn: AnnData, many: AnnData) -> None:
    np.testing.assert_allclose(syn.obs["scdd_library"], np.asarray(syn.X.sum(axis=1)).ravel())
    assert set(syn.obs["scdd_kind"]) == {"denoised"}  # ten rows are few for these cells
    np.testing.assert_allclose(syn.obs["scdd_library"], 10_000)
    assert set(many.obs["scdd_kind"]) == {"denoised", "noisy"}
    library = np.asarray(real.X.sum(axis=1)).ravel()
    noisy = many.obs["scdd_library"][many.obs["scdd_kind"] == "noisy"]
    assert library.min() * 0.9 <= noisy.min() <= noisy.max() <= library.max() * 1.1


def test_expected_counts(many: AnnData) -> None:
    mean = many.layers["scdd_mean"]
    assert isinstance(mean, sp.csr_matrix | sp.csr_array)
    assert mean.dtype == np.float32
    assert mean.data.min() >= 0.08 - 1e-6
    noisy = (many.obs["scdd_kind"] == "noisy").to_numpy()
    total = np.asarray(mean.sum(axis=1)).ravel()
    np.testing.assert_allclose(total[noisy], many.obs["scdd_library"][noisy], rtol=0.1)


def test_var_and_codes(real: AnnData, syn: AnnData) -> None:
    assert syn.var["scdd_hvg"].dtype == bool
    assert syn.var["scdd_hvg"].any()
    assert (syn.var["scdd_dispersion"] > 0).all()
    assert np.isfinite(syn.var["scdd_dispersion"]).all()
    assert (syn.var["scdd_half_capture"] >= 0).all()
    assert np.isfinite(syn.var["scdd_half_capture"]).all()
    pd.testing.assert_series_equal(syn.var["dispersion"], real.var["dispersion"])
    codes = syn.obsm["X_scdd"]
    assert codes.shape == (len(syn), 32)
    assert codes.dtype == np.float32
    assert np.isfinite(codes).all()


def test_names_are_unique_text(syn: AnnData) -> None:
    assert syn.obs_names.is_unique
    assert max(map(len, syn.obs_names)) < 100
    assert all(isinstance(name, str) for name in syn.obs_names)


def test_no_row_is_a_real_cell(real: AnnData, syn: AnnData) -> None:
    cells = {row.tobytes() for row in real.X.toarray().astype(np.float32)}
    assert not cells & {row.tobytes() for row in syn.X.toarray()}


# --- uns ------------------------------------------------------------------------------------------------------------


def test_uns_is_json_and_complete(real: AnnData, syn: AnnData) -> None:
    uns = syn.uns["scdd"]
    assert json.loads(json.dumps(uns, allow_nan=False)) == uns
    assert {
        "params",
        "versions",
        "seed",
        "encoder",
        "n_per_class",
        "class_sizes",
        "record",
        "warnings",
        "status",
    } <= set(uns)
    assert uns["status"] == "complete"
    assert uns["preset"] == "fast"
    assert uns["params"]["generator"] == "scdg"
    assert uns["encoder"]["name"] == "self"
    assert len(uns["encoder"]["hash"]) >= 8
    assert uns["classes"] == AWKWARD[::-1]
    assert (
        dict(zip(uns["classes"], uns["class_sizes"], strict=True))
        == real.obs["cell_type"].value_counts()[AWKWARD].to_dict()
    )
    assert uns["n_per_class"] == [N] * 5
    assert {"scdd", "torch", "anndata"} <= set(uns["versions"])


def test_no_key_of_uns_is_a_label(syn: AnnData) -> None:
    def keys(value: Any) -> set[str]:
        if not isinstance(value, dict):
            return set()
        return set(value).union(*(keys(v) for v in value.values()))

    found = keys(dict(syn.uns))
    assert not found & set(AWKWARD)
    assert not [key for key in found if "/" in key or len(key) > 60]


def test_inner_scores_are_recorded(model: scdd.model.SCDD, tmp_path: Path) -> None:
    syn = model.distill(2, progress=False)
    inner = syn.uns["scdd"]["record"]["inner"]
    assert inner["n_steps"][0] == 0
    assert len(inner["score"]) == len(inner["n_steps"]) >= 2
    assert all(0 <= value <= 1 for value in inner["score"])
    assert all(inner["by_donor"])
    syn.write_h5ad(tmp_path / "syn.h5ad")
    back = ad.read_h5ad(tmp_path / "syn.h5ad")
    assert _plain_json(back.uns["scdd"]) == syn.uns["scdd"]


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_round_trip(syn: AnnData, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"syn.{kind}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what anndata has to say of zarr versions
        getattr(syn.copy(), f"write_{kind}")(path)
        back = ad.read_h5ad(path) if kind == "h5ad" else ad.read_zarr(path)
    _same(syn, back)
    assert _plain_json(back.uns["scdd"]) == syn.uns["scdd"]
    assert list(back.uns["cell_type_colors"]) == list(syn.uns["cell_type_colors"])


@pytest.mark.slow
def test_size_of_the_file(tmp_path: Path) -> None:
    adata = scdd.datasets.pancreas()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScddWarning)
        syn = distill(adata, 10, batch_key="donor", preset="fast", progress=False)
    syn.write_h5ad(tmp_path / "syn.h5ad", compression="gzip")
    per_class = (tmp_path / "syn.h5ad").stat().st_size / 1e6 / syn.obs["cell_type"].nunique()
    assert per_class < 0.3


def test_goes_through_scanpy(model: scdd.model.SCDD) -> None:
    adata = model.distill(5, preset="fast", progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        sc.pp.normalize_total(adata, target_sum=1e4)
        sc.pp.log1p(adata)
        sc.pp.pca(adata, n_comps=10)
        sc.tl.rank_genes_groups(adata, "cell_type", method="t-test")
    assert np.isfinite(adata.obsm["X_pca"]).all()
    assert len(adata.uns["rank_genes_groups"]["names"].dtype.names) == 4


# --- sizes ----------------------------------------------------------------------------------------------------------


def _sizes(syn: AnnData) -> list[int]:
    return syn.obs["cell_type"].value_counts(sort=False).tolist()


def test_sizes(model: scdd.model.SCDD) -> None:
    mapping = {"class_3": 1, "class_0": 4, "class_1": 2, "class_2": 3}
    assert _sizes(model.distill(mapping, preset="fast", progress=False)) == [4, 2, 3, 1]
    by_share = model.distill(fraction=0.05, preset="fast", progress=False)
    expected = np.maximum(1, np.rint(0.05 * np.array(by_share.uns["scdd"]["class_sizes"])))
    assert _sizes(by_share) == expected.tolist()
    tiny = model.distill(None, fraction=1e-6, preset="fast", progress=False)
    assert _sizes(tiny) == [1] * 4


def test_a_small_class_gets_its_rows_with_a_warning(plain: AnnData) -> None:
    few = np.flatnonzero(plain.obs["cell_type"] == "class_3")[3:]
    adata = plain[np.setdiff1d(np.arange(plain.n_obs), few)].copy()
    with pytest.warns(ScddWarning, match="class_3.*3 cells") as caught:
        syn = distill(adata, 5, preset="fast", progress=False)
    assert _sizes(syn) == [5] * 4
    assert syn.obs["scdd_weight"].sum() == adata.n_obs
    assert any("class_3" in text for text in syn.uns["scdd"]["warnings"])
    assert all(Path(w.filename).name == Path(__file__).name for w in caught), "a warning should point at the caller"
    with pytest.warns(ScddWarning, match="class_3"):
        assert _sizes(distill(adata, 5, preset="fast", small_class="cap", progress=False)) == [5, 5, 5, 3]
    with pytest.raises(BudgetError, match="class_3"):
        distill(adata, 5, preset="fast", small_class="error", progress=False)


def test_a_class_of_one_cell_and_one_class(plain: AnnData) -> None:
    one = plain[np.r_[0, np.flatnonzero(plain.obs["cell_type"] != plain.obs["cell_type"].iloc[0])]].copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScddWarning)
        syn = distill(one, 2, batch_key="donor", progress=False)
        assert _sizes(syn) == [2] * 4
        single = plain[plain.obs["cell_type"] == "class_0"].copy()
        syn = distill(single, 2, batch_key="donor", progress=False)
    assert syn.n_obs == 2
    assert json.dumps(syn.uns["scdd"], allow_nan=False)


def test_nested(model: scdd.model.SCDD) -> None:
    ten = model.distill(10, preset="fast", progress=False)
    for n in (1, 5):
        small = model.distill(n, preset="fast", progress=False)
        first = np.concatenate([np.arange(k * 10, k * 10 + n) for k in range(4)])
        part = ten[first]
        np.testing.assert_array_equal(small.X.toarray(), part.X.toarray())
        np.testing.assert_allclose(small.obsm["X_scdd"], part.obsm["X_scdd"], atol=1e-5)
        for column in ("cell_type", "donor", "scdd_library", "scdd_kind"):
            assert small.obs[column].tolist() == part.obs[column].tolist()


# --- labels ---------------------------------------------------------------------------------------------------------


def test_the_registered_columns_are_used(plain: AnnData) -> None:
    plain.obs["my_label"] = plain.obs["cell_type"].cat.rename_categories(lambda name: name.replace("class", "kind"))
    scdd.model.SCDD.setup_anndata(plain, labels_key="my_label", batch_key="donor")
    syn = distill(plain, 1, preset="fast", progress=False)
    assert syn.obs["my_label"].tolist() == [f"kind_{k}" for k in range(4)]
    assert "donor" in syn.obs
    assert "cell_type" not in syn.obs


def test_no_label_column_lists_the_candidates(plain: AnnData) -> None:
    adata = plain.copy()
    adata.obs = adata.obs.rename(columns={"cell_type": "celltypes"})
    with pytest.raises(LabelError, match="celltypes"):
        distill(adata)
    with pytest.raises(LabelError, match="celltypes"):
        distill(adata, labels_key="celltype")


def test_labels_of_other_types(plain: AnnData) -> None:
    plain.obs["number"] = plain.obs["cell_type"].cat.codes.astype(int) + 7
    plain.obs["flag"] = (plain.obs["cell_type"] == "class_0").to_numpy()
    syn = distill(plain, 1, labels_key="number", preset="fast", progress=False)
    assert syn.obs["number"].tolist() == [7, 8, 9, 10]
    assert distill(plain, 1, labels_key="flag", preset="fast", progress=False).obs["flag"].tolist() == [False, True]


def test_unlabelled_cells(plain: AnnData) -> None:
    adata = plain.copy()
    adata.obs.loc[adata.obs_names[:10], "cell_type"] = np.nan
    with pytest.raises(LabelError, match="10"):
        distill(adata, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScddWarning)
        dropped = distill(adata, 1, preset="fast", unlabeled="drop", progress=False)
    assert dropped.obs["scdd_weight"].sum() == 190
    assert dropped.uns["scdd"]["n_obs"] == 190


# --- seeds ----------------------------------------------------------------------------------------------------------


def test_seeds(plain: AnnData) -> None:
    def run(seed: Any) -> AnnData:
        return distill(plain, 2, preset="fast", seed=seed, progress=False)

    first = run(7)
    _same(first, run(np.int64(7)))
    other = run(np.random.default_rng(0))
    assert (other.X != first.X).nnz
    _same(other, run(np.random.default_rng(0)))
    _same(other, run(other.uns["scdd"]["seed"]))
    a, b = run(None), run(None)
    assert a.uns["scdd"]["seed"] != b.uns["scdd"]["seed"]
    for seed in (-1, 1.5, "a", True):
        with pytest.raises(InputError, match="seed"):
            run(seed)


@pytest.mark.slow  # two threads that wait for one core take long
def test_another_number_of_threads_gives_nearly_the_same(plain: AnnData) -> None:
    import torch

    first = distill(plain, 2, preset="fast", progress=False)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2 if threads == 1 else 1)
        other = distill(plain, 2, preset="fast", progress=False)
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_allclose(first.obsm["X_scdd"], other.obsm["X_scdd"], atol=1e-2)
    assert (first.X != other.X).nnz < 0.02 * first.X.nnz

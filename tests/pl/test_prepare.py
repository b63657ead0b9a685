"""The tables behind the panels, without a figure."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import scipy.sparse as sp

import scdd
from scdd.errors import GeneError, LabelError, ScddWarning
from scdd.pl._composition import prepare_composition
from scdd.pl._embedding import _push_apart, prepare_embedding
from scdd.pl._markers import class_means, prepare_markers
from scdd.pl._means import correlation, prepare_means
from scdd.pl._pair import Pair, balanced_cells, draw_sample, make_pair
from scdd.pl._utility import macro_f1, prepare_utility

if TYPE_CHECKING:
    from anndata import AnnData

Synthetic = Callable[..., "AnnData"]


def _pair(adata: AnnData, syn: AnnData, **options: Any) -> Pair:
    return make_pair(adata, syn, labels_key=options.get("labels_key"), layer=options.get("layer"))


def test_rare_classes_are_sampled_whole() -> None:
    labels = np.repeat([0, 1, 2], [1000, 5, 100])
    index = balanced_cells(labels, 205, seed=0)
    assert np.bincount(labels[index]).tolist() == [100, 5, 100]
    assert (np.diff(index) > 0).all()
    np.testing.assert_array_equal(index, balanced_cells(labels, 205, seed=0))
    assert len(balanced_cells(labels, 2, seed=0)) == 2
    assert len(balanced_cells(labels, 5000, seed=0)) == 1105


def test_embedding_keeps_synthetic_rows_with_their_class(toy: AnnData, synthetic: Synthetic) -> None:
    pair = _pair(toy, synthetic(toy))
    sample = draw_sample(pair, 150, 0)
    table = prepare_embedding(pair, sample, seed=0)
    assert list(table.columns) == ["x", "y", "set", "class"]
    assert table["set"].value_counts().to_dict() == {"real": 148, "synthetic": 12}  # no class gives more than the cap
    assert table.attrs["method"] == "UMAP"
    real, rows = (table[table["set"] == which] for which in ("real", "synthetic"))
    distance = np.linalg.norm(rows[["x", "y"]].to_numpy()[:, None] - real[["x", "y"]].to_numpy()[None], axis=2)
    nearest = real["class"].to_numpy()[distance.argmin(axis=1)]
    assert (nearest == rows["class"].to_numpy()).mean() > 0.9
    again = prepare_embedding(pair, draw_sample(pair, 150, 0), seed=0)
    np.testing.assert_array_equal(table[["x", "y"]], again[["x", "y"]])


def test_embedding_stays_below_the_size_that_needs_an_index(
    toy: AnnData, synthetic: Synthetic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scdd.pl._embedding._MAX_CELLS", 25)
    pair = _pair(toy, synthetic(toy))
    real = prepare_embedding(pair, draw_sample(pair, 100, 0), seed=0).query("set == 'real'")
    assert 20 < len(real) <= 25
    assert real["class"].nunique() == 4


@pytest.mark.filterwarnings("ignore:1 classes of obs")
@pytest.mark.parametrize(("n_obs", "method"), [(2, "value"), (3, "PC"), (20, "PC")])
def test_few_cells_are_drawn_without_umap(toy: AnnData, n_obs: int, method: str) -> None:
    small = toy[:n_obs].copy()
    pair = _pair(small, scdd.tl.coreset(small, 1))
    table = prepare_embedding(pair, draw_sample(pair, 100, 0), seed=0)
    assert table.attrs["method"] == method
    assert np.isfinite(table[["x", "y"]].to_numpy()).all()


def test_labels_are_pushed_apart() -> None:
    box = np.array([1.0, 0.5])
    at = _push_apart(np.zeros((6, 2)), box)
    gap = np.abs(at[:, None] - at[None])[np.triu_indices(6, 1)]
    assert (gap >= box - 1e-6).any(axis=1).all()


def test_markers_are_those_of_the_simulation(toy: AnnData, synthetic: Synthetic) -> None:
    pair = _pair(toy, synthetic(toy))
    table = prepare_markers(pair, draw_sample(pair, 5000, 0), n_markers=2)
    assert len(table) == 2 * 4 * 8
    truth = toy.varm["markers"]
    chosen = table.drop_duplicates("gene")
    assert len(chosen) == 8
    hits = [truth[toy.var_names.get_loc(gene), k] for gene, k in zip(chosen["gene"], chosen["marker_of"], strict=True)]
    assert np.mean(hits) > 0.8
    own = table[(table["class"] == table["marker_of"])]
    assert own[own["set"] == "real"]["scaled"].min() == 1
    assert own[own["set"] == "synthetic"]["scaled"].min() > 0.6


def test_markers_are_fewer_for_many_classes_and_absent_rows_are_nan(toy: AnnData) -> None:
    syn = scdd.tl.coreset(toy[toy.obs["cell_type"] != "class_3"].copy(), 2)
    pair = _pair(toy, syn)
    table = prepare_markers(pair, draw_sample(pair, 5000, 0), n_markers=5, max_genes=4)
    assert table["gene"].nunique() == 4
    lost = table[(table["set"] == "synthetic") & (table["class"] == 3)]
    assert lost["value"].isna().all()
    assert lost["scaled"].isna().all()


def test_one_class_has_no_markers(toy: AnnData) -> None:
    one = toy[toy.obs["cell_type"] == "class_0"].copy()
    pair = _pair(one, scdd.tl.coreset(one, 2))
    assert len(prepare_markers(pair, draw_sample(pair, 5000, 0), n_markers=3)) == 0


def test_class_means() -> None:
    values = sp.csr_matrix(np.array([[1.0, 0.0], [3.0, 2.0], [5.0, 5.0]]))
    means = class_means(values, np.array([0, 0, 2]), 3, np.array([1.0, 3.0, 1.0]))
    np.testing.assert_allclose(means, [[2.5, 1.5], [np.nan, np.nan], [5, 5]])


def test_means_are_class_balanced_and_weighted(toy: AnnData, synthetic: Synthetic) -> None:
    syn = synthetic(toy)
    table = prepare_means(_pair(toy, syn))
    dense = toy.X.toarray().astype(float)
    labels = toy.obs["cell_type"].cat.codes.to_numpy()
    cp10k = dense / dense.sum(1, keepdims=True) * 1e4
    real = np.mean([cp10k[labels == k].mean(0) for k in range(4)], axis=0)
    zeros = np.mean([(dense[labels == k] == 0).mean(0) for k in range(4)], axis=0)
    np.testing.assert_allclose(table["real_mean"], real, rtol=1e-6)
    np.testing.assert_allclose(table["real_zeros"], zeros, atol=1e-9)
    mu = syn.layers["scdd_mean"].toarray().astype(float)
    code, weight = syn.obs["cell_type"].cat.codes.to_numpy(), syn.obs["scdd_weight"].to_numpy(float)
    shown = [
        np.average(mu[code == k] / mu[code == k].sum(1, keepdims=True) * 1e4, axis=0, weights=weight[code == k])
        for k in range(4)
    ]
    np.testing.assert_allclose(table["synthetic_mean"], np.mean(shown, axis=0), rtol=1e-5)
    none = [np.average((2 / (2 + mu[code == k])) ** 2, axis=0, weights=weight[code == k]) for k in range(4)]
    np.testing.assert_allclose(table["synthetic_zeros"], np.mean(none, axis=0), rtol=1e-5)
    assert table.attrs["expected"]
    assert correlation(table)[0] > 0.95


def test_all_cells_as_coreset_agree_exactly(toy: AnnData) -> None:
    table = prepare_means(_pair(toy, toy))
    np.testing.assert_allclose(table["real_mean"], table["synthetic_mean"], rtol=1e-6)
    np.testing.assert_allclose(table["real_zeros"], table["synthetic_zeros"], atol=1e-9)
    assert correlation(table)[0] == 1
    assert not table.attrs["expected"]


@pytest.mark.parametrize("method", ["class_mean", "class_mean_log", "kmeans_log"])
def test_profiles_have_means_but_no_zeros(toy: AnnData, method: str) -> None:
    table = prepare_means(_pair(toy, scdd.tl.coreset(toy, 1, method=method)))
    assert correlation(table)[0] > 0.9
    assert table["synthetic_zeros"].isna().all()


def test_correlation_of_constants_is_undefined() -> None:
    import pandas as pd

    assert np.isnan(correlation(pd.DataFrame({"real_mean": [1.0, 1.0], "synthetic_mean": [1.0, 2.0]}))[0])


def test_genes_are_matched_by_name(toy: AnnData, synthetic: Synthetic) -> None:
    syn = synthetic(toy)
    expected = prepare_means(_pair(toy, syn))
    order = np.random.default_rng(0).permutation(toy.n_vars)
    shuffled = prepare_means(_pair(toy[:, order].copy(), syn))
    np.testing.assert_allclose(expected.to_numpy(), shuffled.to_numpy(), rtol=1e-6)


def test_missing_genes_and_foreign_classes_are_named(toy: AnnData, synthetic: Synthetic) -> None:
    syn = synthetic(toy)
    with pytest.raises(GeneError, match=r"lacks 20 of 120 genes of syn: 'gene_0'"):
        _pair(toy[:, 20:].copy(), syn)
    renamed = syn.copy()
    renamed.obs["cell_type"] = renamed.obs["cell_type"].cat.rename_categories(lambda name: f"other {name}")
    with pytest.raises(LabelError, match="share no class"):
        _pair(toy, renamed)
    with pytest.warns(ScddWarning, match="1 classes of syn have no cell in adata: 'class_3'"):
        pair = _pair(toy[toy.obs["cell_type"] != "class_3"].copy(), syn)
    assert pair.names == ("class_0", "class_1", "class_2", "class_3")
    assert pair.shared.tolist() == [0, 1, 2]
    assert np.isfinite(prepare_means(pair)["synthetic_mean"]).all()


def test_composition(toy: AnnData, synthetic: Synthetic) -> None:
    table = prepare_composition(_pair(toy, synthetic(toy)))
    assert table.groupby("set")["n"].sum().to_dict() == {"real": 240, "synthetic": 12}


@pytest.mark.parametrize("method", ["herding", "kmeans_log"])
def test_utility_compares_both_training_sets(toy: AnnData, method: str) -> None:
    train, test = scdd.pp.split(toy, donor_key="donor")
    syn = scdd.tl.coreset(toy[train].copy(), 3, method=method)
    table = prepare_utility(_pair(toy[train].copy(), syn), toy[test].copy(), models=["LR", "kNN"])
    assert set(table["set"]) == {"real", "synthetic"}
    assert table.attrs["n_real"] == len(train)
    overall = macro_f1(table)
    assert list(overall.index) == ["LR", "kNN"]
    assert overall["real"].min() > 0.8
    direct = scdd.tl.evaluate(syn, toy[test].copy(), models=["LR", "kNN"], reference=toy[train].copy())
    direct = direct[direct["metric"] == "macro_f1"].set_index("model")["value"]
    np.testing.assert_allclose(overall["synthetic"], direct.loc[["LR", "kNN"]], atol=1e-9)


def test_preparing_loads_no_pyplot(toy: AnnData) -> None:
    import subprocess

    code = """
import sys
import scdd
from scdd.pl._means import prepare_means
from scdd.pl._pair import make_pair
adata = scdd.datasets.simulate(n_obs=50, n_vars=30)
prepare_means(make_pair(adata, scdd.tl.coreset(adata, 1), labels_key=None, layer=None))
assert "matplotlib.pyplot" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

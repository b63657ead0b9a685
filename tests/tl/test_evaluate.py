from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import scipy.sparse as sp

from scdd.datasets import simulate
from scdd.errors import CountsError, GeneError, InputError, InputTypeError, LabelError, ScddWarning
from scdd.pl._pair import make_pair
from scdd.pp import split
from scdd.tl._coreset import coreset
from scdd.tl._evaluate import evaluate
from scdd.tl._train_test import read_train_test

if TYPE_CHECKING:
    from anndata import AnnData

FAST = ["LR", "kNN"]


@pytest.fixture(scope="module")
def cells() -> tuple[AnnData, AnnData]:
    adata = simulate(n_obs=400, n_vars=200, n_batches=4, depth=1500)
    train, test = split(adata, donor_key="donor", seed=0)
    return adata[train].copy(), adata[test].copy()


def _f1(table) -> np.ndarray:
    return table[table["metric"] == "macro_f1"]["value"].to_numpy()


def test_tidy_table_and_good_rows_score_well(cells) -> None:
    train, test = cells
    table = evaluate(coreset(train, 5), test)
    assert list(table.columns) == ["model", "metric", "class", "value", "n", "seed"]
    assert table["model"].unique().tolist() == ["LR", "MLP", "kNN", "RF", "SVM"]
    assert set(table["metric"]) == {"macro_f1", "balanced_accuracy", "accuracy", "f1"}
    assert set(table["class"]) == {"", "class_0", "class_1", "class_2", "class_3"}
    assert (table["n"] == 5).all()
    assert _f1(table).min() > 0.8
    assert table.attrs["excluded"] == {}


def test_wrong_labels_score_badly(cells) -> None:
    train, test = cells
    syn = coreset(train, 5)
    syn.obs["cell_type"] = syn.obs["cell_type"].to_numpy()[::-1]
    assert _f1(evaluate(syn, test, models=FAST)).max() < 0.2


@pytest.mark.parametrize("method", ["class_mean", "class_mean_log", "kmeans_log"])
def test_profiles_are_taken(cells, method: str) -> None:
    train, test = cells
    table = evaluate(coreset(train, 1, method), test, models=FAST)
    assert _f1(table).min() > 0.8


def test_full_data_and_reference(cells) -> None:
    train, test = cells
    syn = coreset(train, 2)
    del syn.var["scdd_hvg"]
    with pytest.warns(ScddWarning, match="no var"):
        evaluate(train, test, models=["kNN"])
    with pytest.warns(ScddWarning, match="reference="):
        evaluate(syn, test, models=["kNN"])
    table = evaluate(syn, test, models=["kNN"], reference=train)
    assert _f1(table).min() > 0.7


def test_genes_are_matched_by_name(cells) -> None:
    train, test = cells
    syn = coreset(train, 3)
    expected = evaluate(syn, test, models=FAST)
    order = np.random.default_rng(0).permutation(test.n_vars)
    shuffled = evaluate(syn, test[:, order].copy(), models=FAST)
    np.testing.assert_array_equal(expected["value"], shuffled["value"])
    with pytest.raises(GeneError, match="lacks 2 of 200 genes.*'gene_0'"):
        evaluate(syn, test[:, 2:].copy(), models=FAST)


def test_labels_are_matched_by_name_not_by_code(cells) -> None:
    train, test = cells
    syn = coreset(train, 3)
    expected = evaluate(syn, test, models=FAST)
    other = test.copy()
    other.obs["cell_type"] = (
        other.obs["cell_type"]
        .astype("category")
        .cat.set_categories(["unused", "class_3", "class_1", "class_0", "class_2"])
    )
    table = evaluate(syn, other, models=FAST)
    np.testing.assert_array_equal(expected["value"], table["value"])


def test_unknown_classes_are_left_out_and_listed(cells) -> None:
    train, test = cells
    syn = coreset(train[train.obs["cell_type"] != "class_1"].copy(), 3)
    with pytest.warns(ScddWarning, match="'class_1'"):
        table = evaluate(syn, test, models=FAST)
    assert table.attrs["excluded"] == {"class_1": "no training row"}
    assert "class_1" not in set(table["class"])
    assert _f1(table).min() > 0.8


def test_sizes_before_distillation_decide_what_is_scored(cells) -> None:
    train, test = cells
    one = np.r_[
        np.flatnonzero(train.obs["cell_type"] != "class_2"), np.flatnonzero(train.obs["cell_type"] == "class_2")[:1]
    ]
    rare = train[np.sort(one)].copy()
    with pytest.warns(ScddWarning, match="one cell only"):
        syn = coreset(rare, 1)
    assert set(evaluate(syn, test, models=["kNN"]).attrs["excluded"]) == {"class_2"}
    sizes = {"class_0": 9, "class_1": 1, "class_2": 9, "class_3": 9}
    table = evaluate(syn, test, models=["kNN"], train_sizes=sizes)
    assert set(table.attrs["excluded"]) == {"class_1"}
    assert set(evaluate(syn, test, models=["kNN"], reference=rare).attrs["excluded"]) == {"class_2"}
    with pytest.raises(InputError, match="lacks 3 classes"):
        evaluate(syn, test, models=["kNN"], train_sizes={"class_0": 3})


def test_seeds_give_blocks(cells) -> None:
    train, test = cells
    syn = coreset(train, 3)
    table = evaluate(syn, test, models=["RF", "LR"], seeds=[5, 6])
    assert table["seed"].unique().tolist() == [5, 6]
    for seed in (5, 6):
        alone = evaluate(syn, test, models=["RF", "LR"], seed=seed)
        block = table[table["seed"] == seed].reset_index(drop=True)
        np.testing.assert_array_equal(alone["value"], block["value"])
        assert alone["model"].tolist() == block["model"].tolist()


def test_the_label_column_of_the_set_is_the_default(cells) -> None:
    train, test = (part.copy() for part in cells)
    for part in (train, test):
        part.obs["kind"] = part.obs.pop("cell_type")
    syn = coreset(train, 3, labels_key="kind")
    assert _f1(evaluate(syn, test, models=FAST)).min() > 0.7


def test_layers_and_missing_labels(cells) -> None:
    train, test = (part.copy() for part in cells)
    expected = evaluate(coreset(train, 3), test, models=FAST)
    for part in (train, test):
        part.layers["counts"] = part.X.copy()
        part.X = sp.csr_matrix(np.log1p(part.X))
    syn = coreset(train, 3, layer="counts")
    np.testing.assert_array_equal(evaluate(syn, test, models=FAST, layer="counts")["value"], expected["value"])
    with pytest.raises(CountsError, match="counts"):
        evaluate(syn, test, models=FAST)
    test.obs["cell_type"] = test.obs["cell_type"].astype(object)
    test.obs.iloc[:3, test.obs.columns.get_loc("cell_type")] = None
    with pytest.warns(ScddWarning, match=f"3 of {test.n_obs} test cells"):
        evaluate(syn, test, models=FAST, layer="counts")


def test_inputs_stay_as_they_are(cells) -> None:
    train, test = cells
    syn = coreset(train, 3)
    before = syn.X.copy(), test.X.copy(), syn.obs.copy(), test.obs.copy()
    evaluate(syn, test, models=FAST)
    assert (syn.X != before[0]).nnz == 0
    assert (test.X != before[1]).nnz == 0
    assert syn.obs.equals(before[2])
    assert test.obs.equals(before[3])


def test_one_model_may_stand_alone(cells) -> None:
    train, test = cells
    table = evaluate(coreset(train, 2), test, models="LR")
    assert set(table["model"]) == {"LR"}


def test_unknown_model_and_no_model(cells) -> None:
    train, test = cells
    syn = coreset(train, 1)
    with pytest.raises(InputError, match="Unknown test model"):
        evaluate(syn, test, models=["XGB"])
    with pytest.raises(InputError, match="at least one model"):
        evaluate(syn, test, models=[])


def test_one_row_of_each_of_many_classes(cells) -> None:
    """As many classes as rows are no barcodes in a distilled set."""
    train = simulate(n_obs=650, n_vars=60, n_classes=130, depth=800)
    with pytest.warns(ScddWarning, match="one cell only"):
        made = coreset(train, 1)
    table = evaluate(made, train, models=["LR"])
    assert _f1(table)[0] > 0.2


def test_what_is_odd_about_test_counts_is_told(cells) -> None:
    train, test = cells
    odd = test.copy()
    odd.X = odd.X.astype(np.float64)
    odd.X.data[::50] += 0.5
    with pytest.warns(ScddWarning, match="estimated counts"):
        evaluate(coreset(train, 2), odd, models=["LR"])


def test_inputs_of_another_type_and_references_without_labels(cells) -> None:
    train, test = cells
    made = coreset(train, 2)
    with pytest.raises(InputTypeError, match="read_h5ad"):
        evaluate("made.h5ad", test)
    with pytest.raises(InputTypeError, match="read_h5ad"):
        evaluate(made, test, reference="train.h5ad")
    bare = train.copy()
    del bare.obs["cell_type"]
    with pytest.raises(LabelError, match="no column 'cell_type'"):
        evaluate(made, test, models=["LR"], reference=bare)


def test_large_seeds(cells) -> None:
    train, test = cells
    made = coreset(train, 2)
    table = evaluate(made, test, models=["RF"], seed=2**33 + 5)
    assert _f1(table)[0] == _f1(evaluate(made, test, models=["RF"], seed=5))[0]


@pytest.mark.parametrize("method", ["class_mean", "kmeans", "class_mean_log", "kmeans_log"])
def test_profiles_are_taken_as_they_are(method: str) -> None:
    """Means of shallow cells look log-normalised, and those of equally deep ones normalised: they are neither."""
    shallow = simulate(n_obs=400, n_vars=200, depth=40, effect=0.7)
    for adata in (shallow, simulate(n_obs=400, n_vars=200, depth=4000)):
        syn = coreset(adata, 1, method)
        data = read_train_test(syn, adata, labels_key=None, layer=None)
        assert (data.train_counts != syn.X).nnz == 0
        assert (make_pair(adata, syn, labels_key=None, layer=None).counts != syn.X).nnz == 0


@pytest.mark.filterwarnings("ignore::scdd.errors.ScddWarning")
def test_a_class_of_unlabelled_cells_is_one(cells) -> None:
    train, test = (side.copy() for side in cells)
    for side in (train, test):
        side.obs["cell_type"] = side.obs["cell_type"].cat.rename_categories({"class_3": "Unknown"})
    kept, left = coreset(train, 3, unlabeled="class"), coreset(train, 3, unlabeled="drop")
    assert "Unknown" in set(evaluate(kept, test, models=FAST)["class"])
    assert "Unknown" not in set(evaluate(left, test, models=FAST)["class"])
    assert "Unknown" not in set(evaluate(train, test, labels_key="cell_type", reference=train, models=FAST)["class"])
    missing = test.copy()
    missing.obs["cell_type"] = missing.obs["cell_type"].cat.remove_categories("Unknown")
    syn = coreset(missing, 3, unlabeled="class")
    assert "unlabeled" in set(evaluate(syn, missing, models=FAST)["class"])

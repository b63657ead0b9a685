"""The door: label, batch and donor columns (rows of the list of bad inputs)."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scdd.errors import LabelError, ScddWarning
from scdd.pp import check
from scdd.tl import coreset

from ._door import quiet, with_labels


def test_no_label_column_lists_the_candidates(toy: ad.AnnData) -> None:
    toy.obs = toy.obs.rename(columns={"cell_type": "annotation"})
    toy.obs["markers"] = [["CD3D"], []] * 120
    with pytest.raises(LabelError, match="could hold labels: 'annotation', 'donor'"):
        check(toy)


def test_i04_one_class(toy: ad.AnnData) -> None:
    assert check(with_labels(toy, "a")).source.class_names == ("a",)


def test_i05_class_with_one_cell_is_kept_and_told(toy: ad.AnnData) -> None:
    with pytest.warns(ScddWarning, match=r"1 classes .* one cell only \(kept\): 'rare'"):
        checked = check(with_labels(toy, ["rare"] + ["a"] * 239))
    assert checked.source.class_names == ("a", "rare")
    assert len(checked.warnings) == 1


@pytest.mark.parametrize(
    "missing", [np.nan, None, "", "nan", "Unknown", " unassigned "], ids=lambda v: f"{type(v).__name__}-{v}"
)
def test_i11_drop_and_class(toy: ad.AnnData, missing: Any) -> None:
    values = pd.Series([missing] * 3 + ["b", "a"] * 118 + ["a"], index=toy.obs_names, dtype=object)
    dropped = quiet(with_labels(toy, values), unlabeled="drop")
    np.testing.assert_array_equal(dropped.kept, np.arange(3, 240))
    assert dropped.source.class_names == ("a", "b")
    np.testing.assert_array_equal(dropped.source.rows(np.arange(5)).toarray(), toy.X[3:8].toarray())
    assert any("3 cells without a label" in text for text in dropped.warnings)
    as_class = quiet(toy, unlabeled="class")
    name = missing if isinstance(missing, str) else "unlabeled"
    assert name in as_class.source.class_names
    assert as_class.source.n_obs == 240
    k = as_class.source.class_names.index(name)
    assert (as_class.source.labels == k).sum() == 3
    assert as_class.label_categories[as_class.class_codes[k]] == name


@pytest.mark.parametrize("values", [[1, 2], [True, False], [1.0, 2.5], ["x", "y"]])
def test_i12_labels_that_are_not_categorical(toy: ad.AnnData, values: list[Any]) -> None:
    checked = check(with_labels(toy, values * 120))
    expected = toy.obs["cell_type"].astype("category").cat.categories
    pd.testing.assert_index_equal(checked.label_categories, expected)
    assert checked.source.class_names == tuple(str(v) for v in expected)


def test_i12_same_text_of_different_type(toy: ad.AnnData) -> None:
    with pytest.raises(LabelError, match="differ in type but not in text: '1'"):
        check(with_labels(toy, pd.Series(["1", 1] * 120, index=toy.obs_names, dtype=object)))


def test_i13_unused_levels_and_their_order(toy: ad.AnnData) -> None:
    values = pd.Categorical(["b", "a"] * 120, categories=["z", "b", "q", "a"])
    checked = quiet(with_labels(toy, values))
    assert list(checked.label_categories) == ["z", "b", "q", "a"]
    assert checked.source.class_names == ("b", "a")
    np.testing.assert_array_equal(checked.class_codes, [1, 3])
    assert any("2 categories" in text and "'z', 'q'" in text for text in checked.warnings)


@pytest.mark.parametrize(
    "name", ["T/NK", "a'\"b", "x\ny", "β-cell", "🧬", "خلية", " lead", "a" * 10_000], ids=[str(i) for i in range(8)]
)
def test_i14_i15_odd_names(toy: ad.AnnData, name: str) -> None:
    checked = check(with_labels(toy, [name, "plain"] * 120))
    assert set(checked.source.class_names) == {name, "plain"}


def test_i15_long_names_are_cut_in_messages(toy: ad.AnnData) -> None:
    with pytest.warns(ScddWarning) as caught:
        check(with_labels(toy, ["a" * 10_000] + ["b"] * 239))
    assert len(str(caught[0].message)) < 500


def test_i16_many_classes() -> None:
    n = 4000
    adata = ad.AnnData(sp.csr_matrix(np.ones((n, 3), np.float32)))
    adata.obs["cell_type"] = pd.Categorical([f"k{i % 1000}" for i in range(n)])
    assert len(check(adata).source.class_names) == 1000


def test_i17_near_duplicates(toy: ad.AnnData) -> None:
    checked = quiet(with_labels(toy, ["T cell", "t cell", "caf\u00e9", "cafe\u0301"] * 60))
    assert len(checked.source.class_names) == 4
    assert any("kept apart" in text for text in checked.warnings)


def test_i20_duplicate_cells(toy: ad.AnnData) -> None:
    toy.obs.index = pd.Index(["x"] * 2 + [f"c{i}" for i in range(238)])
    with pytest.warns(ScddWarning, match="1 cell names"):
        check(toy)


def test_i48_i49_confounded_batches(toy: ad.AnnData) -> None:
    toy.obs["one"] = "x"
    toy.obs["nested"] = toy.obs["cell_type"].astype(str) + np.where(np.arange(240) % 2, "_1", "_2")
    toy.obs["holes"] = toy.obs["donor"].astype(str).where(np.arange(240) > 1)
    assert "one value only" in quiet(toy, batch_key="one").warnings[0]
    assert "nested in" in quiet(toy, batch_key="nested").warnings[0]
    assert "same grouping" in quiet(toy, batch_key="cell_type").warnings[0]
    checked = quiet(toy, batch_key="holes")
    assert "2 values" in checked.warnings[0]
    assert "missing" in checked.source.batch_names


@pytest.mark.parametrize("dtype", ["string", "object", "category"])
def test_i55_text_types(toy: ad.AnnData, dtype: str) -> None:
    plain = check(toy, batch_key="donor")
    toy.obs = toy.obs.astype({"cell_type": str, "donor": str}).astype({"cell_type": dtype, "donor": dtype})
    other = check(toy, batch_key="donor")
    assert other.source.class_names == plain.source.class_names
    assert other.source.batch_names == plain.source.batch_names
    np.testing.assert_array_equal(other.source.labels, plain.source.labels)


def test_colors(toy: ad.AnnData) -> None:
    assert check(toy).colors is None
    toy.uns["cell_type_colors"] = np.array(["#000000", "#111111", "#222222", "#333333"])
    assert check(toy).colors == ["#000000", "#111111", "#222222", "#333333"]
    toy.uns["cell_type_colors"] = ["#000000"]
    assert check(toy).colors is None


def test_order_of_categories_is_kept(toy: ad.AnnData) -> None:
    stages = pd.Categorical(["late", "early"] * 120, categories=["early", "late"], ordered=True)
    toy.obs["cell_type"], toy.obs["stage"] = stages, stages
    checked = quiet(toy, batch_key="stage")
    assert checked.label_ordered
    assert checked.batch_ordered
    assert not check(with_labels(toy, ["a", "b"] * 120)).label_ordered


@pytest.mark.parametrize(
    "values",
    [[1.0, 2.0], pd.array([1, 2], dtype="Int64"), pd.array([True, False], dtype="boolean")],
    ids=["float", "Int64", "boolean"],
)
def test_missing_values_beside_numbers_can_be_written(toy: ad.AnnData, values: Any, tmp_path: Path) -> None:
    """Files hold categories of one type."""
    column = pd.Series(values, dtype=None).repeat(120).reset_index(drop=True)
    column.iloc[0] = pd.NA if column.dtype != float else np.nan
    toy.obs["batch"] = column.to_numpy() if column.dtype == float else column.array
    toy.obs["cell_type"] = toy.obs["batch"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScddWarning)
        made = coreset(toy, 2, "random", batch_key="batch", unlabeled="class")
    assert all(isinstance(name, str) for name in made.obs["cell_type"].cat.categories)
    made.write_h5ad(tmp_path / "made.h5ad")
    back = ad.read_h5ad(tmp_path / "made.h5ad")
    assert "unlabeled" in set(back.obs["cell_type"])


def test_intervals_become_text(toy: ad.AnnData, tmp_path: Path) -> None:
    toy.obs["cell_type"] = pd.cut(np.arange(240), [-1, 100, 240])
    made = coreset(toy, 2, "random")
    assert list(made.obs["cell_type"].cat.categories) == ["(-1, 100]", "(100, 240]"]
    assert made.obs["cell_type"].cat.ordered
    made.write_h5ad(tmp_path / "made.h5ad")


def test_mixed_values_become_text(toy: ad.AnnData, tmp_path: Path) -> None:
    """No file holds numbers beside text in one column."""
    toy.obs["cell_type"] = pd.Series([0, 1, 2, "doublet"] * 60, dtype=object).to_numpy()
    made = coreset(toy, 2, "random")
    assert list(made.obs["cell_type"].cat.categories) == ["0", "1", "2", "doublet"]
    made.write_h5ad(tmp_path / "made.h5ad")


def test_numbers_in_a_column_of_objects_stay_numbers(toy: ad.AnnData, tmp_path: Path) -> None:
    toy.obs["cell_type"] = pd.Categorical(
        pd.Series([0, 1, 2, 3] * 60, dtype=object), categories=np.array([3, 2, 1, 0], object)
    )
    made = coreset(toy, 2, "random")
    assert list(made.obs["cell_type"].cat.categories) == [3, 2, 1, 0]
    made.write_h5ad(tmp_path / "made.h5ad")

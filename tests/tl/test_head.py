"""tl.head: the first rows of each class, with weights that still stand for all cells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pytest

import scdd
from scdd._about import plain
from scdd.errors import BudgetError, InputError, InputTypeError
from scdd.tl import coreset, distill, expand, head

if TYPE_CHECKING:
    from anndata import AnnData


@pytest.fixture(scope="module")
def cells() -> AnnData:
    return scdd.datasets.simulate(n_obs=160, n_vars=80, n_batches=2, seed=2)


@pytest.fixture(scope="module")
def syn(cells: AnnData, small_budget: None) -> AnnData:
    return distill(cells, 5, batch_key="donor", preset="fast", progress=False)


def _weights(of: AnnData) -> dict[str, float]:
    return of.obs.groupby("cell_type", observed=True)["scdd_weight"].sum().to_dict()


def test_first_rows_with_the_weight_of_all(syn: AnnData, cells: AnnData) -> None:
    before = json.dumps(plain(syn.uns["scdd"])), syn.obs.copy(), syn.X.copy()
    small = head(syn, 2)
    assert small.obs_names.tolist() == [syn.obs_names[k] for start in range(0, 20, 5) for k in (start, start + 1)]
    assert not small.is_view
    np.testing.assert_array_equal(small.X.toarray(), syn[small.obs_names].X.toarray())
    assert _weights(small) == pytest.approx(cells.obs["cell_type"].value_counts().to_dict())
    first = small.obs["scdd_weight"].to_numpy().reshape(4, 2)
    asked = syn[small.obs_names].obs["scdd_weight"].to_numpy().reshape(4, 2)
    np.testing.assert_allclose(first[:, 0] / first[:, 1], asked[:, 0] / asked[:, 1])
    assert small.obs["cell_type"].cat.categories.tolist() == syn.obs["cell_type"].cat.categories.tolist()
    assert list(small.uns["scdd"]["n_per_class"]) == [2, 2, 2, 2]
    # the set that was cut is as it was
    assert before[0] == json.dumps(plain(syn.uns["scdd"]))
    assert before[1].equals(syn.obs)
    assert (before[2] != syn.X).nnz == 0


def test_report_finds_it_whole(syn: AnnData, cells: AnnData) -> None:
    told = scdd.tl.report(cells, head(syn, 2), models="LR", plots=False)
    assert (told.diagnostic["status"] != "fail").all()


def test_numbers_of_their_own_and_more_than_there_are(syn: AnnData) -> None:
    sizes = {"class_0": 1, "class_1": 2, "class_2": 3, "class_3": 9}
    small = head(syn, sizes)
    assert small.obs["cell_type"].value_counts().to_dict() == sizes | {"class_3": 5}
    assert list(small.uns["scdd"]["n_per_class"]) == [1, 2, 3, 5]
    whole = head(syn, 50)
    assert whole.n_obs == syn.n_obs
    assert _weights(whole) == pytest.approx(_weights(syn))


def test_from_disk_and_of_some_classes(syn: AnnData, tmp_path: Path) -> None:
    syn.write_h5ad(tmp_path / "syn.h5ad")
    back = ad.read_h5ad(tmp_path / "syn.h5ad")
    two = head(back[back.obs["cell_type"].isin(["class_1", "class_3"])], 1)
    assert two.obs["cell_type"].tolist() == ["class_1", "class_3"]
    assert list(two.uns["scdd"]["n_per_class"]) == [0, 1, 0, 1]
    two.write_h5ad(tmp_path / "two.h5ad")


@pytest.mark.parametrize("method", ["herding", "kmeans"])
def test_coresets_and_profiles(cells: AnnData, method: str) -> None:
    small = head(coreset(cells, 4, method=method), 3)
    assert list(small.uns["scdd"]["sizes"]) == [3, 3, 3, 3]
    assert _weights(small) == pytest.approx(cells.obs["cell_type"].value_counts().to_dict())


def test_what_cannot_be_cut(syn: AnnData, cells: AnnData) -> None:
    with pytest.raises(InputError, match="not made by scdd"):
        head(cells)
    with pytest.raises(InputError, match="of kind 'expanded'"):
        head(expand(syn, 2))
    bare = syn.copy()
    del bare.obs["scdd_weight"]
    with pytest.raises(InputError, match="scdd_weight"):
        head(bare)
    with pytest.raises(BudgetError, match="at least 1"):
        head(syn, 0)
    with pytest.raises(BudgetError, match="class_9"):
        head(syn, {"class_9": 1})
    with pytest.raises(InputTypeError):
        head("syn.h5ad")  # type: ignore[arg-type]

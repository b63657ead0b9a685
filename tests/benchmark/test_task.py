"""Tasks: declared on real columns, split by donor, transferred on shared genes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from scdd.benchmark import TASKS, Task
from scdd.benchmark._data import Stored, data_folder
from scdd.errors import InputError

from ._toy import TOY, load

FILES = {path.stem for path in (Path(__file__).parents[2] / "src/scdd/benchmark/tasks").glob("[!_]*.py")}


def _available(task: Task) -> bool:
    try:
        task.check()
    except InputError:
        return False
    return True


def test_one_file_for_each_task() -> None:
    assert set(TASKS) == FILES
    for name in TASKS:
        assert TASKS.get(name).name == name
        assert TASKS.get(name).note.endswith(".")


def test_the_reserved_tasks() -> None:
    assert {name for name in TASKS if TASKS.get(name).reserved} == {"pancreas_mouse_baron", "pbmc_3tech_symphony"}


@pytest.mark.parametrize("name", TASKS.names())
def test_columns_are_those_of_the_files(name: str) -> None:
    task = TASKS.get(name)
    if not _available(task):
        pytest.skip("real data are not at hand (set SCDD_DATA to their folder)")
    adata = task.load()
    assert task.labels_key in adata.obs
    assert task.donor_key is None or adata.obs[task.donor_key].nunique() > 1 or task.load_test
    present = set(adata.obs[task.labels_key].astype(str))
    assert set(task.classes or {}) <= present
    if task.load_test is not None:
        test = task.load_test()
        assert set(task.test_classes or {}) <= set(test.obs[task.labels_key].astype(str))
        if task.classes is not None and task.test_classes is not None:
            assert set(task.classes.values()) == set(task.test_classes.values())


def test_whole_donors_are_held_out_and_splits_differ() -> None:
    held_out = set()
    for split in range(4):
        train, test = TOY.cells(split)
        assert train.n_obs + test.n_obs == 240
        assert not set(train.obs["donor"]) & set(test.obs["donor"])
        held_out.add(tuple(sorted(set(test.obs["donor"]))))
    assert len(held_out) > 1


def test_held_out_donors_have_two_classes() -> None:
    # the label is constant within a donor: about half of the sets of two donors have one label only
    def labelled() -> AnnData:
        adata = load()
        adata.obs["sick"] = np.where(adata.obs["donor"].isin(["donor_0", "donor_1"]), "yes", "no")
        return adata

    task = replace(TOY, load=labelled, labels_key="sick")
    for split in range(10):
        for cells in task.cells(split):
            assert cells.obs["sick"].nunique() == 2


def test_transfer_renames_classes_and_matches_genes() -> None:
    def mouse() -> AnnData:
        adata = load()
        # another order, one gene that the other lacks, two that are one in capitals
        adata.var_names = [f"Gene_{i}" for i in range(58)] + ["new", "gEne_0"]
        return adata[:, ::-1].copy()

    task = Task(
        "transfer", load, load_test=mouse, classes={"class_0": "a", "class_1": "a", "class_2": "b"},
        test_classes={"class_0": "a", "class_2": "b"}, gene_name=str.upper,
    )  # fmt: skip
    assert task.split_by == "fixed"
    train, test = task.cells(0)
    assert list(train.var_names) == list(test.var_names) == [f"GENE_{i}" for i in range(1, 58)]
    assert set(train.obs["cell_type"]) == set(test.obs["cell_type"]) == {"a", "b"}
    original = load()
    kept = (original.obs["cell_type"] != "class_1").to_numpy()
    np.testing.assert_array_equal(test.X.toarray(), original.X[kept][:, 1:58].toarray())
    np.testing.assert_array_equal(train.X.toarray(), original.X[:, 1:58].toarray())
    assert pd.Index(test.obs_names).equals(original.obs_names[kept])


def test_a_class_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="'class_9'"):
        replace(TOY, classes={"class_9": "a"}).cells(0)


def test_the_data_folder_is_that_of_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCDD_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    with pytest.raises(InputError, match=r"absent\.h5ad is not in"):
        Stored("absent")()
    adata = load()
    adata.write_h5ad(tmp_path / "here.h5ad")
    assert Stored("here")().shape == adata.shape
    assert set(Stored("here", where=("donor", "donor_1"))().obs["donor"]) == {"donor_1"}
    monkeypatch.setenv("SCDD_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="no folder"):
        data_folder()

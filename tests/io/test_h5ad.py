"""Files of cells: whole, the input as it was, and readable by old readers on request."""

from __future__ import annotations

from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import scdd
from scdd.errors import InputError
from scdd.io import export, read_h5ad, write_h5ad

# the on-disk format of anndata 0.8 to 0.10, which readers in other languages follow
KNOWN = {
    "anndata", "array", "categorical", "csc_matrix", "csr_matrix", "dataframe", "dict", "nullable-boolean",
    "nullable-integer", "numeric-scalar", "string", "string-array",
}  # fmt: skip

INFO = scdd.io.CardInfo(source="simulated", licence="CC0-1.0", creators=("A. Author",))


def encodings(path: Path) -> set[str]:
    found: set[str] = set()
    with h5py.File(path) as file:
        found.add(file.attrs["encoding-type"])
        file.visititems(lambda _, item: found.add(item.attrs.get("encoding-type", "array")))
    return found


@pytest.fixture
def syn(toy: AnnData) -> AnnData:
    return scdd.tl.distill(toy, 2, preset="fast", progress=False)


@pytest.mark.usefixtures("small_budget")
def test_old_readers_know_all_that_is_in_the_file(syn: AnnData, tmp_path: Path) -> None:
    syn.obs["text"] = pd.array(["a", None, *["b"] * (syn.n_obs - 2)], dtype="string")
    syn.var["text"] = pd.Series(["x"] * syn.n_vars, index=syn.var_names, dtype="string")
    syn.uns["more"] = {"nothing": None, "inside": {"nothing": None, "one": 1}}
    path = write_h5ad(syn, tmp_path / "a.h5ad", compat="0.10")
    assert encodings(path) <= KNOWN
    back = read_h5ad(path)
    assert list(back.obs_names) == list(syn.obs_names)
    assert list(back.obs["cell_type"].cat.categories) == list(syn.obs["cell_type"].cat.categories)
    assert back.obs["text"].isna().tolist() == [False, True] + [False] * (syn.n_obs - 2)
    assert back.uns["more"] == {"inside": {"one": 1}}
    assert back.uns["scdd"]["preset"] == "fast"
    np.testing.assert_array_equal(back.X.toarray(), syn.X.toarray())
    # and the input is as it was
    assert isinstance(syn.obs["text"].dtype, pd.StringDtype)
    assert "nothing" in syn.uns["more"]


def test_text_is_plain_wherever_it_is(toy: AnnData, tmp_path: Path) -> None:
    text = lambda n: pd.array(["a", "b"] * (n // 2), dtype="string")
    words = lambda index: pd.DataFrame(
        {"word": text(len(index)), "kind": pd.Categorical(text(len(index)))}, index=index
    )
    toy.obs_names = pd.Index(toy.obs_names, dtype="string")
    toy.obsm["words"], toy.varm["words"] = words(toy.obs_names), words(toy.var_names)
    toy.uns["deep"] = {
        "inside": {"words": words(pd.Index(text(4)))},
        "array": text(4),
        "kinds": pd.Categorical(text(4)),
    }
    toy.uns["missing"] = pd.array(["a", None], dtype="string")
    path = write_h5ad(toy, tmp_path / "a.h5ad", compat="0.10")
    assert encodings(path) <= KNOWN
    back = read_h5ad(path)
    assert list(back.obs_names) == list(toy.obs_names)
    for found in (back.obsm["words"], back.varm["words"], back.uns["deep"]["inside"]["words"]):
        assert found["word"].tolist()[:3] == found["kind"].tolist()[:3] == ["a", "b", "a"]
    assert list(back.uns["deep"]["array"]) == list(back.uns["deep"]["kinds"]) == ["a", "b"] * 2
    assert pd.isna(back.uns["missing"]).tolist() == [False, True]
    assert isinstance(toy.obsm["words"]["word"].dtype, pd.StringDtype)
    assert export(toy, tmp_path / "shared", info=INFO).is_dir()


def test_what_travels_can_be_read_everywhere(toy: AnnData, tmp_path: Path) -> None:
    folder = export(scdd.tl.coreset(toy, 2, "kmeans"), tmp_path / "shared", info=INFO)
    assert encodings(folder / "syn.h5ad") <= KNOWN


def test_views_and_backed_cells_stay_what_they_are(toy: AnnData, tmp_path: Path) -> None:
    toy.obs["word"] = [f"w{k}" for k in range(3)] * (toy.n_obs // 3)
    toy.copy().write_h5ad(tmp_path / "toy.h5ad")
    backed = anndata.read_h5ad(tmp_path / "toy.h5ad", backed="r")
    for compat in (None, "0.10"):
        for name, cells in (("view", toy[:10]), ("backed", backed)):
            path = write_h5ad(cells, tmp_path / f"{name}-{compat}.h5ad", compat=compat)  # type: ignore[arg-type]
            assert read_h5ad(path).shape == cells.shape
    assert backed.filename == tmp_path / "toy.h5ad"
    assert not isinstance(toy.obs["word"].dtype, pd.CategoricalDtype)
    backed.file.close()


def test_nothing_is_replaced_unasked(toy: AnnData, tmp_path: Path) -> None:
    path = write_h5ad(toy, tmp_path / "a.h5ad")
    with pytest.raises(InputError, match="overwrite=True"):
        write_h5ad(toy, path)
    assert write_h5ad(toy[:5], path, overwrite=True) == path
    assert read_h5ad(path).n_obs == 5
    with pytest.raises(InputError, match="compat"):
        write_h5ad(toy, tmp_path / "b.h5ad", compat="0.5")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="must end with"):
        write_h5ad(toy, tmp_path / "b.rds")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.h5ad"]

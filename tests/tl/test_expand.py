"""tl.expand: many cells from each row, from the file alone."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

import scdd
from scdd.errors import InputError
from scdd.tl import distill, expand

if TYPE_CHECKING:
    from anndata import AnnData


@pytest.fixture(scope="module")
def syn(small_budget: None) -> AnnData:
    adata = scdd.datasets.simulate(n_obs=160, n_vars=80, n_batches=2, seed=2)
    adata.uns["cell_type_colors"] = ["#111111", "#222222", "#333333", "#444444"]
    return distill(adata, 3, batch_key="donor", preset="fast", progress=False)


def test_contract(syn: AnnData) -> None:
    before = json.dumps(syn.uns["scdd"]), syn.obs.copy(), syn.X.copy()
    cells = expand(syn, n=7)
    assert cells.shape == (12 * 7, 80)
    assert isinstance(cells.X, sp.csr_matrix | sp.csr_array)
    assert cells.X.dtype == np.float32
    assert cells.X.data.min() > 0
    np.testing.assert_array_equal(cells.X.data, np.rint(cells.X.data))
    assert cells.var_names.tolist() == syn.var_names.tolist()
    assert cells.obs_names.is_unique
    assert cells.obs["cell_type"].cat.categories.tolist() == syn.obs["cell_type"].cat.categories.tolist()
    assert cells.obs["cell_type"].tolist() == np.repeat(syn.obs["cell_type"].to_numpy(), 7).tolist()
    assert cells.obs["donor"].tolist() == np.repeat(syn.obs["donor"].to_numpy(), 7).tolist()
    assert cells.obs["scdd_row"].tolist() == np.repeat(syn.obs_names.to_numpy(), 7).tolist()
    weight = cells.obs.groupby("scdd_row", observed=True)["scdd_weight"].sum()
    np.testing.assert_allclose(weight[syn.obs_names], syn.obs["scdd_weight"])
    assert list(cells.uns["cell_type_colors"]) == list(syn.uns["cell_type_colors"])
    assert cells.uns["scdd"]["expand"] == {"n": 7, "noise": "poisson", "seed": 0}
    assert json.dumps(cells.uns["scdd"])
    assert before[0] == json.dumps(syn.uns["scdd"])
    assert before[1].equals(syn.obs)
    assert (before[2] != syn.X).nnz == 0


@pytest.mark.parametrize("noise", ["poisson", "nb"])
def test_mean_and_variance(syn: AnnData, noise: str) -> None:
    n = 3000
    one = syn[:1].copy()
    cells = expand(one, n=n, noise=noise, seed=3).X.toarray()
    mean = one.layers["scdd_mean"].toarray()[0].astype(float)
    theta = one.var["scdd_dispersion"].to_numpy().astype(float)
    half = one.var["scdd_half_capture"].to_numpy().astype(float)
    variance = mean + (mean * (mean + half) * (1 + 1 / theta) - mean**2 if noise == "nb" else 0)
    z = (cells.mean(axis=0) - mean) / np.sqrt(variance / n + 1e-12)
    assert np.abs(z[mean > 0]).max() < 5
    assert (cells[:, mean == 0] == 0).all()
    big = mean > 2
    assert big.sum() > 20
    ratio = cells.var(axis=0)[big] / variance[big]
    assert abs(np.median(ratio) - 1) < 0.05
    if noise == "nb":
        assert np.median(variance[big] / mean[big]) > 1.2, "the test cannot tell the two noises apart"


def test_seed(syn: AnnData) -> None:
    first = expand(syn, n=2, seed=1)
    assert (first.X != expand(syn, n=2, seed=1).X).nnz == 0
    assert (first.X != expand(syn, n=2, seed=2).X).nnz > 0
    assert (first.X != expand(syn, n=2, seed=np.random.default_rng(1)).X).nnz > 0
    with pytest.raises(InputError, match="seed"):
        expand(syn, seed=-1)


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_from_the_file_alone(syn: AnnData, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"syn.{kind}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        getattr(syn, f"write_{kind}")(path)
        back = ad.read_h5ad(path) if kind == "h5ad" else ad.read_zarr(path)
        cells, expected = expand(back, n=4), expand(syn, n=4)
        assert (cells.X != expected.X).nnz == 0
        assert cells.obs_names.tolist() == expected.obs_names.tolist()
        getattr(cells, f"write_{kind}")(tmp_path / f"cells.{kind}")


def test_of_a_part(syn: AnnData) -> None:
    assert expand(syn[[3, 1]], n=2).obs["cell_type"].tolist() == [syn.obs["cell_type"].iloc[k] for k in (3, 3, 1, 1)]


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "3", None])
def test_wrong_numbers(syn: AnnData, n: Any) -> None:
    with pytest.raises(InputError, match="n must be"):
        expand(syn, n=n)


def test_wrong_input(syn: AnnData) -> None:
    with pytest.raises(InputError, match="distill"):
        expand(scdd.datasets.simulate(n_obs=20, n_vars=10))
    with pytest.raises(InputError, match="noise"):
        expand(syn, noise="gauss")
    for column in ("scdd_dispersion", "scdd_half_capture"):
        broken = syn.copy()
        del broken.var[column]
        with pytest.raises(InputError, match=column):
            expand(broken, noise="nb")
    with pytest.raises(InputError, match="distill"):
        expand(expand(syn, n=2))
    with pytest.raises((InputError, TypeError), match="AnnData"):
        expand("syn.h5ad")  # type: ignore[arg-type]


def test_many_cells_of_each_row_are_drawn_in_pieces(syn: AnnData, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory does not grow with n, and the cells of a row stay together."""
    whole = expand(syn, n=7)
    seen: list[int] = []
    original = np.repeat

    def repeat(values: Any, *args: Any, **options: Any) -> Any:
        out = original(values, *args, **options)
        if getattr(out, "ndim", 1) == 2:
            seen.append(len(out))
        return out

    monkeypatch.setattr("scdd.tl._expand._CELLS", 3)
    monkeypatch.setattr("scdd.tl._expand.np.repeat", repeat)
    pieces = expand(syn, n=7)
    assert max(seen) == 3
    assert (pieces.X != whole.X).nnz == 0
    assert pieces.obs_names.equals(whole.obs_names)


def test_rows_that_share_a_name_are_refused(syn: AnnData) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        twice = ad.concat([syn, syn], merge="same")
    with pytest.raises(InputError, match="obs_names_make_unique"):
        expand(twice)

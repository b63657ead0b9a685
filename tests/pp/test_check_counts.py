"""The door: formats, types and values of the matrix (rows of the list of bad inputs)."""

from __future__ import annotations

from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scdd.errors import CountsError, InputTypeError, LabelError, ScddWarning
from scdd.pp import check

from ._door import digest, lognorm, quiet, with_labels, with_x


def test_i22_to_i26_name_the_places_with_counts(toy: ad.AnnData) -> None:
    toy.layers["raw_counts"] = toy.X.copy()
    toy.raw = toy
    toy.X = lognorm(toy.X)
    with pytest.raises(CountsError, match="layer='raw_counts'.*adata.raw.to_adata"):
        check(toy)
    assert check(toy, layer="raw_counts").layer == "raw_counts"


def test_i22_names_the_place_whatever_the_format(toy: ad.AnnData, array_type: Any) -> None:
    x = toy.X.tolil()
    x[7, 3] = -2
    with pytest.raises(CountsError, match="1 negative counts, first cell 'cell_7', gene 'gene_3': -2"):
        check(with_x(toy, array_type(x.tocsr())))


def test_i24_estimates_are_taken_with_a_warning(toy: ad.AnnData) -> None:
    x = toy.X.copy()
    x.data[::3] += np.float32(0.37)
    with pytest.warns(ScddWarning, match="taken as estimated counts"):
        checked = check(with_x(toy, x))
    np.testing.assert_allclose(checked.source.rows(np.arange(240)).toarray(), x.toarray())


def test_i24_nearly_integers_are_rounded(toy: ad.AnnData) -> None:
    x = toy.X.copy()
    x.data = x.data + np.float32(1e-4)
    bad = with_x(toy, x)
    before = digest(bad)
    with pytest.warns(ScddWarning, match="are rounded"):
        checked = check(bad)
    np.testing.assert_array_equal(checked.source.rows(np.arange(240)).toarray(), toy.X.toarray())
    assert digest(bad) == before


@pytest.mark.parametrize("logged", [True, False])
def test_i25_allow_normalized_recovers_the_counts(toy: ad.AnnData, logged: bool) -> None:
    # cells whose smallest count is 1, as nearly all UMI cells
    usual = np.array([row.data.min() == 1 for row in toy.X])
    assert usual.mean() > 0.9
    values = lognorm(toy.X)
    if not logged:
        values.data = np.expm1(values.data)
    bad = with_x(toy, values)
    before = digest(bad)
    with pytest.warns(ScddWarning, match="counts are recovered"):
        checked = check(bad, allow_normalized=True)
    got = checked.source.rows(np.arange(240))
    np.testing.assert_array_equal(got[usual].toarray(), toy.X[usual].toarray())
    assert got.dtype == np.float32
    np.testing.assert_array_equal(checked.source.library, np.asarray(got.sum(axis=1)).ravel())
    assert digest(bad) == before


@pytest.mark.parametrize("dtype", ["int64", "uint16", "int8", "float16", "float64", ">f4", ">i4", "bool"])
def test_i27_to_i29_types(toy: ad.AnnData, dtype: str, array_type: Any) -> None:
    x = toy.X.copy()
    x.data = np.minimum(x.data, 1 if dtype == "bool" else 100)
    try:
        typed = array_type(x).astype(dtype)
    except (ValueError, TypeError):
        pytest.skip(f"scipy has no sparse {dtype}")
    bad = with_x(toy, typed)
    checked = check(bad)
    got = checked.source.rows(np.arange(240))
    assert got.dtype == np.float32
    assert isinstance(got, sp.csr_matrix)
    np.testing.assert_array_equal(got.toarray(), x.toarray())
    np.testing.assert_array_equal(checked.source.library, np.asarray(x.sum(axis=1, dtype=np.float64)).ravel())


def test_i28_float16_sums(toy: ad.AnnData) -> None:
    x = np.full(toy.shape, 1000, dtype=np.float16)
    np.testing.assert_array_equal(check(with_x(toy, x)).source.library, 120_000.0)


def test_i29_object() -> None:
    adata = ad.AnnData(np.ones((4, 2), np.float32), obs=pd.DataFrame({"cell_type": list("abab")}, index=list("wxyz")))
    adata.layers["odd"] = np.array([["1", "2"]] * 4, dtype=object)
    with pytest.raises(InputTypeError, match="object"):
        check(adata, layer="odd")


def test_i30_formats_give_the_same(toy: ad.AnnData, array_type: Any) -> None:
    same = check(toy).source
    other = check(with_x(toy, array_type(toy.X))).source
    index = np.array([5, 1, 1, 200])
    np.testing.assert_array_equal(same.rows(index).toarray(), other.rows(index).toarray())
    np.testing.assert_array_equal(same.library, other.library)
    assert other.rows(index).has_canonical_format


def test_i31_not_canonical(toy: ad.AnnData) -> None:
    x = toy.X.tocoo()
    # every value in two halves, shuffled, and some stored zeros
    row, col = np.concatenate([x.row, x.row, [0, 1]]), np.concatenate([x.col, x.col, [0, 1]])
    data = np.concatenate([x.data - 1, np.ones_like(x.data), [0, 0]]).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(data))
    order = order[np.argsort(row[order], kind="stable")]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=240))])
    bad = with_x(toy, sp.csr_matrix((data[order], col[order], indptr), shape=toy.shape))
    before = digest(bad)
    got = check(bad).source.rows(np.arange(240))
    np.testing.assert_array_equal(got.toarray(), toy.X.toarray())
    assert got.has_canonical_format
    assert (got.data != 0).all()
    assert digest(bad) == before


def test_i32_int64_indices(toy: ad.AnnData) -> None:
    x = sp.csr_array(toy.X)
    x.indices, x.indptr = x.indices.astype(np.int64), x.indptr.astype(np.int64)
    np.testing.assert_array_equal(check(with_x(toy, x)).source.rows(np.arange(9)).toarray(), toy.X[:9].toarray())


def test_i37_read_only(toy: ad.AnnData, tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", toy.X.toarray())
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_array_equal(check(with_x(toy, mapped)).source.library, check(toy).source.library)
    frozen = toy.X.copy()
    for part in (frozen.data, frozen.indices, frozen.indptr):
        part.flags.writeable = False
    assert check(with_x(toy, frozen)).source.rows(np.array([3, 2])).shape == (2, 120)


def test_i33_masked(toy: ad.AnnData) -> None:
    toy.layers["masked"] = toy.X.toarray()
    hidden = np.ma.masked_equal(toy.X.toarray(), 0)
    from scdd.pp._load import _check_plain

    with pytest.raises(InputTypeError, match="masked"):
        _check_plain(hidden)


def test_i38_empty_cells_are_left_out_and_told(toy: ad.AnnData) -> None:
    x = toy.X.toarray()
    x[[4, 7]] = 0
    with pytest.warns(ScddWarning, match="2 cells without a single count are left out: 'cell_4', 'cell_7'"):
        checked = check(with_x(toy, x))
    np.testing.assert_array_equal(checked.kept, np.delete(np.arange(240), [4, 7]))


def test_i38_a_class_of_empty_cells(toy: ad.AnnData) -> None:
    x = toy.X.toarray()
    x[4] = 0
    labels = np.where(np.arange(240) == 4, "lost", "a")
    with pytest.raises(LabelError, match="'lost'"):
        quiet(with_labels(with_x(toy, x), labels))


def test_i39_i40_constant_genes(toy: ad.AnnData) -> None:
    x = np.zeros(toy.shape, np.float32)
    x[:, 3] = 1
    source = check(with_x(toy, x)).source
    np.testing.assert_array_equal(source.library, 1.0)


def test_i41_absurd_depth(toy: ad.AnnData) -> None:
    x = toy.X.copy()
    x.data[0] = 3e9
    checked = quiet(with_x(toy, x))
    assert any("'cell_0' (3e+09)" in text for text in checked.warnings)
    assert any("not exact" in text for text in checked.warnings)


def test_i52_more_genes_than_cells() -> None:
    x = sp.random(5, 30_000, density=0.05, format="csr", random_state=0, dtype=np.float32)
    x.data = np.ceil(x.data * 5)
    adata = ad.AnnData(x, obs=pd.DataFrame({"cell_type": list("aabbb")}, index=list("vwxyz")))
    assert check(adata).source.n_vars == 30_000


@pytest.mark.parametrize("kind", ["dense", "stored zeros"])
def test_i23_zeros_that_are_stored_are_no_counts(toy: ad.AnnData, kind: str) -> None:
    """Of a dense matrix most values are 0, which is an integer: that says nothing."""
    x = lognorm(toy.X).toarray()
    stored = sp.csr_matrix((x.ravel(), np.tile(np.arange(x.shape[1]), len(x)), np.arange(len(x) + 1) * x.shape[1]))
    logged = with_x(toy, x if kind == "dense" else stored)
    with pytest.raises(CountsError, match="looks log-normalised"):
        check(logged)
    recovered = quiet(logged, allow_normalized=True)
    np.testing.assert_array_equal(recovered.source.rows(np.arange(toy.n_obs)).toarray(), toy.X.toarray())


def test_backed_columns_in_any_order(toy: ad.AnnData, tmp_path: Any) -> None:
    with_x(toy, sp.csc_matrix(toy.X)).write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    part = quiet(backed[10:200:3, ::-1])
    np.testing.assert_array_equal(
        part.source.rows(np.arange(part.source.n_obs)).toarray(), toy.X.toarray()[10:200:3, ::-1]
    )

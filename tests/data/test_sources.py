"""All engines give the same answers, in memory and on disk."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

from scdd.data import BackedSource, MemorySource, Source, SubsetSource
from scdd.errors import CountsError, InputError, ScddWarning
from scdd.pp import check


@contextmanager
def h5ad_backed(adata: ad.AnnData, folder: Path) -> Iterator[ad.AnnData]:
    adata.write_h5ad(folder / "x.h5ad")
    out = ad.read_h5ad(folder / "x.h5ad", backed="r")
    yield out
    out.file.close()


@contextmanager
def zarr_sparse(adata: ad.AnnData, folder: Path) -> Iterator[ad.AnnData]:
    import zarr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata.write_zarr(folder / "x.zarr")
        group = zarr.open_group(str(folder / "x.zarr"), mode="r")
        x = ad.io.sparse_dataset(group["X"]) if sp.issparse(adata.X) else group["X"]
        yield ad.AnnData(x, obs=adata.obs, var=adata.var)


STORES = {"h5ad": h5ad_backed, "zarr": zarr_sparse}
FORMATS = {"csr": sp.csr_matrix, "csc": sp.csc_matrix, "dense": lambda x: x.toarray()}


@pytest.fixture(params=[f"{store}-{form}" for store in STORES for form in FORMATS])
def on_disk(request: pytest.FixtureRequest, toy: ad.AnnData, tmp_path: Path) -> Iterator[ad.AnnData]:
    store, form = request.param.split("-")
    adata = ad.AnnData(FORMATS[form](toy.X), obs=toy.obs, var=toy.var)
    with STORES[store](adata, tmp_path) as opened:
        yield opened


def assert_same(one: Source, other: Source) -> None:
    assert (one.n_obs, one.n_vars) == (other.n_obs, other.n_vars)
    assert one.class_names == other.class_names
    assert one.batch_names == other.batch_names
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.batches, other.batches)
    np.testing.assert_allclose(one.library, other.library)
    rng = np.random.default_rng(0)
    genes = rng.permutation(one.n_vars)[:7]
    for index in (rng.integers(one.n_obs, size=50), np.arange(20, 40), np.array([3]), np.array([], dtype=np.int64)):
        for columns in (None, genes):
            a, b = one.rows(index, columns), other.rows(index, columns)
            assert isinstance(a, sp.csr_matrix)
            assert isinstance(b, sp.csr_matrix)
            assert a.dtype == b.dtype == np.float32
            np.testing.assert_array_equal(a.toarray(), b.toarray())
    for (i, a), (j, b) in zip(one.blocks(50, genes), other.blocks(50, genes), strict=True):
        np.testing.assert_array_equal(i, j)
        np.testing.assert_array_equal(a.toarray(), b.toarray())


@pytest.mark.filterwarnings("ignore::scdd.errors.ScddWarning")
def test_i35_backed_equals_memory(on_disk: ad.AnnData, toy: ad.AnnData) -> None:
    source = check(on_disk, batch_key="donor").source
    assert_same(check(toy, batch_key="donor").source, source)
    column_wise = getattr(on_disk.X, "format", "") == "csc"
    assert isinstance(source, MemorySource if column_wise else BackedSource)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.filterwarnings("ignore::scdd.errors.ScddWarning")
def test_i36_view_on_backed(toy: ad.AnnData, tmp_path: Path, form: str) -> None:
    adata = ad.AnnData(FORMATS[form](toy.X), obs=toy.obs, var=toy.var)
    with h5ad_backed(adata, tmp_path) as opened:
        cells, genes = np.arange(3, 200, 2), np.arange(5, 90)
        view = opened[cells, genes]
        assert_same(check(toy[cells, genes].copy()).source, check(view).source)


def test_backed_drops_what_has_no_label(toy: ad.AnnData, tmp_path: Path) -> None:
    toy.obs.loc[toy.obs_names[[0, 9]], "cell_type"] = np.nan
    with h5ad_backed(toy, tmp_path) as opened, warnings.catch_warnings():
        warnings.simplefilter("ignore", ScddWarning)
        checked = check(opened, unlabeled="drop")
        assert_same(check(toy, unlabeled="drop").source, checked.source)
        assert checked.source.n_obs == 238


def test_backed_input_is_judged(toy: ad.AnnData, tmp_path: Path) -> None:
    toy.X.data[500] = -1
    with h5ad_backed(toy, tmp_path) as opened, pytest.raises(CountsError, match="1 negative counts, first cell"):
        check(opened)


def test_i35_closed_file(toy: ad.AnnData, tmp_path: Path) -> None:
    with h5ad_backed(toy, tmp_path) as opened:
        source = check(opened).source
    with pytest.raises(InputError, match="Open it again"):
        source.rows(np.array([1]))


def test_i34_lazy(toy: ad.AnnData, tmp_path: Path) -> None:
    dask = pytest.importorskip("dask.array")
    pytest.importorskip("xarray")
    adata = ad.AnnData(dask.from_array(toy.X.toarray(), chunks=(50, -1)), obs=toy.obs, var=toy.var)
    assert_same(check(toy, batch_key="donor").source, check(adata, batch_key="donor").source)
    adata = ad.AnnData(dask.from_array(toy.X.toarray(), chunks=(50, 30)), obs=toy.obs, var=toy.var)
    with pytest.raises(InputError, match="Rechunk"):
        check(adata)
    toy.write_h5ad(tmp_path / "lazy.h5ad")
    lazy = ad.experimental.read_lazy(tmp_path / "lazy.h5ad")
    assert_same(check(toy, batch_key="donor").source, check(lazy, batch_key="donor").source)


def test_subset(toy: ad.AnnData) -> None:
    source = check(toy, batch_key="donor").source
    index = np.flatnonzero(source.labels != 2)[::-1]
    part = SubsetSource(source, index)
    expected = MemorySource(
        toy.X[index],
        source.labels[index],
        source.class_names,
        batches=source.batches[index],
        batch_names=source.batch_names,
    )
    assert_same(expected, part)
    # a subset keeps the codes of its parent, also of classes without cells
    assert part.class_names == source.class_names
    assert 2 not in part.labels
    inner = SubsetSource(part, np.arange(10))
    np.testing.assert_array_equal(inner.rows(np.array([3])).toarray(), source.rows(index[[3]]).toarray())


def test_blocks_cover_everything_once(toy: ad.AnnData) -> None:
    source = check(toy).source
    index, blocks = zip(*source.blocks(64), strict=True)
    np.testing.assert_array_equal(np.concatenate(index), np.arange(240))
    assert (sp.vstack(blocks) != toy.X).nnz == 0


def test_vectors_are_checked() -> None:
    x = np.eye(3)
    with pytest.raises(InputError, match=r"labels has shape \(2,\)"):
        MemorySource(x, [0, 1], ["a", "b"])
    with pytest.raises(InputError, match=r"in range\(2\)"):
        MemorySource(x, [0, 1, 2], ["a", "b"])
    with pytest.raises(InputError, match="integers"):
        MemorySource(x, [0.0, 1.0, 1.0], ["a", "b"])
    np.testing.assert_array_equal(MemorySource(np.zeros((1, 2)), [0], ["a"]).library, [1.0])


def test_repeated_genes_give_the_same(toy: ad.AnnData) -> None:
    source, genes = check(toy).source, np.array([7, 3, 90])
    for other in (np.array([1, 2]), None):
        for _ in range(40):
            np.testing.assert_array_equal(source.rows(np.arange(5), genes).toarray(), toy.X[:5, genes].toarray())
        expected = toy.X[:5] if other is None else toy.X[:5, other]
        np.testing.assert_array_equal(source.rows(np.arange(5), other).toarray(), expected.toarray())
    genes[0] = 8  # the caller's array is not relied upon
    np.testing.assert_array_equal(source.rows(np.arange(5), genes).toarray(), toy.X[:5, genes].toarray())


def test_backed_values_are_recovered_row_by_row(toy: ad.AnnData, tmp_path: Path) -> None:
    toy.X = toy.X * np.float32(0.5)
    toy.X.data = toy.X.data + np.float32(1e-4)
    toy.X.data = np.rint(toy.X.data) + np.float32(1e-4)
    with h5ad_backed(toy, tmp_path) as opened, warnings.catch_warnings():
        warnings.simplefilter("ignore", ScddWarning)
        assert_same(check(toy).source, check(opened).source)


def test_open_is_protocol(toy: ad.AnnData) -> None:
    source = check(toy).source
    for engine in (source, SubsetSource(source, np.arange(3)), BackedSource(toy.X, source.labels, source.class_names)):
        assert isinstance(engine, Source)
        assert "genes" in repr(engine)


def test_pieces_from_disk_are_narrowed_before_they_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """All genes of all cells are never held together."""
    x = np.random.default_rng(0).poisson(0.5, (50, 30)).astype(np.float32)
    source = BackedSource(x, np.zeros(50, int), ["a"], genes=np.arange(29, 9, -1))
    monkeypatch.setattr("scdd.data._backed.RowReader.step", lambda self, size: 7)
    widths: list[int] = []
    vstack = sp.vstack

    def stacked(parts, **options):
        widths.extend(part.shape[1] for part in parts)
        return vstack(parts, **options)

    monkeypatch.setattr("scdd.data._backed.sp.vstack", stacked)
    order = np.array([40, 3, 3, 0, *range(10, 30)])
    rows = source.rows(order, np.array([5, 0]))
    np.testing.assert_array_equal(rows.toarray(), x[order][:, [24, 29]])
    assert set(widths) == {2}
    assert source.rows(np.zeros(0, int), np.array([1])).shape == (0, 1)

"""The door, row by row of the list of bad inputs (I01 ... I55)."""

from __future__ import annotations

import hashlib
import warnings
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scdd
from scdd.errors import CountsError, GeneError, InputError, InputTypeError, LabelError, ScddWarning
from scdd.pp import CheckedInput, check


def quiet(adata: ad.AnnData, **kwargs: Any) -> CheckedInput:
    """Check without the warnings being errors; they are in the result."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScddWarning)
        return check(adata, **kwargs)


def digest(adata: ad.AnnData) -> str:
    """A hash of everything an AnnData holds that the door could touch."""
    h = hashlib.sha256()

    def matrix(x: Any) -> None:
        if x is None:
            return
        h.update(type(x).__name__.encode())
        if sp.issparse(x):
            names = ("data", "row", "col") if x.format == "coo" else ("data", "indices", "indptr")
            for name in names:
                h.update(np.ascontiguousarray(getattr(x, name)).tobytes())
        else:
            h.update(np.ascontiguousarray(x).tobytes())

    matrix(adata.X)
    for key in adata.layers:
        if key is not None:
            matrix(adata.layers[key])
    for frame in (adata.obs, adata.var):
        h.update(str(frame.dtypes.to_dict()).encode())
        h.update(frame.to_csv().encode())
    h.update(repr(sorted(adata.uns)).encode())
    return h.hexdigest()


def with_x(adata: ad.AnnData, x: Any) -> ad.AnnData:
    return ad.AnnData(x, obs=adata.obs.copy(), var=adata.var.copy(), uns=dict(adata.uns))


def with_labels(adata: ad.AnnData, values: Any) -> ad.AnnData:
    adata.obs["cell_type"] = values
    return adata


def lognorm(x: Any) -> sp.csr_matrix:
    out = sp.csr_matrix(x, dtype=np.float32, copy=True)
    depth = np.asarray(out.sum(axis=1)).ravel()
    out.data *= np.repeat(1e4 / depth, np.diff(out.indptr)).astype(np.float32)
    out.data = np.log1p(out.data)
    return out


# --- the happy path


def test_happy_path(toy: ad.AnnData) -> None:
    checked = check(toy, batch_key="donor")
    source = checked.source
    assert isinstance(source, scdd.data.Source)
    assert (source.n_obs, source.n_vars) == toy.shape
    assert source.class_names == tuple(toy.obs["cell_type"].cat.categories)
    np.testing.assert_array_equal(source.labels, toy.obs["cell_type"].cat.codes)
    np.testing.assert_array_equal(source.batches, toy.obs["donor"].cat.codes)
    np.testing.assert_array_equal(source.donors, source.batches)
    np.testing.assert_allclose(source.library, np.asarray(toy.X.sum(axis=1)).ravel())
    assert (checked.labels_key, checked.donor_key, checked.layer) == ("cell_type", "donor", None)
    assert checked.warnings == ()
    pd.testing.assert_frame_equal(checked.var, toy.var)
    assert checked.var is not toy.var


def test_canonical_input_is_not_copied(toy: ad.AnnData) -> None:
    source = check(toy).source
    assert np.shares_memory(source._x.data, toy.X.data)
    assert np.shares_memory(source._x.indices, toy.X.indices)


def test_frozen(toy: ad.AnnData) -> None:
    with pytest.raises(AttributeError):
        check(toy).layer = "x"


# --- what is refused: row id, how to spoil the toy, arguments, error, what the message must say


def _nan(x: Any) -> Any:
    x = x.copy()
    x.data[3] = np.nan
    x.data[5] = np.inf
    return x


def _negative(x: Any) -> Any:
    x = x.copy()
    x.data[0] = -2
    return x


def _zscored(x: Any) -> Any:
    dense = x.toarray()
    return ((dense - dense.mean(0)) / (dense.std(0) + 1e-6)).astype(np.float32)


def _duplicate_column(a: ad.AnnData) -> ad.AnnData:
    obs = a.obs[["cell_type", "donor"]].copy()
    obs.columns = ["cell_type", "cell_type"]
    out = ad.AnnData(a.X, var=a.var)
    out._obs = obs
    return out


def _int_column(a: ad.AnnData) -> ad.AnnData:
    a._obs = a.obs.rename(columns={"donor": 7})
    return a


def _index_name(a: ad.AnnData) -> ad.AnnData:
    a.obs.index.name = "barcode"
    return a


def _var_names(a: ad.AnnData, names: Any) -> ad.AnnData:
    a.var.index = pd.Index(names)
    return a


REFUSED = {
    "I01": (lambda a: a[:0].copy(), {}, InputError, ["no cells"]),
    "I02": (lambda a: a[:, :0].copy(), {}, GeneError, ["no genes"]),
    "I09": (lambda a: a, {"labels_key": "celltype"}, LabelError, ["'celltype'", "Did you mean 'cell_type'"]),
    "I09-case": (lambda a: a, {"labels_key": "Cell_Type"}, LabelError, ["'cell_type'"]),
    "I09-none": (
        lambda a: with_x(a, a.X)[:].copy(),
        {"labels_key": "zzz"},
        LabelError,
        ["Columns: 'cell_type', 'donor'"],
    ),
    "I10": (lambda a: with_labels(a, np.nan), {}, LabelError, ["All 240", "missing"]),
    "I11-nan": (
        lambda a: with_labels(a, a.obs["cell_type"].where(np.arange(240) > 2)),
        {},
        LabelError,
        ["3 of 240", "drop"],
    ),
    "I11-empty": (lambda a: with_labels(a, ["", " "] + ["a"] * 238), {}, LabelError, ["2 of 240", 'unlabeled="drop"']),
    "I11-text": (lambda a: with_labels(a, ["Unknown", "nan"] + ["a"] * 238), {}, LabelError, ["2 of 240", "'Unknown'"]),
    "I12-continuous": (lambda a: with_labels(a, np.linspace(0, 1, 240)), {}, LabelError, ["looks continuous", "240"]),
    "I16-barcode": (lambda a: with_labels(a, a.obs_names.to_numpy()), {}, LabelError, ["looks like a barcode"]),
    "I18-index": (_index_name, {"labels_key": "barcode"}, LabelError, ["index of obs"]),
    "I18-double": (_duplicate_column, {}, LabelError, ["2 columns named 'cell_type'"]),
    "I18-type": (lambda a: a, {"labels_key": 3}, LabelError, ["name of a column"]),
    "I19": (_int_column, {}, LabelError, ["7", "astype(str)"]),
    "I21": (
        lambda a: _var_names(a, ["g"] * 2 + ["h"] * 2 + [f"x{i}" for i in range(116)]),
        {},
        GeneError,
        ["2 gene names", "'g', 'h'"],
    ),
    "I21-empty": (
        lambda a: _var_names(a, [""] + [f"x{i}" for i in range(119)]),
        {},
        GeneError,
        ["1 genes have no name"],
    ),
    "I22": (
        lambda a: with_x(a, _negative(a.X)),
        {},
        CountsError,
        ["1 negative counts", "cell 'cell_0'", "gene 'gene_"],
    ),
    "I23": (lambda a: with_x(a, _nan(a.X)), {}, CountsError, ["2 values that are NaN or infinite", "cell_0"]),
    "I23-dense": (lambda a: with_x(a, _nan(a.X).toarray()), {}, CountsError, ["2 values that are NaN or infinite"]),
    "I24-cpm": (lambda a: with_x(a, np.expm1(lognorm(a.X).toarray())), {}, CountsError, ["fixed depth", "10000"]),
    "I25": (lambda a: with_x(a, lognorm(a.X)), {}, CountsError, ["looks log-normalised", "allow_normalized=True"]),
    "I25-dense": (lambda a: with_x(a, lognorm(a.X).toarray()), {}, CountsError, ["looks log-normalised"]),
    "I26": (lambda a: with_x(a, _zscored(a.X)), {}, CountsError, ["looks z-scored", "cell 'cell_0'"]),
    "I29-complex": (lambda a: with_x(a, a.X.toarray().astype(complex)), {}, InputTypeError, ["complex128", "float32"]),
    "I38-all": (lambda a: with_x(a, a.X * 0), {}, CountsError, ["All values of X are zero"]),
    "I45": (lambda a: a, {"layer": "counts"}, InputError, ["no layer 'counts'", "none"]),
    "I46": (lambda a: a, {"labels_key": "scdd_weight"}, LabelError, ["scdd writes itself"]),
    "I48-absent": (lambda a: a, {"batch_key": "dono"}, LabelError, ["batch_key", "Did you mean 'donor'"]),
    "option": (lambda a: a, {"unlabeled": "ignore"}, InputError, ['"error", "drop" or "class"']),
}


@pytest.mark.parametrize("row", REFUSED)
def test_refused(toy: ad.AnnData, row: str) -> None:
    spoil, kwargs, error, words = REFUSED[row]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bad = spoil(toy)
    with pytest.raises(error) as caught:
        check(bad, **kwargs)
    for word in words:
        assert word in str(caught.value), str(caught.value)
    assert type(caught.value) is error


def test_no_label_column_lists_the_candidates(toy: ad.AnnData) -> None:
    toy.obs = toy.obs.rename(columns={"cell_type": "annotation"})
    with pytest.raises(LabelError, match="could hold labels: 'annotation', 'donor'"):
        check(toy)


# --- what is taken


def test_i03_one_cell(toy: ad.AnnData) -> None:
    checked = quiet(toy[:1].copy())
    assert checked.source.n_obs == 1
    assert any("one cell only" in text for text in checked.warnings)


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


def test_i22_to_i26_name_the_places_with_counts(toy: ad.AnnData) -> None:
    toy.layers["raw_counts"] = toy.X.copy()
    toy.raw = toy
    toy.X = lognorm(toy.X)
    with pytest.raises(CountsError, match="layer='raw_counts'.*adata.raw.to_adata"):
        check(toy)
    assert check(toy, layer="raw_counts").layer == "raw_counts"


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


# --- formats and types


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


# --- views, and that nothing is changed


def test_i36_views(toy: ad.AnnData) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ad.ImplicitModificationWarning)
        view = toy[np.arange(1, 239)][:, 10:60][5:]
        before = digest(toy)
        source = check(view, batch_key="donor").source
    assert view.is_view
    assert digest(toy) == before
    np.testing.assert_array_equal(source.rows(np.array([0])).toarray(), toy.X[6, 10:60].toarray())


@pytest.mark.parametrize("spoiled", [False, True])
def test_input_is_not_changed(toy: ad.AnnData, array_type: Any, spoiled: bool) -> None:
    adata = with_x(toy, array_type(toy.X))
    adata.layers["counts"] = array_type(toy.X)
    adata.obs["text"] = ["T", "B"] * 120
    if spoiled:
        adata.obs.loc[adata.obs_names[:2], "cell_type"] = np.nan
    before = digest(adata)
    for labels_key in ("cell_type", "text"):
        source = quiet(adata, labels_key=labels_key, batch_key="donor", unlabeled="drop").source
        list(source.blocks(50))
        quiet(adata, labels_key=labels_key, layer="counts", unlabeled="class")
    assert digest(adata) == before


# --- further rows


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


def test_i45_layer_message_lists_the_layers(toy: ad.AnnData) -> None:
    toy.layers["spliced"] = toy.X
    toy.raw = toy
    with pytest.raises(InputError, match=r"Layers: 'spliced'.*adata.raw"):
        check(toy, layer="nope")


def test_i47_no_x(toy: ad.AnnData) -> None:
    adata = ad.AnnData(obs=toy.obs, var=toy.var, layers={"counts": toy.X})
    with pytest.raises(InputError, match="X is None.*layer='counts'"):
        check(adata)
    assert check(adata, layer="counts").source.n_obs == 240


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


@pytest.mark.parametrize(
    ("thing", "word"),
    [("a.h5ad", "read_h5ad"), (pd.DataFrame([[1]]), "AnnData"), (np.ones((2, 2)), "ndarray"), (None, "NoneType")],
)
def test_i50_other_things(thing: Any, word: str) -> None:
    with pytest.raises(InputTypeError, match=word):
        check(thing)


def test_i52_more_genes_than_cells() -> None:
    x = sp.random(5, 30_000, density=0.05, format="csr", random_state=0, dtype=np.float32)
    x.data = np.ceil(x.data * 5)
    adata = ad.AnnData(x, obs=pd.DataFrame({"cell_type": list("aabbb")}, index=list("vwxyz")))
    assert check(adata).source.n_vars == 30_000


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


def test_warning_points_to_the_caller(toy: ad.AnnData) -> None:
    with pytest.warns(ScddWarning) as caught:
        check(with_labels(toy, ["rare"] + ["a"] * 239))
    assert caught[0].filename == __file__

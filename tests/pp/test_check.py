"""The door, row by row of the list of bad inputs (I01 ... I55): what is refused, what passes, that nothing is changed."""

from __future__ import annotations

import warnings
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scdd
from scdd.errors import CountsError, GeneError, InputError, InputTypeError, LabelError, ScddWarning
from scdd.pp import check

from ._door import digest, lognorm, quiet, with_labels, with_x


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
    "I12-lists": (lambda a: with_labels(a, [["a"], ["b"]] * 120), {}, LabelError, ["told apart", ".astype(str)"]),
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


def test_i03_one_cell(toy: ad.AnnData) -> None:
    checked = quiet(toy[:1].copy())
    assert checked.source.n_obs == 1
    assert any("one cell only" in text for text in checked.warnings)


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


@pytest.mark.parametrize(
    ("thing", "word"),
    [("a.h5ad", "read_h5ad"), (pd.DataFrame([[1]]), "AnnData"), (np.ones((2, 2)), "ndarray"), (None, "NoneType")],
)
def test_i50_other_things(thing: Any, word: str) -> None:
    with pytest.raises(InputTypeError, match=word):
        check(thing)


def test_warning_points_to_the_caller(toy: ad.AnnData) -> None:
    with pytest.warns(ScddWarning) as caught:
        check(with_labels(toy, ["rare"] + ["a"] * 239))
    assert caught[0].filename == __file__


@pytest.mark.parametrize("layer", [None, "counts"])
def test_dask_cut_along_the_genes(toy: ad.AnnData, layer: str | None) -> None:
    dask = pytest.importorskip("dask.array")
    cut = dask.from_array(toy.X.toarray(), chunks=(100, 50))
    if layer is None:
        toy.X = cut
    else:
        toy.layers[layer] = cut
    with pytest.raises(InputError, match="along the genes"):
        check(toy, layer=layer)

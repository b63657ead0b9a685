"""What tl.distill must not touch: the input, and every global state; and which inputs and arguments it takes."""

from __future__ import annotations

import hashlib
import logging
import random
import signal
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
import torch

import scdd
from scdd.errors import BudgetError, CountsError, EncoderError, InputError, InputTypeError, ScddError, ScddWarning
from scdd.tl import distill

if TYPE_CHECKING:
    from anndata import AnnData

pytestmark = pytest.mark.usefixtures("small_budget")


def _bytes(value: Any) -> list[bytes]:
    """Return everything that a value is made of."""
    if isinstance(value, (sp.spmatrix, sp.sparray)):
        parts = ["row", "col", "data"] if value.format == "coo" else ["indptr", "indices", "data"]
        return [str((type(value), value.shape)).encode(), *(b for p in parts for b in _bytes(getattr(value, p)))]
    if isinstance(value, np.ndarray):
        flags = (value.dtype.str, value.shape, value.flags.c_contiguous)
        return [str(flags).encode(), value.tobytes() if value.dtype != object else repr(value.tolist()).encode()]
    if isinstance(value, pd.DataFrame):
        out = [repr((list(value.columns), [str(t) for t in value.dtypes], value.index.tolist())).encode()]
        for column in value:
            series = value[column]
            if isinstance(series.dtype, pd.CategoricalDtype):
                out += [repr((series.cat.categories.tolist(), series.cat.ordered, series.cat.codes.tolist())).encode()]
            else:
                out += [repr(series.tolist()).encode()]
        return out
    if isinstance(value, dict) or hasattr(value, "keys"):
        return [b for key in value.keys() for b in (repr(key).encode(), *_bytes(value[key]))]
    return [repr(value).encode()]


def fingerprint(adata: AnnData) -> str:
    """Return a hash of every byte of an AnnData in memory."""
    digest = hashlib.sha256()
    for part in (adata.X, adata.obs, adata.var, adata.uns, adata.obsm, adata.varm, adata.obsp, adata.layers):
        for piece in _bytes(part):
            digest.update(piece)
    return digest.hexdigest()


def _run(adata: AnnData, n: int = 1, **arguments: Any) -> AnnData:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScddWarning)
        return distill(adata, n, **{"preset": "fast", "progress": False, **arguments})


@pytest.fixture(scope="module")
def expected(small_budget: None) -> AnnData:
    """Return what every format of the same counts must give."""
    return _run(_small())


def _small() -> AnnData:
    adata = scdd.datasets.simulate(n_obs=150, n_vars=100, n_batches=3, seed=2)
    adata.obsm["X_emb"] = np.log1p(adata.X.toarray()[:, :12])
    adata.uns["nested"] = {"a": np.arange(3), "b": {"c": "text"}}
    adata.uns["cell_type_colors"] = ["#111111", "#222222", "#333333", "#444444"]
    return adata


@pytest.fixture
def small() -> AnnData:
    return _small()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint16"])
def test_input_is_untouched_whatever_its_type(small: AnnData, expected: AnnData, dtype: str) -> None:
    small.X = small.X.astype(dtype)
    before = fingerprint(small)
    syn = _run(small)
    assert fingerprint(small) == before
    assert (syn.X != expected.X).nnz == 0


def test_input_is_untouched_whatever_its_format(
    small: AnnData, expected: AnnData, array_type: Callable[[Any], Any]
) -> None:
    small.X = array_type(small.X)
    before = fingerprint(small)
    syn = _run(small)
    assert fingerprint(small) == before
    assert (syn.X != expected.X).nnz == 0


def test_unsorted_indices_and_stored_zeros_stay(small: AnnData, expected: AnnData) -> None:
    x = small.X.tolil().tocsr()
    x.data[:5] = 0
    truth = x.copy()
    for start, stop in zip(x.indptr[:-1], x.indptr[1:], strict=True):
        x.indices[start:stop] = x.indices[start:stop][::-1].copy()
        x.data[start:stop] = x.data[start:stop][::-1].copy()
    x.has_sorted_indices = False
    small.X = x
    before = fingerprint(small)
    syn = _run(small)
    assert fingerprint(small) == before
    small.X = truth
    assert (syn.X != _run(small).X).nnz == 0


def test_layer_and_view(small: AnnData, expected: AnnData) -> None:
    small.layers["counts"] = small.X.copy()
    small.X = sp.csr_matrix(np.log1p(small.X.toarray()))
    before = fingerprint(small)
    assert (_run(small, layer="counts").X != expected.X).nnz == 0
    assert fingerprint(small) == before
    with pytest.raises(InputError, match="counts"):
        _run(small)
    order = np.arange(150)[::-1]
    view = small[order, 10:]
    copied = _run(view.copy(), layer="counts")
    assert (_run(view, layer="counts").X != copied.X).nnz == 0
    assert view.is_view
    assert fingerprint(small) == before


@pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
def test_backed(small: AnnData, expected: AnnData, tmp_path: Path, kind: str) -> None:
    small.X = {"csr": sp.csr_matrix, "csc": sp.csc_matrix, "dense": lambda x: x.toarray()}[kind](small.X)
    path = tmp_path / "small.h5ad"
    small.write_h5ad(path)
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    backed = ad.read_h5ad(path, backed="r")
    try:
        syn = _run(backed)
        assert backed.isbacked
        assert list(backed.obs) == list(small.obs)
        assert set(backed.uns) == set(small.uns)
    finally:
        backed.file.close()
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert (syn.X != expected.X).nnz == 0


def test_sparse_and_table_embeddings_do_not_disturb(small: AnnData, expected: AnnData) -> None:
    small.obsm["sparse"] = sp.csr_matrix(small.X[:, :7])
    small.obsm["table"] = pd.DataFrame({"a": np.arange(150), "b": list("xyz") * 50}, index=small.obs_names)
    before = fingerprint(small)
    assert (_run(small).X != expected.X).nnz == 0
    scdd.model.SCDD.setup_anndata(small)
    scdd.model.SCDD(small)
    del small.uns["_scvi_uuid"], small.uns["_scvi_manager_uuid"], small.obs["_scvi_labels"], small.obs["_scvi_batch"]
    assert fingerprint(small) == before


def test_global_state_is_untouched(small: AnnData, expected: AnnData) -> None:
    def state() -> list[Any]:
        loggers = [logging.getLogger(n) for n in ("", "scdd", "lightning.pytorch", "lightning.fabric", "scvi")]
        return [
            repr(np.random.get_state()),
            torch.get_rng_state().tolist(),
            random.getstate(),
            list(warnings.filters),
            signal.getsignal(signal.SIGINT),
            signal.getsignal(signal.SIGTERM),
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
            torch.backends.cudnn.benchmark,
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            [(log.level, list(log.handlers)) for log in loggers],
            np.geterr(),
        ]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScddWarning)
        before = state()
        distill(small, 2, batch_key="donor", progress=False, objective="moments")
        assert state() == before


def test_global_seeds_have_no_influence(small: AnnData, expected: AnnData) -> None:
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()
    try:
        torch.manual_seed(99)
        np.random.seed(99)
        assert (_run(small).X != expected.X).nnz == 0
    finally:
        torch.set_rng_state(torch_state)
        np.random.set_state(numpy_state)


# --- arguments ------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if any part of the work is begun."""

    def refuse(*args: Any, **kwargs: Any) -> None:
        pytest.fail("work was begun before the arguments were judged")

    monkeypatch.setattr("scdd.model._scdd.train_module", refuse)
    monkeypatch.setattr("scdd.model._scdd.distill", refuse)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"objective": "gradiant"}, InputError, "gradient"),
        ({"preset": "defualt"}, InputError, "default"),
        ({"generator": "scgd"}, InputError, "scdg"),
        ({"device": "tpu"}, InputError, "cuda"),
        ({"encoder": "pac"}, InputError, "pca"),
        ({"encoder": "self:3"}, InputError, "argument"),
        ({"encoder": 3}, InputTypeError, "encoder"),
        ({"encoder": "precomputed:X_umap"}, EncoderError, "X_emb"),
        ({"encoder": "pca:0"}, InputError, "pca"),
        ({"small_class": "kep"}, InputError, "small_class"),
        ({"unlabeled": "dorp"}, InputError, "unlabeled"),
        ({"layer": "count"}, InputError, "layer"),
        ({"batch_key": "doner"}, InputError, "donor"),
        ({"donor_key": "doner"}, InputError, "donor"),
        ({"n_per_class": 0}, BudgetError, "0"),
        ({"n_per_class": -1}, BudgetError, "-1"),
        ({"n_per_class": True}, BudgetError, "True"),
        ({"n_per_class": 0.5}, BudgetError, "fraction"),
        ({"n_per_class": float("nan")}, BudgetError, "nan"),
        ({"n_per_class": 10**9}, BudgetError, "1,000,000,000"),
        ({"n_per_class": {"class_0": 1}}, BudgetError, "class_1"),
        ({"n_per_class": {f"class_{k}": 1 for k in range(5)}}, BudgetError, "class_4"),
        ({"fraction": 1.5}, BudgetError, "fraction"),
        ({"max_seconds": "5"}, InputError, "max_seconds"),
        ({"max_seconds": float("nan")}, InputError, "max_seconds"),
        ({"max_seconds": -1}, InputError, "max_seconds"),
    ],
    ids=str,
)
def test_wrong_arguments_are_told_before_any_work(
    small: AnnData, no_training: None, arguments: dict[str, Any], error: type[ScddError], text: str
) -> None:
    with pytest.raises(error, match=text):
        distill(small, **{"n_per_class": 1, "progress": False, **arguments})


@pytest.mark.parametrize("thing", ["file.h5ad", None, np.ones((3, 3))], ids=["path", "None", "array"])
def test_what_is_no_anndata(thing: Any) -> None:
    with pytest.raises(InputTypeError, match="AnnData"):
        distill(thing)


def test_coo_is_taken_or_refused_in_words(small: AnnData, expected: AnnData) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            small.X = sp.coo_matrix(small.X)
    except ValueError:
        return  # anndata itself refuses it
    assert (_run(small).X != expected.X).nnz == 0


def test_normalised_cells_are_taken_on_request(toy, small_budget):
    """The hint of the error leads somewhere: the argument it names is there."""
    counts = toy.X.copy()
    sc.pp.normalize_total(toy, target_sum=1e4)
    sc.pp.log1p(toy)
    with pytest.raises(CountsError, match="allow_normalized"):
        scdd.tl.distill(toy, 2, progress=False)
    with pytest.warns(ScddWarning):
        syn = scdd.tl.distill(toy, 2, preset="fast", allow_normalized=True, progress=False)
    assert syn.n_vars == counts.shape[1]
    assert (syn.X.data == np.rint(syn.X.data)).all()

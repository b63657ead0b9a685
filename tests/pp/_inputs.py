"""Strategies for hypothesis: small AnnData of every kind that a user may hold, most of them odd."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from hypothesis import reject
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

DTYPES = [
    "float32",
    "float64",
    "float16",
    "int64",
    "int32",
    "int8",
    "uint8",
    "uint16",
    "bool",
    ">f4",
    ">i4",
    "complex64",
]
FORMATS = {
    "csr_matrix": sp.csr_matrix,
    "csc_matrix": sp.csc_matrix,
    "coo_matrix": sp.coo_matrix,
    "csr_array": sp.csr_array,
    "csc_array": sp.csc_array,
    "coo_array": sp.coo_array,
    "dense_c": np.ascontiguousarray,
    "dense_f": np.asfortranarray,
    "frozen": lambda x: _freeze(x.copy()),
}

COUNTS = st.one_of(st.just(0.0), st.integers(1, 6).map(float), st.integers(1, 10**6).map(float))
ODD = {
    "counts": COUNTS,
    "negative": COUNTS | st.integers(-3, -1).map(float),
    "not finite": COUNTS | st.sampled_from([np.nan, np.inf, -np.inf]),
    "fractional": COUNTS | st.floats(0, 30, width=32),
    "any": st.floats(width=32),
    "zero": st.just(0.0),
    "huge": COUNTS | st.sampled_from([2.0**24 + 1, 2.0**31, 1e30]),
}
LABELS = {
    "text": st.text(max_size=4),
    "names": st.sampled_from(["T/NK", "B", "b", "β", "caf\u00e9", "cafe\u0301", " B", "Unknown", "", "nan", "a\x00", "\ud800"]),
    "bool": st.booleans(),
    "int": st.integers(-2, 3),
    "large int": st.integers(),
    "float": st.floats(),
    "missing": st.sampled_from([None, np.nan, pd.NA, pd.NaT]),
    "text or missing": st.sampled_from(["a", "b", "a", "T/NK", "b", None, np.nan]),
    "mixed": st.one_of(st.text(max_size=2), st.integers(0, 3), st.booleans(), st.none(), st.just(np.nan)),
    "text and its number": st.sampled_from(["1", 1, 1.0, True]),
    "times": st.sampled_from([pd.Timestamp("2020"), pd.NaT, pd.Timestamp("2021")]),
    "tuples": st.tuples(st.integers(0, 1), st.text(max_size=1)),
    "lists": st.lists(st.integers(0, 1), max_size=2),
    "bytes": st.binary(max_size=2),
}  # fmt: skip
COLUMN_TYPES = [None, "object", "category", "string", "Int64", "boolean", "float32", "Float64"]


SELDOM = st.integers(0, 9).map(lambda i: i > 7)


@dataclass
class Case:
    """An AnnData, the values that were put into it (float64), and the arguments of the check."""

    adata: ad.AnnData
    truth: NDArray[np.float64]
    arguments: dict[str, Any]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Anything; what anndata itself refuses is not drawn."""
    kind = draw(st.sampled_from(sorted(ODD))) if draw(SELDOM) else "counts"
    lowest = 0 if draw(SELDOM) else 1
    shape = draw(st.integers(lowest, 8)), draw(st.integers(lowest, 6))
    wanted = draw(arrays(np.float64, shape, elements=ODD[kind], fill=st.nothing()))
    x = typed(wanted, draw(st.sampled_from(DTYPES if draw(SELDOM) else DTYPES[:4])))
    form = draw(st.sampled_from(sorted(FORMATS)))
    try:
        x = FORMATS[form](x)
    except ValueError:  # scipy has no such type
        reject()
    if sp.issparse(x) and x.shape[0] and x.shape[1] and draw(st.booleans()):
        x = disordered(x, draw(st.integers(0, 99)))
    truth = dense(x)
    obs = pd.DataFrame(index=draw(names(shape[0])))
    var = pd.DataFrame(index=draw(names(shape[1])))
    for key in ("cell_type", "donor"):
        if draw(st.integers(0, 9)) < 9:
            obs[key] = draw(columns(obs.index))
    arguments: dict[str, Any] = {
        "unlabeled": draw(st.sampled_from(["error", "drop", "class"])),
        "allow_normalized": draw(st.booleans()),
        "batch_key": draw(st.sampled_from([None, None, None, "donor", "donor", "cell_type"])),
        "donor_key": draw(st.sampled_from([None, None, "donor"])),
        "labels_key": draw(st.sampled_from([None, "cell_type"])) if not draw(SELDOM) else "absent",
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata = ad.AnnData(np.zeros(shape, np.float32), obs=obs, var=var)
        if draw(st.booleans()):
            # past the setter, which refuses what a file or a plugin may hold all the same
            adata._X = x
            if adata.X is not x:
                adata.X = x if getattr(x, "format", "") != "coo" else x.tocsr()
        else:
            adata.layers["counts"] = x if getattr(x, "format", "") != "coo" else x.tocsr()
            arguments["layer"] = "counts"
    return Case(adata, truth, arguments)


@st.composite
def valid(draw: st.DrawFn) -> tuple[NDArray[np.float64], list[str]]:
    """Counts that are let in, with at least one in each class, and labels."""
    shape = draw(st.integers(1, 8)), draw(st.integers(1, 6))
    counts = draw(arrays(np.float64, shape, elements=st.integers(0, 100).map(float), fill=st.just(0.0)))
    labels = draw(st.lists(st.sampled_from(["T/NK", "B", "β"]), min_size=shape[0], max_size=shape[0]))
    for label in set(labels):
        counts[labels.index(label), 0] += 1
    return counts, labels


def names(n: int) -> st.SearchStrategy[pd.Index]:
    """Mostly unique names; else repeated, empty or odd ones."""
    unique = st.just([f"name_{i}" for i in range(n)])
    odd = st.lists(st.sampled_from(["a", "b", "", " ", "β/γ", "nan"]), min_size=n, max_size=n)
    return SELDOM.flatmap(lambda seldom: odd if seldom else unique).map(lambda values: pd.Index(values, dtype=object))


@st.composite
def columns(draw: st.DrawFn, index: pd.Index) -> pd.Series:
    """A column of ``obs``: of some type, where pandas can make it one."""
    kind = draw(st.sampled_from(sorted(LABELS))) if draw(st.booleans()) else "text or missing"
    values = draw(st.lists(LABELS[kind], min_size=len(index), max_size=len(index)))
    column = pd.Series(values, index=index, dtype=object)
    wanted = draw(st.sampled_from(COLUMN_TYPES))
    try:
        column = column.infer_objects() if wanted is None else column.astype(wanted)
    except Exception:  # noqa: BLE001 pandas raises many kinds
        return column
    if wanted == "category" and draw(st.booleans()):
        column = column.cat.add_categories([(0.5, "unused")])
    return column


def typed(x: NDArray[np.float64], dtype: str) -> NDArray[Any]:
    """Cast, and let overflow be what it is: the truth is read from the result."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return x.astype(dtype)


def disordered(x: Any, seed: int) -> Any:
    """Split an entry in two, store some zeros, and shuffle the entries within rows or columns."""
    rng = np.random.default_rng(seed)
    coo = x.tocoo(copy=True)
    n = 3
    row = np.concatenate([coo.coords[0], rng.integers(x.shape[0], size=n)])
    col = np.concatenate([coo.coords[1], rng.integers(x.shape[1], size=n)])
    data = np.concatenate([coo.data, np.zeros(n, coo.dtype)])
    if coo.nnz and x.dtype.kind in "iuf" and data[0] >= 2:
        row[-1], col[-1], data[-1] = row[0], col[0], 1
        data[0] -= 1
    if x.format == "coo":
        order = rng.permutation(len(data))
        return type(x)((data[order], (row[order], col[order])), shape=x.shape)
    major, minor = (row, col) if x.format == "csr" else (col, row)
    order = rng.permutation(len(data))
    order = order[np.argsort(major[order], kind="stable")]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(major, minlength=x.shape[x.format == "csc"]))])
    return type(x)((data[order], minor[order], indptr), shape=x.shape)


def dense(x: Any) -> NDArray[np.float64]:
    """The values, summed in float64 where an entry is stored in pieces."""
    if not sp.issparse(x):
        return np.asarray(x).real.astype(np.float64)
    coo = x.tocoo()
    out = np.zeros(x.shape)
    np.add.at(out, coo.coords, coo.data.real.astype(np.float64))
    return out


def _freeze(x: NDArray[Any]) -> NDArray[Any]:
    x.flags.writeable = False
    return x

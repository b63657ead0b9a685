"""The door under input that nobody thought of: canonical counts or an error in words, and the input stays as it was."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from numpy.typing import NDArray

from scdd.errors import ScddError
from scdd.pp import CheckedInput
from scdd.pp._labels import _PLACEHOLDERS

from ._door import digest, quiet
from ._inputs import FORMATS, Case, cases, disordered, valid

SHORT = settings(
    max_examples=25, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
LONG = settings(SHORT, max_examples=800, derandomize=False, print_blob=True)


def survives(case: Case) -> None:
    before = digest(case.adata)
    checked = None
    with warnings.catch_warnings(), suppress_told():
        warnings.simplefilter("error")  # numpy and pandas have nothing to say; what scdd says is in the result
        checked = quiet(case.adata, **case.arguments)
    if checked is not None:
        is_canonical(checked)
        is_what_was_given(checked, case)
    assert digest(case.adata) == before


@contextmanager
def suppress_told() -> Iterator[None]:
    """Let an error of scdd pass, if it says something."""
    try:
        yield
    except ScddError as error:
        if not str(error).strip():
            raise


def is_canonical(checked: CheckedInput) -> None:
    source = checked.source
    counts = source.rows(np.arange(source.n_obs))
    assert isinstance(counts, sp.csr_matrix)
    assert counts.dtype == np.float32
    assert counts.shape == (source.n_obs, source.n_vars)
    assert counts.has_canonical_format
    assert np.isfinite(counts.data).all()
    assert (counts.data > 0).all()
    assert source.n_obs == len(checked.kept) > 0
    assert set(source.labels) == set(range(len(source.class_names)))
    assert len(set(source.class_names)) == len(source.class_names)
    assert source.class_names == tuple(str(checked.label_categories[k]) for k in checked.class_codes)
    assert set(source.batches) == set(range(len(source.batch_names)))
    np.testing.assert_allclose(source.library, np.maximum(counts.sum(axis=1, dtype=np.float64).A1, 1), rtol=1e-6)


def is_what_was_given(checked: CheckedInput, case: Case) -> None:
    source, truth, kept = checked.source, case.truth, checked.kept
    labels = case.adata.obs[checked.labels_key]
    missing = labels.isna().to_numpy()
    as_text = all(isinstance(category, str) for category in checked.label_categories)
    for position, cell in enumerate(kept):
        category = checked.label_categories[checked.class_codes[source.labels[position]]]
        if missing[cell]:
            assert case.arguments["unlabeled"] == "class"
        else:
            # all are text where one cannot be written otherwise; else not the text: pandas takes 1, 1.0 and True for one
            assert category == (str(labels.iloc[cell]) if as_text else labels.iloc[cell])
    for cell in np.setdiff1d(np.arange(len(truth)), kept):
        label = labels.iloc[cell]
        unlabelled = missing[cell] or str(label).strip().casefold() in _PLACEHOLDERS
        assert not truth[cell].any() or (unlabelled and case.arguments["unlabeled"] == "drop")
    got = source.rows(np.arange(source.n_obs)).toarray()
    assert np.isfinite(truth).all()
    assert (truth >= 0).all()
    if (truth == np.rint(truth)).all():
        np.testing.assert_array_equal(got, truth[kept].astype(np.float32))
    elif any("are rounded" in text for text in checked.warnings):
        np.testing.assert_array_equal(got, np.rint(truth[kept]).astype(np.float32))
    elif any("estimated counts" in text for text in checked.warnings):
        np.testing.assert_allclose(got, truth[kept], rtol=1e-6)
    else:
        assert case.arguments["allow_normalized"]
        np.testing.assert_array_equal(got, np.rint(got))


def agrees(counts: NDArray[np.float64], labels: list[str]) -> None:
    """Every format of the same counts gives the same canonical result."""
    expected = None
    for name, make in FORMATS.items():
        for dtype in ("float32", "float64", "int64", "uint8"):
            x = make(counts.astype(dtype))
            for matrix in [x, disordered(x, 0)] if sp.issparse(x) else [x]:
                if matrix.__class__.__name__.startswith("coo"):
                    from scdd.data._matrix import canonical_csr

                    got = canonical_csr(matrix)[counts.any(axis=1)]
                else:
                    got = _matrix(matrix, labels)
                expected = expected or (got.indptr.tolist(), got.indices.tolist(), got.data.tolist())
                assert (got.indptr.tolist(), got.indices.tolist(), got.data.tolist()) == expected, (name, dtype)
    assert expected is not None
    assert expected[2] == counts[counts > 0].tolist()


def _matrix(x: Any, labels: list[str]) -> sp.csr_matrix:
    adata = ad.AnnData(x, obs=pd.DataFrame({"cell_type": labels}, index=[f"cell_{i}" for i in range(len(labels))]))
    checked = quiet(adata)
    assert checked.source.class_names == tuple(sorted(set(labels)))
    return checked.source.rows(np.arange(checked.source.n_obs))


@SHORT
@given(cases())
def test_odd_input(case: Case) -> None:
    survives(case)


@pytest.mark.slow
@LONG
@given(cases())
def test_odd_input_at_length(case: Case) -> None:
    survives(case)


@settings(SHORT, max_examples=10)
@given(valid())
def test_formats_agree(case: tuple[NDArray[np.float64], list[str]]) -> None:
    agrees(*case)


@pytest.mark.slow
@settings(LONG, max_examples=100)
@given(valid())
def test_formats_agree_at_length(case: tuple[NDArray[np.float64], list[str]]) -> None:
    agrees(*case)

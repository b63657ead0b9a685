"""``encoder="auto"``: the shipped encoder where cells are few and their genes known, else one of their own; told either way."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pytest

import scdd
from scdd.encoders import get
from scdd.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

pytestmark = [pytest.mark.usefixtures("small_budget"), pytest.mark.filterwarnings("ignore::scdd.errors.ScddWarning")]


@pytest.fixture(scope="module")
def pancreas() -> AnnData:
    return scdd.datasets.pancreas()


def some(adata: AnnData, n: int) -> AnnData:
    """At most n cells of each class."""
    labels = adata.obs["cell_type"].to_numpy()
    return adata[np.sort(np.concatenate([np.flatnonzero(labels == k)[:n] for k in np.unique(labels)]))].copy()


def chosen(adata: AnnData) -> scdd.encoders.Encoder:
    return scdd.model.SCDD.from_checked(scdd.pp.check(adata, labels_key="cell_type"), adata)._encoder


def test_few_cells_with_known_genes(pancreas: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    few = some(pancreas, 12)
    with caplog.at_level(logging.INFO, "scdd"):
        syn = scdd.tl.distill(few, 1, labels_key="cell_type", preset="fast", progress=False)
    told = syn.uns["scdd"]["encoder"]
    assert told["name"] == "scdd-base"
    assert "GSE84133" in told["trained_on"]  # these cells, as it happens
    assert "12 cells in the median class" in told["reason"]
    assert "of the counts known" in told["reason"]
    assert "encoder 'auto' is 'scdd-base'" in caplog.text


def test_many_cells_or_other_genes(pancreas: AnnData) -> None:
    many = chosen(pancreas)
    assert many.info.name == "self"
    assert "116 cells in the median class" in many.reason
    few = some(pancreas, 12)
    few.var_names = [f"gene_{i}" for i in range(few.n_vars)]
    other = chosen(few)
    assert other.info.name == "self"
    assert "does not know" in other.reason


def test_genes_that_are_known_in_part(pancreas: AnnData) -> None:
    few = some(pancreas, 12)
    share = np.asarray(few.X.sum(axis=0)).ravel() / few.X.sum()
    hidden = np.cumsum(share[np.argsort(-share)]) < 0.3  # those with most of the counts
    names = few.var_names.to_numpy().copy()
    names[np.argsort(-share)[hidden]] = [f"clone_{i}" for i in range(hidden.sum())]
    few.var_names = names
    found = chosen(few)
    assert found.info.name == "self"
    assert "known to scdd-base" in found.reason


def test_a_cell_without_known_genes_does_not_stop_it(pancreas: AnnData) -> None:
    few = some(pancreas, 12)
    unknown = scdd.pp.match_genes(few.var_names, get("scdd-base").genes).target < 0
    counts = few.X.tolil()
    counts[0] = 0
    counts[0, np.flatnonzero(unknown)[:30]] = 5
    few.X = counts.tocsr()
    found = chosen(few)
    assert found.info.name == "self"
    assert "no count of these" in found.reason


def test_without_cells_there_is_nothing_to_choose_by() -> None:
    with pytest.raises(InputError, match="depends on the cells"):
        get("auto")
    assert get("self").reason == get("scdd-base").reason == ""

"""Splits: whole donors, no class without training cells, seeds that differ."""

from __future__ import annotations

from typing import Any

import anndata as ad
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scdd.data import split_indices
from scdd.datasets import pancreas, simulate
from scdd.errors import InputError, LabelError
from scdd.pp import split


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(2, 200),
    n_classes=st.integers(1, 6),
    n_donors=st.integers(1, 9),
    test_size=st.floats(0.05, 0.95),
    seed=st.integers(0, 2**32),
)
def test_invariants(n: int, n_classes: int, n_donors: int, test_size: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, donors = rng.integers(n_classes, size=n), rng.integers(n_donors, size=n)
    for units in (donors, None):
        train, test = split_indices(labels, units, test_size, np.random.default_rng(seed))
        np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(n))
        assert train.dtype == test.dtype == np.int64
        assert (np.diff(train) > 0).all()
        assert (np.diff(test) > 0).all()
        assert len(train)
        again = split_indices(labels, units, test_size, np.random.default_rng(seed))
        np.testing.assert_array_equal(again[1], test)
        if units is not None and len(np.unique(units)) > 1:
            assert not set(units[train]) & set(units[test])
            assert len(test)
        else:
            assert set(labels[train]) == set(labels)
            sizes = np.bincount(labels)
            share = np.bincount(labels[test], minlength=len(sizes))
            assert (np.abs(share - sizes * test_size)[sizes > 1] <= 1.0).all()


@pytest.mark.parametrize(("n_donors", "held_out"), [(2, 1), (4, 2), (8, 3)])
def test_number_of_donors(n_donors: int, held_out: int) -> None:
    adata = simulate(n_obs=800, n_vars=20, n_batches=n_donors)
    _, test = split(adata, donor_key="donor")
    assert adata.obs["donor"].iloc[test].nunique() == held_out


def test_seeds_give_other_donors_and_the_same_seed_the_same() -> None:
    adata = simulate(n_obs=800, n_vars=20, n_batches=8)
    sets = {frozenset(adata.obs["donor"].iloc[split(adata, donor_key="donor", seed=s)[1]]) for s in range(10)}
    assert len(sets) >= 5
    for a, b in zip(split(adata, seed=3), split(adata, seed=3), strict=True):
        np.testing.assert_array_equal(a, b)


def test_class_of_one_donor_stays_in_training() -> None:
    adata = pancreas()
    found = set()
    for seed in range(20):
        train, test = split(adata, donor_key="donor", seed=seed)
        assert adata.obs["cell_type"].iloc[train].nunique() == 14
        found.add(tuple(sorted(adata.obs["donor"].iloc[test].unique())))
    # epsilon and schwann cells come from human1 alone
    assert found == {("human2", "human3"), ("human2", "human4"), ("human3", "human4")}


def test_share_is_near_with_uneven_donors() -> None:
    donors = np.repeat(np.arange(10), [500, 10, 10, 10, 10, 100, 100, 100, 100, 60])
    for seed in range(10):
        _, test = split_indices(np.zeros(1000, int), donors, 0.4, np.random.default_rng(seed))
        assert 0.3 <= len(test) / 1000 <= 0.5


def test_many_donors() -> None:
    donors = np.arange(3000) % 60
    train, test = split_indices(np.zeros(3000, int), donors, 0.3, np.random.default_rng(0))
    assert len(np.unique(donors[test])) == 18
    assert len(train) + len(test) == 3000


@pytest.mark.parametrize("test_size", [0, 1, -0.1, 2, True, float("nan")], ids=repr)
def test_bad_size(toy: ad.AnnData, test_size: Any) -> None:
    with pytest.raises(InputError, match="test_size"):
        split(toy, test_size=test_size)


def test_bad_columns(toy: ad.AnnData) -> None:
    with pytest.raises(LabelError, match="donor_key"):
        split(toy, donor_key="patient")
    toy.obs["donor"] = "one"
    with pytest.raises(LabelError, match="at least 2"):
        split(toy, donor_key="donor")
    with pytest.raises(InputError, match="2 entries"):
        split_indices([0, 1], [0], 0.4, np.random.default_rng(0))

"""Library sizes: quantiles of each class and batch."""

from __future__ import annotations

import numpy as np
import pytest

from scdd.module import LibraryModel


@pytest.fixture
def cells() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels, batches = np.repeat([0, 0, 1, 1], 200), np.tile([0, 1], 400)
    batches[labels == 1] = (np.arange(400) < 5).astype(int)  # class 1 has 5 cells in batch 1
    library = rng.lognormal(7, 0.5, 800) * (1 + 3 * labels) * np.where((labels == 0) & (batches == 1), 10, 1)
    return library, labels, batches


def test_quantiles_are_those_of_numpy_in_the_log(cells):
    library, labels, batches = cells
    model = LibraryModel(2, 2)
    model.fit(library, labels, batches)
    u = np.linspace(0, 1, 41)
    for c, b in ((0, 0), (0, 1), (1, 0)):
        expected = np.exp(np.quantile(np.log(library[(labels == c) & (batches == b)]), u))
        got = model.quantile(np.full(41, c), np.full(41, b), u)
        np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_small_pair_borrows_from_its_class(cells):
    library, labels, batches = cells
    model = LibraryModel(2, 2)
    model.fit(library, labels, batches)
    expected = np.median(np.log(library[labels == 1]))
    assert np.log(model.quantile(np.array([1]), np.array([1]), np.array([0.5])))[0] == pytest.approx(expected, rel=1e-5)


def test_absent_pair_borrows_too_and_one_cell_is_enough():
    model = LibraryModel(1, 3)
    model.fit(np.array([500.0]), np.array([0]), np.array([1]))
    got = model.quantile(np.zeros(4, int), np.array([0, 1, 2, 2]), np.array([0.0, 0.3, 1.0, 2.0]))
    np.testing.assert_allclose(got, 500, rtol=1e-5)


def test_quantiles_rise_and_stay_in_the_range_of_the_cells(cells):
    library, labels, batches = cells
    model = LibraryModel(2, 2)
    model.fit(library, labels, batches)
    u = np.linspace(0, 1, 301)
    got = model.quantile(np.zeros(301, int), np.ones(301, int), u)
    own = library[(labels == 0) & (batches == 1)]
    assert (np.diff(got) >= 0).all()
    np.testing.assert_allclose([got[0], got[-1]], [own.min(), own.max()], rtol=1e-5)


def test_cells_in_any_order_give_the_same(cells):
    library, labels, batches = cells
    order = np.random.default_rng(1).permutation(len(library))
    one, other = LibraryModel(2, 2), LibraryModel(2, 2)
    one.fit(library, labels, batches)
    other.fit(library[order], labels[order], batches[order].astype(np.int32))
    np.testing.assert_array_equal(one.log_quantiles.numpy(), other.log_quantiles.numpy())

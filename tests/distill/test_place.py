"""Where rows stand, and which cells they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from scdd.distill._init import herded, squared_distance
from scdd.distill._place import place
from scdd.distill._rows import row_kinds


def cells(n: int = 200, d: int = 3, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(0, 2, (5, d))[rng.integers(5, size=n)] + rng.normal(0, 0.3, (n, d))).astype(np.float32)


def placed(z: np.ndarray, n: int, rendering: str = "mix", init: str = "kmeans"):
    return place(z, row_kinds(n, rendering, 1), init, np.random.default_rng(1))


@pytest.mark.parametrize("n", [2, 5, 10, 13])
def test_noisy_rows_are_single_herded_cells(n: int):
    z = cells()
    of, single = placed(z, n), row_kinds(n, "mix", 1) == "noisy"
    np.testing.assert_array_equal(of.latents[single], z[herded(z, int(single.sum()))])
    row, cell = of.pairs
    for k in np.flatnonzero(single):
        np.testing.assert_array_equal(z[cell[row == k]], of.latents[[k]])


def test_denoised_rows_share_all_cells_of_the_class_between_them():
    z = cells()
    of, kinds = placed(z, 10), row_kinds(10, "mix", 1)
    row, cell = of.pairs
    # the first row stands for the whole class, whatever comes later
    np.testing.assert_array_equal(np.sort(cell[row == 0]), np.arange(len(z)))
    np.testing.assert_allclose(of.latents[0], z.mean(0), atol=1e-5)
    # a prototype of the last block stands for the cells nearest to it among the prototypes
    prototypes = np.flatnonzero(kinds == "denoised")
    nearest = prototypes[squared_distance(z, of.latents[prototypes]).argmin(1)]
    for k in prototypes[prototypes >= 5]:
        np.testing.assert_array_equal(np.sort(cell[row == k]), np.flatnonzero(nearest == k))


@pytest.mark.parametrize("init", ["kmeans", "herding", "random_cells", "noise"])
@pytest.mark.parametrize("rendering", ["mix", "noisy", "denoised"])
def test_nested(init: str, rendering: str):
    z = cells()
    many = placed(z, 50, rendering, init)
    for n in (1, 5, 10):
        few = placed(z, n, rendering, init)
        np.testing.assert_allclose(few.latents, many.latents[:n], atol=1e-6)
        kept = many.pairs[0] < n
        assert sorted(zip(*few.pairs, strict=True)) == sorted(zip(*many.pairs[:, kept], strict=True))


@pytest.mark.parametrize("n_cells", [1, 2, 7])
def test_fewer_cells_than_rows(n_cells: int):
    of = placed(cells(n_cells), 10)
    assert np.isfinite(of.latents).all()
    assert set(of.pairs[1]) <= set(range(n_cells))
    assert np.bincount(of.nearest, minlength=10).sum() == n_cells


@pytest.mark.parametrize("init", ["kmeans", "herding", "random_cells"])
def test_rows_beyond_the_cells_stand_for_one_too(init: str):
    """Of a class with fewer cells than rows the decoder knows least: no row is left to it alone."""
    z = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    few = place(z, np.full(3, "denoised"), init, np.random.default_rng(1))
    many = place(z, np.full(10, "denoised"), init, np.random.default_rng(1))
    assert set(many.pairs[0]) == set(range(10))
    for row in range(3, 10):
        (cell,) = many.pairs[1][many.pairs[0] == row]
        np.testing.assert_allclose(many.latents[row], z[cell], atol=1e-5)
    np.testing.assert_array_equal(few.latents[:1], many.latents[:1])

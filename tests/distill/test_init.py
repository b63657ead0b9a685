"""Where rows start."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from scdd.distill import INITIALISERS, blocks
from scdd.distill._init import squared_distance


def cells(n: int = 300, d: int = 4, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 3, (7, d))
    return (centres[rng.integers(7, size=n)] + rng.normal(0, 0.4, (n, d))).astype(np.float32)


def start(name: str, z: np.ndarray, n: int, seed: int = 0) -> np.ndarray:
    return INITIALISERS.get(name)(z, blocks(n), np.random.default_rng(seed))


def inertia(z: np.ndarray, centres: np.ndarray) -> float:
    return float(squared_distance(z, centres).min(1).sum())


@pytest.mark.parametrize("name", INITIALISERS.names())
@pytest.mark.parametrize(("n_cells", "n"), [(300, 1), (300, 10), (300, 12), (3, 10), (1, 1), (1, 6), (2, 50)])
def test_any_number_of_rows_from_any_number_of_cells(name: str, n_cells: int, n: int):
    z = cells(n_cells)
    out = start(name, z, n)
    assert out.shape == (n, 4)
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    assert (out >= z.min(0) - 1e-4).all()
    assert (out <= z.max(0) + 1e-4).all()
    np.testing.assert_array_equal(start(name, z, n), out)


@pytest.mark.parametrize("name", INITIALISERS.names())
def test_identical_cells_are_no_trouble(name: str):
    out = start(name, np.ones((5, 3), np.float32), 8)
    np.testing.assert_allclose(out, 1, atol=1e-6)


@pytest.mark.parametrize("name", INITIALISERS.names())
@pytest.mark.parametrize("n_cells", [300, 7])
def test_prefixes_that_end_a_block_are_nested(name: str, n_cells: int):
    z = cells(n_cells)
    many = start(name, z, 50)
    for n in (1, 5, 10):
        np.testing.assert_array_equal(start(name, z, n), many[:n])


def test_first_centre_is_the_mean():
    z = cells()
    np.testing.assert_allclose(start("kmeans", z, 50)[0], z.mean(0), atol=1e-5)


def test_every_block_lowers_the_inertia():
    z = cells()
    centres = start("kmeans", z, 100)
    values = [inertia(z, centres[:stop]) for _, stop in blocks(100)]
    assert (np.diff(values) < 0).all()
    assert values[1] < 0.5 * values[0]
    assert values[2] < 0.15 * values[0]  # seven lobes


def test_kmeans_with_a_fixed_first_centre_is_near_to_free_kmeans():
    from sklearn.cluster import KMeans

    z = cells()
    free = KMeans(10, n_init=5, random_state=0).fit(z).inertia_
    assert inertia(z, start("kmeans", z, 10)) < 2 * free


def test_new_centres_are_means_of_cells_that_no_earlier_centre_holds():
    z = cells()
    centres = start("kmeans", z, 5)
    nearest = squared_distance(z, centres).argmin(1)
    for k in range(1, 5):
        np.testing.assert_allclose(centres[k], z[nearest == k].mean(0), atol=1e-3)


def test_herding_follows_the_mean_greedily_as_brute_force_does():
    z = cells(12)
    chosen: list[int] = []
    for _ in range(6):
        left = [i for i in range(12) if i not in chosen]
        chosen.append(min(left, key=lambda i: float(np.square(z[[*chosen, i]].mean(0) - z.mean(0)).sum())))
    np.testing.assert_array_equal(start("herding", z, 6), z[chosen])


def test_herding_beats_most_random_choices():
    z = cells(14)
    ours = np.square(start("herding", z, 4).mean(0) - z.mean(0)).sum()
    all_sets = [np.square(z[list(c)].mean(0) - z.mean(0)).sum() for c in combinations(range(14), 4)]
    assert np.mean(np.array(all_sets) < ours) < 0.1


def test_random_cells_are_different_cells_and_follow_their_seed():
    z = cells()
    out = start("random_cells", z, 200)
    assert len(np.unique(out, axis=0)) == 200
    assert (start("random_cells", z, 200, seed=1) != out).any()


def test_squared_distance():
    x, y = cells(20), cells(9, seed=1)
    np.testing.assert_allclose(squared_distance(x, y), ((x[:, None] - y) ** 2).sum(-1), rtol=1e-4, atol=1e-4)

"""Where the rows of a class start in the latent space: one initialiser per name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from scdd._registry import Registry
from scdd.baselines._herding import herd

Latents = NDArray[np.float32]
Parts = list[tuple[int, int]]
Initialiser = Callable[[Latents, Parts, np.random.Generator], Latents]

INITIALISERS: Registry[Initialiser] = Registry("initialisation of the codes")

_N_ITER = 25


@INITIALISERS.register("kmeans")
def nested_kmeans(z: Latents, parts: Parts, rng: np.random.Generator) -> Latents:
    """Return centres (n, d) of latents (n_cells, d), part by part; ``parts`` are their ranges, the first is (0, 1).

    The first centre is the mean. Each further part is found by k-means with all earlier centres held fixed, so that
    every part fills the gaps that the earlier ones leave.
    """
    centres = np.empty((parts[-1][1], z.shape[1]), dtype=np.float32)
    for start, stop in parts:
        if start == 0:
            centres[0] = z.mean(axis=0)
        else:
            centres[start:stop] = _fill(z, centres[:start], stop - start, rng)
    return centres


def _fill(z: Latents, fixed: Latents, n: int, rng: np.random.Generator) -> Latents:
    to_fixed = squared_distance(z, fixed)
    fixed_distance = to_fixed.min(axis=1)
    new = _plus_plus(z, fixed_distance, n, rng)
    for _ in range(_N_ITER):
        to_new = squared_distance(z, new)
        nearest = to_new.argmin(axis=1)
        distance = to_new[np.arange(len(z)), nearest]
        mine = distance < fixed_distance
        sizes = np.bincount(nearest[mine], minlength=n)
        sums = np.zeros_like(new)
        np.add.at(sums, nearest[mine], z[mine])
        moved = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], new)
        if np.allclose(moved, new, atol=1e-5):
            break
        new = moved.astype(np.float32)
    return new[np.argsort(-sizes, kind="stable")]


def _plus_plus(z: Latents, distance: NDArray[np.floating], n: int, rng: np.random.Generator) -> Latents:
    """k-means++ seeds: each next one with probability proportional to its squared distance to the chosen ones."""
    distance = distance.astype(np.float64)
    chosen = np.empty(n, dtype=np.int64)
    for i in range(n):
        total = distance.sum()
        # all cells are taken already: any of them, again
        chosen[i] = rng.integers(len(z)) if total <= 1e-9 else rng.choice(len(z), p=distance / total)
        distance = np.minimum(distance, ((z - z[chosen[i]]) ** 2).sum(axis=1))
    return z[chosen].copy()


@INITIALISERS.register("herding")
def herding(z: Latents, parts: Parts, rng: np.random.Generator) -> Latents:
    """Return cells whose running mean follows the mean of the class; repeated where there are more rows than cells."""
    return z[herded(z, parts[-1][1])]


def herded(z: Latents, n: int) -> NDArray[np.int64]:
    """Return the indices (n,) of herded cells (:func:`scdd.baselines._herding.herd`), in turn where there are too few."""
    return np.resize(herd(z.astype(np.float64), min(n, len(z))), n)


@INITIALISERS.register("random_cells")
def random_cells(z: Latents, parts: Parts, rng: np.random.Generator) -> Latents:
    """Return random cells; repeated where there are more rows than cells."""
    n = parts[-1][1]
    order = np.concatenate([rng.permutation(len(z)) for _ in range(-(-n // len(z)))])
    return z[order[:n]].copy()


def squared_distance(x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return squared Euclidean distances (len(x), len(y))."""
    return np.maximum((x**2).sum(1)[:, None] + (y**2).sum(1)[None] - 2 * x @ y.T, 0)

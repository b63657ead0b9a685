"""Where the rows of one class stand among its cells, and which cells each row stands for.

There are two sorts of rows. A *prototype* (a denoised row) stands for all cells around it: its place is a centre. A
*single* (a noisy row) stands for one cell, whose deviations from the decoder it keeps: that is what the variation between
real cells is made of, and what trees and nearest neighbours need to see. Singles are herded, so that together they have
the mean of the class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scdd.distill._blocks import blocks
from scdd.distill._init import INITIALISERS, herded, squared_distance

SINGLE = "noisy"  # rendering of the rows that stand for one cell


@dataclass(frozen=True)
class Places:
    """Rows of one class among its cells.

    Attributes
    ----------
    latents
        Where each row stands (n, d).
    nearest
        The row that is nearest to each cell (n_cells,).
    pairs
        Pairs (2, n_pairs) of row and cell: the cells that each row stands for when its rates are made. The rows of
        later blocks do not change those of earlier ones.
    """

    latents: NDArray[np.float32]
    nearest: NDArray[np.int64]
    pairs: NDArray[np.int64]


def place(z: NDArray[np.float32], kind: NDArray[np.str_], init: str, rng: np.random.Generator) -> Places:
    """Place rows among the latents (n_cells, d) of a class.

    Parameters
    ----------
    z
        Latents of the cells.
    kind
        Rendering (n,) of each row.
    init
        Name in :data:`scdd.distill.INITIALISERS`, for the prototypes; or ``"noise"``: codes from nowhere, which stand
        for random cells.
    rng
        Source of randomness.
    """
    n = len(kind)
    if init == "noise":
        # row by row: the draws of the first rows do not depend on n
        distance: NDArray[np.floating] = rng.random((n, len(z))).T
        latents, prototypes = np.tile(z.mean(axis=0), (n, 1)), np.arange(n)
        singles, cells = np.empty((2, 0), dtype=np.int64)
    else:
        prototypes, singles = np.flatnonzero(kind != SINGLE), np.flatnonzero(kind == SINGLE)
        cells = herded(z, len(singles))
        latents = np.empty((n, z.shape[1]), dtype=np.float32)
        latents[singles] = z[cells]
        if len(prototypes):
            latents[prototypes] = INITIALISERS.get(init)(z, _parts(prototypes, n), rng)
        distance = squared_distance(z, latents)
    pairs = [np.stack([singles, cells])]
    for start, stop in blocks(n):
        among = prototypes[prototypes < stop]
        if len(among):
            of = among[distance[:, among].argmin(axis=1)]
            mine = np.flatnonzero(of >= start)
            pairs.append(np.stack([of[mine], mine]))
    # where rows are more than cells: the decoder alone knows little of a small class
    alone = np.setdiff1d(prototypes, np.concatenate(pairs, axis=1)[0])
    pairs.append(np.stack([alone, distance[:, alone].argmin(axis=0)]))
    return Places(latents, distance.argmin(axis=1), np.concatenate(pairs, axis=1))


def _parts(prototypes: NDArray[np.int64], n: int) -> list[tuple[int, int]]:
    """Return the ranges of the prototypes, counted among themselves, in each block of rows that has any."""
    ends = np.searchsorted(prototypes, [stop for _, stop in blocks(n)])
    ends = np.unique(ends[ends > 0])
    return [(int(a), int(b)) for a, b in zip(np.append(0, ends[:-1]), ends, strict=True)]

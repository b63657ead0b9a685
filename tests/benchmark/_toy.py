"""A small task, and what the tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scdd.benchmark import Task
from scdd.datasets import simulate

if TYPE_CHECKING:
    from anndata import AnnData

OPTIONS: dict[str, Any] = {"n": [1, 3], "splits": [0], "seeds": [0, 1], "models": ["LR", "kNN"], "progress": False}


def load() -> AnnData:
    return simulate(n_obs=240, n_vars=60, n_classes=3, n_batches=4, depth=300, effect=0.5, seed=3)


TOY = Task("toy", load, donor_key="donor")


def first_cells(counts: Any, embedding: Any, labels: Any, *, sizes: Any, seed: int, hvg: Any) -> Any:
    """A user's method."""
    rows = np.concatenate([np.flatnonzero(labels == k)[:size] for k, size in enumerate(sizes)])
    return counts[rows], labels[rows]


def broken(counts: Any, embedding: Any, labels: Any, *, sizes: Any, seed: int, hvg: Any) -> Any:
    """A method that fails at n = 3."""
    if sizes.max() == 3:
        msg = "no\nluck,\r\n today"
        raise ValueError(msg)
    return first_cells(counts, embedding, labels, sizes=sizes, seed=seed, hvg=hvg)

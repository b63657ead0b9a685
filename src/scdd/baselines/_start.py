"""Where the rows of learned baselines start: noise, real cells, or the centres of k-means, in log space."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd._registry import Registry
from scdd._rng import stream
from scdd.baselines._kmeans import choose_kmeans
from scdd.baselines._random import choose_random

__all__ = ["STARTS"]

Start = Callable[
    [sp.csr_matrix, NDArray[np.float32], NDArray[np.integer], NDArray[np.integer], int],
    tuple[NDArray[np.float32], NDArray[np.int64]],
]
STARTS: Registry[Start] = Registry("start")
"""``start(logs, embedding, labels, sizes, seed)`` gives float32 (m, n_hvg) and the class of each row, int64 (m,)."""


@STARTS.register("real")
def _real(
    logs: sp.csr_matrix, embedding: NDArray, labels: NDArray, sizes: NDArray, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    choice = choose_random(embedding, labels, sizes, seed)
    return logs[choice.index].toarray(), choice.labels


@STARTS.register("noise")
def _noise(
    logs: sp.csr_matrix, embedding: NDArray, labels: NDArray, sizes: NDArray, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    # N(0, 1) in standardised units, as for images of one channel; expression cannot be negative
    row_labels = choose_random(embedding, labels, sizes, seed).labels
    mean = logs.mean()
    sd = np.sqrt(max(logs.multiply(logs).mean() - mean**2, 0.0))
    drawn = stream(seed, "noise").normal(mean, sd, (len(row_labels), logs.shape[1]))
    return np.maximum(drawn, 0.0).astype(np.float32), row_labels


@STARTS.register("kmeans")
def _kmeans(
    logs: sp.csr_matrix, embedding: NDArray, labels: NDArray, sizes: NDArray, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    choice = choose_kmeans(embedding, labels, sizes, seed)
    member = sp.csr_matrix((np.ones(len(labels)), (choice.group, np.arange(len(labels)))))
    return np.asarray((member @ logs).toarray() / member.sum(axis=1), dtype=np.float32), choice.labels

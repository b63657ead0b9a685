"""What all baselines share: the call, the rows that come back, the registry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd._registry import Registry
from scdd.errors import InputError

__all__ = ["BASELINES", "Method", "Rows", "checked"]


@dataclass(frozen=True)
class Rows:
    """A small set made by a baseline.

    Attributes
    ----------
    counts
        CSR float32 (m, n_genes).
    labels
        int64 (m,): class of each row; rows of a class stand together, best first.
    index
        int64 (m,): the cell that each row is, or None where rows are no cells.
    weight
        float64 (m,): number of original cells that the row stands for; sums to n.
    integer
        Whether all counts are integers.
    settings
        Options and budget of a learned method, JSON-safe; empty where nothing is learned.
    """

    counts: sp.csr_matrix
    labels: NDArray[np.int64]
    index: NDArray[np.int64] | None
    weight: NDArray[np.float64]
    integer: bool
    settings: dict[str, Any] = field(default_factory=dict)


class Method(Protocol):
    """A way to shrink a labelled set: :class:`Baseline` chooses rows, :class:`Learned` optimises them."""

    @property
    def name(self) -> str:
        """Name in :data:`BASELINES`."""
        ...

    def fit(
        self,
        counts: sp.csr_matrix,
        embedding: NDArray[np.float32],
        labels: NDArray[np.integer],
        *,
        sizes: NDArray[np.integer],
        seed: int,
        hvg: NDArray[np.bool_] | None = None,
    ) -> Rows:
        """Shrink cells in memory; the parameters are those of :meth:`Baseline.fit`."""
        ...


BASELINES: Registry[Method] = Registry("baseline")


def checked(
    counts: sp.csr_matrix,
    embedding: NDArray[np.float32],
    labels: NDArray[np.integer],
    sizes: NDArray[np.integer],
) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Return labels and sizes as arrays, or raise an InputError if the arrays do not fit each other."""
    labels, sizes = np.asarray(labels), np.asarray(sizes)
    if not counts.shape[0] == len(embedding) == len(labels):
        msg = f"counts, embedding and labels have {counts.shape[0]}, {len(embedding)} and {len(labels)} rows."
        raise InputError(msg)
    return labels, sizes

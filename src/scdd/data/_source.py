"""The protocol between the data and everything above it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray


@runtime_checkable
class Source(Protocol):
    """Counts, labels and batches of the cells, read in pieces.

    What stands above a Source never sees more than a block of cells at once, so that engines in memory, on disk, on a
    cluster or behind a GPU loader are interchangeable. Only vectors with one entry per cell may be held.

    Attributes
    ----------
    n_obs, n_vars
        Number of cells and genes.
    labels
        int32 array (n_obs,): class of each cell, in ``range(n_classes)``; every class has at least one cell.
    class_names
        Names of the classes, as text.
    batches
        int32 array (n_obs,): batch of each cell, in ``range(n_batches)``; all zero where there is one batch.
    batch_names
        Names of the batches, as text.
    donors
        int32 array (n_obs,) or None: the unit of every inner split.
    library
        float64 array (n_obs,): total counts of each cell over all genes, at least 1.
    """

    n_obs: int
    n_vars: int
    labels: NDArray[np.int32]
    class_names: tuple[str, ...]
    batches: NDArray[np.int32]
    batch_names: tuple[str, ...]
    donors: NDArray[np.int32] | None
    library: NDArray[np.float64]

    def rows(self, index: NDArray[np.integer], genes: NDArray[np.integer] | None = None) -> sp.csr_matrix:
        """Return the counts of some cells, in the order of ``index``: CSR float32 (len(index), n_genes).

        Parameters
        ----------
        index
            int (n,): the cells, in any order; repeats are allowed.
        genes
            int (n_genes,): columns, in any order. None: all.

        Returns
        -------
        Raw counts, CSR float32 (n, n_genes), with sorted indices.
        """
        ...

    def blocks(
        self, size: int = 4096, genes: NDArray[np.integer] | None = None
    ) -> Iterator[tuple[NDArray[np.int64], sp.csr_matrix]]:
        """Pass once over all cells in their order: pairs of cell indices and their counts (CSR float32).

        Parameters
        ----------
        size
            Cells of a block, at most.
        genes
            int (n_genes,): columns. None: all.

        Returns
        -------
        Pairs of int64 (n,), ascending, and CSR float32 (n, n_genes); every cell is in one of them.
        """
        ...

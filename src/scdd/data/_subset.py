"""A lazy view of some cells of a Source."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd.data._source import Source
from scdd.data._vectors import CellVectors


class SubsetSource(CellVectors):
    """Some cells of another Source, read from there when asked for.

    The class and batch names and codes stay those of the parent, so that labels of parts of one data set can be
    compared. A class may therefore have no cell here, unlike in a Source that comes from the door.

    Parameters
    ----------
    source
        The parent.
    index
        Cells of the parent, in the order they shall have here (n,).

    Examples
    --------
    >>> import numpy as np
    >>> from scdd.data import MemorySource
    >>> parent = MemorySource(np.array([[1, 0], [0, 3], [2, 2]]), labels=[0, 1, 1], class_names=["a", "b"])
    >>> SubsetSource(parent, np.array([2, 0])).labels
    array([1, 0], dtype=int32)
    """

    def __init__(self, source: Source, index: NDArray[np.integer]) -> None:
        self.parent = source
        self.index: NDArray[np.int64] = np.asarray(index, dtype=np.int64)
        self.n_vars = source.n_vars
        super().__init__(
            len(self.index),
            source.labels[self.index],
            source.class_names,
            batches=source.batches[self.index],
            batch_names=source.batch_names,
            donors=None if source.donors is None else source.donors[self.index],
            library=source.library[self.index],
        )

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
        return self.parent.rows(self.index[np.asarray(index, dtype=np.int64)], genes)

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
        for start in range(0, self.n_obs, size):
            local = np.arange(start, min(start + size, self.n_obs))
            yield local, self.parent.rows(self.index[local], genes)

    def __repr__(self) -> str:
        return f"SubsetSource({self._describe()})"

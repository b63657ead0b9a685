"""The engine for counts that fit into memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from scdd.data._matrix import canonical_csr, row_sums, select_genes
from scdd.data._vectors import CellVectors

_REPEATS = 16  # so often the same genes are asked for before a matrix of them is kept


class _Selection:
    """Training asks for the same genes in every step: then one matrix of them is kept, three times as fast."""

    def __init__(self) -> None:
        self._genes: NDArray[np.integer] | None = None
        self._times = 0
        self._matrix: sp.csr_matrix | None = None

    def whole(self, x: sp.csr_matrix, genes: NDArray[np.integer] | None) -> sp.csr_matrix | None:
        """Return all cells of these genes, or None where it does not pay yet."""
        if genes is None:
            return x
        if self._genes is None or not np.array_equal(self._genes, genes):
            self._genes, self._times, self._matrix = np.array(genes), 0, None
        self._times += 1
        if self._matrix is None and self._times > _REPEATS:
            self._matrix = select_genes(x, self._genes)
        return self._matrix


class MemorySource(CellVectors):
    """Counts in memory, behind the :class:`~scdd.data.Source` protocol.

    Parameters
    ----------
    counts
        Raw counts (n_obs, n_vars), any format; canonical CSR float32 is wrapped without a copy and never written to.
    labels
        Class of each cell, integers in ``range(len(class_names))`` (n_obs,).
    class_names
        Names of the classes.
    batches
        Batch of each cell, integers in ``range(len(batch_names))`` (n_obs,); None: one batch.
    batch_names
        Names of the batches.
    donors
        Donor of each cell, integers (n_obs,); None: not known.
    library
        Total counts of each cell (n_obs,); None: the sums of the rows, at least 1.

    Raises
    ------
    scdd.errors.InputError
        If a vector has another length than there are cells, or a code has no name.

    Examples
    --------
    >>> import numpy as np
    >>> source = MemorySource(np.array([[1, 0], [0, 3]]), labels=[0, 1], class_names=["a", "b"])
    >>> source.rows(np.array([1])).toarray()
    array([[0., 3.]], dtype=float32)
    """

    def __init__(
        self,
        counts: Any,
        labels: ArrayLike,
        class_names: Sequence[str],
        *,
        batches: ArrayLike | None = None,
        batch_names: Sequence[str] = ("all",),
        donors: ArrayLike | None = None,
        library: ArrayLike | None = None,
    ) -> None:
        self._x = canonical_csr(counts)
        self._last = _Selection()
        self.n_vars = int(self._x.shape[1])
        super().__init__(
            int(self._x.shape[0]),
            labels,
            class_names,
            batches=batches,
            batch_names=batch_names,
            donors=donors,
            library=row_sums(self._x) if library is None else library,
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
        index = np.asarray(index, dtype=np.int64)
        whole = self._last.whole(self._x, genes)
        return select_genes(self._x[index], genes) if whole is None else whole[index]

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
            stop = min(start + size, self.n_obs)
            yield np.arange(start, stop), select_genes(self._x[start:stop], genes)

    def __repr__(self) -> str:
        return f"MemorySource({self._describe()})"

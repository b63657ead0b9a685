"""The engine for counts that stay on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from scdd._compat import is_backed_sparse, is_dask
from scdd.data._matrix import canonical_csr, dense_step, row_sums, select_genes
from scdd.data._vectors import CellVectors
from scdd.errors import InputError

Transform = Callable[[sp.csr_matrix], sp.csr_matrix]


class RowReader:
    """Rows of a matrix on disk (or lazy), read in sorted pieces of bounded size.

    Parameters
    ----------
    x
        Sparse data set of anndata (CSR), h5py or zarr data set, Dask array, or anything with ``shape`` and rows by
        slice and by ascending integer array. ``sparse_rows`` may tell that its rows are sparse.
    transform
        Applied to each piece of canonical counts; must treat each row by itself.
    """

    def __init__(self, x: Any, *, transform: Transform | None = None) -> None:
        self._x = x
        self._transform = transform
        self.shape = (int(x.shape[0]), int(x.shape[1]))

    def with_transform(self, transform: Transform) -> RowReader:
        """Return a reader of the same matrix that changes what it reads."""
        return RowReader(self._x, transform=transform)

    def step(self, size: int) -> int:
        """Return how many rows may be read together: dense rows are wide."""
        sparse = is_backed_sparse(self._x) or getattr(self._x, "sparse_rows", False)
        return size if sparse else min(size, dense_step(self.shape[1]))

    def raw(self, index: NDArray[np.int64]) -> Any:
        """Read rows of an ascending index as they are stored."""
        try:
            if len(index) and index[-1] - index[0] + 1 == len(index):
                # one stretch is one read
                out = self._x[int(index[0]) : int(index[-1]) + 1]
            elif hasattr(self._x, "oindex"):
                out = self._x.oindex[index]
            else:
                out = self._x[index]
            return out.compute() if is_dask(out) else out
        except (ValueError, KeyError, RuntimeError, OSError) as error:
            msg = f"The counts cannot be read from disk ({error}). Is the file still open? Open it again and pass the new AnnData."
            raise InputError(msg) from error

    def _piece(self, index: NDArray[np.int64]) -> sp.csr_matrix:
        block = canonical_csr(self.raw(index))
        return block if self._transform is None else self._transform(block)

    def rows(self, index: NDArray[np.int64], genes: NDArray[np.int64] | None = None) -> sp.csr_matrix:
        """Read rows in any order, with repeats: canonical CSR float32 (len(index), n_vars), or some columns of these."""
        unique, inverse = np.unique(index, return_inverse=True)
        step = self.step(4096)
        # narrowed piece by piece: all genes of all rows are never held
        parts = [
            select_genes(self._piece(unique[start : start + step]), genes) for start in range(0, len(unique), step)
        ]
        if not parts:
            return sp.csr_matrix((0, self.shape[1] if genes is None else len(genes)), dtype=np.float32)
        block = parts[0] if len(parts) == 1 else sp.csr_matrix(sp.vstack(parts, format="csr"))
        in_order = len(unique) == len(index) and bool((inverse == np.arange(len(index))).all())
        return block if in_order else block[inverse]


class BackedSource(CellVectors):
    """Counts on disk (h5ad or zarr opened by anndata, or lazy), behind the :class:`~scdd.data.Source` protocol.

    Only vectors with one entry per cell are held; counts are read in sorted pieces when they are asked for. The file
    must stay open.

    Parameters
    ----------
    x
        The matrix on disk (n_file, n_vars), or a :class:`RowReader` of it.
    labels, class_names, batches, batch_names, donors
        As for :class:`~scdd.data.MemorySource`, for the kept cells.
    kept
        Rows of ``x`` that are cells of this source (n_obs,); None: all.
    library
        Total counts of the kept cells (n_obs,); None: one pass over the matrix.
    genes
        Columns of ``x`` that are genes of this source, in this order; None: all.

    Examples
    --------
    >>> import numpy as np
    >>> on_disk = np.array([[1, 0], [0, 3], [2, 2]])  # stands for an h5py data set
    >>> source = BackedSource(on_disk, labels=[0, 1, 1], class_names=["a", "b"])
    >>> source.rows(np.array([2, 0])).toarray()
    array([[2., 2.],
           [1., 0.]], dtype=float32)
    """

    def __init__(
        self,
        x: Any,
        labels: ArrayLike,
        class_names: Sequence[str],
        *,
        batches: ArrayLike | None = None,
        batch_names: Sequence[str] = ("all",),
        donors: ArrayLike | None = None,
        library: ArrayLike | None = None,
        kept: NDArray[np.integer] | None = None,
        genes: NDArray[np.integer] | None = None,
    ) -> None:
        self._reader = x if isinstance(x, RowReader) else RowReader(x)
        n_file, n_columns = self._reader.shape
        self._kept = np.arange(n_file) if kept is None else np.asarray(kept, dtype=np.int64)
        self._genes = None if genes is None else np.asarray(genes, dtype=np.int64)
        self.n_vars = n_columns if self._genes is None else len(self._genes)
        self.n_obs = len(self._kept)
        if library is None:
            library = np.concatenate([np.zeros(0), *(row_sums(block) for _, block in self.blocks())])
        super().__init__(
            self.n_obs,
            labels,
            class_names,
            batches=batches,
            batch_names=batch_names,
            donors=donors,
            library=library,
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
        columns = self._genes
        if genes is not None:
            columns = np.asarray(genes, dtype=np.int64) if columns is None else columns[genes]
        return self._reader.rows(self._kept[np.asarray(index, dtype=np.int64)], columns)

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
            yield local, self.rows(local, genes)

    def __repr__(self) -> str:
        return f"BackedSource({self._describe()})"

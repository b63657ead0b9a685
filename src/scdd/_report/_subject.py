"""What the diagnostic looks at: a set as it is, wrong or right, and the cells it stands for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd._about import About, about
from scdd._compat import layer_names, obs_frame
from scdd._report._copies import copies
from scdd.data._matrix import canonical_csr, row_sums
from scdd.pp._labels import read_column

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from scdd.pp import CheckedInput

__all__ = ["Subject", "make_subject"]


@dataclass(frozen=True, eq=False)
class Subject:
    """A set that is judged.

    Attributes
    ----------
    real
        The real cells.
    about
        What the set tells of itself.
    obs
        ``obs`` of the set.
    genes
        Names of its genes.
    stored
        Its values as they are stored: those of a sparse matrix, or all of a dense one.
    counts
        The same, CSR float32 (n_rows, n_genes).
    labels
        Class of each row as text, object (n_rows,); None where there is none.
    categories
        Categories of its label column as text.
    """

    real: CheckedInput
    about: About
    obs: pd.DataFrame
    genes: pd.Index
    stored: NDArray[Any]
    counts: sp.csr_matrix
    labels: NDArray[np.object_]
    categories: list[str]

    @cached_property
    def totals(self) -> NDArray[np.float64]:
        """Total counts of each row, (n_rows,)."""
        return row_sums(self.counts)

    @cached_property
    def rows_of(self) -> dict[str, int]:
        """Rows of each class."""
        found = [label for label in self.labels if label is not None]
        return (
            dict(zip(*(part.tolist() for part in np.unique(found, return_counts=True)), strict=True)) if found else {}
        )

    @cached_property
    def cells_of(self) -> dict[str, int]:
        """Real cells of each class, in the order of the classes."""
        source = self.real.source
        sizes = np.bincount(source.labels, minlength=len(source.class_names))
        return dict(zip(source.class_names, sizes.tolist(), strict=True))

    @cached_property
    def columns(self) -> NDArray[np.int64] | None:
        """Position of each gene among those of the real cells, int64 (n_genes,); None where one of them is not there."""
        at = np.asarray(self.real.var.index.astype(str).get_indexer(self.genes.astype(str)), dtype=np.int64)
        return at if (at >= 0).all() else None

    @cached_property
    def copied(self) -> NDArray[np.bool_]:
        """Whether a row has the counts of a real cell, gene by gene, (n_rows,)."""
        assert self.columns is not None
        return copies(self.counts, self.real.source, self.columns)

    def numbers(self, column: str) -> NDArray[np.float64] | None:
        """Return a column of ``obs`` as float64 (n_rows,); NaN where it holds no number, None where there is no column."""
        import pandas as pd

        if column not in self.obs.columns:
            return None
        return pd.to_numeric(self.obs[column].astype(object), errors="coerce").to_numpy(dtype=np.float64)


def make_subject(real: CheckedInput, syn: AnnData, *, layer: str | None) -> Subject:
    """Read a set as it is: nothing is refused but what is no label column or no number.

    Raises
    ------
    scdd.errors.LabelError
        If the set has no such label column.
    """
    x: Any = syn.layers[layer] if layer in list(layer_names(syn)) else syn.X
    sparse = isinstance(x, sp.spmatrix | sp.sparray)
    column = read_column(syn, real.labels_key, "labels_key")
    names = [*column.names, None]
    return Subject(
        real=real,
        about=about(syn),
        obs=obs_frame(syn),
        genes=syn.var_names,
        stored=np.asarray(x.data if sparse else x).ravel(),
        counts=canonical_csr(x),
        labels=np.array([names[code] for code in column.codes], dtype=object),
        categories=[str(name) for name in column.categories],
    )

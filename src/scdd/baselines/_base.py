"""A baseline that learns nothing: a choice of rows in an embedding, and how a row becomes counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd._registry import Registry
from scdd.baselines._method import BASELINES, Rows, checked
from scdd.baselines._profiles import mean_profiles
from scdd.errors import InputError

__all__ = ["Baseline", "Choice", "choose_per_class", "coresets"]

Space = Literal["count", "log"]


@dataclass(frozen=True)
class Choice:
    """Rows that were chosen, before they are counts.

    Attributes
    ----------
    labels
        int64 (m,): class of each row; rows of a class stand together, best first.
    group
        int64 (n,): the row that each cell belongs to.
    weight
        float64 (m,): number of cells that the row stands for; sums to n.
    index
        int64 (m,): the cell that each row is, or None where rows are means of their group.
    """

    labels: NDArray[np.int64]
    group: NDArray[np.int64]
    weight: NDArray[np.float64]
    index: NDArray[np.int64] | None


@dataclass(frozen=True)
class Baseline:
    """A way to shrink a labelled set without learning.

    Attributes
    ----------
    name
        Name in :data:`BASELINES`.
    choose
        ``choose(embedding, labels, sizes, seed)`` gives a :class:`Choice`.
    space
        None: rows are real cells. ``"count"``: summed counts at the median library, rounded. ``"log"``: means of
        log1p CP10k, turned back.
    uses_embedding
        Whether the embedding matters; where not, any array with a row per cell will do.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> counts = sp.csr_matrix(np.array([[4.0, 0.0], [2.0, 0.0], [0.0, 3.0]]))
    >>> rows = BASELINES.get("class_mean").fit(
    ...     counts, counts.toarray(), np.array([0, 0, 1]), sizes=np.array([1, 1]), seed=0
    ... )
    >>> rows.counts.toarray().tolist(), rows.weight.tolist()
    ([[3.0, 0.0], [0.0, 3.0]], [2.0, 1.0])
    """

    name: str
    choose: Callable[[NDArray[np.float32], NDArray[np.integer], NDArray[np.integer], int], Choice]
    space: Space | None
    uses_embedding: bool = True

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
        """Shrink cells in memory.

        Parameters
        ----------
        counts
            CSR (n, n_genes), raw counts.
        embedding
            float32 (n, d), in which cells are compared.
        labels
            int (n,) codes in ``range(len(sizes))``.
        sizes
            int (n_classes,): rows wanted of each class; a class with fewer cells gives all of them.
        seed
            Fixes the result.
        hvg
            Boolean mask (n_genes,) of the genes that models will see. Means in log space are exact on them; without it
            they are exact up to one factor per row.

        Raises
        ------
        InputError
            If the arrays do not fit each other.
        """
        labels, sizes = checked(counts, embedding, labels, sizes)
        choice = self.choose(embedding, labels, sizes, seed)
        counts = sp.csr_matrix(counts)
        library = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
        if choice.index is not None:
            return self.render(choice, chosen=sp.csr_matrix(counts[choice.index]))
        return self.render(choice, blocks=[(np.arange(len(labels)), counts)], library=library, hvg=hvg)

    def render(
        self,
        choice: Choice,
        *,
        chosen: sp.csr_matrix | None = None,
        blocks: Iterable[tuple[NDArray[np.int64], sp.csr_matrix]] | None = None,
        library: NDArray[np.float64] | None = None,
        hvg: NDArray[np.bool_] | None = None,
    ) -> Rows:
        """Turn a choice into counts, reading the cells in one pass.

        Real cells need ``chosen``, the counts of ``choice.index``; means need ``blocks`` (pairs of cell indices and
        their counts, together every cell once) and ``library`` (n,), the total of every cell; ``hvg`` as in :meth:`fit`.
        """
        if self.space is None:
            if chosen is None:
                msg = f"{self.name!r} returns real cells: render needs chosen."
                raise InputError(msg)
            counts = sp.csr_matrix(chosen, dtype=np.float32)
        else:
            if blocks is None or library is None:
                msg = f"{self.name!r} returns means: render needs blocks and library."
                raise InputError(msg)
            counts = mean_profiles(blocks, library, choice.group, len(choice.labels), space=self.space, hvg=hvg)
        return Rows(counts, choice.labels, choice.index, choice.weight, integer=self.space != "log")


def coresets() -> Registry[Baseline]:
    """Collect the methods of :data:`BASELINES` that choose rows; the learned ones are left out.

    Returns
    -------
    Registry of :class:`Baseline`.

    Examples
    --------
    >>> import scdd.baselines
    >>> "herding" in coresets(), "dm" in coresets()
    (True, False)
    """
    chosen: Registry[Baseline] = Registry("coreset")
    for name in BASELINES:
        method = BASELINES.get(name)
        if isinstance(method, Baseline):
            chosen.register(name)(method)
    return chosen


def choose_per_class(
    embedding: NDArray[np.float32],
    labels: NDArray[np.integer],
    sizes: NDArray[np.integer],
    within: Callable[[NDArray[np.float64], int, int], tuple[NDArray[np.int64], NDArray[np.int64] | None]],
    *,
    real: bool,
) -> Choice:
    """Apply a rule to each class by itself.

    ``within(points, n, code)`` gets the embedding of a class, the number of rows (at most its size) and its code. It
    returns the chosen cells in their order of merit, (n,) - for means, anything of that length - and for each cell its
    row (or None: cells are shared out evenly).
    """
    rows: list[NDArray[np.int64]] = []
    row_labels: list[NDArray[np.int64]] = []
    weights: list[NDArray[np.float64]] = []
    group = np.zeros(len(labels), dtype=np.int64)
    first = 0
    for code, size in enumerate(sizes):
        cells = np.flatnonzero(labels == code)
        n = min(int(size), len(cells))
        if n == 0:
            if len(cells):
                msg = f"sizes asks for {size} rows of class {code}, which has {len(cells)} cells: ask for at least 1."
                raise InputError(msg)
            continue
        chosen, member = within(embedding[cells].astype(np.float64), n, code)
        n = len(chosen)
        if member is None:
            member = np.arange(len(cells)) % n
            weights.append(np.full(n, len(cells) / n))
        else:
            weights.append(np.bincount(member, minlength=n).astype(np.float64))
        group[cells] = first + member
        rows.append(cells[chosen])
        row_labels.append(np.full(n, code, dtype=np.int64))
        first += n
    if not rows:
        msg = "There is no cell to choose from."
        raise InputError(msg)
    return Choice(np.concatenate(row_labels), group, np.concatenate(weights), np.concatenate(rows) if real else None)

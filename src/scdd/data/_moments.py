"""Statistics of the counts within classes, class by class: memory grows with the genes, not with the cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scdd.data._source import Source

_BLOCK = 4096
_THETA_RANGE = (0.05, 1000.0)


def within_class_dispersion(source: Source) -> NDArray[np.float32]:
    r"""Return the negative-binomial inverse dispersion of every gene (n_vars,), by moments within classes.

    With :math:`\mu_{ig} = L_i r_{cg}` for a cell i of class c,

    .. math:: \theta_g = \frac{\sum_i \mu_{ig}^2}{\sum_i (x_{ig} - \mu_{ig})^2 - \mu_{ig}},

    held in [0.05, 1000]; a gene without extra variance gets the upper end (nearly Poisson). The mean of a few cells follows
    them: squares about it are too small, by (n - 1) / n of n cells, and its own square is too large by its variance. Both
    are corrected; a class of one cell says nothing and is left out.
    """
    numerator = np.zeros(source.n_vars)
    denominator = np.zeros(source.n_vars)
    for label in range(len(source.class_names)):
        cells = np.flatnonzero(source.labels == label)
        if len(cells) < 2:
            continue
        library = source.library[cells]
        total, squares, weighted = (np.zeros(source.n_vars) for _ in range(3))
        for start in range(0, len(cells), _BLOCK):
            x = source.rows(cells[start : start + _BLOCK]).astype(np.float64)
            total += np.asarray(x.sum(axis=0)).ravel()
            weighted += x.T @ library[start : start + _BLOCK]
            x.data **= 2
            squares += np.asarray(x.sum(axis=0)).ravel()
        rate = total / library.sum()
        power = rate**2 * (library**2).sum()
        residual = len(cells) / (len(cells) - 1) * (squares - 2 * rate * weighted + power)
        numerator += power - residual * (library**2).sum() / library.sum() ** 2
        denominator += residual - total
    with np.errstate(divide="ignore", invalid="ignore"):
        theta = np.where(denominator > 0, numerator / denominator, np.inf)
    return np.clip(theta, *_THETA_RANGE).astype(np.float32)


def pooled_counts(
    source: Source, groups: NDArray[np.integer], n_groups: int, genes: NDArray[np.integer] | None = None
) -> NDArray[np.float64]:
    """Return the summed counts of groups of cells: (n_groups, n_genes); a negative group is left out.

    Parameters
    ----------
    source
        The cells.
    groups
        Group of each cell (n_obs,).
    n_groups
        Number of groups.
    genes
        Genes to sum; all if not given.
    """
    import scipy.sparse as sp

    n_genes = source.n_vars if genes is None else len(genes)
    out = np.zeros((n_groups, n_genes))
    for index, counts in source.blocks(_BLOCK, genes):
        of = groups[index]
        kept = np.flatnonzero(of >= 0)
        member = sp.csr_matrix((np.ones(len(kept)), (of[kept], kept)), shape=(n_groups, len(index)))
        out += (member @ counts).toarray()
    return out


def within_class_log_sd(source: Source, genes: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the standard deviation within classes of log1p CP10k of some genes (n_genes,), pooled over the cells.

    The degrees of freedom are the cells less the classes that have any.
    """
    import scipy.sparse as sp

    n_classes = len(source.class_names)
    total, squares = np.zeros((n_classes, len(genes))), np.zeros(len(genes))
    for index, counts in source.blocks(_BLOCK, genes):
        x = sp.csr_matrix(counts, dtype=np.float64)
        x.data = np.log1p(x.data * np.repeat(1e4 / np.maximum(source.library[index], 1), np.diff(x.indptr)))
        member = sp.csr_matrix(
            (np.ones(len(index)), (source.labels[index], np.arange(len(index)))), shape=(n_classes, len(index))
        )
        total += (member @ x).toarray()
        x.data **= 2
        squares += np.asarray(x.sum(axis=0)).ravel()
    cells = np.bincount(source.labels, minlength=n_classes)
    between = (total**2 / np.maximum(cells, 1)[:, None]).sum(axis=0)
    return np.sqrt(np.maximum(squares - between, 0) / max(source.n_obs - np.count_nonzero(cells), 1))

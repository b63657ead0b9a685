"""From rates to integer counts, with as much or as little noise as a row should carry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from scdd._registry import Registry

Floats = NDArray[np.floating]
_WALKED = 50.0  # largest Poisson mean whose quantile is found by walking through the counts
DENOISED_DEPTH = 10_000  # what a denoised row sums to: a count of it is one in ten thousand


@dataclass(frozen=True)
class RenderInput:
    """Rows of one class and block that are rendered together; their noise is spread evenly between them.

    Attributes
    ----------
    rates
        Expected shares (n, n_vars) of every gene; each row sums to 1.
    target
        Expected log expression (n, n_hvg) of the HVGs at the library sizes of the rows.
    library
        Library size (n,) of each row.
    hvg
        Mask (n_vars,) of the highly variable genes.
    threshold
        Where between two integers a row rounds up (n, n_hvg), in (0, 1).
    sink
        Index of the gene that fills a row up where all genes are highly variable.
    """

    rates: Floats
    target: Floats
    library: Floats
    hvg: NDArray[np.bool_]
    threshold: Floats
    sink: int


Renderer = Callable[[RenderInput, np.random.Generator], NDArray[np.float32]]
RENDERERS: Registry[Renderer] = Registry("rendering")


@RENDERERS.register("denoised")
def denoised(rows: RenderInput, rng: np.random.Generator) -> NDArray[np.float32]:
    """Write the expected log expression in integers, gene by gene, in counts per ten thousand.

    A gene takes one of the two integers around its target. Which one is told by the thresholds, in the log, where models
    look: 1/2 for a single row, and spread evenly over the rows of a class, so that their mean is right although each is an
    integer (weakly expressed genes would be 0 in all of them). They are the same for all classes: genes in which two
    classes do not differ must not differ by the rounding.

    The other genes fill the row up, so that normalising by the row's own sum changes nothing; where there are none, the
    sink does.
    """
    target = np.maximum(rows.target, 0)
    low = np.floor(np.expm1(target))
    below, above = np.log1p(low), np.log1p(low + 1)
    up = target - below > rows.threshold * (above - below)
    out = np.zeros(rows.rates.shape, dtype=np.float32)
    out[:, rows.hvg] = low + up
    rest = rows.rates[:, ~rows.hvg].astype(np.float64)
    missing = np.maximum(DENOISED_DEPTH - out.sum(axis=1, dtype=np.float64), 0)
    total = rest.sum(axis=1)
    rest *= np.divide(missing, total, out=np.zeros_like(total), where=total > 0)[:, None]
    out[:, ~rows.hvg] = spread(rest, rng)
    out[total <= 0, rows.sink] += missing[total <= 0]
    return out


@RENDERERS.register("noisy")
def noisy(rows: RenderInput, rng: np.random.Generator) -> NDArray[np.float32]:
    """Poisson counts at the library size: the sparsity of real cells.

    Among the HVGs the noise is stratified over the rows (a Latin hypercube, gene by gene), so that a few rows together
    still show the right means.
    """
    mu = rows.rates * rows.library[:, None]
    out = np.empty(mu.shape, dtype=np.float32)
    n, n_hvg = len(mu), int(rows.hvg.sum())
    u = _strata((n, n_hvg), rng) + (rng.random((n, n_hvg)) - 0.5) / n
    u = u.clip(1e-12, 1 - 1e-12)  # at the very ends the quantiles are -1 and infinite
    out[:, rows.hvg] = poisson_quantile(u, mu[:, rows.hvg])
    out[:, ~rows.hvg] = rng.poisson(mu[:, ~rows.hvg])
    return out


@RENDERERS.register("plain")
def plain(rows: RenderInput, rng: np.random.Generator) -> NDArray[np.float32]:
    """Round the expected counts at the library size."""
    return np.rint(rows.rates * rows.library[:, None]).astype(np.float32)


def poisson_quantile(u: Floats, mean: Floats) -> Floats:
    """Return the smallest count whose Poisson probability, summed up to it, is at least ``u``.

    Counts are walked through from 0 until each is found: nearly all means are small, and the sums are then found sooner
    than their inverse.

    Parameters
    ----------
    u
        In (0, 1), any shape.
    mean
        Of the same shape.

    Examples
    --------
    >>> poisson_quantile(np.array([0.3, 0.5, 0.999]), np.array([1.0, 1.0, 0.01])).tolist()
    [0.0, 1.0, 1.0]
    """
    out, large = np.zeros(u.size), mean.ravel() > _WALKED
    out[large] = stats.poisson.ppf(u.ravel()[large], mean.ravel()[large])
    left = np.flatnonzero(~large)
    wanted, mu = u.ravel()[left], mean.ravel()[left].astype(np.float64)
    term = np.exp(-mu)
    total = term.copy()
    count = 0
    while len(left):
        going = (total < wanted) & (term > 0)  # nothing is left to add where u is 1 but for rounding
        out[left[~going]] = count
        left, wanted, mu, term, total = left[going], wanted[going], mu[going], term[going], total[going]
        count += 1
        term *= mu / count
        total += term
    return out.reshape(u.shape)


def _strata(shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Return the centres of n equal strata of (0, 1), in an order of its own for each of the columns: (n, n_genes)."""
    n, n_genes = shape
    return (rng.permuted(np.tile(np.arange(n)[:, None], (1, n_genes)), axis=0) + 0.5) / n


def spread(expected: Floats, rng: np.random.Generator) -> NDArray[np.float32]:
    """Round to integers that keep the sum of each row: the jumps of the rounded running total (n, n_genes)."""
    start = rng.random((len(expected), 1))
    running = np.floor(np.cumsum(expected, axis=1) + start)
    return np.diff(running, axis=1, prepend=0.0).astype(np.float32)

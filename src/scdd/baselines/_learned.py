"""Baselines that learn: rows start somewhere in log space and move along a matching loss, for a set number of steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd._threads import one_thread
from scdd.baselines._herding import choose_herding
from scdd.baselines._method import Rows, checked
from scdd.baselines._profiles import filled_profiles
from scdd.baselines._start import STARTS
from scdd.errors import InputError
from scdd.metrics._preprocess import log_normalize

if TYPE_CHECKING:
    from scdd.baselines._problem import Matching, Problem

__all__ = ["LearnConfig", "Learned", "tuned"]


@dataclass(frozen=True)
class LearnConfig:
    """What all learned baselines are told: where rows start, how they move, how long.

    The defaults are the published habits; :func:`tuned` gives the others.

    Parameters
    ----------
    start
        A name in :data:`STARTS`.
    unit
        Rows are ``start + unit * delta``, and ``delta`` is learned. ``"overall"``: one standard deviation of all values,
        as images are standardised; ``"within"``: the standard deviation of each gene within classes.
    optimizer
        ``"sgd"``, ``"adam"`` or ``"adamw"``, at a constant rate.
    lr, momentum
        Rate in these units; the momentum is that of SGD.
    full_rate_rows
        SGD moves rows of a class with fewer rows more slowly, in proportion: the gradient of a mean is shared by its rows,
        so that a rate that is stable for 10 rows is not for 1. 1: the rate as it is.
    steps
        Steps of the rows: the budget, the same on every machine.
    leash
        Weight of the mean squared ``delta``.
    relative
        Divide the loss by its value at the first step, so that the leash means the same for every method.
    real_per_class
        Real cells of each class in a step.
    """

    start: str = "real"
    unit: str = "overall"
    optimizer: str = "sgd"
    lr: float = 0.1
    momentum: float = 0.5
    full_rate_rows: int = 10
    steps: int = 100
    leash: float = 0.0
    relative: bool = False
    real_per_class: int = 64

    def __post_init__(self) -> None:
        if self.steps < 1 or self.lr <= 0 or self.leash < 0 or self.real_per_class < 1:
            msg = f"steps, lr and real_per_class must be positive and leash non-negative, got {self}."
            raise InputError(msg)


def tuned(**options: Any) -> dict[str, Any]:
    """Return the options of the ``-tuned`` variants: our start, Adam in units of the noise, a leash, modest steps.

    Examples
    --------
    >>> LearnConfig(**tuned(steps=10)).optimizer
    'adam'
    """
    ours = {"start": "kmeans", "unit": "within", "optimizer": "adam", "lr": 0.02, "momentum": 0.0, "leash": 0.3}
    return ours | {"relative": True} | options


@dataclass(frozen=True)
class Learned:
    """A baseline whose rows are optimised.

    Attributes
    ----------
    name
        Name in :data:`BASELINES`.
    matching
        ``matching(problem, config)`` gives the loss: ``loss(rows, step)``, rows (m, n_hvg) in log space, a scalar.
    config
        Frozen dataclass of the method; recorded in ``Rows.settings``.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> from scdd.baselines import BASELINES
    >>> counts = sp.csr_matrix(np.random.default_rng(0).poisson(2.0, (20, 6)).astype(float))
    >>> labels = np.repeat([0, 1], 10)
    >>> method = BASELINES.get("dm-tuned")
    >>> rows = method.fit(counts, counts.toarray(), labels, sizes=np.array([2, 1]), seed=0)
    >>> rows.counts.shape, rows.labels.tolist(), rows.settings["steps"]
    ((3, 6), [0, 0, 1], 100)
    """

    name: str
    matching: Callable[[Problem, Any], Matching]
    config: LearnConfig

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
        """Learn rows in log1p CP10k of the highly variable genes, and turn them into counts of all genes.

        Parameters
        ----------
        counts
            CSR (n, n_genes), raw counts.
        embedding
            float32 (n, d), in which cells are compared where k-means is the start.
        labels
            int (n,) codes in ``range(len(sizes))``.
        sizes
            int (n_classes,): rows wanted of each class; a class with fewer cells gives as many as it has cells (which,
            started from real cells, are these cells, with little left to learn).
        seed
            Fixes the result.
        hvg
            Boolean mask (n_genes,) of the genes that are learned; None: all. See :func:`filled_profiles` for the others.

        Raises
        ------
        InputError
            If the arrays do not fit each other, or the method needs more than one class.
        TrainingError
            If the loss is not finite.
        """
        from scdd.baselines._problem import Problem, optimise

        labels, sizes = checked(counts, embedding, labels, sizes)
        counts = sp.csr_matrix(counts)
        hvg = np.ones(counts.shape[1], dtype=bool) if hvg is None else np.asarray(hvg)
        if hvg.dtype != bool or hvg.shape != (counts.shape[1],) or not hvg.any():
            msg = (
                f"hvg must be a boolean mask of {counts.shape[1]} genes that selects some, got {hvg.dtype} {hvg.shape}."
            )
            raise InputError(msg)
        library = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
        logs = log_normalize(sp.csr_matrix(counts[:, np.flatnonzero(hvg)]), library)
        start, row_labels = STARTS.get(self.config.start)(logs, embedding, labels, sizes, seed)
        with one_thread():  # sums over several threads differ in the last bit, and long optimisations make much of it
            problem = Problem(logs, labels, row_labels, n_classes=len(sizes), seed=seed)
            rows = optimise(start, self.matching(problem, self.config), problem, self.config)
        # best first: the first rows of a class have its mean
        order = choose_herding(rows, row_labels, np.bincount(row_labels, minlength=len(sizes)), seed).index
        rows, row_labels = rows[order], row_labels[order]
        cells, made = (np.bincount(y, minlength=len(sizes)) for y in (labels, row_labels))
        return Rows(
            counts=filled_profiles(rows, row_labels, counts, labels, hvg),
            labels=row_labels,
            index=None,
            weight=(cells / np.maximum(made, 1))[row_labels],
            integer=False,
            settings={"method": self.name, **asdict(self.config)},
        )

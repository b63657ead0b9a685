"""Minibatches of cells, balanced over the classes, without any state."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scdd._rng import stream
from scdd.errors import InputError


class ClassSampler:
    """Draw the cells of a training step; the draw depends on nothing but the seed and the number of the step.

    So a training that goes on from step k is bit for bit the training that was not interrupted.

    Parameters
    ----------
    labels
        Class of each cell, non-negative integers (n_obs,).
    batch_size
        Number of cells of a batch.
    balance
        Share of a batch that is drawn evenly over the classes; the rest is drawn evenly over the cells.
    seed
        Non-negative integer.

    Attributes
    ----------
    classes
        The classes that have cells, ascending (n_present,); all of ``range(n_classes)`` for a Source from the door.

    Raises
    ------
    scdd.errors.InputError
        If there are no cells, ``batch_size`` is below 1, or ``balance`` lies outside of [0, 1].

    Examples
    --------
    >>> sampler = ClassSampler([0, 0, 0, 0, 1], batch_size=4, seed=0)
    >>> bool((sampler.batch(7) == sampler.batch(7)).all())
    True
    >>> sampler.per_class(0, 3).shape
    (2, 3)
    """

    def __init__(self, labels: ArrayLike, *, batch_size: int, balance: float = 0.5, seed: int) -> None:
        codes = np.asarray(labels)
        if codes.ndim != 1 or len(codes) == 0:
            msg = f"labels must be a vector with at least one cell, got shape {codes.shape}."
            raise InputError(msg)
        if batch_size < 1:
            msg = f"batch_size must be at least 1, got {batch_size}."
            raise InputError(msg)
        if not 0.0 <= balance <= 1.0:
            msg = f"balance must lie in [0, 1], got {balance}."
            raise InputError(msg)
        sizes = np.bincount(codes)
        self.classes: NDArray[np.int64] = np.flatnonzero(sizes)
        self.n_obs = len(codes)
        self.batch_size = int(batch_size)
        self.balance = float(balance)
        self.seed = seed
        # the cells of class k are _order[_starts[k] : _starts[k] + _sizes[k]]
        self._order = np.argsort(codes, kind="stable")
        self._sizes = sizes[self.classes]
        self._starts = np.concatenate([[0], np.cumsum(self._sizes)[:-1]])

    def batch(self, step: int) -> NDArray[np.int64]:
        """Return the cells of a step: int64 (batch_size,), drawn with replacement.

        Parameters
        ----------
        step
            Number of the step; the same seed and step give the same result.

        Returns
        -------
        Positions of the cells, int64 (batch_size,).
        """
        rng = stream(self.seed, "sampler", "batch", step)
        n_balanced = round(self.batch_size * self.balance)
        # every class equally often, up to one: less noise than drawing the class of each cell
        n_classes = len(self.classes)
        cycle = rng.permutation(n_classes)
        chosen = np.resize(cycle, n_balanced) if n_balanced else np.empty(0, np.int64)
        within = (rng.random(n_balanced) * self._sizes[chosen]).astype(np.int64)
        balanced = self._order[self._starts[chosen] + within]
        uniform = rng.integers(self.n_obs, size=self.batch_size - n_balanced)
        return np.concatenate([balanced, uniform])

    def per_class(self, step: int, m: int) -> NDArray[np.int64]:
        """Return m cells of each class: int64 (n_present, m), rows in the order of ``classes``.

        Without replacement, but in classes with fewer than m cells.

        Parameters
        ----------
        step
            Number of the step; the same seed and step give the same result.
        m
            Cells of each class.

        Returns
        -------
        Positions of the cells, int64 (n_present, m).
        """
        if m < 1:
            msg = f"m must be at least 1, got {m}."
            raise InputError(msg)
        rng = stream(self.seed, "sampler", "per_class", step)
        sizes = self._sizes
        draws = rng.random((m, len(sizes)))
        within = np.empty((len(sizes), m), dtype=np.int64)
        small = sizes < m
        within[small] = (draws.T[small] * sizes[small, None]).astype(np.int64)
        # Floyd's algorithm, over all large classes at once: a value drawn before is replaced by the new largest one
        large = np.flatnonzero(~small)
        taken = np.empty((len(large), m), dtype=np.int64)
        for j in range(m if len(large) else 0):
            top = sizes[large] - m + j
            value = (draws[j, large] * (top + 1)).astype(np.int64)
            repeated = (taken[:, :j] == value[:, None]).any(axis=1)
            taken[:, j] = np.where(repeated, top, value)
        # Floyd's order is not uniform
        within[large] = rng.permuted(taken, axis=1)
        return self._order[self._starts[:, None] + within]

    def up_to(self, step: int, m: int) -> NDArray[np.int64]:
        """Return m cells of each class, all cells of classes that have fewer: int64 (n,), class by class.

        Where every class counts the same, repeating the cells of small ones would only take time.

        Parameters
        ----------
        step
            Number of the step; the same seed and step give the same result.
        m
            Cells of each class, at most.

        Returns
        -------
        Positions of the cells, int64 (n,).
        """
        drawn = self.per_class(step, m)
        cells = [
            row if size >= m else self._order[start : start + size]
            for row, start, size in zip(drawn, self._starts, self._sizes, strict=True)
        ]
        return np.concatenate(cells)

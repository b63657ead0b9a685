"""The batches of a step: some cells of each data set, thinned, with a part of their genes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scdd._rng import stream
from scdd.data import ClassSampler
from scdd.encoders._pretrain._config import PretrainConfig
from scdd.encoders._pretrain._corpus import Corpus, Member

_SMALLEST = 100  # genes of a panel


@dataclass(frozen=True, eq=False)
class View:
    """Cells as the network gets to see them.

    Attributes
    ----------
    x
        Expression (n, n_kept) float32.
    genes
        Positions of its genes in the vocabulary (n_kept,).
    centre
        What is taken off (n_kept,): their mean, or that of the data set.
    """

    x: NDArray[np.float32]
    genes: NDArray[np.int64]
    centre: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class StudyBatch:
    """The cells of one data set in one step.

    Attributes
    ----------
    study
        Number of the data set.
    views
        One view, or two where views are contrasted.
    wanted, target
        Genes (n_wanted,) and their expression (n, n_wanted) before thinning, which is to be predicted.
    labels, batches
        int64 (n,).
    """

    study: int
    views: tuple[View, ...]
    wanted: NDArray[np.int64]
    target: NDArray[np.float32]
    labels: NDArray[np.int64]
    batches: NDArray[np.int64]


class Views:
    """Batches by step number: no state, so that a resumed training sees the same batches.

    Parameters
    ----------
    corpus
        The data sets.
    config
        Sizes and shares.
    seed
        Seed of all draws.
    """

    def __init__(self, corpus: Corpus, config: PretrainConfig, seed: int) -> None:
        self.corpus, self.config, self.seed = corpus, config, seed

    def __call__(self, step: int) -> Iterator[StudyBatch]:
        """Yield the batches of a step, one per data set."""
        members, limit = self.corpus.members, self.config.studies_per_step
        chosen = np.arange(len(members))
        if len(members) > limit:
            chosen = np.sort(stream(self.seed, "studies", step).choice(len(members), limit, replace=False))
        for number in chosen.tolist():
            yield self._batch(number, step)

    @cached_property
    def _samplers(self) -> list[ClassSampler]:
        n, balance = self.config.cells_per_study, self.config.balance
        seeds = [int(stream(self.seed, "cells", i).integers(2**31)) for i in range(len(self.corpus.members))]
        return [
            ClassSampler(member.opened.source.labels, batch_size=n, balance=balance, seed=seed)
            for member, seed in zip(self.corpus.members, seeds, strict=True)
        ]

    def _batch(self, number: int, step: int) -> StudyBatch:
        member = self.corpus.members[number]
        rng = stream(self.seed, "views", number, step)
        index = self._samplers[number].batch(step)
        counts = member.rows(index)
        whole = self._expression(counts, member.present)
        n_views = 2 if self.config.views > 0 else 1
        views = tuple(self._view(member, counts, rng) for _ in range(n_views))
        wanted = _drawn(self.corpus.sd[member.present], self.config.predicted, rng)
        source = member.opened.source
        return StudyBatch(
            number,
            views,
            member.present[wanted],
            whole[:, wanted],
            source.labels[index].astype(np.int64),
            source.batches[index].astype(np.int64),
        )

    def _view(self, member: Member, counts: NDArray[np.float32], rng: np.random.Generator) -> View:
        kept = self._panel(member, rng)
        seen = counts[:, kept]
        thinned = rng.random(len(seen)) < self.config.thinned
        depth = np.exp(rng.uniform(np.log(max(self.config.least_depth, 1e-3)), 0.0, len(seen)))
        rows, columns = np.nonzero(seen * thinned[:, None])
        seen = seen.copy()
        seen[rows, columns] = rng.binomial(np.rint(seen[rows, columns]).astype(np.int64), depth[rows])
        genes = member.present[kept]
        x = self._expression(seen, genes)
        own = rng.random() < self.config.own_centre
        return View(x, genes, x.mean(axis=0) if own else member.mean[kept])

    def _panel(self, member: Member, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw the genes of a view: all, any, or as panels are made, variable ones."""
        n = len(member.present)
        kind = rng.random()
        if kind < self.config.whole_panel:
            return np.arange(n)
        share = np.exp(rng.uniform(np.log(max(self.config.smallest_panel, 1e-3)), 0.0))
        size = min(n, max(_SMALLEST, round(n * share)))
        variable = kind < self.config.whole_panel + (1 - self.config.whole_panel) / 2
        weights = self.corpus.sd[member.present] if variable else np.ones(n, dtype=np.float32)
        return _drawn(weights, size, rng)

    def _expression(self, counts: NDArray[np.float32], genes: NDArray[np.int64]) -> NDArray[np.float32]:
        share = float(self.corpus.fraction[genes].sum())
        totals = np.maximum(counts.sum(axis=1, dtype=np.float64), 1.0)
        return np.log1p(counts * (1e4 * share / totals)[:, None].astype(np.float32))


def _drawn(weights: NDArray[np.float32], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw positions without replacement, with chances by weight, ascending."""
    if size >= len(weights):
        return np.arange(len(weights))
    # the largest of weighted Gumbel variables: one pass, whatever the weights
    keys = np.log(np.maximum(weights, 1e-6)) + rng.gumbel(size=len(weights))
    return np.sort(np.argpartition(-keys, size)[:size])

"""The inner referee: score candidate rows on real cells of donors that did not take part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scdd._rng import stream
from scdd.data import Source, split_indices
from scdd.metrics import TEST_MODELS, preprocess

_MAX_CELLS = 1500
_MIN_CELLS = 20
_ONE_DONOR = 3  # splits, at least, where each holds one donor out: what one donor says is chance


@dataclass(frozen=True)
class InnerSplit:
    """Cells that make candidates, and cells that judge them.

    Attributes
    ----------
    train, validation
        Indices of cells, sorted.
    by_donor
        Whether whole donors were held out.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    by_donor: bool


def inner_split(source: Source, *, test_size: float = 0.3, seed: int) -> InnerSplit | None:
    """Hold out donors (or cells, where there is one donor); None if too few cells would be left to judge."""
    rng = stream(seed, "inner split")
    donors = source.donors
    by_donor = donors is not None and len(np.unique(donors)) > 1
    train, validation = split_indices(source.labels, donors if by_donor else None, test_size, rng)
    n_classes = len(source.class_names)
    if len(np.bincount(source.labels[train], minlength=n_classes).nonzero()[0]) < n_classes:
        # a class that lives in the held-out donors alone: then cells are held out, so that every class has rows
        train, validation = split_indices(source.labels, None, test_size, rng)
        by_donor = False
    if len(validation) < _MIN_CELLS or len(np.unique(source.labels[validation])) < 2:
        return None
    if len(validation) > _MAX_CELLS:
        validation = np.sort(_balanced(source.labels, validation, rng))
    return InnerSplit(train, validation, by_donor)


def inner_splits(source: Source, n: int, *, seed: int) -> list[InnerSplit]:
    """Return up to ``n`` splits that hold out different cells; none if too few cells would be left to judge.

    They are up to three, whatever ``n`` is, where each of them holds out a single donor.
    """
    found: list[InnerSplit] = []
    for number in range(4 * max(n, _ONE_DONOR)):  # few donors leave few ways to hold some of them out
        split = inner_split(source, seed=seed + number)
        if split is None:  # another may hold out donors with more cells
            continue
        if split.by_donor and len(np.unique(np.asarray(source.donors)[split.validation])) == 1:
            n = max(n, _ONE_DONOR)
        # by what they train on: a large validation set is thinned at random, and would differ with the same donors
        if not any(np.array_equal(split.train, other.train) for other in found):
            found.append(split)
        if len(found) == n:
            break
    return found


class Referee:
    """Score rows by what models trained on them predict for the validation cells.

    Parameters
    ----------
    source
        The cells.
    split
        Who judges.
    hvg
        Mask (n_vars,) of the highly variable genes.
    models
        Names in :data:`scdd.metrics.TEST_MODELS`.
    seed
        Seed of the models.
    """

    def __init__(
        self, source: Source, split: InnerSplit, hvg: NDArray[np.bool_], *, models: Sequence[str], seed: int
    ) -> None:
        self.hvg, self.models, self.seed = hvg, models, seed
        self.labels = source.labels[split.validation].astype(np.int64)
        self.x = preprocess(source.rows(split.validation), hvg)
        sizes = np.bincount(self.labels, minlength=len(source.class_names))
        # classes with few cells give noisy scores, but where all are small they are all there is
        self.classes = np.flatnonzero(sizes >= min(5, sizes.max()))

    def scores(
        self, seen: NDArray[np.floating], total: NDArray[np.floating], labels: NDArray[np.integer]
    ) -> dict[str, float]:
        """Return the macro-F1 of each model that is trained on rows.

        Parameters
        ----------
        seen
            Counts of their HVGs (n, n_hvg).
        total
            Total of all their genes (n,).
        labels
            Their classes (n,).
        """
        x = np.log1p(seen * (1e4 / np.maximum(total, 1))[:, None]).astype(np.float32)
        out = {}
        for name in self.models:
            predicted = TEST_MODELS.get(name).fit_predict(x, labels, self.x, seed=self.seed)
            out[name] = macro_f1(self.labels, predicted, self.classes)
        return out


def macro_f1(truth: NDArray[np.integer], predicted: NDArray[np.integer], classes: NDArray[np.integer]) -> float:
    """Return the mean F1 over some classes."""
    from sklearn.metrics import f1_score

    return float(f1_score(truth, predicted, labels=classes, average="macro", zero_division=0))


def _balanced(labels: NDArray[np.integer], cells: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Choose cells so that rare classes stay and large ones are thinned."""
    order = cells[rng.permutation(len(cells))]
    sorted_by_class = order[np.argsort(labels[order], kind="stable")]
    sizes = np.bincount(labels[cells])
    rank = np.arange(len(cells)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return sorted_by_class[np.argsort(rank, kind="stable")[:_MAX_CELLS]]

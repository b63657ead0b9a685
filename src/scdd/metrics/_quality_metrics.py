"""The figures of fidelity and biology: what each compares, which way is better."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd._optional import require
from scdd._registry import Registry
from scdd._rng import random_state, stream
from scdd.metrics._biology import cluster_agreement, fold_changes, marker_precision
from scdd.metrics._distribution import mmd, wasserstein
from scdd.metrics._fidelity import real_or_generated_auc
from scdd.metrics._preprocess import log_normalize

__all__ = ["QUALITY", "Pair", "QualityMetric", "Side"]

_N_COMPONENTS = 30
_NEIGHBOURS = 30
_CORRELATED = 100  # genes whose correlations are compared


@dataclass(frozen=True, eq=False)
class Side:
    """Rows of one side, as the metrics see them."""

    counts: sp.csr_matrix
    labels: NDArray[np.integer]
    hvg: NDArray[np.bool_]

    @cached_property
    def logs(self) -> sp.csr_matrix:
        """log1p CP10k of all genes."""
        return log_normalize(self.counts)

    @cached_property
    def hvg_logs(self) -> NDArray[np.float32]:
        """The same of the HVGs, dense."""
        return self.logs[:, np.flatnonzero(self.hvg)].toarray()

    @cached_property
    def per_class(self) -> NDArray[np.int64]:
        """Rows of each class that occurs."""
        return np.unique(self.labels, return_counts=True)[1]

    def of(self, code: int) -> NDArray[np.int64]:
        return np.flatnonzero(self.labels == code)

    def take(self, rows: NDArray[np.integer]) -> Side:
        """Return some of the rows."""
        return Side(sp.csr_matrix(self.counts[rows]), self.labels[rows], self.hvg)


@dataclass(frozen=True, eq=False)
class Pair:
    """What a metric gets: real rows, the rows that are judged, and new cells."""

    real: Side
    made: Side
    cells: Side
    seed: int

    @cached_property
    def classes(self) -> NDArray[np.integer]:
        """Classes that both sides have."""
        return np.intersect1d(self.real.labels, self.made.labels)

    @cached_property
    def points(self) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]:
        """Principal components of real rows, judged rows and new cells; fitted on the real rows alone."""
        from sklearn.decomposition import PCA

        n = max(1, min(_N_COMPONENTS, *(s - 1 for s in self.real.hvg_logs.shape)))
        fitted = PCA(n, random_state=random_state(self.seed), svd_solver="randomized").fit(self.real.hvg_logs)
        first, second, third = (fitted.transform(side.hvg_logs) for side in (self.real, self.made, self.cells))
        return first, second, third

    @cached_property
    def changes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Log fold changes of the HVGs on both sides."""
        first, second = (
            fold_changes(np.expm1(side.hvg_logs), side.labels, self.classes) for side in (self.real, self.made)
        )
        return first, second


@dataclass(frozen=True)
class QualityMetric:
    """A figure of the quality of a small set.

    Attributes
    ----------
    about
        ``"fidelity"`` or ``"biology"``.
    better
        ``"higher"``, ``"lower"``, or the best value as text.
    range
        Smallest and largest value.
    meaning
        Definition, in a sentence.
    compute
        The function.
    least_rows
        Rows of each class (median) below which it is not defined.
    """

    about: Literal["fidelity", "biology"]
    better: str
    range: tuple[float, float]
    meaning: str
    compute: Callable[[Pair], float]
    least_rows: int = 1


QUALITY: Registry[QualityMetric] = Registry("quality metric")


def _over_classes(compare: Callable[[sp.csr_matrix, sp.csr_matrix], float], pair: Pair) -> float:
    values = [compare(pair.real.logs[pair.real.of(c)], pair.made.logs[pair.made.of(c)]) for c in pair.classes]
    finite = [v for v in values if np.isfinite(v)]
    return float(np.mean(finite)) if finite else float("nan")


def _correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.asarray(np.corrcoef(a, b))[0, 1])


def _mean_of(x: sp.csr_matrix) -> NDArray[np.float64]:
    return np.asarray(x.mean(axis=0)).ravel()


def _mean_correlation(pair: Pair) -> float:
    return _over_classes(lambda a, b: _correlation(_mean_of(a), _mean_of(b)), pair)


def _variance_correlation(pair: Pair) -> float:
    def log_variance(x: sp.csr_matrix) -> NDArray[np.float64]:
        return np.log(_mean_of(x.multiply(x).tocsr()) - _mean_of(x) ** 2 + 1e-3)

    return _over_classes(lambda a, b: _correlation(log_variance(a), log_variance(b)), pair)


def _zero_difference(pair: Pair) -> float:
    def zeros(x: sp.csr_matrix) -> NDArray[np.float64]:
        return 1 - _mean_of((x > 0).astype(np.float64))

    return _over_classes(lambda a, b: float(np.abs(zeros(a) - zeros(b)).mean()), pair)


def _gene_correlation(pair: Pair) -> float:
    real, made = pair.real.hvg_logs, pair.made.hvg_logs
    # genes of the real side choose, so that both sides show the same; all of them vary on both
    # by their ranges: rounding gives a constant gene a deviation above 0
    usable = (np.ptp(made, axis=0) > 0) & (np.ptp(real, axis=0) > 0)
    genes = np.argsort(-np.where(usable, real.var(0), -1), kind="stable")[: min(_CORRELATED, int(usable.sum()))]
    if len(genes) < 3:
        return float("nan")
    upper = np.triu_indices(len(genes), 1)
    return _correlation(*(np.asarray(np.corrcoef(side[:, genes].T))[upper] for side in (real, made)))


def _auc(pair: Pair) -> float:
    real, made = pair.real, pair.made
    return real_or_generated_auc(
        real.counts, real.labels, made.counts, made.labels, real.hvg, max_cells=500, n_trees=100, seed=pair.seed
    )


def _mixing(pair: Pair) -> float:
    """Integration LISI of equally many rows of both sides, among 30 neighbours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what its dependencies could do with still other packages
        lisi = require("scib_metrics", extra="lisi", what="The metric 'ilisi'")
        neighbours = require("scib_metrics.nearest_neighbors", extra="lisi", what="The metric 'ilisi'")
    from sklearn.neighbors import NearestNeighbors

    parts: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for code in pair.classes:
        # the first rows of a set may be the best ones, or those of one donor
        real, made = (
            stream(pair.seed, "ilisi", int(code)).permutation(side.of(code)) for side in (pair.real, pair.made)
        )
        n = min(len(real), len(made))
        parts.append((real[:n], made[:n]))
    real, made = (np.concatenate(side) for side in zip(*parts, strict=True))
    points = np.vstack([pair.points[0][real], pair.points[1][made]])
    k = min(_NEIGHBOURS, len(points) - 1)
    distances, indices = NearestNeighbors(n_neighbors=k).fit(points).kneighbors(points)
    found = neighbours.NeighborsResults(indices=indices, distances=distances)
    return float(lisi.ilisi_knn(found, np.repeat([0, 1], len(real)), perplexity=k / 3))


def _slope(pair: Pair) -> float:
    real, made = (change.ravel() for change in pair.changes)
    return float(real @ made) / max(float(real @ real), 1e-12)


def _clusters(pair: Pair) -> tuple[float, float]:
    return cluster_agreement(pair.points[1], pair.points[2], pair.cells.labels, len(pair.classes), seed=pair.seed)


def _precision(k: int, pair: Pair) -> float:
    return marker_precision(*pair.changes, k)


def _lfc_correlation(pair: Pair) -> float:
    real, made = pair.changes
    return _correlation(real.ravel(), made.ravel())


def _register(
    name: str,
    better: str,
    limits: tuple[float, float],
    meaning: str,
    compute: Callable[[Pair], float],
    *,
    about: Literal["fidelity", "biology"] = "fidelity",
    least_rows: int = 1,
) -> None:
    QUALITY.register(name)(QualityMetric(about, better, limits, meaning, compute, least_rows))


_register(
    "mean_correlation", "higher", (-1, 1),
    "Pearson correlation over genes of the mean log1p CP10k of a class; mean over classes.", _mean_correlation,
)  # fmt: skip
_register(
    "variance_correlation", "higher", (-1, 1),
    "Pearson correlation over genes of the log variance within a class; mean over classes.", _variance_correlation,
    least_rows=5,
)  # fmt: skip
_register(
    "zero_fraction_difference", "lower", (0, 1),
    "Absolute difference of the share of zeros of a gene within a class; mean over genes and classes.", _zero_difference,
)  # fmt: skip
_register(
    "gene_correlation", "higher", (-1, 1),
    "Pearson correlation of the correlations between the 100 most variable genes, all classes together.",
    _gene_correlation, least_rows=2,
)  # fmt: skip
_register(
    "mmd", "lower", (-1, 2), "Squared maximum mean discrepancy in 30 principal components of real cells.",
    lambda pair: mmd(*pair.points[:2]), least_rows=2,
)  # fmt: skip
_register(
    "wasserstein", "lower", (0, np.inf), "Wasserstein distance of order 2 in 30 principal components of real cells.",
    lambda pair: wasserstein(*pair.points[:2], seed=pair.seed), least_rows=2,
)  # fmt: skip
_register(
    "rf_auc", "0.5", (0, 1), "How well a forest tells real from synthetic: AUC of 5-fold cross-validation.", _auc,
    least_rows=5,
)  # fmt: skip
_register(
    "ilisi", "higher", (0, 1),
    "How well real and synthetic rows mix among neighbours: integration LISI, scaled; needs the extra lisi.", _mixing,
    least_rows=5,
)  # fmt: skip
for _k in (10, 50):
    _register(
        f"marker_precision_{_k}", "higher", (0, 1),
        f"Share of the {_k} genes with the highest fold changes of a class that are among the real {_k}.",
        partial(_precision, _k), about="biology",
    )  # fmt: skip
_register(
    "lfc_correlation", "higher", (-1, 1), "Pearson correlation of the log fold changes of all classes and HVGs.",
    _lfc_correlation, about="biology",
)  # fmt: skip
_register(
    "lfc_slope", "1", (-np.inf, np.inf),
    "Slope of the synthetic on the real log fold changes; below 1 they are attenuated.", _slope, about="biology",
)  # fmt: skip
_register(
    "cluster_ari", "higher", (-0.5, 1),
    "Adjusted Rand index of the labels of new cells and their clusters, found on the small set.",
    lambda pair: _clusters(pair)[0], about="biology",
)  # fmt: skip
_register(
    "cluster_nmi", "higher", (0, 1), "Normalised mutual information of the same.", lambda pair: _clusters(pair)[1],
    about="biology",
)  # fmt: skip

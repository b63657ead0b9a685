"""The part on quality: figures beside what real cells reach, and a score from both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd.metrics import QUALITY, QualityMetric, fidelity, quality
from scdd.metrics._quality import sides_of
from scdd.metrics._quality_metrics import Side
from scdd.pl._pair import Pair, balanced_cells
from scdd.pp._quiet import gene_positions

if TYPE_CHECKING:
    import pandas as pd

    from scdd.pp import CheckedInput

__all__ = ["CLASS_COLUMNS", "COLUMNS", "Cells", "judge_classes", "judge_rows", "new_cells", "real_cells", "score_of"]

Cells = tuple[sp.csr_matrix, NDArray[np.integer]]

COLUMNS = ["metric", "about", "value", "floor", "better", "score", "meaning", "reason"]
CLASS_COLUMNS = ["metric", "class", "value", "floor"]

# figures of a class that are shown; the others of `fidelity` are parts of these
_PER_CLASS = ("mean_correlation", "zero_fraction_difference", "genes_detected_ratio", "library_ratio")


def judge_rows(pair: Pair, real: Cells, new: Cells, *, seed: int) -> pd.DataFrame:
    """Judge the rows by every figure of :data:`scdd.metrics.QUALITY`.

    Returns
    -------
    Columns metric, about, value, floor, better, score (see :func:`score_of`), meaning and reason.
    """
    table = quality(real, (pair.counts, pair.labels), new, pair.hvg, seed=seed)
    metrics = [QUALITY.get(name) for name in table["metric"]]
    table["about"] = [metric.about for metric in metrics]
    table["meaning"] = [metric.meaning for metric in metrics]
    table["score"] = [
        score_of(metric, value, floor)
        for metric, value, floor in zip(metrics, table["value"], table["floor"], strict=True)
    ]
    order = np.argsort(table["about"].map({"fidelity": 0, "biology": 1}).to_numpy(), kind="stable")
    return table.iloc[order][COLUMNS].reset_index(drop=True)


def score_of(metric: QualityMetric, value: float, floor: float) -> float:
    """Return which share of what real cells reach a value has, in [0, 1]; NaN where it is not defined.

    Counted from what says nothing: 0 for a figure that is to be high, the largest error for one that is to be low or near
    a number. A value that is better than the floor scores 1.

    Examples
    --------
    >>> round(score_of(QUALITY.get("mean_correlation"), 0.45, 0.9), 3), score_of(QUALITY.get("rf_auc"), 1.0, 0.5)
    (0.5, 0.0)
    """
    if not np.isfinite(value) or not np.isfinite(floor):
        return float("nan")
    low, high = metric.range
    if metric.better == "higher":
        return float(np.clip(value / floor, 0, 1)) if floor > 0 else float("nan")
    if metric.better == "lower":
        if not np.isfinite(high):
            return float(np.clip(floor / value, 0, 1)) if value > 0 else 1.0
        target, worst = 0.0, high
    else:
        target = float(metric.better)
        # where there is no end, a figure of 0 says nothing
        worst = max(target - low, high - target) if np.isfinite([low, high]).all() else abs(target)
    error, least = (max(x, 0.0) if metric.better == "lower" else abs(x - target) for x in (value, floor))
    return float(np.clip((worst - error) / (worst - least), 0, 1)) if worst > least else float("nan")


def judge_classes(pair: Pair, real: Cells, *, seed: int) -> pd.DataFrame:
    """Judge each class by the figures of :func:`scdd.metrics.fidelity`: columns metric, class, value and floor."""
    made = Side(pair.counts, pair.labels, pair.hvg)
    reference, made, floor = sides_of(Side(*real, pair.hvg), made, seed)
    tables = [
        # a forest of one cell a class is not grown: how well real and synthetic are told apart stands among the figures
        fidelity(
            reference.counts, reference.labels, side.counts, side.labels, pair.hvg, class_names=pair.names, max_cells=1,
            seed=seed,
        )
        for side in (made, floor)
    ]  # fmt: skip
    rows, least = (table[table["metric"].isin(_PER_CLASS) & (table["class"] != "")] for table in tables)
    return rows.merge(least.rename(columns={"value": "floor"}), on=["metric", "class"], how="left").reset_index(
        drop=True
    )


def real_cells(pair: Pair, max_cells: int, seed: int) -> Cells:
    """Return at most ``max_cells`` real cells, drawn evenly from the classes, with their classes."""
    index = balanced_cells(pair.real.labels, max_cells, seed)
    return pair.rows(index), pair.real.labels[index].astype(np.int64)


def new_cells(pair: Pair, test: CheckedInput, max_cells: int, seed: int) -> Cells:
    """Return at most ``max_cells`` test cells of classes that the pair has, with their classes.

    Raises
    ------
    scdd.errors.GeneError
        If they lack genes of the set.
    """
    columns = gene_positions(pair.genes, test.var.index, "adata_test")
    code = {name: k for k, name in enumerate(pair.names)}
    labels = np.array([code.get(name, -1) for name in test.source.class_names], dtype=np.int64)[test.source.labels]
    known = np.flatnonzero(labels >= 0)
    index = known[balanced_cells(labels[known], max_cells, seed)] if len(known) else known
    return test.source.rows(index, columns), labels[index]

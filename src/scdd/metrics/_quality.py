"""Does a small set look like the cells it stands for? All figures of fidelity and biology, each with its floor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd._rng import stream
from scdd.errors import InputError
from scdd.metrics._quality_metrics import QUALITY, Pair, QualityMetric, Side

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["quality"]

_PER_CLASS = 200  # real cells of each class that are compared with


def quality(
    real: tuple[sp.csr_matrix, NDArray[np.integer]],
    made: tuple[sp.csr_matrix, NDArray[np.integer]],
    cells: tuple[sp.csr_matrix, NDArray[np.integer]],
    hvg: NDArray[np.bool_],
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Judge a small set by all metrics of :data:`QUALITY`, each beside its floor.

    The floor is what real cells reach: as many of each class as the small set has, of another half of the real cells than
    the half that both are compared with. A set of one row a class cannot have the variance of cells; its floor tells what
    one real cell a class would give. No cell is compared with itself: real cells that the small set holds, as a coreset
    does, are not among those that it is compared with, and a set of all cells gives up one half.

    Parameters
    ----------
    real
        CSR (n, n_genes) counts and int (n,) codes of the training cells.
    made
        The same of the small set.
    cells
        The same of new cells, which are assigned to clusters of the small set.
    hvg
        Boolean mask (n_genes,), chosen on the training cells.
    seed
        Of all draws: the halves, the floor, the forest.

    Returns
    -------
    Columns metric, value, floor, better and reason: why there is no value, where there is none.

    Raises
    ------
    InputError
        If the sets have no class, or different genes.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat([0, 1], 60)
    >>> x = sp.csr_matrix(rng.poisson(np.array([[1.0, 5, 2, 4, 3], [5.0, 1, 4, 2, 3]])[labels]).astype(float))
    >>> table = quality((x, labels), (x[::6], labels[::6]), (x, labels), np.ones(5, dtype=bool))
    >>> bool(table.set_index("metric").loc["mean_correlation", "value"] > 0.8)
    True
    """
    import pandas as pd

    shapes = {side[0].shape[1] for side in (real, made, cells)}
    if len(shapes) > 1:
        msg = f"The sets have different numbers of genes: {sorted(shapes)}."
        raise InputError(msg)
    sides = [Side(sp.csr_matrix(counts), np.asarray(labels), hvg) for counts, labels in (real, made, cells)]
    reference, judged, floor = sides_of(sides[0], sides[1], seed)
    pairs = [Pair(reference, side, sides[2], seed) for side in (judged, floor)]
    if not len(pairs[0].classes):
        msg = "The small set and the real cells share no class, or none but such whose only cell both have."
        raise InputError(msg)
    rows = []
    for name in QUALITY:
        metric = QUALITY.get(name)
        (value, reason), (least, _) = (_value(metric, pair) for pair in pairs)
        rows.append((name, value, least, metric.better, reason))
    return pd.DataFrame(rows, columns=["metric", "value", "floor", "better", "reason"])


def sides_of(real: Side, made: Side, seed: int) -> tuple[Side, Side, Side]:
    """Return real cells to compare with, the rows that are judged, and other real cells, as many of each class as these.

    The first two share no cell. Where a small set holds real cells, others of the half are compared with; where it holds
    most of the half, as a set of all cells does, it gives them up.
    """
    keys, of_made = _keys(real), _keys(made)
    held, kept = set(of_made), np.ones(len(of_made), dtype=bool)
    reference, floor = [], []
    for code in np.unique(real.labels):
        cells = stream(seed, "quality", int(code)).permutation(real.of(code))
        half = -(-len(cells) // 2)
        # a class of one cell has no second half
        first, others = cells[:half], cells[half:] if len(cells) > half else cells
        new = np.array([keys[cell] not in held for cell in first])
        if 2 * new.sum() >= len(first):
            first = first[new]
        else:
            shared = {keys[cell] for cell in first}
            rows = made.of(code)
            kept[rows] = [of_made[row] not in shared for row in rows]
        reference.append(first[:_PER_CLASS])
        floor.append(others[: int(kept[made.of(code)].sum())])
    first_side, last = (real.take(np.concatenate(index)) for index in (reference, floor))
    return first_side, made if kept.all() else made.take(np.flatnonzero(kept)), last


def _keys(side: Side) -> list[tuple[int, bytes, bytes]]:
    """Return what tells a cell from another: its class, the genes that it shows, and their counts."""
    counts = side.counts.copy()
    counts.sum_duplicates()
    counts.eliminate_zeros()
    genes, values, ends = counts.indices.astype(np.int32), counts.data.astype(np.float32), counts.indptr
    return [
        (int(label), genes[a:b].tobytes(), values[a:b].tobytes())
        for label, a, b in zip(side.labels, ends[:-1], ends[1:], strict=True)
    ]


def _value(metric: QualityMetric, pair: Pair) -> tuple[float, str]:
    rows = float(np.median(pair.made.per_class)) if len(pair.made.labels) else 0.0
    if rows < metric.least_rows:
        return float("nan"), f"needs {metric.least_rows} rows a class, there are {rows:g}"
    if len(pair.classes) < 2 and metric.about == "biology":
        return float("nan"), "needs two classes"
    try:
        value = metric.compute(pair)
    except ImportError as error:  # of an optional package; the text says how to install it
        return float("nan"), str(error)
    return value, "" if np.isfinite(value) else "not defined: no spread"

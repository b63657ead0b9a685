"""How sure is a mean? Bootstrap over the donors that were held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scdd._rng import Seed, canonical_seed, stream
from scdd.benchmark._nested import nested
from scdd.benchmark._runs import at_every_n, comparable_lines
from scdd.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["donor_intervals"]


def donor_intervals(
    results: pd.DataFrame, *, ours: str = "scdd", level: float = 0.95, n_draws: int = 2000, seed: Seed = 0
) -> pd.DataFrame:
    """Return confidence intervals of each method, and of ``ours`` minus it, by a bootstrap over donors.

    The score of a donor is the macro-F1 within its held-out cells, averaged over models, seeds and the splits that held
    it out; runs and models are those of :func:`scdd.benchmark.scores`. Donors of a task are drawn with replacement, the
    same draws for all methods, so that differences are paired. The donor is the unit, not the cell: cells of one donor are
    no independent witnesses. With fewer than about ten donors an interval is too narrow, and with two it says little; tasks
    without donors have none.

    Parameters
    ----------
    results
        What :func:`scdd.benchmark.run` returned.
    ours
        The method whose lead over the others is told.
    level
        Coverage of the intervals.
    n_draws
        Number of bootstrap draws.
    seed
        Seed of the draws.

    Returns
    -------
    Columns n, task, method, donors (their number), mean, low, high, and lead, lead_low, lead_high (``ours`` minus the
    method, over the donors that both have; missing where ``ours`` was not run). The percentile method is used.

    Raises
    ------
    scdd.errors.InputError
        If ``level`` is not between 0 and 1, or ``n_draws`` is below 1.

    Examples
    --------
    >>> import scdd
    >>> results = scdd.benchmark.run(
    ...     "simulated", ["random", "class_mean"], n=[1], splits=[0, 1], models=["LR"], progress=False
    ... )
    >>> table = scdd.benchmark.donor_intervals(results, ours="class_mean")
    >>> bool((table["low"] <= table["mean"]).all() and (table["mean"] <= table["high"]).all())
    True
    """
    import pandas as pd

    if not 0 < level < 1 or n_draws < 1:
        msg = f"level must be between 0 and 1 and n_draws at least 1, got {level} and {n_draws}."
        raise InputError(msg)
    seed = canonical_seed(seed)
    donors = at_every_n(nested(comparable_lines(results), "donors"))
    # a donor that several splits held out counts once
    table = donors.groupby(["n", "task", "method", "donor"])["value"].mean()
    rows = []
    for (n, task), part in table.groupby(level=["n", "task"]):
        wide = part.droplevel(["n", "task"]).unstack("method")
        draws = stream(seed, "donors", task).integers(len(wide), size=(n_draws, len(wide)))
        for method in wide.columns:
            score = wide[method].to_numpy(dtype=np.float64)
            lead = wide[ours].to_numpy(dtype=np.float64) - score if ours in wide and method != ours else score * np.nan
            rows.append((n, task, method, int(np.isfinite(score).sum()), *_interval(score, draws, level),
                         *_interval(lead, draws, level)))  # fmt: skip
    columns = ["n", "task", "method", "donors", "mean", "low", "high", "lead", "lead_low", "lead_high"]
    return pd.DataFrame(rows, columns=columns)


def _interval(values: NDArray[np.float64], draws: NDArray[np.integer], level: float) -> tuple[float, float, float]:
    """Return mean, low and high; a donor without a value is left out of every draw."""
    present = np.isfinite(values)
    if not present.any():
        return (float("nan"),) * 3
    number = present[draws].sum(1)
    means = np.where(present, values, 0.0)[draws].sum(1)[number > 0] / number[number > 0]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(values[present].mean()), float(low), float(high)

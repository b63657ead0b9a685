"""Gradient boosting as test model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scdd._optional import require
from scdd.metrics._models import Predictor

__all__ = ["fit_boosting"]

_LEAF_CELLS = 20  # LightGBM's default, with which a few rows a class cannot be split at all


def fit_boosting(
    train_x: NDArray[np.float32], train_y: NDArray[np.integer], seed: int, *, rounds: int = 50
) -> Predictor:
    """LightGBM with a fixed number of rounds; leaves and bins may be as small as the training set asks for.

    Parameters
    ----------
    train_x, train_y
        float32 (n, d) and int (n,).
    seed
        Fixes the result.
    rounds
        Boosting rounds: trees of each class.

    Returns
    -------
    A function from float32 (m, d) to int (m,).

    Raises
    ------
    ImportError
        If ``lightgbm`` is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.eye(2, dtype=np.float32)
    >>> fit_boosting(x, np.array([3, 7]), 0)(x).tolist()
    [3, 7]
    """
    lightgbm = require("lightgbm", extra="benchmark", what="The model 'LightGBM'")
    classes, codes = np.unique(train_y, return_inverse=True)
    smallest = int(np.bincount(codes).min())
    parameters = {
        "objective": "multiclass",
        "num_class": len(classes),
        "min_data_in_leaf": max(1, min(_LEAF_CELLS, smallest // 2)),
        "min_data_in_bin": max(1, min(3, smallest // 2)),
        "feature_fraction": 0.3,  # neighbouring genes tell the same; without it all of them are searched for each split
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    booster = lightgbm.train(parameters, lightgbm.Dataset(train_x, codes), num_boost_round=rounds)
    return lambda x: classes[np.asarray(booster.predict(x, num_threads=1)).argmax(axis=1)]

"""Fusion: centres are shrunken one by one, and put together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scdd.benchmark import Made, Method, run
from scdd.benchmark._fuse import run_fused, split_centres
from scdd.benchmark._prepare import Training, prepare_training

from ._toy import OPTIONS, TOY, first_cells

FUSED = replace(TOY, name="fused", fuse_key="donor")


@pytest.fixture(scope="module")
def training() -> Training:
    train, _ = TOY.cells(0)
    # one centre lacks a class, another has one class only
    donors = train.obs["donor"].astype(str)
    first, second = sorted(set(donors))[:2]
    lost = (donors == first) & (train.obs["cell_type"] == "class_1") | (donors == second) & (
        train.obs["cell_type"] != "class_2"
    )
    return prepare_training(train[~lost.to_numpy()].copy(), labels_key="cell_type", donor_key="donor")


def test_a_method_sees_one_centre_at_a_time(training: Training) -> None:
    seen: list[set[str]] = []

    def make(part: Training, n: int, seed: int) -> Made:
        seen.append(set(part.adata.obs["donor"].astype(str)))
        assert part.donor_key is None
        assert part.counts.shape[0] == len(part.labels) == part.adata.n_obs == len(part.embedding)
        np.testing.assert_array_equal(part.hvg, training.hvg)
        names = np.array(part.class_names)[part.labels]
        assert names.tolist() == part.adata.obs["cell_type"].astype(str).tolist()
        rows = [np.flatnonzero(part.labels == k)[:n] for k in range(len(part.sizes))]
        return Made(part.counts[np.concatenate(rows)], part.labels[np.concatenate(rows)])

    centres = split_centres(training, "donor")
    made = run_fused(Method("spy", make), training, centres, 2, 0)
    donors = training.adata.obs["donor"].astype(str)
    several = [d for d in sorted(set(donors)) if training.adata.obs["cell_type"][donors == d].nunique() > 1]
    assert seen == [{d} for d in several]
    # 2 rows for each class that a centre has, with the codes of all centres
    expected = pd.crosstab(donors, training.adata.obs["cell_type"].astype(str)).clip(upper=2).sum()
    assert np.bincount(made.labels).tolist() == [expected[name] for name in training.class_names]
    assert made.cost is not None


def test_it_runs(training: Training) -> None:
    methods: list[Any] = ["random", "full", first_cells]
    table = run(FUSED, methods, **OPTIONS)
    assert (table["status"] == "ok").all()
    n_centres = TOY.cells(0)[0].obs["donor"].nunique()
    rows = table.groupby(["method", "n"])["rows"].first()
    assert rows["random", 3] == 3 * 3 * n_centres
    alone = run(TOY, ["full"], **OPTIONS)
    # all cells of all centres are all cells
    assert rows["full", 0] == alone["rows"].iloc[0]
    score = table.query("method == 'full' and seed == 0").set_index("model")["macro_f1"]
    pd.testing.assert_series_equal(score, alone.query("seed == 0").set_index("model")["macro_f1"], atol=0.02)

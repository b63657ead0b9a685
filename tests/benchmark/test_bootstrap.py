"""Scores of classes and donors, and intervals over donors."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from scdd.benchmark import donor_intervals, nested, run, summary
from scdd.benchmark._report import build_report
from scdd.benchmark._store import COLUMNS, read_results
from scdd.errors import InputError
from scdd.metrics import QUALITY

from ._toy import OPTIONS, TOY


def _results(values: dict[str, dict[str, float]], n: int = 1, task: str = "t") -> pd.DataFrame:
    rows = [
        dict.fromkeys(COLUMNS, "")
        | {"task": task, "method": method, "n": n, "split": 0, "seed": 0, "model": "LR", "status": "ok"}
        | {"donors": json.dumps(scores), "f1": json.dumps({"B": 0.5})}
        for method, scores in values.items()
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def results() -> pd.DataFrame:
    return run(TOY, ["random", "class_mean", "full"], **OPTIONS)


def test_scores_of_classes_average_to_macro_f1(results: pd.DataFrame) -> None:
    table = nested(results)
    assert set(table["class"]) == {"class_0", "class_1", "class_2"}
    key = ["task", "method", "n", "split", "seed", "model"]
    mean = table.groupby(key)["value"].mean()
    np.testing.assert_allclose(mean, results.set_index(key)["macro_f1"].loc[mean.index], atol=1e-3)


def test_donors_are_those_held_out(results: pd.DataFrame) -> None:
    _, test = TOY.cells(0)
    table = nested(results, "donors")
    assert set(table["donor"]) == set(test.obs["donor"].astype(str))
    assert table["value"].between(0, 1).all()


def test_scores_of_a_donor_are_of_its_cells_alone() -> None:
    from scdd.metrics import utility

    train, test = TOY.cells(0)
    donors = test.obs["donor"].astype(str).to_numpy()
    first = donors == donors[0]
    labels = test.obs["cell_type"].cat.codes.to_numpy()
    options = {"hvg": np.ones(train.n_vars, dtype=bool), "models": ["kNN"], "min_test": 2}
    known = train.obs["cell_type"].cat.codes.to_numpy()
    whole = utility(train.X, known, test.X, labels, groups=donors, **options)
    alone = utility(train.X, known, test.X[np.flatnonzero(first)], labels[first], **options)
    score = whole.query("metric == 'group_macro_f1'").set_index("class")["value"]
    assert score[donors[0]] == pytest.approx(alone.query("metric == 'macro_f1'")["value"].item())


def test_quality_is_told_once_for_each_run_and_made_up_for(tmp_path) -> None:
    path = tmp_path / "r.csv"
    run(TOY, ["random", "kmeans"], **OPTIONS, out=path)
    assert nested(read_results(path), "quality").empty
    scored = read_results(path).set_index(["method", "n", "seed", "model"])["macro_f1"]
    run(TOY, ["random", "kmeans"], **OPTIONS, out=path, quality=True)
    table = nested(read_results(path), "quality")
    assert len(table) == 2 * 2 * 2 * len(QUALITY.names())
    # the floor is shared by sets of one size that hold no real cell; others are not compared with the cells that they hold
    means = table[(table["method"] == "kmeans") & (table["n"] == 1)]
    floors = means.groupby("metric")["floor"].nunique()
    assert (floors <= 1).all()
    n3 = table[(table["n"] == 3) & (table["seed"] == 0)].set_index(["method", "metric"])["value"]
    assert n3["kmeans", "mean_correlation"] > n3["random", "mean_correlation"]
    again = read_results(path).set_index(["method", "n", "seed", "model"])["macro_f1"]
    pd.testing.assert_series_equal(scored, again)
    report = build_report(path, ours="kmeans")
    assert "Quality" in [section.title for section in report.sections]


def test_nested_refuses_other_columns(results: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="f1, donors, quality"):
        nested(results, "rows")


def test_interval_is_that_of_the_mean_of_donors() -> None:
    rng = np.random.default_rng(0)
    scores = {f"d{k}": float(v) for k, v in enumerate(rng.normal(0.7, 0.1, 40))}
    table = donor_intervals(_results({"random": scores}), n_draws=4000)
    row = table.iloc[0]
    values = np.array(list(scores.values()))
    assert row["mean"] == pytest.approx(values.mean())
    # the normal interval, for that many donors
    half = 1.96 * values.std() / np.sqrt(40)
    assert row["low"] == pytest.approx(values.mean() - half, abs=0.004)
    assert row["high"] == pytest.approx(values.mean() + half, abs=0.004)
    assert row["donors"] == 40


def test_leads_are_paired() -> None:
    """Donors differ by far more than methods: an unpaired interval would hide that one is always better."""
    base = {f"d{k}": 0.3 + 0.06 * k for k in range(10)}
    table = donor_intervals(_results({"scdd": {d: v + 0.02 for d, v in base.items()}, "random": base}))
    row = table.set_index("method").loc["random"]
    assert (row["lead_low"], row["lead"], row["lead_high"]) == pytest.approx((0.02, 0.02, 0.02))
    assert row["high"] - row["low"] > 0.15
    assert np.isnan(table.set_index("method").loc["scdd", "lead"])


def test_missing_donors_and_tasks_without() -> None:
    table = donor_intervals(_results({"scdd": {"a": 0.5, "b": 0.7}, "random": {"a": 0.4}}), ours="scdd")
    row = table.set_index("method").loc["random"]
    assert row["donors"] == 1
    assert row["lead"] == pytest.approx(0.1)
    assert donor_intervals(_results({"random": {}})).empty
    with pytest.raises(InputError, match="level"):
        donor_intervals(_results({"random": {"a": 0.4}}), level=95)


def test_a_run_in_which_a_model_failed_does_not_count() -> None:
    whole = _results({"scdd": {"a": 0.9}, "random": {"a": 0.9}})
    failed = whole[whole["method"] == "scdd"].assign(model="RF", status="failed", donors="")
    table = donor_intervals(pd.concat([whole, failed]))
    assert table["method"].tolist() == ["random"]


def test_summary_has_them(results: pd.DataFrame) -> None:
    tables = summary(results, ours="class_mean")
    assert set(tables["donors"]["method"]) == {"random", "class_mean", "full"}
    assert set(tables["donors"]["n"]) == {1, 3}

"""Tables: means, margins, tests and ranks against hand and scipy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scdd.benchmark import margins, mean_ranks, paired_tests, run, scores, summary
from scdd.benchmark._statistics import holm
from scdd.errors import InputError, ScddWarning
from scdd.pl._benchmark_tables import prepare_benchmark

from ._toy import OPTIONS, TOY, broken

LEVEL = {"scdd": 0.7, "random": 0.4, "herding": 0.6, "kmeans": 0.69, "full": 0.9, "scdd-paper": 0.95, "class_mean": 0.5}


@pytest.fixture(scope="module")
def results() -> pd.DataFrame:
    """Made-up scores: 3 tasks, 2 splits, 2 seeds, 2 models."""
    rng = np.random.default_rng(0)
    rows = [
        (task, method, n, split, seed, model, LEVEL[method] + (0.05 if method == "random" and n == 10 else 0.0)
         + rng.normal(0, 0.03))
        for task in ("a", "b", "c")
        for method in LEVEL
        for n in ({"full": [0], "class_mean": [1]}.get(method, [1, 10]))
        for split in (0, 1)
        for seed in (0, 1)
        for model in ("LR", "kNN")
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["task", "method", "n", "split", "seed", "model", "macro_f1"])
    return table.assign(status="ok", message="", f1="", donors="", quality="", balanced_accuracy=0.5, accuracy=0.5)


def _runs(results: pd.DataFrame, method: str, n: int) -> pd.Series:
    part = results[(results["method"] == method) & (results["n"] == n)]
    return part.groupby(["task", "split", "seed"])["macro_f1"].mean()


def test_means_and_their_share_of_the_full_data(results: pd.DataFrame) -> None:
    table = scores(results).set_index(["n", "task", "method"])
    expected = _runs(results, "random", 10)["b"]
    row = table.loc[(10, "b", "random")]
    assert row["mean"] == pytest.approx(expected.mean())
    assert row["sd"] == pytest.approx(expected.std(ddof=1))
    assert row["runs"] == 4
    assert row["relative"] == pytest.approx(expected.mean() / _runs(results, "full", 0)["b"].mean())
    # what has one size stands beside every n
    assert set(table.index.get_level_values("n")) == {1, 10}
    assert table.loc[(10, "a", "class_mean"), "mean"] == table.loc[(1, "a", "class_mean"), "mean"]
    assert table.loc[(1, "a", "full"), "relative"] == 1


def test_margins(results: pd.DataFrame) -> None:
    table = margins(results).set_index(["n", "task"])
    assert len(table) == 6
    for (n, task), row in table.iterrows():
        means = {m: _runs(results, m, n)[task].mean() for m in ("random", "herding", "kmeans")}
        assert row["best"] == max(means, key=means.get)  # neither full nor scdd-paper
        assert row["margin"] == pytest.approx(_runs(results, "scdd", n)[task].mean() - max(means.values()))


def test_paired_tests_are_those_of_scipy(results: pd.DataFrame) -> None:
    table = paired_tests(results)
    assert set(table["method"]) == {"random", "herding", "kmeans", "class_mean"}
    for n, part in table.groupby("n"):
        for row in part.itertuples():
            other = _runs(results, row.method, 1 if row.method == "class_mean" else n)
            ours = _runs(results, "scdd", n)
            assert row.pairs == 12
            assert row.p == pytest.approx(stats.wilcoxon(ours, other).pvalue)
            assert row.mean_difference == pytest.approx((ours - other).mean())
            assert (row.won, row.lost) == ((ours > other).sum(), (ours < other).sum())
        multitest = pytest.importorskip("statsmodels.stats.multitest")
        np.testing.assert_allclose(part["p_holm"], multitest.multipletests(part["p"], method="holm")[1])


def test_a_tie_is_no_evidence(results: pd.DataFrame) -> None:
    same = results[results["method"] == "random"].assign(method="scdd")
    table = paired_tests(pd.concat([results[results["method"] == "random"], same]))
    assert table["p"].tolist() == table["p_holm"].tolist() == [1.0, 1.0]
    assert table["tied"].tolist() == [12, 12]


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.6, 0.9]), [1.0, 1.0])
    assert holm([]).shape == (0,)


def test_mean_ranks_are_those_of_scipy(results: pd.DataFrame) -> None:
    table = mean_ranks(results)
    methods = ["scdd", "random", "herding", "kmeans", "scdd-paper", "class_mean"]
    for n, part in table.groupby("n"):
        means = [[_runs(results, m, 1 if m == "class_mean" else n)[t].mean() for m in methods] for t in "abc"]
        expected = dict(zip(methods, stats.rankdata(-np.array(means), axis=1).mean(axis=0), strict=True))
        assert part.set_index("method")["rank"].to_dict() == pytest.approx(expected)
        assert part["rank"].is_monotonic_increasing
        assert set(part["tasks"]) == {3}


def test_only_tasks_that_all_have_are_ranked(results: pd.DataFrame) -> None:
    part = results[~((results["method"] == "herding") & (results["task"] == "c"))]
    assert set(mean_ranks(part)["tasks"]) == {2}
    # a method that lacks most tasks takes them from no one
    part = results[~((results["method"] == "herding") & (results["task"] != "c"))]
    assert set(mean_ranks(part)["tasks"]) == {3}
    assert "herding" not in set(mean_ranks(part)["method"])
    assert set(mean_ranks(part, ours="herding")["tasks"]) == {1}


def test_a_run_in_which_a_model_failed_is_no_run(results: pd.DataFrame) -> None:
    broken_run = results.copy()
    line = broken_run.index[(broken_run["method"] == "random") & (broken_run["n"] == 1)][0]
    broken_run.loc[line, ["status", "message", "macro_f1"]] = ["failed", "no", np.nan]
    table = scores(broken_run).set_index(["n", "task", "method"])
    assert table.loc[(1, "a", "random"), "runs"] == 3
    assert summary(broken_run)["failures"]["message"].tolist() == ["no"]


def _scored(*lines: tuple[str, int, str, float]) -> pd.DataFrame:
    """Return results of one task at n = 10: method, split, model, score."""
    table = pd.DataFrame(lines, columns=["method", "split", "model", "macro_f1"])
    more = {
        "balanced_accuracy": 0.5,
        "accuracy": 0.5,
        "status": "ok",
        "message": "",
        "f1": "",
        "donors": "",
        "quality": "",
    }
    return table.assign(task="a", n=10, seed=0, **more)


def test_methods_are_compared_by_the_same_models() -> None:
    results = _scored(("scdd", 0, "LR", 0.9), ("herding", 0, "LR", 0.9), ("herding", 0, "RF", 0.5))
    with pytest.warns(ScddWarning, match=r"RF of a \(1 of 2\)") as told:
        tables = summary(results)
    assert len(told) == 1
    assert tables["scores"]["mean"].tolist() == [0.9, 0.9]
    assert tables["margins"]["margin"].tolist() == [0]
    assert tables["tests"]["tied"].tolist() == [1]
    with pytest.warns(ScddWarning, match=r"LR of a \(1 of 2\), RF of a \(1 of 2\)"):
        assert scores(_scored(("scdd", 0, "LR", 0.9), ("herding", 0, "RF", 0.9))).empty


def test_the_figure_ranks_as_the_table_does() -> None:
    """Of means over splits that not all have, herding would be the first: its second split is an easy one."""
    results = _scored(("scdd", 0, "LR", 0.6), ("herding", 0, "LR", 0.5), ("herding", 1, "LR", 0.9))
    found = [
        table.set_index("method")["rank"].to_dict() for table in (mean_ranks(results), prepare_benchmark(results).ranks)
    ]
    assert found == [{"scdd": 1.0, "herding": 2.0}] * 2


def test_methods_are_compared_on_the_same_splits() -> None:
    results = _scored(
        ("scdd", 0, "LR", 0.6), ("scdd", 1, "LR", 0.9), ("herding", 0, "LR", 0.7), ("random", 2, "LR", 1.0), ("full", 1, "LR", 1.0)
    )  # fmt: skip
    row = margins(results).iloc[0]
    assert row["margin"] == pytest.approx(-0.1)  # on split 0; nothing of random can be compared
    assert row[["ours", "best", "best_mean", "runs"]].tolist() == [0.6, "herding", 0.7, 1]
    assert mean_ranks(results[results["method"] != "random"]).set_index("method")["rank"].to_dict() == {
        "herding": 1,
        "scdd": 2,
    }
    table = scores(results).set_index("method")
    assert table.loc["scdd", "mean"] == pytest.approx(0.75)
    assert table.loc["scdd", "relative"] == pytest.approx(0.9)
    assert np.isnan(table.loc["herding", "relative"])


def test_summary_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    table = run(TOY, ["random", "class_mean", broken], **OPTIONS, out=path)
    from_file, from_table = summary(path), summary(table)
    for name in from_table:
        pd.testing.assert_frame_equal(from_file[name], from_table[name])
    assert len(from_table["failures"]) == 4
    assert from_table["margins"].empty  # scdd was not run
    assert from_table["tests"].empty
    assert len(summary(path, ours="class_mean")["margins"]) == 2


def test_a_metric_that_is_not_there_is_named(results: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="balanced_accuracy"):
        summary(results, metric="f2")


def test_a_table_without_the_least_columns_is_refused(results: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="lack the columns split, seed"):
        summary(results.drop(columns=["split", "seed"]))

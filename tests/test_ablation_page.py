"""The page on what each part of a distillation brings."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from scdd.benchmark._store import read_results

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module("ablation_table")


def results(scores: dict[tuple[str, str, int], float]) -> pd.DataFrame:
    """Scores of variants on tasks at n, the same for two models and, but for ``fast``, for two seeds."""
    lines = [
        {"method": method, "task": task, "n": n, "model": model, "seed": seed, "status": "ok"}
        | {"macro_f1": score + 0.02 * seed * (method == "fast")}
        for (method, task, n), score in scores.items()
        for model in ("LR", "RF")
        for seed in (0, 1)
    ]
    return pd.DataFrame(lines)


def test_every_variant_is_told_in_words_and_differs_in_what_it_says(script: ModuleType) -> None:
    assert list(script.WHAT) == list(script.VARIANTS)
    configs = list(script.VARIANTS.values())
    assert all(one != other for i, one in enumerate(configs) for other in configs[:i])


def test_gains_are_points_against_fast_of_the_same_seed(script: ModuleType) -> None:
    table = results(
        {("fast", "a", 1): 0.5, ("fast", "b", 1): 0.6, ("no levels", "a", 1): 0.48, ("no levels", "b", 1): 0.7}
    )
    gains = script.gains(table)
    assert gains["no levels"].xs(0, level="seed").groupby("task").mean().round(6).to_dict() == {"a": -2.0, "b": 10.0}
    assert gains["no levels"].xs(1, level="seed").groupby("task").mean().round(6).to_dict() == {"a": -4.0, "b": 8.0}


def test_failed_runs_do_not_count_and_what_was_not_run_is_empty(script: ModuleType) -> None:
    table = results({("fast", "a", 1): 0.5, ("fast", "a", 10): 0.5, ("no levels", "a", 1): 0.4})
    table.loc[(table["method"] == "no levels") & (table["seed"] == 1), ["status", "macro_f1"]] = ["failed", None]
    page = script.text(table)
    assert "| no levels | -10.0 (1/0) |  | small differences between classes stay |" in page
    assert "**Not run yet:** zheng, " in page
    assert ", n = 50." in page
    assert "1.4 points on a task" in page  # the sd of two scores that are 0.02 apart


def test_the_default_is_that_of_the_benchmark_on_the_same_runs(script: ModuleType) -> None:
    variants = results({("fast", "a", 1): 0.5, ("fast", "a", 10): 0.5}).assign(split=0)
    benchmark = results({("scdd", "a", 1): 0.6, ("scdd", "a", 50): 0.9, ("scdd", "b", 1): 0.9, ("random", "a", 1): 0.1})
    found = script.with_default(variants, benchmark.assign(split=0))
    assert script.gains(found)["default"].groupby("n").mean().dropna().round(6).to_dict() == {1: 9.0}
    assert len(script.with_default(found, benchmark.assign(split=0))) == len(found)


def test_the_page_is_made_from_the_committed_runs(script: ModuleType) -> None:
    assert script.PAGE.exists() == script.RESULTS.exists()
    if script.RESULTS.exists():
        runs = script.with_default(read_results(script.RESULTS), read_results(script.BENCHMARK))
        assert script.PAGE.read_text(encoding="utf-8") == script.text(runs)

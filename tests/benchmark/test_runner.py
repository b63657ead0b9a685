"""The runner: resumes, records failures, writes the same file twice, takes own methods and tasks."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scdd.baselines import BASELINES
from scdd.benchmark import METHODS, TASKS, Made, Method, Training, _execute, run
from scdd.benchmark._execute import Job, Run
from scdd.benchmark._methods import FromFit, resolve_methods
from scdd.benchmark._prepare import prepare_training
from scdd.benchmark._runner import _chains
from scdd.errors import InputError, ScddWarning
from scdd.metrics import TEST_MODELS, TestModel

from ._toy import OPTIONS, TOY, broken, first_cells


def _without_times(path: Path) -> str:
    return "\n".join(line.rsplit(",", 2)[0] for line in path.read_text().splitlines())


def test_the_table_is_whole() -> None:
    table = run(TOY, ["random", "class_mean", "full", first_cells], **OPTIONS)
    assert (table["status"] == "ok").all()
    assert table[["macro_f1", "balanced_accuracy", "accuracy"]].to_numpy().min() > 0
    runs = table.groupby("method")["n"].unique().map(sorted).to_dict()
    assert runs == {"class_mean": [1], "first_cells": [1, 3], "full": [0], "random": [1, 3]}
    assert set(table.loc[table["method"] == "random", "rows"]) == {3, 9}
    assert set(table["n_classes"]) == {3}
    # 2 seeds x 2 models x runs
    assert len(table) == 4 * (1 + 2 + 1 + 2)


def test_scores_are_those_of_the_metrics() -> None:
    from scdd.metrics import utility

    table = run(TOY, ["herding"], **OPTIONS)
    train, test = TOY.cells(0)
    training = prepare_training(train, labels_key="cell_type")
    sizes = np.full(3, 3)
    rows = BASELINES.get("herding").fit(training.counts, training.embedding, training.labels, sizes=sizes, seed=0)
    codes = test.obs["cell_type"].cat.codes.to_numpy()
    scores = utility(rows.counts, rows.labels, test.X, codes, training.hvg, models=["kNN"])
    expected = scores.query("metric == 'macro_f1'")["value"].item()
    assert table.query("n == 3 and seed == 0 and model == 'kNN'")["macro_f1"].item() == pytest.approx(
        expected, abs=1e-6
    )


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    whole, broken_off = tmp_path / "whole.csv", tmp_path / "broken" / "off.csv"
    run(TOY, ["random", "herding"], **OPTIONS, out=whole)
    calls = []

    def random(*args: Any, **kwargs: Any) -> Any:
        calls.append(kwargs["sizes"].max())
        if len(calls) == 3:
            raise KeyboardInterrupt
        return BASELINES.get("random").fit(*args, **kwargs)

    method = replace(METHODS.get("random"), make=FromFit(random))
    with pytest.raises(KeyboardInterrupt):
        run(TOY, [method, "herding"], **OPTIONS, out=broken_off)
    assert set(json.loads(broken_off.with_suffix(".json").read_text())["tasks"]["toy"]["training"]) == {"0"}
    kept = broken_off.read_text().splitlines()
    assert len(kept) == 1 + 2 * 2  # the head, and two runs of two models
    # torn in the middle of a line
    broken_off.write_text("\n".join(kept)[:-9])
    table = run(TOY, [method, "herding"], **OPTIONS, out=broken_off)
    # the third run and the fourth; of the second one model only was lost, but its rows are needed
    assert calls == [1, 3, 1, 3, 1, 3]
    assert _without_times(broken_off) == _without_times(whole)
    assert len(table) == 16
    run(TOY, [method, "herding"], **OPTIONS, out=broken_off)
    assert len(calls) == 6


def test_more_is_added_to_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    run(TOY, ["random"], **OPTIONS | {"models": ["LR"]}, out=path)
    run(TOY, ["herding"], **OPTIONS | {"n": [1]}, out=path)
    run(TOY, ["random"], **OPTIONS, out=path)
    whole = tmp_path / "whole.csv"
    run(TOY, ["random"], **OPTIONS, out=whole)
    lines = [line for line in _without_times(path).splitlines() if ",herding," not in line]
    assert "\n".join(lines) == _without_times(whole)


def test_a_failure_is_recorded_and_the_others_go_on(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    table = run(TOY, [broken, "random"], **OPTIONS, out=path)
    failed = table[table["status"] == "failed"]
    assert set(zip(failed["method"], failed["n"], strict=True)) == {("broken", 3)}
    assert len(failed) == 4
    assert set(failed["message"]) == {"ValueError: no luck, today"}
    assert failed["macro_f1"].isna().all()
    before = path.read_bytes()
    run(TOY, [broken, "random"], **OPTIONS, out=path)
    assert path.read_bytes() == before  # a failure is not tried again

    def mended(*args: Any, **kwargs: Any) -> Any:
        return first_cells(*args, **kwargs)

    mended.__name__ = "broken"
    with pytest.warns(ScddWarning, match="'broken' is not written as when"):
        table = run(TOY, [mended, "random"], **OPTIONS, out=path, retry_failed=True)
    assert (table["status"] == "ok").all()


def test_a_model_that_fails_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(x: Any, y: Any, seed: int) -> Any:
        msg = "not for you"
        raise RuntimeError(msg)

    monkeypatch.setitem(TEST_MODELS._items, "bad", TestModel(fit, stochastic=False))
    table = run(TOY, ["random"], **OPTIONS | {"models": ["LR", "bad"]})
    assert table.groupby("model")["status"].unique().map(list).to_dict() == {"LR": ["ok"], "bad": ["failed"]}


def test_what_workers_have_done_outlives_the_one_that_ends_early(tmp_path: Path) -> None:
    """A worker that dies takes no more than the run that it is at."""

    def fit(counts: Any, embedding: Any, labels: Any, *, sizes: Any, seed: int, hvg: Any) -> Any:
        if sizes.max() == 3:
            os._exit(1)  # as one that is killed for its memory
        rows = np.unique(labels, return_index=True)[1]
        return counts[rows], labels[rows]

    fit.__module__ = "__main__"
    options = OPTIONS | {"models": ["kNN"], "seeds": [0], "n": [1, 2, 3], "out": tmp_path / "r.csv"}
    with pytest.raises(RuntimeError, match="worker process"):
        run("simulated", [fit, "class_mean"], **options, n_jobs=2)
    table = pd.read_csv(options["out"])
    assert sorted(table.loc[table["method"] == "fit", "n"]) == [1, 2]


def test_what_workers_have_done_is_written_at_once(tmp_path: Path) -> None:
    """A run of many that share a process is in the file before the next one ends: a computer may be switched off."""
    out = tmp_path / "r.csv"

    def fit(counts: Any, embedding: Any, labels: Any, *, sizes: Any, seed: int, hvg: Any) -> Any:
        late = time.monotonic() + 60
        while sizes.max() == 2 and "fit" not in out.read_text():
            assert time.monotonic() < late
            time.sleep(0.1)
        rows = np.unique(labels, return_index=True)[1]
        return counts[rows], labels[rows]

    fit.__module__ = "__main__"
    options = OPTIONS | {"models": ["kNN"], "seeds": [0], "n": [1, 2], "out": out}
    assert (run("simulated", [fit, "class_mean"], **options, n_jobs=2)["status"] == "ok").all()


def test_what_cannot_be_written_ends_a_parallel_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("scdd.benchmark._store.Store.append", full)
    with pytest.raises(OSError, match="No space"):
        run("simulated", ["random", "class_mean"], **OPTIONS, out=tmp_path / "r.csv", n_jobs=2)


def test_a_quality_that_fails_leaves_the_scores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def judge(*args: Any, **kwargs: Any) -> Any:
        msg = "no figure"
        raise ValueError(msg)

    path = tmp_path / "results.csv"
    monkeypatch.setattr(_execute, "quality", judge)
    table = run(TOY, ["random"], **OPTIONS, quality=True, out=path)
    assert (table["status"] == "ok").all()
    assert set(table["message"]) == {"quality: ValueError: no figure"}
    monkeypatch.undo()
    assert (run(TOY, ["random"], **OPTIONS, quality=True, out=path)["quality"] == "").all()  # not tried again
    table = run(TOY, ["random"], **OPTIONS, quality=True, out=path, retry_failed=True)
    assert (table["quality"] != "").all()
    assert (table["message"] == "").all()


def test_a_model_of_ones_own_reaches_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(x: Any, y: Any, seed: int) -> Any:
        return lambda points: y[:1].repeat(len(points))

    fit.__module__ = "__main__"  # as in a notebook: pickled as a whole, and known to no other process
    monkeypatch.setitem(TEST_MODELS._items, "first", TestModel(fit, stochastic=False))
    table = run("simulated", ["random", "class_mean"], **OPTIONS | {"models": ["first"]}, n_jobs=2)
    assert (table["status"] == "ok").all()


def test_data_that_cannot_be_prepared_are_a_failure() -> None:
    def load() -> Any:
        adata = TOY.load()
        adata.X = -adata.X
        return adata

    table = run([replace(TOY, name="bad", load=load), TOY], ["random"], **OPTIONS)
    assert table.groupby("task")["status"].unique().map(list).to_dict() == {"bad": ["failed"], "toy": ["ok"]}
    assert table.loc[table["task"] == "bad", "message"].str.contains("CountsError").all()


def test_the_same_command_gives_the_same_file(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("one.csv", "two.csv", "parallel.csv")]
    options = OPTIONS | {"n": [2], "splits": [0, 1], "models": ["LR", "RF"]}
    for path in paths[:2]:
        run("simulated", ["random", "kmeans"], **options, out=path)
    options |= {"splits": [1, 0], "seeds": [1, 0], "models": ["RF", "LR"]}
    run("simulated", ["kmeans", "random"], **options, out=paths[2], n_jobs=2)
    first, second, parallel = map(_without_times, paths)
    assert first == second == parallel
    lines = pd.read_csv(paths[0])
    key = ["task", "method", "n", "split", "seed", "model"]
    assert lines[key].equals(lines[key].sort_values(key).reset_index(drop=True))


@pytest.mark.usefixtures("small_budget")
def test_our_own_method_is_that_of_distill() -> None:
    import scdd

    train, _ = TOY.cells(0)
    training = prepare_training(train, labels_key="cell_type", donor_key="donor")
    made = [METHODS.get("scdd").run(training, n, 1) for n in (1, 3)]
    assert len(training.models) == 1  # one training for all budgets
    assert made[1].cost.seconds >= training.models["scdd", 1][1].seconds
    syn = scdd.tl.distill(train, 3, labels_key="cell_type", donor_key="donor", seed=1, progress=False)
    np.testing.assert_array_equal(made[1].counts.toarray(), syn.X.toarray())
    assert [training.class_names[k] for k in made[1].labels] == syn.obs["cell_type"].tolist()
    paper = METHODS.get("scdd-paper").run(training, 3, 1)
    assert paper.counts.shape == syn.shape
    assert (paper.counts != made[1].counts).nnz


def test_full_balanced_has_equal_classes() -> None:
    train, _ = TOY.cells(0)
    training = prepare_training(train, labels_key="cell_type")
    made = METHODS.get("full-balanced").run(training, 0, 0)
    assert set(np.bincount(made.labels)) == {round(training.sizes.mean())}


def test_reserved_tasks_are_kept_from_our_method() -> None:
    task = replace(TOY, reserved=True)
    with pytest.raises(InputError, match=r"'toy' are reserved: 'scdd-paper'"):
        run(task, ["random", "scdd-paper"], **OPTIONS)
    assert (run(task, ["random"], **OPTIONS)["status"] == "ok").all()
    mine = Method("mine", METHODS.get("random").make, ours=True)
    assert (run(task, [mine], **OPTIONS, allow_reserved=True)["status"] == "ok").all()


def test_a_fixed_split_is_run_once_and_is_number_0(tmp_path: Path) -> None:
    task = replace(TOY, load_test=TOY.load)
    for splits in ([5, 6], [0, 1]):
        table = run(task, ["class_mean"], **OPTIONS | {"splits": splits}, out=tmp_path / "r.csv")
        assert set(table["split"]) == {0}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda t: Made(t.counts[:, 1:], t.labels), "counts"),
        (lambda t: Made(t.counts[t.labels < 2], t.labels[t.labels < 2]), "no row for 1 classes: 'class_2'"),
        (lambda t: Made(t.counts, t.labels), "but 2 were asked for"),
        (lambda t: Made(-t.counts, t.labels), "rows of a class|negative"),
        (lambda t: Made(t.counts, t.labels + 1), "no codes"),
    ],
)
def test_a_set_that_breaks_the_rules_is_refused(make: Any, message: str) -> None:
    train, _ = TOY.cells(0)
    training = prepare_training(train, labels_key="cell_type")

    def method(training: Training, n: int, seed: int) -> Made:
        return make(training)

    with pytest.raises(InputError, match=message):
        Method("bad", method).run(training, 2, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methods": ["randon"]}, "Did you mean 'random'"),
        ({"methods": ["random", "random"]}, "Two methods have the name 'random'"),
        ({"methods": []}, "at least one method"),
        ({"methods": [3]}, "got 3"),
        ({"methods": [replace(METHODS.get("full"), name="mine")]}, r"register it first, METHODS.register\('mine'\)"),
        ({"n_jobs": 0}, "one per core, got 0"),
        ({"tasks": ["toy"]}, "Unknown task 'toy'"),
        ({"tasks": [TOY, TOY]}, "Two tasks"),
        ({"models": ["XX"]}, "Unknown test model"),
        ({"n": [0]}, "budgets n of at least 1"),
        ({"seeds": []}, "at least one model, seed and split"),
    ],
)
def test_a_wrong_call_is_refused_before_any_work(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    options = {"tasks": [TOY], "methods": ["random"], **OPTIONS, "out": tmp_path / "out.csv"} | change
    with pytest.raises(InputError, match=message):
        run(**options)
    assert not (tmp_path / "out.csv").exists()


def test_all_baselines_are_methods() -> None:
    more = {"scdd", "scdd-paper", "scvi", "random_donor", "full", "full-balanced"}
    assert {*BASELINES} | more == set(METHODS)
    assert [method.name for method in resolve_methods(METHODS.names())] == METHODS.names()


def test_splits_that_are_no_new_test_are_told() -> None:
    """Four donors leave six ways to hold out two, so of seven splits one is a copy."""
    options = OPTIONS | {"n": [1], "seeds": [0], "models": ["kNN"], "splits": list(range(7))}
    with pytest.warns(ScddWarning, match="no new test") as found:
        table = run(TOY, ["random"], **options)
    donors = table.groupby("split")["donors"].first().map(lambda told: tuple(sorted(json.loads(told))))
    (words,) = [str(warning.message) for warning in found if "no new test" in str(warning.message)]
    told = [split for split in range(7) if f"{split} of toy (as" in words]
    assert told == donors.index[donors.duplicated()].tolist()


def test_our_own_methods_share_a_training_in_one_process() -> None:
    jobs = [
        Job("", TASKS.get(task), 0, METHODS.get(name), (Run(1, seed, ("kNN",)),))
        for task in ("simulated", "baron")
        for name in ("scdd", "scdd-paper", "random", "herding")
        for seed in (0, 1)
    ]
    chains = [[(job.task.name, job.method.name, job.runs[0].seed) for job in chain] for chain in _chains(jobs)]
    assert chains[:3] == [
        [("simulated", "scdd", 0), ("simulated", "scdd-paper", 0)],
        [("simulated", "scdd", 1), ("simulated", "scdd-paper", 1)],
        [("simulated", "random", 0)],
    ]
    assert len(chains) == 2 * (2 + 4)

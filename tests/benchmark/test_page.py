"""Pages: of a results file, and the committed one."""

from __future__ import annotations

import base64
import importlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from scdd.benchmark import METHODS, page, run
from scdd.benchmark._page import command_of
from scdd.benchmark._provenance import read_provenance
from scdd.benchmark._report import build_report
from scdd.benchmark._runs import is_reference
from scdd.benchmark._store import COLUMNS, read_results

from ._toy import OPTIONS, TOY, broken

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "benchmark.csv"
    run(TOY, ["random", "class_mean", "full", broken], **OPTIONS, out=path)
    return path


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """A function that imports a script by its name."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module


def test_page_is_whole_and_needs_no_network(results: Path, tmp_path: Path) -> None:
    out = page(results, tmp_path / "new" / "page.html", ours="class_mean", title="<b>mine</b>")
    text = out.read_text(encoding="utf-8")
    assert out.stat().st_size < 5e6
    assert "&lt;b&gt;mine&lt;/b&gt;" in text  # what comes from outside is no markup
    assert not re.findall(r"(?:src|href)=.(?:https?:)?//", text)
    (figure,) = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", text)
    assert base64.b64decode(figure).startswith(b"\x89PNG")
    scores = pd.read_csv(results).query("method == 'random' and n == 3")["macro_f1"].mean()
    assert f"{scores:.3f} ±" in text
    for part in ("quoted as reported", "no luck", "Intervals over donors", "kB on disk", "scdd.benchmark.run"):
        assert part in text, part
    assert not list(out.parent.glob(".*"))


def test_losses_are_told(results: Path) -> None:
    report = build_report(results, ours="random")
    words = report.sections[0].text.splitlines()
    margin = pd.read_csv(results).groupby(["method", "n"])["macro_f1"].mean()
    lead = 100 * (margin["random", 1] - max(margin["class_mean", 1], margin["broken", 1]))
    assert f"the mean difference is {lead:+.1f} points" in words[0]
    assert ("It loses on toy" in words[0]) == (lead < 0)
    assert len(words) == 2  # n = 1 and n = 3


def test_a_table_alone_will_do(results: Path, tmp_path: Path) -> None:
    text = page(read_results(results), tmp_path / "p.html").read_text()
    assert "How to remake it" not in text
    least = read_results(results)[["task", "method", "n", "split", "seed", "model", "macro_f1", "status"]]
    assert "Mean ranks" in page(least, tmp_path / "least.html").read_text()


def test_the_command_repeats_the_calls(results: Path) -> None:
    told = read_provenance(results)
    (words,) = command_of(told).splitlines()  # of what the command line does not know
    assert words == (
        "scdd.benchmark.run(['toy'], ['random', 'class_mean', 'full', 'broken'], n=[1, 3], splits=[0], seeds=[0, 1], "
        "models=['LR', 'kNN'])  # in Python, with toy, broken in place of the names"
    )
    told["calls"][0]["arguments"] |= {"tasks": ["baron"], "methods": ["random", "full"]}
    assert command_of(told) == (
        "scdd benchmark --tasks baron --methods random,full --n 1,3 --splits 0 --seeds 0,1 --models LR,kNN"
    )


def test_the_hours_of_a_grid_are_the_sum_over_its_calls(results: Path, tmp_path: Path) -> None:
    def cost(told: dict) -> str:
        copy = tmp_path / "benchmark.csv"
        copy.write_bytes(results.read_bytes())
        copy.with_suffix(".json").write_text(json.dumps(told))
        return next(section.text for section in build_report(copy).sections if section.title == "Cost")

    told = read_provenance(results)
    (call,) = told["calls"]
    calls = [call | {"seconds": 5400.0, "n_jobs": 2}, call | {"seconds": 3600.0, "n_jobs": 2}]
    assert "2.5 hours on the clock, scores included: 2 calls, n_jobs = 2." in cost(told | {"calls": calls})
    before = {name: value for name, value in call.items() if name not in ("seconds", "n_jobs")}
    assert "hours" not in cost(told | {"calls": [*calls, before]})  # a call of an older version did not tell


def test_only_a_call_that_ran_something_is_told(tmp_path: Path) -> None:
    options = OPTIONS | {"n": [1], "seeds": [0], "models": ["LR"], "out": tmp_path / "benchmark.csv"}
    told = tmp_path / "benchmark.json"
    run(TOY, ["random"], **options)
    first = told.read_bytes()
    run(TOY, ["random"], **options)  # all is there: the numbers are still those of the first call's versions
    assert told.read_bytes() == first
    told.unlink()
    run(TOY, ["random"], **options)
    assert told.is_file()  # a results file that came alone gets one
    run(TOY, ["random"], **options, quality=True)
    commands = command_of(read_provenance(options["out"])).splitlines()
    assert len(commands) == 2
    # else the command would not make the same columns
    assert commands[1] == commands[0].replace("])  #", "], quality=True)  #")


def test_the_committed_page_is_that_of_the_committed_results(script: Callable[[str], ModuleType]) -> None:
    script = script("benchmark_page")
    assert script.RESULTS.stat().st_size < 5e6
    assert script.PAGE.read_text(encoding="utf-8") == script.text(), "run python scripts/benchmark_page.py"
    assert script.README.read_text(encoding="utf-8") == script.readme(), "run python scripts/benchmark_page.py"
    assert script.RESULTS.with_suffix(".png").stat().st_size > 10_000


def test_every_method_is_in_one_group(script: Callable[[str], ModuleType]) -> None:
    groups = script("benchmark_groups").GROUPS
    named = [method for members in groups.values() for method in members]
    assert sorted(named) == [name for name in METHODS if name != "scdd" and not is_reference(name)]


def test_tasks_count_alike_however_many_splits_they_have(script: Callable[[str], ModuleType], tmp_path: Path) -> None:
    """One task on three splits and one that is fixed, which two files hold under different numbers."""
    splits = script("benchmark_splits")
    level = {"scdd": 0.6, "full": 0.8, "full-balanced": 1.0}
    tested = [("zheng", 0, 0.0), ("zheng", 1, 0.1), ("zheng", 2, 0.2), ("pbmc_study", 0, -0.3), ("pbmc_study", 1, -0.3)]
    lines = [
        dict.fromkeys(COLUMNS, "")
        | {"task": task, "method": method, "n": 0 if "full" in method else 1, "split": split, "seed": 0, "model": "LR"}
        | {"macro_f1": level.get(method, 0.5) + (more if method == "scdd" else 0), "status": "ok"}
        for task, split, more in tested
        for method in (*splits.SIMPLE, *level)
    ]
    table = pd.DataFrame(lines)
    for name, part in (("a", table["split"] == 0), ("b", table["split"] > 0)):
        table[part].to_csv(tmp_path / f"{name}.csv", index=False)
    runs = splits.joined(tmp_path / "a.csv", tmp_path / "b.csv")
    assert runs.groupby("task")["split"].unique().map(list).to_dict() == {"pbmc_study": [0], "zheng": [0, 1, 2]}
    row = splits.against_baselines(runs).set_index("tasks").loc["all tasks (2)"]
    assert row["scdd"] == "0.500"  # 0.7 and 0.3
    assert row["lead, points"] == "+0.0"
    assert row["sd over splits"] == "10.0"  # of zheng alone
    assert (row["of full data"], row["of balanced full data"]) == ("0.625", "0.500")


def test_lines_of_earlier_code_are_told(
    script: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = script("benchmark_page")
    told = json.loads(page.TOOLS.with_suffix(".json").read_text())
    panel = json.loads(page.RESULTS.with_suffix(".json").read_text())
    monkeypatch.setattr(page, "TOOLS", tmp_path / "tools.csv")
    told["methods"] = {name: panel["methods"][name] for name in ("random", "herding", "scdd")}
    (tmp_path / "tools.json").write_text(json.dumps(told))
    assert page._of_earlier_code() == ""
    told["methods"]["scdd"] = told["methods"]["scdd"] | {"settings": {"old": 1}}
    (tmp_path / "tools.json").write_text(json.dumps(told))
    assert "the ones of scdd are of earlier code" in page._of_earlier_code()

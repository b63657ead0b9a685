"""The command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import scdd
from scdd import cli
from scdd.benchmark import METHODS, TASKS, summary
from scdd.benchmark._quick import quick
from scdd.cli._benchmark import FILE
from scdd.cli._lists import numbers, paths, words
from scdd.metrics import TEST_MODELS

from ._toy import TOY

TINY = ["--methods", "random,class_mean,full", "--models", "LR", "--models", "kNN", "--splits", "0", "--n-jobs", "1"]


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["--help"], ["benchmark", "-h"]):
        assert cli.main(argv) == 0
    assert "--quick" in capsys.readouterr().out
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"scdd {scdd.__version__}\n"
    assert cli.main([]) == 2
    assert cli.main(["no-such-command"]) == 2


def test_help_of_the_module_on_a_poor_terminal() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "NO_COLOR": "1", "COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, "-m", "scdd", "benchmark", "--help"], capture_output=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode("ascii")
    assert "--print-only" in text
    assert "\x1b" not in text


def test_a_closed_output_is_no_traceback() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "scdd", "benchmark", "--list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()  # long before the first line is printed
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 1
    assert error == ""


def test_list_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["benchmark", "--list"]) == 0
    text = capsys.readouterr().out
    for name in (*TASKS, *METHODS, *TEST_MODELS):
        assert name in text
    assert text.isascii()
    assert "transfer, test cells fixed. " in text
    assert "fixed held out" not in text
    assert cli.main(["benchmark", "--list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [task["name"] for task in listed["tasks"]] == TASKS.names()
    assert listed["methods"] == METHODS.names()
    assert listed["models"] == TEST_MODELS.names()


def test_a_tiny_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["benchmark", "--tasks", "simulated", *TINY, "--out", str(tmp_path / "new" / "folder")]
    assert cli.main(argv) == 0
    first = capsys.readouterr().out
    path = tmp_path / "new" / "folder" / FILE
    content = path.read_bytes()
    assert "n = 10" in first
    assert "mean rank" in first
    assert first.isascii()
    assert cli.main(argv) == 0  # all is there already
    assert capsys.readouterr().out == first
    assert path.read_bytes() == content
    assert cli.main(["benchmark", "--out", str(path.parent), "--print-only"]) == 0
    assert capsys.readouterr().out.strip() in first


def test_json_is_json_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["benchmark", "--tasks", "simulated", *TINY, "--seeds", "0", "--n", "2", "--out", str(tmp_path), "--json"]
    assert cli.main([*argv, "--metric", "accuracy"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["metric"] == "accuracy"
    expected = summary(tmp_path / FILE, metric="accuracy")
    assert set(expected) <= set(printed)
    assert [row["method"] for row in printed["scores"]] == expected["scores"]["method"].tolist()
    assert [row["mean"] for row in printed["scores"]] == pytest.approx(expected["scores"]["mean"], abs=1e-6)
    assert {row["sd"] for row in printed["scores"]} == {None}  # one run has no spread, and NaN is not JSON


def test_lists_are_joined_by_commas(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert words(["a,b", "c", "d e"]) == ["a", "b", "c", "d", "e"]
    assert words([]) is words(None) is None
    assert numbers("--n", ["1,10", "50"]) == [1, 10, 50]
    assert cli.main(["benchmark", "--tasks", "baron", "kang", "--out", str(tmp_path)]) == 2
    assert "--tasks baron,kang" in " ".join(capsys.readouterr().err.split())
    assert cli.main(["benchmark", "--n", "1,ten", "--out", str(tmp_path)]) == 2
    assert "integers joined by commas" in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_used_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path)]
    assert cli.main(["benchmark", "--tasks", "zhang", *out]) == 2
    assert "Did you mean 'zheng'" in capsys.readouterr().err
    assert cli.main(["benchmark", "--print-only", *out]) == 2
    assert "There is no" in capsys.readouterr().err


def test_a_wrong_score_is_told_before_any_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert cli.main(["benchmark", "--tasks", "simulated", *TINY, "--out", str(out), "--metric", "f2"]) == 2
    assert "Unknown metric 'f2'" in capsys.readouterr().err
    assert not out.exists()


def test_a_file_that_holds_no_results_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / FILE).write_text("a,b\n1,2\n")
    assert cli.main(["benchmark", "--print-only", "--out", str(tmp_path)]) == 2
    assert "not a results file" in capsys.readouterr().err
    assert (tmp_path / FILE).read_text() == "a,b\n1,2\n"


def test_names_of_files_may_have_spaces(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert paths("--merge", ["a b/c.csv, d.csv", "e"]) == ["a b/c.csv", "d.csv", "e"]
    first = tmp_path / "a b"
    tiny = ["--tasks", "simulated", "--methods", "class_mean", "--models", "kNN", "--splits", "0", "--seeds", "0"]
    assert cli.main(["benchmark", *tiny, "--n-jobs", "1", "--out", str(first)]) == 0
    assert cli.main(["benchmark", "--merge", str(first / FILE), "--out", str(tmp_path / "all")]) == 0
    assert (tmp_path / "all" / FILE).read_bytes() == (first / FILE).read_bytes()
    assert cli.main(["benchmark", "--merge", "", "--out", str(tmp_path / "none")]) == 2
    assert cli.main(["benchmark", "--merge", str(first / FILE), "--n", "1", "--out", str(tmp_path / "all")]) == 2
    assert cli.main(["benchmark", "--print-only", "--tasks", "baron", "--out", str(tmp_path / "all")]) == 2
    assert "got none" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "none").exists()


def test_what_the_package_warns_of_is_shown_apart_from_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(method: str, reverse: bool) -> str:
        task = replace(TOY, load=lambda: TOY.load()[:, :: -1 if reverse else 1].copy())
        monkeypatch.setitem(TASKS._items, "toy", task)
        argv = ["--tasks", "toy", "--methods", method, "--models", "kNN", "--splits", "0", "--seeds", "0", "--n", "1"]
        assert cli.main(["benchmark", *argv, "--n-jobs", "1", "--out", str(tmp_path), "--json"]) == 0
        printed = capsys.readouterr()
        assert json.loads(printed.out)["metric"] == "macro_f1"
        return printed.err

    assert "warning" not in command("random", reverse=False)
    assert command("herding", reverse=True).count("scdd: warning: The training and test cells of task 'toy'") == 1


def test_an_interruption_tells_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(**options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("scdd.benchmark.run", interrupted)
    assert cli.main(["benchmark", "--tasks", "simulated", *TINY, "--out", str(tmp_path)]) == 130
    assert "goes on where this one stopped" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_a_request_to_end_is_told_whatever_the_exception_became(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def struck(**options: Any) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        except SystemExit as error:
            msg = "a package that was being imported"
            raise ImportError(msg) from error

    monkeypatch.setattr("scdd.benchmark.run", struck)
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert cli.main(["benchmark", "--tasks", "simulated", *TINY, "--out", str(tmp_path)]) == 143
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_workers_end_with_the_command(tmp_path: Path) -> None:
    arguments = ["benchmark", "--tasks", "simulated", "--methods", "scdd", "--n-jobs", "2", "--out", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "scdd", *arguments], stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 200  # on a busy machine it takes a minute to import everything three times
    while len(members := _group(process.pid)) < 3 and time.monotonic() < deadline:  # the command and its workers
        time.sleep(0.2)
    process.terminate()
    assert process.wait(timeout=60) == 143
    assert len(members) >= 3, members
    deadline = time.monotonic() + 30
    while _group(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _group(leader: int) -> list[str]:
    """Return the processes of a session that are alive."""
    listed = subprocess.run(["ps", "-A", "-o", "sess=,pid=,stat="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if line.split()[0] == str(leader) and "Z" not in line.split()[2]]


def test_quick_fits_with_and_without_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCDD_DATA", str(tmp_path))
    options = quick()
    assert options["tasks"] == ["baron", "simulated"]
    assert len(options["methods"]) == 6
    assert len(options["models"]) == 4
    (tmp_path / "pbmc_facs_zheng.h5ad").touch()
    assert quick()["tasks"] == ["baron", "zheng"]


@pytest.mark.slow
def test_quick(tmp_path: Path) -> None:
    start = time.monotonic()
    assert cli.main(["benchmark", "--quick", "--out", str(tmp_path)]) == 0
    assert time.monotonic() - start < 300
    for name in ("benchmark.png", "benchmark.html"):
        assert (tmp_path / name).stat().st_size > 10_000
    text = (tmp_path / FILE).read_text()
    assert ",failed," not in text
    assert len(text.splitlines()) == 1 + 2 * 2 * 4 * (2 * 4 + 1 + 1)

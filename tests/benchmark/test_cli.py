"""The command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scdd import cli
from scdd.benchmark import METHODS, TASKS
from scdd.benchmark._quick import quick
from scdd.metrics import TEST_MODELS

TINY = ["--methods", "random", "class_mean", "full", "--models", "LR", "kNN", "--splits", "0", "--n-jobs", "1"]


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["--help"], ["benchmark", "--help"]):
        with pytest.raises(SystemExit) as stop:
            cli.main(argv)
        assert stop.value.code == 0
    assert "--quick" in capsys.readouterr().out


def test_help_of_the_module() -> None:
    done = subprocess.run([sys.executable, "-m", "scdd", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "benchmark" in done.stdout


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


def test_a_tiny_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["benchmark", "--tasks", "simulated", *TINY, "--out", str(tmp_path / "new" / "folder")]
    assert cli.main(argv) == 0
    first = capsys.readouterr().out
    path = tmp_path / "new" / "folder" / cli.FILE
    content = path.read_bytes()
    assert "n = 10" in first
    assert "mean rank" in first
    assert first.isascii()
    assert cli.main(argv) == 0  # all is there already
    assert capsys.readouterr().out == first
    assert path.read_bytes() == content
    assert cli.main([*argv, "--print-only"]) == 0
    assert capsys.readouterr().out.strip() in first


def test_what_cannot_be_used_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path)]
    assert cli.main(["benchmark", "--tasks", "zhang", *out]) == 2
    assert "Did you mean 'zheng'" in capsys.readouterr().err
    assert cli.main(["benchmark", "--print-only", *out]) == 2
    assert "There is no" in capsys.readouterr().err


def test_an_interruption_tells_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(**options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("scdd.benchmark.run", interrupted)
    assert cli.main(["benchmark", "--tasks", "simulated", *TINY, "--out", str(tmp_path)]) == 130
    assert "goes on where this one stopped" in capsys.readouterr().err


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
    assert cli.main(["benchmark", "--quick", "--out", str(tmp_path)]) == 0
    text = (tmp_path / cli.FILE).read_text()
    assert ",failed," not in text
    assert len(text.splitlines()) == 1 + 2 * 2 * 4 * (2 * 4 + 1 + 1)

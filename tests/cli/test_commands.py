"""The commands that read and write cells."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
import pytest
from typer.testing import CliRunner

import scdd
from scdd import cli
from scdd.cli._app import app
from scdd.encoders import ENCODERS

if TYPE_CHECKING:
    from anndata import AnnData

COMMANDS = ("benchmark", "coreset", "distill", "encoders", "evaluate", "expand", "generate", "head", "report")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")  # of zarr


@pytest.fixture
def cells(toy: AnnData, tmp_path: Path) -> Path:
    toy.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def _run(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def _read(path: Path) -> AnnData:
    return anndata.read_zarr(path) if path.suffix == ".zarr" else anndata.read_h5ad(path)


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str) -> None:
    done = _run(command, "--help")
    assert done.exit_code == 0
    assert "--json" in done.output
    if command != "benchmark":
        assert "Exit codes" in done.output
        assert "--quiet" in done.output


@pytest.mark.usefixtures("small_budget")
def test_distill_is_what_the_tool_does(cells: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.h5ad"
    arguments = ["-n", 2, "--preset", "fast", "--donor-key", "donor", "--batch-key", "donor", "--seed", 3]
    done = _run("distill", cells, "-o", out, *arguments, "--save-model", tmp_path / "model", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["out"], told["n_obs"], told["n_vars"], told["seed"]) == (str(out), 8, 120, 3)
    assert (told["status"], told["labels_key"]) == ("complete", "cell_type")
    assert told["rows"] == {f"class_{k}": 2 for k in range(4)}
    assert told["bytes"] == out.stat().st_size
    syn = scdd.tl.distill(_read(cells), 2, preset="fast", donor_key="donor", batch_key="donor", seed=3, progress=False)
    np.testing.assert_array_equal(_read(out).X.toarray(), syn.X.toarray())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.h5ad", "model", "out.h5ad"]

    first = _run("head", out, "-o", tmp_path / "first.h5ad", "-n", 1, "--json")
    assert first.exit_code == 0, first.output
    assert json.loads(first.stdout)["rows"] == {f"class_{k}": 1 for k in range(4)}
    np.testing.assert_array_equal(_read(tmp_path / "first.h5ad").X.toarray(), syn.X.toarray()[::2])
    assert _run("head", cells, "-o", tmp_path / "no.h5ad").exit_code == 2

    expanded = _run("expand", out, "-o", tmp_path / "many.zarr", "-n", 3, "--noise", "nb", "--quiet")
    assert expanded.exit_code == 0, expanded.output
    assert expanded.output == ""
    assert _read(tmp_path / "many.zarr").shape == (24, 120)

    made = _run("generate", tmp_path / "model", "-o", tmp_path / "new.h5ad", "-n", 7, "--label", "class_1")
    assert made.exit_code == 0, made.output
    assert "Wrote" in made.stdout
    assert "7 rows of 1 class" in made.stdout
    assert set(_read(tmp_path / "new.h5ad").obs["cell_type"]) == {"class_1"}
    lost = _run("generate", tmp_path / "model", "-o", tmp_path / "no.h5ad", "--label", "beta")
    assert lost.exit_code == 2
    assert "beta" in lost.stderr
    assert not (tmp_path / "no.h5ad").exists()


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_coreset_from_and_to_both_formats(toy: AnnData, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cells{suffix}"
    (toy.write_zarr if suffix == ".zarr" else toy.write_h5ad)(path)
    for target in (tmp_path / "out.h5ad", tmp_path / "out.zarr"):
        done = _run("coreset", path, "-o", target, "-n", 3, "-m", "random", "--seed", 1)
        assert done.exit_code == 0, done.output
        expected = scdd.tl.coreset(toy, 3, "random", seed=1)
        np.testing.assert_array_equal(_read(target).X.toarray(), expected.X.toarray())
        before = _read(target)
        again = _run("coreset", path, "-o", target, "-n", 5)
        assert again.exit_code == 2
        assert "exists" in again.stderr
        assert _read(target).shape == before.shape
        assert _run("coreset", path, "-o", target, "-n", 5, "--overwrite").exit_code == 0
        assert _read(target).n_obs == 20
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_evaluate_prints_and_writes_scores(toy: AnnData, tmp_path: Path) -> None:
    train, test = (toy[index].copy() for index in scdd.pp.split(toy, donor_key="donor"))
    scdd.tl.coreset(train, 3).write_h5ad(tmp_path / "syn.h5ad")
    test.write_h5ad(tmp_path / "test.h5ad")
    arguments = ["evaluate", tmp_path / "syn.h5ad", tmp_path / "test.h5ad", "--models", "LR,kNN"]
    done = _run(*arguments, "--per-class", "-o", tmp_path / "scores.csv")
    assert done.exit_code == 0, done.output
    assert "macro_f1" in done.stdout
    assert "class_3" in done.stdout
    expected = scdd.tl.evaluate(scdd.tl.coreset(train, 3), test, models=["LR", "kNN"])
    assert (tmp_path / "scores.csv").read_text() == expected.to_csv(index=False)
    told = json.loads(_run(*arguments, "--json", "--seeds", "0,1").stdout)
    assert {row["seed"] for row in told["scores"]} == {0, 1}
    assert len(told["scores"]) == 2 * len(expected)
    assert told["excluded"] == expected.attrs["excluded"]
    assert _run(*arguments, "-o", tmp_path / "scores.csv").exit_code == 2
    assert _run(*arguments, "-q").output == ""
    assert "must end with .csv" in _run(*arguments, "-o", tmp_path / "scores.txt").stderr


def test_encoders_are_those_of_the_registry() -> None:
    told = json.loads(_run("encoders", "--json").stdout)["encoders"]
    assert [fact["name"] for fact in told] == [ENCODERS.get(name).info.name for name in ENCODERS.names()]
    assert {"licence", "species", "trained_on"} <= set(told[0])
    assert _run("encoders", "--quiet").stdout.split() == ENCODERS.names()
    text = _run("encoders", "pca").stdout
    assert "licence" in text
    assert "precomputed" not in text
    wrong = _run("encoders", "pac")
    assert wrong.exit_code == 2
    assert "Did you mean 'pca'" in wrong.stderr


def test_messages_name_the_options_of_the_command(toy: AnnData, tmp_path: Path) -> None:
    cells = tmp_path / "cells.h5ad"
    toy.write_h5ad(cells)
    toy.X = np.log1p(toy.X)
    toy.write_h5ad(tmp_path / "log.h5ad")
    for command, has in (("distill", True), ("coreset", False)):
        text = _run(command, tmp_path / "log.h5ad", "-o", tmp_path / "x.h5ad").stderr
        assert "--layer" in text
        assert ("--allow-normalized" in text) is has
        assert "allow_normalized" not in text
        assert "(--labels-key)" in _run(command, cells, "-o", tmp_path / "x.h5ad", "--labels-key", "no").stderr


def test_a_log_normalised_file_is_refused_in_one_line(toy: AnnData, tmp_path: Path) -> None:
    toy.X = np.log1p(toy.X)
    toy.write_h5ad(tmp_path / "log.h5ad")
    done = _run("distill", tmp_path / "log.h5ad", "-o", tmp_path / "out.h5ad")
    assert done.exit_code == 2
    assert done.stderr.startswith("scdd: ")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out.h5ad").exists()


def test_what_is_read_and_what_is_there_is_never_lost(cells: Path, tmp_path: Path) -> None:
    content = cells.read_bytes()
    (tmp_path / "folder.zarr").mkdir()
    (tmp_path / "folder.zarr" / "thesis.txt").write_text("years of work")
    (tmp_path / "broken.h5ad").write_bytes(content[:1000])
    cases: list[tuple[list[object], str]] = [
        ([cells, "-o", cells, "--overwrite"], "is read"),
        ([cells, "-o", tmp_path / "." / "cells.h5ad"], "is read"),
        ([cells, "-o", tmp_path / "no" / "out.h5ad"], "does not exist"),
        ([cells, "-o", tmp_path / "out.txt"], "must end with .h5ad or .zarr"),
        ([cells, "-o", tmp_path / "folder.zarr", "--overwrite"], "no zarr store"),
        ([tmp_path / "nothing.h5ad", "-o", tmp_path / "out.h5ad"], "There is no"),
        ([tmp_path / "broken.h5ad", "-o", tmp_path / "out.h5ad"], "cannot be read"),
        ([cells, "-o", tmp_path / "out.h5ad", "-m", "hurding"], "herding"),
        ([cells, "-o", tmp_path / "out.h5ad", "--labels-key", "type"], "type"),
    ]
    for arguments, text in cases:
        done = _run("coreset", *arguments)
        assert done.exit_code == 2, arguments
        assert text in done.stderr, arguments
        assert "Traceback" not in done.stderr
    assert cells.read_bytes() == content
    assert (tmp_path / "folder.zarr" / "thesis.txt").read_text() == "years of work"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken.h5ad", "cells.h5ad", "folder.zarr"]


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_a_failed_write_leaves_the_old_file(
    toy: AnnData, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scdd.io import _cells

    target = tmp_path / f"out{suffix}"
    _cells.write_cells(toy, target)

    def full(file: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_cells, "_to_disk", full)
    with pytest.raises(OSError, match="No space left"):
        _cells.write_cells(toy[:10].copy(), target)
    assert _read(target).n_obs == toy.n_obs
    assert [p.name for p in tmp_path.iterdir()] == [target.name]


def test_warnings_are_a_line_each_and_quiet_keeps_them_back(cells: Path, tmp_path: Path) -> None:
    arguments = ["coreset", cells, "-n", 150, "-m", "random"]
    done = _run(*arguments, "-o", tmp_path / "a.h5ad")
    assert done.exit_code == 0
    assert done.stderr.startswith("scdd: warning: ")
    assert "UserWarning" not in done.stderr
    assert _run(*arguments, "-o", tmp_path / "b.h5ad", "--quiet").output == ""
    assert repr(scdd.settings) == "Settings(verbosity=1, seed=0, progress=True, data_dir=None)"


def test_an_interrupted_distillation_is_written_and_says_so(
    cells: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = scdd.tl.coreset(_read(cells), 2)
    made.uns["scdd"]["status"] = "interrupted"
    monkeypatch.setattr("scdd.tl._distill.distill_and_model", lambda *args, **options: (made, None))
    done = _run("distill", cells, "-o", tmp_path / "out.h5ad")
    assert done.exit_code == 130
    assert "Status: interrupted." in done.stdout
    assert _read(tmp_path / "out.h5ad").n_obs == 8

    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("scdd.tl._distill.distill_and_model", interrupted)
    done = _run("distill", cells, "-o", tmp_path / "new.h5ad")
    assert done.exit_code == 130
    assert "Nothing was written" in done.stderr
    assert not (tmp_path / "new.h5ad").exists()


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"n_steps": "ten"}, "n_steps must be a whole number, got 'ten'"),
        ({"n_steps": 1.5}, "n_steps must be a whole number, got 1.5"),
        ({"lr": None}, "lr must be a number, got None"),
        ({"lr": True}, "lr must be a number, got True"),
        ([1], "does not hold a JSON object"),
    ],
)
def test_a_wrong_configuration_of_pretrain_is_told(cells: Path, tmp_path: Path, config: Any, text: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = _run("pretrain", cells, "--out", tmp_path / "e", "--config", tmp_path / "config.json")
    assert done.exit_code == 2
    assert text in done.stderr
    assert not (tmp_path / "e").exists()


def test_lists_of_studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    def stop(studies: Any, *args: object, **options: object) -> None:
        given.extend(studies)
        raise KeyboardInterrupt

    monkeypatch.setattr("scdd.encoders.pretrain", stop)
    listed = tmp_path / "studies.json"
    entry = {"data": "a.h5ad", "labels_key": None}
    listed.write_text(json.dumps([entry | {"studies": "GSE84133"}, entry | {"studies": ["S1", "S2"]}, entry]))
    done = _run("pretrain", listed, "--out", tmp_path / "e")
    assert done.exit_code == 130
    assert "--out with .training at its end" in done.stderr
    assert "Nothing was written" not in done.stderr
    assert [study.studies for study in given] == [("GSE84133",), ("S1", "S2"), ()]
    assert given[0].data == tmp_path / "a.h5ad"
    for wrong in (3, ["a.h5ad"], [entry | {"studies": 3}], [entry | {"name": 3}], [entry | {"nam": "b"}]):
        listed.write_text(json.dumps(wrong))
        done = _run("pretrain", listed, "--out", tmp_path / "e")
        assert done.exit_code == 2
        assert "must hold a list of objects" in done.stderr


# -- the real entry point ---------------------------------------------------------------------------------------------


def _call(*arguments: object, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "scdd", *map(str, arguments)], capture_output=True, check=False,
        env={**os.environ, "NO_COLOR": "1", **environment},
    )  # fmt: skip


@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_poor_terminals(toy: AnnData, tmp_path: Path, environment: dict[str, str]) -> None:
    toy.obs["cell_type"] = toy.obs["cell_type"].cat.rename_categories({"class_0": "Zelle \u00e4\u03b2\u2713"})
    train, test = (toy[index].copy() for index in scdd.pp.split(toy, donor_key="donor"))
    train.write_h5ad(tmp_path / "a.h5ad")
    test.write_h5ad(tmp_path / "b.h5ad")
    done = _call("coreset", tmp_path / "a.h5ad", "-o", tmp_path / "\u00e4.h5ad", "-n", 2, **environment)
    assert done.returncode == 0, done.stderr
    done = _call(
        "evaluate", tmp_path / "\u00e4.h5ad", tmp_path / "b.h5ad", "--models", "kNN", "--per-class", **environment
    )
    assert done.returncode == 0, done.stderr
    assert b"Zelle" in done.stdout
    assert done.stderr == b""


def test_a_closed_output_is_no_traceback() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "scdd", "encoders"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()  # long before the first line is printed
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 1
    assert error == ""


def test_an_error_has_no_traceback(tmp_path: Path) -> None:
    done = _call("expand", tmp_path / "none.h5ad", "-o", tmp_path / "out.h5ad")
    assert done.returncode == 2
    assert done.stderr.decode().startswith("scdd: There is no ")
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == b""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_ctrl_c_while_it_distils(tmp_path: Path) -> None:
    out = tmp_path / "out.h5ad"
    scdd.datasets.simulate(n_obs=150, n_vars=100).write_h5ad(tmp_path / "in.h5ad")
    code = (
        "import os, signal, sys, scdd.train._fit as fit\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background inherits that it is ignored
        "from scdd.cli import main\n"
        "old, seen = fit._Watch.on_train_batch_end, []\n"
        "def once(self, *args):\n"
        "    old(self, *args)\n"
        "    seen.append(1)\n"
        "    if len(seen) == 20:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "fit._Watch.on_train_batch_end = once\n"
        f"sys.exit(main(['distill', {str(tmp_path / 'in.h5ad')!r}, '-o', {str(out)!r}, '-n', '2', '--preset', 'fast']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 128 + signal.SIGINT, done.stderr
    assert "Status: interrupted" in done.stdout
    assert _read(out).uns["scdd"]["status"] == "interrupted"


def test_the_pancreas_from_end_to_end(tmp_path: Path) -> None:
    adata = scdd.datasets.pancreas()
    adata.write_h5ad(tmp_path / "pancreas.h5ad")
    assert cli.main(["coreset", str(tmp_path / "pancreas.h5ad"), "-o", str(tmp_path / "c.h5ad"), "-n", "2", "-q"]) == 0
    scores = ["evaluate", str(tmp_path / "c.h5ad"), str(tmp_path / "pancreas.h5ad"), "--models", "kNN", "-q"]
    assert cli.main([*scores, "-o", str(tmp_path / "s.csv")]) == 0
    assert _read(tmp_path / "c.h5ad").n_obs == 28
    assert "macro_f1" in (tmp_path / "s.csv").read_text()


@pytest.mark.slow
def test_the_pancreas_is_distilled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scdd.datasets.pancreas().write_h5ad(tmp_path / "pancreas.h5ad")
    arguments = ["-n", "5", "--preset", "fast", "--donor-key", "donor", "--json", "-q"]
    assert cli.main(["distill", str(tmp_path / "pancreas.h5ad"), "-o", str(tmp_path / "d.h5ad"), *arguments]) == 0
    assert json.loads(capsys.readouterr().out)["n_obs"] == 70

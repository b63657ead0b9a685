"""``scdd report``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import scdd
from scdd import cli

QUICK = ["--no-plots", "--models", "LR,kNN"]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    adata = scdd.datasets.simulate(n_obs=240, n_vars=80)
    train, test = scdd.pp.split(adata, donor_key="donor")
    adata[train].write_h5ad(tmp_path / "train.h5ad")
    adata[test].write_h5ad(tmp_path / "test.h5ad")
    scdd.tl.coreset(adata[train], 3).write_h5ad(tmp_path / "syn.h5ad")
    return tmp_path


def test_a_page_is_written(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = files / "report.html"
    argv = ["report", str(files / "train.h5ad"), str(files / "syn.h5ad"), "-o", str(out), *QUICK]
    assert cli.main([*argv, "--test", str(files / "test.h5ad"), "--backed"]) == 0
    text = capsys.readouterr().out
    assert "diagnostic   100 %" in text
    assert "beside" in text
    assert f"Wrote {out}." in text
    assert "Report on syn.h5ad" in out.read_text(encoding="utf-8")
    # nothing is replaced unasked
    before = out.read_bytes()
    assert cli.main(argv) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert out.read_bytes() == before
    assert cli.main([*argv, "--overwrite"]) == 0
    assert "No held-out cells were given" in out.read_text(encoding="utf-8")


def test_json_is_json_and_nothing_else(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = files / "report.html"
    assert (
        cli.main(["report", str(files / "train.h5ad"), str(files / "syn.h5ad"), "-o", str(out), *QUICK, "--json"]) == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert told["scores"]["diagnostic"] == 1
    assert told["scores"]["utility"] is None
    assert told["page"] == str(out)
    assert told["provenance"]["method"] == "scdd.tl.coreset, method herding"


def test_what_cannot_be_used_is_told_before_any_work(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "text.h5ad").write_text("x")
    train, syn = str(files / "train.h5ad"), str(files / "syn.h5ad")
    for argv, text in (
        ([str(files / "absent.h5ad"), syn], "There is no file"),
        ([train, str(files / "text.h5ad")], "no h5ad"),
        ([train, syn, "-o", str(files)], "is a folder"),
        ([train, syn, "-o", str(files / "no" / "r.html")], "does not exist"),
        ([train, syn, "--models", "nope"], "Unknown test model"),
        ([train, syn, "--labels-key", "nope"], "nope"),
    ):
        out = [] if "-o" in argv else ["-o", str(files / "r.html")]
        assert cli.main(["report", *argv, *out, "--no-plots"]) == 2
        assert text in capsys.readouterr().err
    assert not list(files.glob("*.html"))
    assert cli.main(["report", train]) == 2
    assert cli.main(["report", "--help"]) == 0

"""``scdd report``."""

from __future__ import annotations

import json
from pathlib import Path

import anndata
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


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")  # of zarr
def test_stores_of_zarr_are_read_and_quiet_prints_nothing(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pages = []
    for suffix in (".h5ad", ".zarr"):
        names = [str(files / f"{name}{suffix}") for name in ("train", "syn", "test")]
        if suffix == ".zarr":
            for name in names:
                anndata.read_h5ad(Path(name).with_suffix(".h5ad")).write_zarr(name)
        out = files / f"{suffix[1:]}.html"
        assert cli.main(["report", *names[:2], "--test", names[2], "-o", str(out), *QUICK, "-q"]) == 0
        pages.append(out.read_text(encoding="utf-8"))
    assert pages[1] == pages[0].replace("syn.h5ad", "syn.zarr")
    assert capsys.readouterr() == ("", "")


def test_what_cannot_be_used_is_told_before_any_work(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "text.h5ad").write_text("x")
    train, syn = str(files / "train.h5ad"), str(files / "syn.h5ad")
    for argv, text in (
        ([str(files / "absent.h5ad"), syn], "There is no"),
        ([train, str(files / "text.h5ad")], "cannot be read as h5ad"),
        ([train, str(files / "text.txt")], "must end with .h5ad or .zarr"),
        ([str(files / "train.zarr"), syn, "--backed"], "Leave --backed out"),
        ([train, syn, "-o", str(files)], "exists"),
        ([train, syn, "-o", str(files / "no" / "r.html")], "does not exist"),
        ([train, syn, "--models", "nope"], "Unknown test model"),
        ([train, syn, "--labels-key", "nope"], "nope"),
    ):
        out = [] if "-o" in argv else ["-o", str(files / "r.html")]
        assert cli.main(["report", *argv, *out, "--no-plots"]) == 2
        assert text in capsys.readouterr().err
    assert not list(files.glob("*.html"))
    test = str(files / "test.h5ad")
    for read in (train, syn, test):
        before = Path(read).read_bytes()
        assert cli.main(["report", train, syn, "--test", test, "-o", read, "--overwrite", "--no-plots"]) == 2
        assert "is read" in capsys.readouterr().err
        assert Path(read).read_bytes() == before
    assert cli.main(["report", train]) == 2
    assert cli.main(["report", "--help"]) == 0

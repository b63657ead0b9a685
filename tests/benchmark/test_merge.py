"""Files of several jobs become one: the same as of one call, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scdd.benchmark import merge, run
from scdd.cli import main
from scdd.errors import InputError

from ._toy import OPTIONS, TOY


def _without_times(path: Path) -> str:
    return "\n".join(line.rsplit(",", 2)[0] for line in path.read_text().splitlines())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("merge")
    run(TOY, ["random"], **OPTIONS, out=path / "a.csv")
    run(TOY, ["random", "herding"], **OPTIONS | {"seeds": [1]}, out=path / "b.csv")
    run(TOY, ["herding"], **OPTIONS | {"seeds": [0]}, out=path / "b.csv")
    return path


def test_parts_are_the_whole(folder: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.csv"
    run(TOY, ["random", "herding"], **OPTIONS, out=whole)
    table = merge([folder / "a.csv", folder / "b.csv"], tmp_path / "new" / "all.csv")
    assert len(table) == 16
    assert _without_times(tmp_path / "new" / "all.csv") == _without_times(whole)
    told = json.loads((tmp_path / "new" / "all.json").read_text())
    assert len(told["calls"]) == 3
    assert all("seconds" in call for call in told["calls"])
    one = json.loads(whole.with_suffix(".json").read_text())
    assert (told["tasks"], told["methods"]) == (one["tasks"], one["methods"])
    run(TOY, ["random", "herding"], **OPTIONS, out=tmp_path / "new" / "all.csv")  # goes on from it: nothing is missing
    assert len(json.loads((tmp_path / "new" / "all.json").read_text())["calls"]) == 3


def test_the_later_one_counts(folder: Path, tmp_path: Path) -> None:
    changed = tmp_path / "c.csv"
    changed.write_text(
        (folder / "a.csv")
        .read_text()
        .replace(",ok,", ",ok,", 1)
        .replace("toy,random,1,0,0,LR,0.", "toy,random,1,0,0,LR,1.")
    )
    changed.with_suffix(".json").write_text((folder / "a.json").read_text())
    first = merge([changed, folder / "a.csv"], tmp_path / "one.csv")
    second = merge([folder / "a.csv", changed], tmp_path / "two.csv")
    assert first["macro_f1"].iloc[0] < 1 < second["macro_f1"].iloc[0]
    assert merge([tmp_path / "one.csv"], tmp_path / "one.csv").equals(first)  # it may be one of the parts


@pytest.mark.parametrize(("part", "words"), [("tasks", "training cells"), ("methods", "other settings")])
def test_what_cannot_be_compared_is_refused(folder: Path, tmp_path: Path, part: str, words: str) -> None:
    other = tmp_path / "other.csv"
    other.write_text((folder / "a.csv").read_text())
    told = json.loads((folder / "a.json").read_text())
    if part == "tasks":
        told["tasks"]["toy"]["training"]["0"]["n_cells"] = 1
    else:
        told["methods"]["random"]["settings"] = {"new": 1}
    other.with_suffix(".json").write_text(json.dumps(told))
    with pytest.raises(InputError, match=words):
        merge([other, folder / "b.csv"], tmp_path / "all.csv")
    assert not (tmp_path / "all.csv").exists()
    # where nothing of the first one is left, there is nothing to compare
    table = merge([folder / "a.csv", folder / "b.csv", other, folder / "a.csv"], tmp_path / "all.csv")
    assert len(table) == 16


def test_a_failure_does_not_replace_a_score(folder: Path, tmp_path: Path) -> None:
    failed = tmp_path / "failed.csv"
    failed.write_text((folder / "a.csv").read_text().replace(",ok,", ",failed,", 1))
    for parts in ([folder / "a.csv", failed], [failed, folder / "a.csv"]):
        (tmp_path / "all.csv").unlink(missing_ok=True)
        assert set(merge(parts, tmp_path / "all.csv")["status"]) == {"ok"}


def test_parts_are_only_read(folder: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn.csv"
    torn.write_text((folder / "a.csv").read_text()[:-9])
    note = tmp_path / "note.json"
    note.write_text('{\n "calls": []}')
    before = torn.read_bytes(), note.read_bytes()
    assert len(merge([torn], tmp_path / "all.csv")) == 7
    with pytest.raises(InputError, match="not a results file"):
        merge([note], tmp_path / "none.csv")
    assert (torn.read_bytes(), note.read_bytes()) == before


def test_files_that_are_not_there_or_in_the_way(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not there"):
        merge([folder / "a.csv", tmp_path / "none.csv"], tmp_path / "all.csv")
    with pytest.raises(InputError, match="needs results"):
        merge([], tmp_path / "all.csv")
    with pytest.raises(InputError, match=r"ends with \.csv"):
        merge([folder / "a.csv"], tmp_path / "all.json")
    (tmp_path / "mine.csv").write_text("precious")
    with pytest.raises(InputError, match="none of the parts"):
        merge([folder / "a.csv"], tmp_path / "mine.csv")
    assert (tmp_path / "mine.csv").read_text() == "precious"


def test_command_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = f"{folder / 'a.csv'},{folder / 'b.csv'}"
    assert main(["benchmark", "--merge", parts, "--out", str(tmp_path / "all")]) == 0
    assert "herding" in capsys.readouterr().out
    assert {"benchmark.csv", "benchmark.json", "benchmark.png"} <= {path.name for path in (tmp_path / "all").iterdir()}

"""What stands beside the results, and what is refused or told because of it: other cells, settings, code, encoders."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from scdd.benchmark import METHODS, TASKS, Made, Method, run
from scdd.benchmark._prepare import prepare_training
from scdd.encoders import EncoderInfo
from scdd.encoders._self import SelfEncoder
from scdd.errors import InputError, ScddWarning

from ._toy import OPTIONS, TOY, first_cells


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mine.csv", b"a,b\n1,2\n"),
        ("mine.csv", b"my only copy of the notes, one line"),
        ("mine.csv", b"\x89HDF\r\n\x1a\n" + bytes(range(256))),
        ("mine.h5ad", b"\x89HDF\r\n\x1a\n" + bytes(range(256))),
        ("mine.json", b"{}"),
    ],
)
def test_another_file_is_not_touched(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a results file" if name == "mine.csv" else r"ends with \.csv"):
        run(TOY, ["random"], **OPTIONS, out=path)
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    run(TOY, ["random"], **OPTIONS | {"n": [1], "seeds": [0]}, out=path)
    whole = path.read_text()
    path.write_text(whole.replace(",random,1,", ",random,one,"))
    with pytest.raises(InputError, match="damaged"):
        run(TOY, ["random"], **OPTIONS, out=path)
    path.write_text(whole.splitlines()[0][:9])  # torn in its first line: there was nothing yet
    assert len(run(TOY, ["random"], **OPTIONS | {"n": [1], "seeds": [0]}, out=path)) == 2


def test_what_was_run_is_told_beside_the_results(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    run(TOY, ["random", "full"], **OPTIONS, out=path)
    told = json.loads((tmp_path / "mine.json").read_text())
    train, _ = TOY.cells(0)
    training = prepare_training(train, labels_key="cell_type", donor_key="donor")
    assert told["tasks"]["toy"]["training"]["0"] == json.loads(json.dumps(training.settings()))
    assert told["tasks"]["toy"]["held_out"] == "donors"
    assert told["methods"]["full"]["rows"] == "as many as it likes"
    assert told["calls"][0]["arguments"]["n"] == [1, 3]
    assert {"numpy", "pandas", "scipy"} <= set(told["calls"][0]["versions"])
    before = path.read_bytes()
    run(TOY, ["random", "herding"], **OPTIONS | {"n": [1]}, out=path)
    told = json.loads((tmp_path / "mine.json").read_text())
    assert len(told["calls"]) == 2
    assert all(call["seconds"] >= 0 and call["n_jobs"] == 1 for call in told["calls"])
    assert set(told["methods"]) == {"random", "full", "herding"}
    assert before != path.read_bytes()
    (tmp_path / "mine.json").write_text("{")
    with pytest.raises(InputError, match="no JSON"):
        run(TOY, ["random"], **OPTIONS, out=path)


def test_an_encoder_that_saw_the_task_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Seen(SelfEncoder):
        info = EncoderInfo(name="seen", trained_on=("GSE1", "GSE2"))

    def never(*args: Any) -> Made:
        raise AssertionError

    method = Method("with-seen", never, encoder=Seen())
    with pytest.raises(InputError, match=r"'seen' of the method 'with-seen' was trained on GSE2.*'toy'"):
        run(replace(TOY, studies=("GSE2", "GSE9")), ["random", method], **OPTIONS)
    for other in ("GSE2", ("gse2 ",)):  # a single name, another case
        with pytest.raises(InputError, match="GSE2|gse2"):
            run(replace(TOY, studies=other), [method], **OPTIONS)
    fine = replace(method, make=lambda training, n, seed: METHODS.get("random").make(training, n, seed))
    assert (run(replace(TOY, studies=("GSE9",)), [fine], **OPTIONS)["status"] == "ok").all()


def test_an_encoder_that_names_no_study_is_told() -> None:
    class Unknown(SelfEncoder):
        info = EncoderInfo(name="unknown", n_vocabulary=5)

    method = replace(METHODS.get("random"), name="with-unknown", encoder=Unknown())
    with pytest.warns(ScddWarning, match="'unknown' of the method 'with-unknown' is pretrained.*cannot be told"):
        run(TOY, [method], **OPTIONS | {"n": [1], "seeds": [0], "models": ["kNN"]})


def test_every_task_of_the_package_names_its_studies() -> None:
    assert [name for name in TASKS if not TASKS.get(name).studies and name != "simulated"] == []


def test_facts_of_methods_are_json() -> None:
    for name in METHODS:
        assert json.loads(json.dumps(METHODS.get(name).facts()))["sees"]
    assert METHODS.get("mtt").facts()["settings"]["steps"] > 0
    assert METHODS.get("scdd").facts()["settings"]["training"]["autoencoder"]["n_steps"] > 0
    assert "donors" in METHODS.get("scdd").facts()["sees"]
    assert "donors" not in METHODS.get("herding").facts()["sees"]


def test_other_cells_under_an_old_name_are_told(tmp_path: Path) -> None:
    out = tmp_path / "r.csv"
    run(TOY, ["random"], **OPTIONS, out=out)
    other = replace(TOY, load=lambda: TOY.load()[:, ::-1].copy())
    with pytest.warns(
        ScddWarning, match=r"The training and test cells of task 'toy', split 0, are not those.*genes.*new file"
    ):
        run(other, ["herding"], **OPTIONS, out=out)


def test_other_test_cells_under_an_old_name_are_told(tmp_path: Path) -> None:
    """Nothing that is chosen depends on them, so what was chosen does not tell."""
    out = tmp_path / "r.csv"
    fixed = replace(TOY, donor_key=None, load_test=TOY.load)
    run(fixed, ["random"], **OPTIONS, out=out)
    other = replace(fixed, load_test=lambda: TOY.load()[::2].copy())
    with pytest.warns(ScddWarning, match=r"The test cells of task 'toy', split 0, are not those"):
        run(other, ["herding"], **OPTIONS, out=out)


def test_a_function_that_is_written_anew_is_told(tmp_path: Path) -> None:
    out = tmp_path / "r.csv"
    run(TOY, [first_cells], **OPTIONS, out=out)

    def other(*args: Any, **kwargs: Any) -> Any:
        return first_cells(*args, **kwargs)

    other.__name__ = "first_cells"
    with pytest.warns(ScddWarning, match="'first_cells' is not written as when"):
        run(TOY, [other], **OPTIONS, out=out)
    other.__name__ = "kmeans"
    with pytest.raises(InputError, match=r"has a method 'kmeans'.*another name"):
        run(TOY, [other], **OPTIONS)


def test_two_commands_on_one_file_keep_each_others_lines(tmp_path: Path) -> None:
    out = tmp_path / "r.csv"

    def meanwhile(*args: Any, **kwargs: Any) -> Any:
        if not out.read_text().count(",random,"):
            run(TOY, ["random"], **OPTIONS, out=out)
        return first_cells(*args, **kwargs)

    run(TOY, [meanwhile], **OPTIONS, out=out)
    assert set(pd.read_csv(out)["method"]) == {"meanwhile", "random"}


def test_a_method_with_other_settings_is_refused(tmp_path: Path) -> None:
    def mine(k: int) -> Method:
        return replace(METHODS.get("random"), name="mine", settings=lambda: {"k": k, "sizes": (k, 1)})

    out = tmp_path / "r.csv"
    options = OPTIONS | {"n": [1], "models": ["kNN"], "out": out}
    run(TOY, [mine(0)], **options | {"seeds": [0]})
    before = out.read_bytes(), out.with_suffix(".json").read_bytes()
    with pytest.raises(InputError, match=r"'mine'.*k 3, before 0, sizes \[3, 1\], before \[0, 1\].*another folder"):
        run(TOY, ["random", mine(3)], **options)
    assert (out.read_bytes(), out.with_suffix(".json").read_bytes()) == before
    assert len(run(TOY, [mine(0)], **options)) == 2
    # what has failed is no score
    out.write_text(out.read_text().replace(",ok,", ",failed,"))
    assert set(run(TOY, [mine(3)], **options, retry_failed=True)["status"]) == {"ok"}

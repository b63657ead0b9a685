"""Pickled dictionaries are read without unpickling."""

from __future__ import annotations

import json
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scdd.encoders._numbers import read_mapping
from scdd.errors import EncoderError

CONTENTS: dict[str, dict[str, Any]] = {
    "numbers": {"ENSG00000000003": 2, "b": 2**40, "c": -3, "d": 1.5, "é": 300, "": 70000},
    "text": {f"name{i}": f"ENSG{i:011d}" for i in range(3000)},
    "repeated": {"a": "x", "b": "x", "c": "a"},
    "empty": {},
    "int16": {"a": np.int16(3), "b": np.int16(-400)},
    "int64": {"a": np.int64(2**50), "b": np.int64(3)},
    "float32": {"a": np.float32(0.1), "b": np.float64(1e300)},
    "big endian": {"a": np.array([5], ">i4")[0]},
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", CONTENTS)
def test_dictionaries_come_back(tmp_path: Path, name: str, protocol: int):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(CONTENTS[name], protocol=protocol))
    got = read_mapping(path)
    assert got == CONTENTS[name]
    assert list(got) == list(CONTENTS[name])
    assert all(type(value) in (int, float, str) for value in got.values())


class Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", range(6))
def test_code_is_refused_and_not_run(tmp_path: Path, protocol: int):
    trace = tmp_path / "trace"
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": Canary(trace)}, protocol=protocol))
    with pytest.raises(EncoderError, match=r"a.pkl holds more than names and numbers"):
        read_mapping(tmp_path / "a.pkl")
    assert not trace.exists()


@pytest.mark.parametrize("value", [OrderedDict(a=1), {"a": {1, 2}}, {"a": np.ones(3)}, {"a": np.datetime64("2020")}])
def test_other_types_are_refused(tmp_path: Path, value):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value))
    with pytest.raises(EncoderError, match=r"a.pkl"):
        read_mapping(tmp_path / "a.pkl")


@pytest.mark.parametrize("value", [[1, 2], "text", {1: "a"}, None])
def test_what_is_no_dictionary_of_names(tmp_path: Path, value):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value))
    with pytest.raises(EncoderError, match=r"a.pkl"):
        read_mapping(tmp_path / "a.pkl")


def test_every_cut_is_told(tmp_path: Path):
    data = pickle.dumps({"abc": 1, "def": np.int16(2), "g": "abc"}, protocol=4)
    for n in range(len(data) - 1):
        (tmp_path / "a.pkl").write_bytes(data[:n])
        with pytest.raises(EncoderError, match=r"a.pkl"):
            read_mapping(tmp_path / "a.pkl")


def test_json_and_absence(tmp_path: Path):
    (tmp_path / "a.json").write_text(json.dumps({"a": 1}))
    assert read_mapping(tmp_path / "a.json") == {"a": 1}
    with pytest.raises(EncoderError, match="is not there"):
        read_mapping(tmp_path / "b.pkl")

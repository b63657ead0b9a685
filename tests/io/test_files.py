"""Saved models: whole or not there, checked byte by byte, nothing executed."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scdd.errors import CorruptModelError, InputError
from scdd.io import FORMAT_VERSION, read_model, write_model
from scdd.io._files import check_target

TENSORS: dict[str, np.ndarray] = {
    "weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "strided": np.arange(20, dtype=np.int64)[::3],
    "mask": np.array([True, False]),
    "empty": np.zeros((0, 3), np.float32),
    "scalar": np.array(2.5, np.float32),
    "bytes.of/odd name é": np.arange(4, dtype=np.uint8),
}
CONFIG: dict[str, Any] = {
    "class": "SCDD",
    "labels": ["β-zell", 'quo"te', ""],
    "n": 3,
    "nothing": None,
    "deep": {"x": 0.1},
}
FILES = ("model.safetensors", "config.json", "manifest.json")


def content(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model", TENSORS, CONFIG)


def test_round_trip(saved: Path):
    tensors, config = read_model(saved)
    assert config == CONFIG
    assert set(tensors) == set(TENSORS)
    for name, array in TENSORS.items():
        assert tensors[name].dtype == array.dtype
        assert tensors[name].shape == array.shape
        np.testing.assert_array_equal(tensors[name], array)


def test_folder_holds_three_files_and_no_pickle(saved: Path):
    assert sorted(content(saved)) == sorted(FILES)
    assert [p.name for p in saved.parent.iterdir()] == ["model"]
    data = b"".join(content(saved).values())
    assert b"\x80\x04\x95" not in data
    assert not (saved / "model.safetensors").read_bytes().startswith((b"PK", b"\x80"))
    assert json.loads((saved / "manifest.json").read_text())["format_version"] == FORMAT_VERSION


def test_same_content_gives_the_same_bytes(saved: Path):
    assert content(write_model(saved.parent / "again", TENSORS, CONFIG)) == content(saved)


def test_others_may_read_what_the_umask_lets_them(saved: Path):
    """A temporary folder is private; a finished model follows the habits of the system."""
    plain = saved.parent / "plain"
    plain.mkdir()
    assert stat.S_IMODE(saved.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from(FILES))
def test_truncated_file_is_refused(saved: Path, name: str, data: st.DataObject):
    path = saved / name
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
        with pytest.raises(CorruptModelError):
            read_model(saved)
    finally:
        path.write_bytes(whole)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from(FILES))
def test_flipped_bit_is_refused_or_harmless(saved: Path, name: str, data: st.DataObject):
    path = saved / name
    whole = path.read_bytes()
    broken = bytearray(whole)
    broken[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        path.write_bytes(bytes(broken))
        try:
            tensors, config = read_model(saved)
        except CorruptModelError:
            return
        # a flip in the manifest that hurts no hash: the content is still the one that was written
        assert name == "manifest.json"
        assert config == CONFIG
        np.testing.assert_array_equal(tensors["weight"], TENSORS["weight"])
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("name", FILES)
def test_missing_file_is_named(saved: Path, name: str):
    (saved / name).unlink()
    with pytest.raises(CorruptModelError, match=name.replace(".", r"\.")):
        read_model(saved)


@pytest.mark.parametrize(
    "manifest",
    [
        "[]",
        "null",
        "{}",
        '{"format": "something else"}',
        '{"format": "scdd model"}',
        '{"format": "scdd model", "format_version": null, "sha256": {}}',
        '{"format": "scdd model", "format_version": "one", "sha256": {}}',
        '{"format": "scdd model", "format_version": [1], "sha256": {}}',
        '{"format": "scdd model", "format_version": 1, "sha256": null}',
        '{"format": "scdd model", "format_version": 1, "sha256": ["x"]}',
        "\x00\x01",
    ],
)
def test_strange_manifest_is_refused(saved: Path, manifest: str):
    (saved / "manifest.json").write_text(manifest)
    with pytest.raises(CorruptModelError):
        read_model(saved)


def test_newer_format_asks_for_an_upgrade(saved: Path):
    path = saved / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "format_version": FORMAT_VERSION + 1}))
    with pytest.raises(CorruptModelError, match=f"format version {FORMAT_VERSION + 1}.*Upgrade"):
        read_model(saved)


def test_what_is_no_model(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "model.pt").write_bytes(b"\x80\x04\x95")
    for path in (tmp_path, tmp_path / "file", tmp_path / "absent"):
        with pytest.raises(CorruptModelError):
            read_model(path)


def test_pickle_in_place_of_the_weights_is_not_opened(saved: Path, tmp_path: Path):
    """Even with a manifest that fits: what is not safetensors is refused, and runs nothing."""
    import hashlib
    import pickle

    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "boom",))

    data = pickle.dumps(Bomb())
    (saved / "model.safetensors").write_bytes(data)
    path = saved / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["sha256"]["model.safetensors"] = hashlib.sha256(data).hexdigest()
    path.write_text(json.dumps(manifest))
    with pytest.raises(CorruptModelError):
        read_model(saved)
    assert not (tmp_path / "boom").exists()


def test_existing_model_is_replaced_only_on_request(saved: Path):
    before = content(saved)
    with pytest.raises(InputError, match="overwrite=True"):
        write_model(saved, {}, {"new": 1})
    assert content(saved) == before
    write_model(saved, {}, {"new": 1}, overwrite=True)
    assert read_model(saved) == ({}, {"new": 1})
    assert [p.name for p in saved.parent.iterdir()] == ["model"]


def test_what_is_not_ours_is_never_replaced(tmp_path: Path):
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "thesis.tex").write_text("x")
    (tmp_path / "file").write_text("x")
    for path in (folder, tmp_path / "file"):
        with pytest.raises(InputError, match="not a saved scdd model"):
            write_model(path, TENSORS, CONFIG, overwrite=True)
    assert (folder / "thesis.tex").read_text() == "x"
    with pytest.raises(InputError, match="does not exist"):
        write_model(tmp_path / "no" / "model", TENSORS, CONFIG)


@pytest.mark.parametrize("manifest", ['{"name": "my app"}', "[1]", "no JSON", '{"format": "scdd model"}'])
def test_a_manifest_of_something_else_makes_no_model(tmp_path: Path, manifest: str):
    (tmp_path / "webapp").mkdir()
    (tmp_path / "webapp" / "manifest.json").write_text(manifest)
    with pytest.raises(InputError, match="not a saved scdd model"):
        write_model(tmp_path / "webapp", TENSORS, CONFIG, overwrite=True)
    assert (tmp_path / "webapp" / "manifest.json").read_text() == manifest


def test_files_that_were_put_into_a_model_are_kept(saved: Path):
    before = content(saved)
    (saved / "notes").mkdir()
    (saved / "precious.csv").write_text("x")
    with pytest.raises(InputError, match=r"more than a saved scdd model: notes, precious.csv\. It is not overwritten"):
        write_model(saved, {}, {}, overwrite=True)
    assert (saved / "precious.csv").read_text() == "x"
    (saved / "precious.csv").unlink()
    (saved / "notes").rmdir()
    assert content(saved) == before


def test_folder_that_cannot_be_written_to_is_told_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *_: False)
        with pytest.raises(InputError, match="cannot be written to"):
            check_target(tmp_path / "model", overwrite=False)
    error = OSError(30, "Read-only file system")
    monkeypatch.setattr(Path, "mkdir", Failing(Path.mkdir, 1, error))
    with pytest.raises(InputError, match="cannot be written to: Read-only file system"):
        write_model(tmp_path / "model", TENSORS, CONFIG)


class Failing:
    """Lets the k-th call of a function fail."""

    def __init__(self, original, at: int, error: BaseException) -> None:
        self.original, self.at, self.error, self.n = original, at, error, 0

    def __get__(self, instance, owner=None):
        return lambda *args, **kwargs: self(instance, *args, **kwargs)

    def __call__(self, *args, **kwargs):
        self.n += 1
        if self.n == self.at:
            raise self.error
        return self.original(*args, **kwargs)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["disk", "Ctrl-C"])
@pytest.mark.parametrize(
    ("what", "at"), [("fsync", 1), ("fsync", 2), ("fsync", 3), ("replace", 1), ("replace", 2)], ids=lambda v: str(v)
)
@pytest.mark.parametrize("exists", [True, False], ids=["over a model", "new"])
def test_failure_while_writing_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, at: int, error: BaseException, exists: bool
):
    target = tmp_path / "model"
    if exists:
        write_model(target, TENSORS, CONFIG)
    before = content(target) if exists else None
    with monkeypatch.context() as patch:
        if what == "fsync":
            patch.setattr(os, "fsync", Failing(os.fsync, at, error))
        else:
            # both spellings of the one system call
            failing = Failing(os.replace, at, error)
            patch.setattr(os, "replace", lambda *args, **kwargs: failing(*args, **kwargs))
            patch.setattr(Path, "replace", lambda self, other: failing(self, other))
        if what == "replace" and at == 2 and not exists:
            write_model(target, TENSORS, CONFIG, overwrite=True)  # one rename is enough
            before = content(target)
        else:
            with pytest.raises(type(error)):
                write_model(target, {"other": np.ones(3)}, {"new": 1}, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == (["model"] if before is not None else [])
    if before is not None:
        assert content(target) == before
        read_model(target)


def test_config_that_is_not_json_is_refused_before_anything_is_written(tmp_path: Path):
    with pytest.raises(TypeError):
        write_model(tmp_path / "model", TENSORS, {"x": object()})
    assert list(tmp_path.iterdir()) == []

"""The file beside the results: what was run, on what, with which versions."""

from __future__ import annotations

import datetime
import json
import os
import platform
import warnings
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from scdd._atomic import write_text
from scdd._version import versions
from scdd.benchmark._methods import Method
from scdd.benchmark._task import Task
from scdd.errors import InputError, ScddWarning

__all__ = ["Provenance", "provenance_path", "read_provenance"]

_MORE = (
    "pandas",
    "scipy",
    "geosketch",
    "lightgbm",
    "celltypist",
    "scib-metrics",
)  # what baselines, models and figures use


def provenance_path(results: str | os.PathLike[str]) -> Path:
    """Return the path of the provenance of a results file: ``benchmark.json`` beside ``benchmark.csv``."""
    return Path(results).expanduser().with_suffix(".json")


def read_provenance(results: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the provenance of a results file; empty parts where there is none.

    Raises
    ------
    scdd.errors.InputError
        If the file is no JSON.
    """
    path = provenance_path(results)
    empty: dict[str, Any] = {"calls": [], "tasks": {}, "methods": {}}
    if not path.is_file():
        return empty
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"{path} is no JSON ({error}). Move it away: it is written anew, without what it told of earlier runs."
        raise InputError(msg) from error
    return empty | found


class Provenance:
    """Collects what is told of a run, and writes it beside the results; nothing is written where there is no path.

    Parameters
    ----------
    results
        Path of the results, or None.
    arguments
        Arguments of this call, JSON-safe.
    """

    def __init__(self, results: str | os.PathLike[str] | None, arguments: Mapping[str, Any]) -> None:
        self.path = None if results is None else provenance_path(results)
        if results is None:
            return
        self._told = read_provenance(results)
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        call = {
            "date": now,
            "arguments": dict(arguments),
            "versions": versions(*_MORE) | {"python": platform.python_version()},
        }
        self._told["calls"].append(call)

    def refuse_changed(self, methods: Sequence[Method], scored: Container[str]) -> None:
        """Refuse methods that have scores here, made with other settings: old and new ones cannot be compared.

        Of a function whose text is another, a warning tells: what has changed may be a comment.

        Raises
        ------
        scdd.errors.InputError
            If there is one.
        """
        if self.path is None:
            return
        for method in methods:
            before, now = self._told["methods"].get(method.name), json.loads(json.dumps(method.facts()))
            if before is None or method.name not in scored:
                continue
            before = dict(before)
            if before.pop("code", None) != now.pop("code", None):
                msg = (
                    f"The function {method.name!r} is not written as when scores beside {self.path} were made: these are "
                    "kept, and it makes only those that are missing. Write to another folder to run it anew."
                )
                warnings.warn(msg, ScddWarning, stacklevel=3)
            if before != now:
                msg = (
                    f"The method {method.name!r} has other settings now ({_changes(before, now)}) than the scores beside "
                    f"{self.path}: old and new ones cannot be compared. Write to another folder, or leave the method out."
                )
                raise InputError(msg)

    def add(self, tasks: Sequence[Task], methods: Sequence[Method]) -> None:
        """Tell of tasks and methods; what was told of the cells of a task is kept."""
        if self.path is None:
            return
        for task in tasks:
            facts = {"kind": task.kind, "held_out": task.split_by, "note": task.note, "studies": list(task.studies)}
            self._told["tasks"].setdefault(task.name, {}).update(facts)
        for method in methods:
            self._told["methods"][method.name] = method.facts()

    def add_cells(self, task: str, split: int, cells: Mapping[str, Mapping[str, Any]]) -> None:
        """Tell what the cells of a split are, ``training`` and ``test``, by hashes; write what is new."""
        if self.path is None:
            return
        told = self._told["tasks"].setdefault(task, {})
        before = {kind: told.setdefault(kind, {}).get(str(split)) for kind in cells}
        if before == cells:
            return
        if changed := [kind for kind in cells if before[kind] not in (None, cells[kind])]:
            parts = sorted(
                {name for kind in changed for name in cells[kind] if before[kind].get(name) != cells[kind][name]}
            )
            msg = (
                f"The {' and '.join(changed)} cells of task {task!r}, split {split}, are not those of earlier runs in this "
                f"file ({', '.join(parts)} changed): old and new scores cannot be compared. Write to a new file."
            )
            warnings.warn(msg, ScddWarning, stacklevel=2)
        for kind, settings in cells.items():
            told[kind][str(split)] = dict(settings)
        self.write()

    def took(self, seconds: float, *, n_jobs: int) -> None:
        """Tell how long this call took, also where it was stopped: the hours of a grid are the sum over its calls."""
        if self.path is None:
            return
        self._told["calls"][-1] |= {"seconds": round(seconds, 3), "n_jobs": n_jobs}
        self.write()

    def exists(self) -> bool:
        """Tell whether there is such a file, or none is wanted."""
        return self.path is None or self.path.is_file()

    def write(self) -> None:
        """Write the file as a whole, or leave the one that is there."""
        if self.path is not None:
            write_text(self.path, json.dumps(self._told, indent=1, sort_keys=True))


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return what differs between the facts of a method: now, and before."""
    old, new = ({**facts, **facts["settings"], "settings": None} for facts in (before, now))
    return ", ".join(
        f"{name} {new.get(name, 'absent')}, before {old.get(name, 'absent')}"
        for name in sorted({*old, *new})
        if old.get(name, "absent") != new.get(name, "absent")
    )

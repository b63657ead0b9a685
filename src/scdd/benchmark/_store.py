"""The results file: one line for each model of each run, appended as they come, sorted at the end."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scdd._atomic import write_text
from scdd.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COLUMNS",
    "KEY",
    "MEASURED",
    "NESTED",
    "NOT_JUDGED",
    "SCORES",
    "Store",
    "check_metric",
    "read_results",
    "results_of",
    "results_path",
]

KEY = ("task", "method", "n", "split", "seed", "model")
SCORES = ("macro_f1", "balanced_accuracy", "accuracy")
NESTED = ("f1", "donors", "quality")  # JSON: a value for each class, for each donor; value and floor of each figure
MEASURED = ("seconds", "peak_mb")  # what differs from run to run
COLUMNS = (*KEY, *SCORES, "n_classes", "rows", "bytes", "status", "message", *NESTED, *MEASURED)
_INTEGERS = ("n", "split", "seed")
_NUMBERS = (*SCORES, "n_classes", "rows", "bytes", *MEASURED)  # empty where a run failed
_MAX_MESSAGE = 300
NOT_JUDGED = "quality: "  # begins the message of a run that has scores, but no quality

Key = tuple[str, ...]


class Store:
    """Results on disk, or in memory where there is no path.

    Parameters
    ----------
    path
        CSV file; what it holds already is kept. A last line that was torn by an interruption is dropped.

    Raises
    ------
    scdd.errors.InputError
        If the name does not end with .csv, or the file is no results file: it is left as it is.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = None if path is None else results_path(path)
        self._lines: dict[Key, tuple[str, ...]] = {}
        if self.path is not None:
            self._open(self.path)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Store:
        """Return the lines of a results file in memory; nothing is ever written to the file."""
        store, source = cls(), Path(path).expanduser()
        store._fill(source, _whole_lines(source, source.read_bytes()))
        return store

    def _open(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        data = path.read_bytes() if path.exists() else b""
        if _csv([COLUMNS]).encode().startswith(data):  # new, or torn in its first line
            path.write_text(_csv([COLUMNS]), encoding="utf-8", newline="\n")
            return
        whole = _whole_lines(path, data)
        self._fill(path, whole)
        if whole != data:
            with path.open("r+b") as file:
                file.truncate(len(whole))

    def _fill(self, path: Path, data: bytes) -> None:
        try:
            for line in list(csv.reader(io.StringIO(data.decode("utf-8"))))[1:]:
                self._put(tuple(line))
            self.frame()
        except (ValueError, csv.Error) as error:
            msg = f"{path} is a damaged results file: {error}."
            raise InputError(msg) from error

    def _put(self, line: tuple[str, ...]) -> None:
        self._lines[line[: len(KEY)]] = line

    def missing(
        self, run: Sequence[Any], models: Sequence[str], *, retry_failed: bool = False, quality: bool = False
    ) -> list[str]:
        """Return the models for which a run (task, method, n, split, seed) has no line yet, or none with its quality."""
        status, judged, message = (COLUMNS.index(name) for name in ("status", "quality", "message"))
        first = tuple(map(str, run))
        out = []
        for model in models:
            line = self._lines.get((*first, model))
            if line is None:
                out.append(model)
            elif line[status] == "failed":
                out += [model] if retry_failed else []
            elif quality and not line[judged] and (retry_failed or not line[message].startswith(NOT_JUDGED)):
                out.append(model)
        return out

    def scored(self) -> set[str]:
        """Return the methods that have a score."""
        status = COLUMNS.index("status")
        return {line[KEY.index("method")] for line in self._lines.values() if line[status] == "ok"}

    def append(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Write the lines of a run at once."""
        lines = [_line(record) for record in records]
        for line in lines:
            self._put(line)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8", newline="") as file:
                file.write(_csv(lines))

    def take(self, other: Store) -> None:
        """Take the lines of another store; where both have one, that of the other counts, unless it alone failed."""
        status = COLUMNS.index("status")
        for key, line in other._lines.items():
            if key not in self._lines or line[status] != "failed" or self._lines[key][status] == "failed":
                self._lines[key] = line

    def kept_of(self, other: Store) -> set[tuple[str, str, str]]:
        """Return task, method and split of the lines that were taken from another store and are still here."""
        here = self._lines
        return {(key[0], key[1], key[3]) for key, line in other._lines.items() if here.get(key) is line}

    def finish(self) -> None:
        """Sort the file; it is replaced as a whole, with what another command has appended in the meantime."""
        if self.path is not None:
            if self.path.exists():
                for key, line in Store.read(self.path)._lines.items():
                    self._lines.setdefault(key, line)
            write_text(self.path, _csv([COLUMNS, *self._sorted()]))

    def frame(self) -> pd.DataFrame:
        """Return all results, sorted."""
        return _frame(_csv([COLUMNS, *self._sorted()]))

    def _sorted(self) -> list[tuple[str, ...]]:
        def order(key: Key) -> tuple[Any, ...]:
            task, method, n, split, seed, model = key
            return task, method, int(n), int(split), int(seed), model

        return [self._lines[key] for key in sorted(self._lines, key=order)]


def results_path(path: str | os.PathLike[str]) -> Path:
    """Return the path to write results to.

    Raises
    ------
    scdd.errors.InputError
        If its name does not end with .csv.
    """
    target = Path(path).expanduser()
    if target.suffix != ".csv":
        # what stands beside it has the same name with another ending, which would replace it
        msg = f"Results are written to a file whose name ends with .csv, got {str(target)!r}."
        raise InputError(msg)
    return target


def check_metric(metric: str) -> None:
    """Refuse a score that results do not hold.

    Raises
    ------
    scdd.errors.InputError
        If there is no such score.
    """
    if metric not in SCORES:
        msg = f"Unknown metric {metric!r}. Available: {', '.join(SCORES)}."
        raise InputError(msg)


def read_results(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a results file.

    Raises
    ------
    scdd.errors.InputError
        If it is none, or damaged.
    """
    return Store.read(path).frame()


def results_of(results: pd.DataFrame | str | os.PathLike[str]) -> pd.DataFrame:
    """Return a results table, read where a path is given; columns that only some tables need are filled up.

    Raises
    ------
    scdd.errors.InputError
        If a column is missing without which nothing can be told.
    """
    import pandas as pd

    if not isinstance(results, pd.DataFrame):
        return read_results(results)
    missing = [name for name in (*KEY, "status") if name not in results]
    if missing or not set(SCORES) & set(results):
        msg = (
            f"The results lack the columns {', '.join(missing or SCORES)}: pass what scdd.benchmark.run returned, or the "
            "path of its CSV."
        )
        raise InputError(msg)
    empty = {name: float("nan") if name in _NUMBERS else "" for name in COLUMNS if name not in results}
    return results.assign(**empty) if empty else results


def _frame(text: str) -> pd.DataFrame:
    import pandas as pd

    words = dict.fromkeys(("task", "method", "model", "status", "message", *NESTED), str)
    # a task may be called "nan": only empty fields are missing values
    table = pd.read_csv(io.StringIO(text), dtype=words, keep_default_na=False, na_values=dict.fromkeys(_NUMBERS, [""]))
    types = dict.fromkeys(_INTEGERS, "int64") | dict.fromkeys(_NUMBERS, "float64")
    return table.astype(types | dict.fromkeys(("n_classes", "rows", "bytes"), "Int64"))


def _whole_lines(path: Path, data: bytes) -> bytes:
    """Return what a results file holds, without a last line that was torn; refuse what is no results file."""
    first, _, _ = data.partition(b"\n")
    columns = tuple(first.decode("utf-8", errors="replace").rstrip("\r").split(","))
    if columns != COLUMNS:
        raise InputError(_wrong_columns(path, columns))
    return data[: data.rfind(b"\n") + 1]


def _wrong_columns(path: Path, found: Sequence[str]) -> str:
    if tuple(found[: len(KEY)]) == KEY:
        return (
            f"{path} is a results file of another version of scdd: its columns are {', '.join(found)}. Move it away, or "
            "go on with the version that wrote it."
        )
    return f"{path} is not a results file of scdd.benchmark: it begins with {','.join(found)[:60]!r}."


def _line(record: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(_text(name, record.get(name, "")) for name in COLUMNS)


def _text(name: str, value: Any) -> str:
    if name in SCORES:
        return "" if value == "" else f"{value:.6f}"
    if name in MEASURED:
        return "" if value == "" or value is None else f"{value:.2f}"
    if name in NESTED:
        values = {key: _rounded(number) for key, number in value.items()} if value else {}
        return json.dumps(values, separators=(",", ":"), ensure_ascii=True) if values else ""
    # one line of the file is one line of text, so that a torn one can be told
    return " ".join(str(value).split())[:_MAX_MESSAGE]


def _rounded(value: Any) -> Any:
    """Return a number, or a pair of numbers, with 3 decimals; what is not finite is null."""
    if isinstance(value, tuple | list):
        return [_rounded(part) for part in value]
    return round(value, 3) if math.isfinite(value) else None


def _csv(lines: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()

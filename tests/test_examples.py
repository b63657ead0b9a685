"""The examples of the docstrings run and print what they say, with a small budget where they train a model."""

from __future__ import annotations

import doctest
import importlib
import io
import pkgutil
from pathlib import Path

import pytest

import scdd

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def _with_examples() -> list[str]:
    """Names of the modules whose source holds an example; only these are imported."""
    modules = pkgutil.walk_packages(scdd.__path__, "scdd.", onerror=lambda _: None)
    root = Path(scdd.__path__[0])
    names = []
    for info in modules:
        path = root.joinpath(*info.name.split(".")[1:])
        source = path / "__init__.py" if info.ispkg else path.with_suffix(".py")
        if ">>>" in source.read_text(encoding="utf-8"):
            names.append(info.name)
    return names


def _examples() -> list[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for name in _with_examples() for test in finder.find(importlib.import_module(name), name)]
    return [test for test in found if test.examples]


@pytest.mark.usefixtures("small_budget")
@pytest.mark.parametrize("example", [pytest.param(test, id=test.name) for test in _examples()])
def test_example(example: doctest.DocTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    report = io.StringIO()
    result = doctest.DocTestRunner(optionflags=FLAGS).run(example, out=report.write)
    assert result.failed == 0, report.getvalue()

"""The check of the tutorials: what counts as drift. The tutorials themselves run in ``hatch run nightly``."""

from __future__ import annotations

import doctest
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tutorials", ROOT / "scripts" / "tutorials.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def notebook(*texts: str, tags: tuple[str, ...] = ()) -> Any:
    cells = []
    for text in texts:
        output = nbformat.v4.new_output("stream", name="stdout", text=text)
        cells.append(nbformat.v4.new_code_cell("", outputs=[output], metadata={"tags": list(tags)}))
    return nbformat.v4.new_notebook(cells=cells)


def test_examples_of_the_script(script: ModuleType) -> None:
    assert doctest.testmod(script).failed == 0


def test_drift_is_text_or_a_number_that_is_far_off(script: ModuleType) -> None:
    old = notebook("kNN 0.943 of 2,387 cells", "beta  963")
    assert script.drift(old, notebook("kNN 0.938 of 2,386 cells", "beta 963")) == []
    assert script.drift(old, notebook("kNN 0.90 of 2,387 cells", "beta 963")) == []  # 5 % and a little
    assert script.drift(old, notebook("kNN 0.80 of 2,387 cells", "beta 963")) == ["cell 0: 0.943 became 0.80"]
    assert script.drift(old, notebook("kNN 0.943 of 2,387 cells", "alpha 963"))[0].startswith(
        "cell 1: 'beta  963' became"
    )
    assert script.drift(notebook("0.1"), notebook("-0.1")) == ["cell 0: 0.1 became -0.1"]


def test_what_varies_is_not_compared_where_a_cell_says_so(script: ModuleType) -> None:
    old = notebook("24 s", tags=("varies",))
    assert script.drift(old, notebook("240 s")) == []
    silent = notebook("24 s")
    silent.cells[0].outputs = []
    assert script.drift(old, silent) == ["cell 0: 1 outputs became 0"]


def test_what_is_printed_in_pieces_is_one_text(script: ModuleType) -> None:
    old, new = notebook("one\ntwo\n"), notebook("one\n")
    new.cells[0].outputs.append(nbformat.v4.new_output("stream", name="stderr", text="of a library"))
    new.cells[0].outputs.append(nbformat.v4.new_output("stream", name="stdout", text="two\n"))
    assert script.drift(old, new) == []


def test_each_tutorial_is_executed_and_on_the_page() -> None:
    listed = (ROOT / "tutorials" / "index.md").read_text(encoding="utf-8").split()
    for path in sorted((ROOT / "tutorials").glob("*.ipynb")):
        assert path.stem in listed
        stored = nbformat.read(path, as_version=4)
        code = [cell for cell in stored.cells if cell.cell_type == "code"]
        assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), (
            f"{path.name}: not from top to bottom"
        )
        assert any("image/png" in output.get("data", {}) for cell in code for output in cell.outputs)
        assert all(output.output_type != "error" for cell in code for output in cell.outputs)

"""What holds for the package as a whole."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.resources
import json
import pkgutil
import subprocess
import sys

import pytest

import scdd

HEAVY = ("anndata", "lightning", "matplotlib", "pandas", "scanpy", "scvi", "sklearn", "torch", "typer")


def _public_modules() -> list[str]:
    """All modules of scdd that no part of the path hides behind an underscore."""
    names = [info.name for info in pkgutil.walk_packages(scdd.__path__, "scdd.")]
    return ["scdd", *(name for name in names if not any(part.startswith("_") for part in name.split(".")))]


def _run(code: str) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_loads_nothing_heavy() -> None:
    code = f"import json, sys; import scdd; print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    assert json.loads(_run(code)) == []


def test_import_takes_less_than_a_second() -> None:
    code = "import time; start = time.perf_counter(); import scdd; print(time.perf_counter() - start)"
    # the best of three: what else runs on the machine is no part of the claim
    assert min(float(_run(code)) for _ in range(3)) < 1.0


def test_import_changes_nothing_global() -> None:
    code = """
import logging, random, warnings
before = (list(warnings.filters), list(logging.root.handlers), logging.root.level, random.getstate())
import scdd
assert before == (list(warnings.filters), list(logging.root.handlers), logging.root.level, random.getstate())
logger = logging.getLogger("scdd")
assert [type(handler) for handler in logger.handlers] == [logging.NullHandler]
assert logger.propagate
"""
    _run(code)


def test_the_model_and_its_packages_draw_nothing_while_they_are_imported() -> None:
    _run("""
import numpy as np
before = repr(np.random.get_state())
import scdd
scdd.model.SCDD, scdd.tl.distill, scdd.pl.compare, scdd.benchmark.run, scdd.encoders.get
assert repr(np.random.get_state()) == before
""")


def test_version_is_that_of_the_metadata() -> None:
    assert scdd.__version__ == importlib.metadata.version("scdd")


def test_types_are_shipped() -> None:
    assert importlib.resources.files("scdd").joinpath("py.typed").is_file()


def test_dir_lists_what_can_be_reached() -> None:
    assert set(scdd.__all__) <= set(dir(scdd))


def test_unknown_attribute_is_named() -> None:
    with pytest.raises(AttributeError, match="no_such_room"):
        scdd.no_such_room  # noqa: B018


@pytest.mark.parametrize("name", _public_modules())
def test_public_names_resolve(name: str) -> None:
    module = importlib.import_module(name)
    public = getattr(module, "__all__", [])
    assert len(public) == len(set(public)), f"{name}.__all__ names something twice."
    missing = [item for item in public if not hasattr(module, item)]
    assert not missing, f"{name}.__all__ names what does not exist: {missing}"

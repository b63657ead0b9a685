"""The rules of the house: who imports whom, what is forbidden, what every public function tells."""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import scdd

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "scdd"
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400

PURE = ("baselines", "distill", "metrics", "module", "objectives")  # arrays and tensors only
PLUMBING = ("anndata", "lightning", "mudata", "pytorch_lightning", "scanpy", "scvi")
EDGES = (
    "__main__",
    "_report",
    "benchmark",
    "cli",
    "demo",
    "io",
    "model",
    "pl",
    "pp",
    "tl",
)  # nothing below may import them
DOORS = ("encoders/_pretrain/",)  # reached through a room below, though they take AnnData and write models
MAY_IMPORT_SCVI = (
    "model/",
    "_compat.py",
    "encoders/_scvi.py",
    "encoders/_scvi_saved.py",
    "benchmark/_scvi.py",
    "benchmark/_tools.py",
)

FORBIDDEN_MODULES = ("cPickle", "cloudpickle", "dill", "pickle", "shelve")
FORBIDDEN_CALLS = (
    "joblib.dump",
    "joblib.load",
    "logging.basicConfig",
    "np.random.seed",
    "numpy.random.seed",
    "random.seed",
    "seed_everything",
    "torch.cuda.manual_seed_all",
    "torch.load",
    "torch.save",
)
# allowed below a context manager that puts the global state back
RESTORED = {
    "fork_rng": ("torch.manual_seed",),
    "catch_warnings": ("warnings.filterwarnings", "warnings.simplefilter"),
}

file_cases = pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _imports(path: Path) -> Iterator[tuple[str, int]]:
    """All modules that a file imports, anywhere in it, with their lines."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno} imports relatively."
            module = node.module or ""
            yield module, node.lineno
            if module == "scdd":
                yield from ((f"scdd.{alias.name}", node.lineno) for alias in node.names)


def _belongs(module: str, names: tuple[str, ...]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func) if isinstance(node.func, ast.Attribute | ast.Name) else ""


def _public() -> Iterator[tuple[str, Any]]:
    for room in scdd.__all__:
        # settings is an object, and has no parts
        module = getattr(scdd, room)
        for name in getattr(module, "__all__", ()):
            yield f"{room}.{name}", getattr(module, name)


PUBLIC = dict(_public())
FUNCTIONS = {name: thing for name, thing in PUBLIC.items() if isinstance(thing, FunctionType)}
function_cases = pytest.mark.parametrize("name", FUNCTIONS)


# -- who imports whom -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", PURE)
def test_maths_knows_no_plumbing(room: str) -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)}:{line} {module}"
        for path in (PACKAGE / room).rglob("*.py")
        for module, line in _imports(path)
        if _belongs(module, PLUMBING)
    ]
    assert not wrong, f"scdd.{room} takes arrays and tensors only: {wrong}"


def test_nothing_below_imports_the_edges() -> None:
    edges = tuple(f"scdd.{name}" for name in EDGES)
    wrong = [
        f"{path.relative_to(PACKAGE)}:{line} {module}"
        for path in FILES
        if path.relative_to(PACKAGE).parts[0].removesuffix(".py") not in (*EDGES, "__init__", "datasets")
        and not path.relative_to(PACKAGE).as_posix().startswith(DOORS)
        for module, line in _imports(path)
        if _belongs(module, edges)
    ]
    assert not wrong, f"What stands below must not know what stands above: {wrong}"


def test_scvi_is_imported_where_it_belongs() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in FILES
        if not path.relative_to(PACKAGE).as_posix().startswith(MAY_IMPORT_SCVI)
        for module, line in _imports(path)
        if _belongs(module, ("scvi",))
    ]
    assert not wrong, f"scvi-tools may be imported in {MAY_IMPORT_SCVI} only: {wrong}"


@pytest.mark.parametrize("room", ["benchmark", "cli", "datasets", "io", "pl", "pp", "tl"])
def test_the_edges_load_heavy_things_when_used(room: str) -> None:
    code = f"""
import json, sys
import scdd.{room}
print(json.dumps([name for name in ("lightning", "matplotlib.pyplot", "scanpy", "scvi", "torch") if name in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


# -- what is forbidden ------------------------------------------------------------------------------------------------


def test_no_file_is_too_long() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for folder in (PACKAGE, ROOT / "tests")
        for path in folder.rglob("*.py")
    }
    assert not {name: n for name, n in lengths.items() if n > MAX_LINES}


def _inside(tree: ast.Module, manager: str) -> set[int]:
    """Ids of all nodes below a ``with`` of this context manager."""
    return {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.With) and any(manager in ast.unparse(item.context_expr) for item in node.items)
        for inner in ast.walk(node)
    }


def _weights_only(call: ast.Call) -> bool:
    """Released checkpoints are files of torch: they are read where the call itself says that only weights are taken."""
    return any(
        k.arg == "weights_only" and isinstance(k.value, ast.Constant) and k.value.value is True for k in call.keywords
    )


@file_cases
def test_no_pickle_no_global_seed_no_global_filter(path: Path) -> None:
    tree = _tree(path)
    wrong = [f"{line} {module}" for module, line in _imports(path) if _belongs(module, FORBIDDEN_MODULES)]
    # layers of torch draw their weights from the global stream: seeding it is fine where it is put back
    restored = {name: _inside(tree, manager) for manager, names in RESTORED.items() for name in names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = _called(node)
            if name == "torch.load" and _weights_only(node):
                continue
            if name in FORBIDDEN_CALLS or name.endswith(".seed_everything"):
                wrong.append(f"{node.lineno} {name}")
            if name in restored and id(node) not in restored[name]:
                wrong.append(f"{node.lineno} {name} changes global state and does not put it back")
    assert not wrong, wrong


# -- what every public function tells ---------------------------------------------------------------------------------


def _section(doc: str, title: str) -> str | None:
    match = re.search(rf"^{title}\n-+\n(.*?)(?=^\S[^\n]*\n-+\n|\Z)", doc, flags=re.DOTALL | re.MULTILINE)
    return match.group(1) if match else None


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


@function_cases
def test_docstring_is_complete(name: str) -> None:
    function = FUNCTIONS[name]
    doc = inspect.getdoc(function) or ""
    assert doc, "no docstring"
    names = [parameter.name for parameter in _parameters(function)]
    if names:
        body = _section(doc, "Parameters")
        assert body is not None, "no Parameters section"
        heads = [line.split(":")[0] for line in body.splitlines() if line and not line.startswith(" ")]
        told = [part.strip().lstrip("*") for head in heads for part in head.split(",")]
        assert told == names, "the Parameters section and the signature differ"
    if inspect.signature(function).return_annotation not in (None, "None"):
        assert any(_section(doc, title) is not None for title in ("Returns", "Yields")), "no Returns section"
    assert ">>>" in (_section(doc, "Examples") or ""), "no Examples section that runs"


@function_cases
def test_options_are_keyword_only(name: str) -> None:
    positional = [p for p in _parameters(FUNCTIONS[name]) if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    room = name.split(".")[0]
    if room in (*PURE, "data", "io"):
        # the arrays that a formula or a file is about may stand in their order, what has a default may not
        assert len(positional) <= 5, f"keyword-only from the sixth on: {positional}"
        positional = [p for p in positional[2:] if p.default is not p.empty]
        assert not positional, f"keyword-only, as they have a default: {positional}"
    else:
        # a tool may take its data, its budget and its method: coreset(adata, 10, "herding")
        limit = 3 if room == "tl" else 2
        assert len(positional) <= limit, f"keyword-only from number {limit + 1} on: {positional}"


@function_cases
def test_everything_is_typed_and_typos_are_not_swallowed(name: str) -> None:
    function = FUNCTIONS[name]
    bare = [p.name for p in _parameters(function) if p.annotation is p.empty]
    assert not bare, f"no type: {bare}"
    assert inspect.signature(function).return_annotation is not inspect.Signature.empty, "no type of the result"
    assert not [p.name for p in _parameters(function) if p.kind is p.VAR_KEYWORD], "**kwargs swallow typos"


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name.startswith(("tl.", "pl."))])
def test_tools_take_the_data_first(name: str) -> None:
    first = _parameters(FUNCTIONS[name])[0]
    # these draw a table of scores, and what a model remembers of its training
    data = {"pl.benchmark": "DataFrame", "pl.utility": "DataFrame", "pl.training": "SCDD"}.get(name, "AnnData")
    assert data in str(first.annotation), f"the first parameter is {first}"
    assert first.kind is first.POSITIONAL_OR_KEYWORD


@pytest.mark.parametrize("name", [name for name, thing in PUBLIC.items() if inspect.isclass(thing)])
def test_public_classes_are_documented(name: str) -> None:
    cls = PUBLIC[name]
    assert cls.__doc__, "no docstring"
    methods = [key for key, value in vars(cls).items() if isinstance(value, FunctionType) and not key.startswith("_")]
    # an overriding method may leave the words to what it overrides
    assert not [key for key in methods if not inspect.getdoc(getattr(cls, key))]


def test_each_part_can_be_imported_first() -> None:
    """No circle of imports depends on which part of the package comes first."""
    script = """
import importlib, pkgutil, sys, scdd
names = [m.name for m in pkgutil.iter_modules(scdd.__path__, "scdd.") if m.name != "scdd.__main__"]
for name in names:
    for loaded in [m for m in sys.modules if m.partition(".")[0] == "scdd"]:
        del sys.modules[loaded]
    importlib.import_module(name)
print(len(names))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20

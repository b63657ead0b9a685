"""Every public function tells its parameters, what it returns and raises, and shows an example (which tests/test_examples.py runs)."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import scdd

PARTS = (
    "baselines", "benchmark", "data", "datasets", "distill", "encoders", "io", "metrics", "model", "module", "objectives",
    "pl", "pp", "tl", "train",
)  # fmt: skip


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    for part in PARTS:
        module = importlib.import_module(f"scdd.{part}")
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isfunction(thing):
                yield f"{part}.{name}", thing
    # the methods that a user of the model calls
    for name, thing in vars(scdd.model.SCDD).items():
        if not name.startswith("_"):
            if isinstance(thing, classmethod):
                thing = thing.__func__
            if inspect.isfunction(thing):
                yield f"model.SCDD.{name}", thing


def sections(text: str) -> dict[str, str]:
    parts = re.split(r"^([A-Z][a-z]+)\n-{3,}\n", text, flags=re.M)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


@pytest.mark.parametrize(("path", "function"), [pytest.param(*found, id=found[0]) for found in functions()])
def test_a_public_function_is_told(path: str, function: Callable[..., Any]) -> None:
    told = sections(inspect.getdoc(function) or "")
    signature = inspect.signature(function)
    parameters = [name for name in signature.parameters if name not in ("self", "cls")]
    lines = [line for line in told.get("Parameters", "").splitlines() if line and line[0] != " "]
    named = {name.strip(" *") for line in lines for name in line.split(",")}
    assert set(parameters) <= named, "parameters that are not told"
    returns = signature.return_annotation not in ("None", None, inspect.Signature.empty)
    assert not returns or {"Returns", "Yields"} & set(told) or told[""].startswith("Return"), (
        "what it returns is not told"
    )
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    raises = any(isinstance(node, ast.Raise) and node.exc is not None for node in ast.walk(tree))
    assert not raises or "Raises" in told, "what it raises is not told"
    assert path.startswith("model.") or "Examples" in told, "there is no example"

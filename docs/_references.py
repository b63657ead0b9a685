"""Let a reference to a private path, or to a bare name, find the public page.

A type hint names the module that defines a class (``scdd.data._source.Source``), the page has the name that users import
(``scdd.data.Source``), and a docstring may say just ``Source``.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sphinx.util.nodes import make_refnode

if TYPE_CHECKING:
    from docutils.nodes import Element
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

SOURCE = Path(__file__).resolve().parents[1] / "src"


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: Element) -> Element | None:
    """Find the one public object whose path ends as the target does; leave everything else to Sphinx."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    parts = target.split(".")
    private = parts[0] == "scdd" and any(part.startswith("_") for part in parts)
    if parts[0] == "scdd" and not private:
        # a module without a page stays without a link; any other public path that leads nowhere is a mistake to be told
        return contnode if (SOURCE / target.replace(".", "/")).is_dir() else None
    # drop the private folders, keep what may be a class before a method
    tail = [part for part in parts if not part.startswith("_")][-2 if len(parts) > 1 and not private else -1 :]
    objects = env.domains["py"].objects
    found = [name for name in objects if name.startswith("scdd.") and name.split(".")[-len(tail) :] == tail]
    if len(found) == 1:
        entry = objects[found[0]]
        return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, contnode, found[0])
    return contnode if private or tail[-1] in _defined() else None


@cache
def _defined() -> frozenset[str]:
    """Names that the modules of scdd define: those without a page are private, and stay without a link."""
    names: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                names.add(node.name)
            elif isinstance(node, ast.Assign):
                names.update(target.id for target in node.targets if isinstance(target, ast.Name))
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names.add(node.target.id)
    return frozenset(names)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register as a Sphinx extension."""
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Leave the Returns section of a docstring as the prose that it is.

Napoleon reads ``name : type`` into every line of it that holds a colon, and into the items of a list.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_TITLES = ("Returns", "Yields")


def keep(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Turn the section into a field, before Napoleon sees it."""
    heads = [i for i in range(len(lines) - 1) if _is_rule(lines[i + 1]) and lines[i].strip() and lines[i][0] != " "]
    for k, start in reversed(list(enumerate(heads))):
        if lines[start].strip() not in _TITLES:
            continue
        stop = heads[k + 1] if k + 1 < len(heads) else len(lines)
        first, *rest = lines[start + 2 : stop]
        field = [f":{lines[start].strip().lower()}: {first}", *(f"    {line}" if line.strip() else "" for line in rest)]
        # two empty lines end a section of Napoleon's
        lines[start:stop] = ["", "", *field, "", ""]


def _is_rule(line: str) -> bool:
    return re.fullmatch(r"-{3,}\s*", line) is not None


def setup(app: Sphinx) -> dict[str, bool]:
    """Register as a Sphinx extension."""
    app.connect("autodoc-process-docstring", keep, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Write the API pages from what the package makes public, so that they cannot fall behind it."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

from scdd._registry import Registry

# order and titles; a folder that makes nothing public yet gets no page
SECTIONS = {
    "pp": "Preprocessing: `pp`",
    "tl": "Tools: `tl`",
    "pl": "Plotting: `pl`",
    "model": "Model: `model`",
    "encoders": "Encoders: `encoders`",
    "objectives": "Objectives: `objectives`",
    "baselines": "Baselines: `baselines`",
    "metrics": "Metrics: `metrics`",
    "benchmark": "Benchmark: `benchmark`",
    "datasets": "Data sets: `datasets`",
    "data": "Access to data: `data`",
    "io": "Files: `io`",
    "train": "Training: `train`",
    "module": "Torch modules: `module`",
    "distill": "Distillation on tensors: `distill`",
    "errors": "Errors: `errors`",
}


SETTINGS = """# Settings: `settings`

What holds wherever a call does not say otherwise; an argument of a call wins.

```python
scdd.settings.seed = 1
scdd.settings.progress = False
with scdd.settings.override(verbosity=0):  # no warnings, no progress bars in this block
    syn = scdd.tl.distill(adata)
```

```{eval-rst}
.. py:data:: scdd.settings

    The only object of :class:`scdd._settings.Settings`.

.. autoclass:: scdd._settings.Settings
    :members:
```
"""

INDEX = """# Parts of the package

```{{toctree}}
:maxdepth: 2

{pages}
```
"""


def write(folder: Path) -> None:
    """Write one page for each part of the package, and their table of contents, into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for stub in folder.glob(
        "scdd.*.rst"
    ):  # autosummary writes them anew; one of a name that is gone would be an orphan
        stub.unlink()
    pages = {name: _page(name, title) for name, title in SECTIONS.items()}
    pages["settings"] = SETTINGS
    pages["index"] = INDEX.format(pages="\n".join(name for name, text in pages.items() if text))
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not text:
            path.unlink(missing_ok=True)
        elif not path.is_file() or path.read_text() != text:  # an unchanged page need not be built again
            path.write_text(text)


def _page(name: str, title: str) -> str:
    module = importlib.import_module(f"scdd.{name}")
    documented, constants = [], []
    for item in getattr(module, "__all__", ()):
        thing = getattr(module, item)
        if isinstance(thing, Registry):
            names = ", ".join(f"`{entry}`" for entry in thing.names())
            constants.append(
                _constant(f"{name}.{item}", f"The registry of every {thing.kind}: {names}.", _meanings(thing))
            )
        elif inspect.isclass(thing) or inspect.isroutine(thing):
            documented.append(f"    {name}.{item}")
        elif not inspect.ismodule(thing):
            constants.append(_constant(f"{name}.{item}", f"`{thing!r}`"))
    if not documented and not constants:
        return ""
    # the target of the directive does not come through MyST, and the index of modules and links to a module need it
    parts = [f'<span id="module-scdd.{name}"></span>', f"# {title}", inspect.getdoc(module) or ""]
    head = f"```{{eval-rst}}\n.. module:: scdd.{name}\n.. currentmodule:: scdd\n"
    table = ["\n.. autosummary::\n    :toctree: .\n", *documented] if documented else []
    parts.append("\n".join([head, *table, *constants, "```"]))
    return "\n\n".join(part for part in parts if part) + "\n"


def _constant(path: str, text: str, more: str = "") -> str:
    return f"\n.. py:data:: {path}\n\n    {text.replace('`', '``')}{more}"


def _meanings(registry: Registry[Any]) -> str:
    """Return a table of what the entries of a registry are, where they tell it: definition, range, which way is better."""
    entries = {name: registry.get(name) for name in registry.names()}
    if not all(hasattr(entry, "meaning") for entry in entries.values()):
        return ""
    lines = [
        "\n\n    .. list-table::\n        :header-rows: 1\n\n        * - name\n          - meaning\n          - range\n          - better"
    ]
    for name, entry in entries.items():
        low, high = (str(end).replace("inf", "∞") for end in entry.range)
        lines.append(
            f"        * - ``{name}``\n          - {entry.meaning}\n          - {low} to {high}\n          - {entry.better}"
        )
    return "\n".join(lines)

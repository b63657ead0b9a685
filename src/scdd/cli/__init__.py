"""The command line: ``scdd distill``, or ``python -m scdd distill``, and so on.

One file for each command; :mod:`scdd.cli._app` puts them together. Nothing but this folder knows of typer.
"""

from __future__ import annotations

from scdd.cli._main import main

__all__ = ["main"]

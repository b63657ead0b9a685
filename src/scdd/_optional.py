"""Packages that are not installed with scdd."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["require"]


def require(module: str, *, extra: str, what: str) -> Any:
    """Import a package of an extra, or tell how to install it.

    Parameters
    ----------
    module
        Name to import.
    extra
        The extra of scdd that brings it.
    what
        What needs it, for the message.

    Raises
    ------
    ImportError
        If it cannot be imported.

    Examples
    --------
    >>> require("json", extra="benchmark", what="an example").dumps([1])
    '[1]'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        msg = f'{what} needs the package {module!r}: pip install "scdd[{extra}]" ({error})'
        raise ImportError(msg) from error

"""Small helpers for messages: the first offenders, shortened."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def short(value: Any, width: int = 60) -> str:
    """Return the repr of a value, cut to ``width``."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= width else f"{text[: width - 4]}...{text[-1]}"


def first(values: Iterable[Any], n: int = 5) -> str:
    """List the first n values, with dots where there are more."""
    items = list(values)
    return ", ".join(short(item) for item in items[:n]) + (", ..." if len(items) > n else "")

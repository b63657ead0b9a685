"""Numbers as text."""

from __future__ import annotations

import math
from typing import Any

from scdd.pl._palette import ellipsis

__all__ = ["cell", "number", "percent", "signed"]


def percent(share: float) -> str:
    """Return a share as a percentage with one digit; only 1 is 100 %, and a missing one is a dash.

    Examples
    --------
    >>> percent(1.0), percent(0.99999), percent(1.0712), percent(float("nan"))
    ('100 %', '99.9 %', '107.1 %', '-')
    """
    if math.isnan(share):
        return "-"
    if share == 1:
        return "100 %"
    return f"{min(100 * share, 99.9) if share < 1 else max(100 * share, 100.1):.1f} %"


def number(value: float) -> str:
    """Return a figure with three digits; a missing one is a dash."""
    return "-" if math.isnan(value) else f"{value:.3f}"


def signed(value: float) -> str:
    """Return a difference with its sign; a missing one is a dash."""
    return "-" if math.isnan(value) else f"{value:+.3f}"


def cell(value: Any, width: int = 120) -> str:
    """Return text on one line, cut where it is long: a label may hold anything."""
    return ellipsis(str(value), width)

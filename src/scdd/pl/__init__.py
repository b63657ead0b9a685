"""Plots: each has a pure "prepare" function that returns a table, and a "draw" function."""

from __future__ import annotations

from scdd.pl._benchmark import benchmark
from scdd.pl._compare import compare

__all__ = ["benchmark", "compare"]

"""Plots: each has a pure "prepare" function that returns a table, and a "draw" function."""

from __future__ import annotations

from scdd.pl._benchmark import benchmark
from scdd.pl._codes import codes
from scdd.pl._compare import compare
from scdd.pl._composition import composition
from scdd.pl._confusion import confusion
from scdd.pl._dotplot import markers
from scdd.pl._scores import utility
from scdd.pl._training import training

__all__ = ["benchmark", "codes", "compare", "composition", "confusion", "markers", "training", "utility"]

"""Data sets: a bundled real one, and a simulated one with a known truth."""

from __future__ import annotations

from scdd.datasets._pancreas import pancreas
from scdd.datasets._simulate import simulate

__all__ = ["pancreas", "simulate"]

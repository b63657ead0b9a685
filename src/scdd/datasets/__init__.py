"""Data sets: a bundled real one, a simulated one with a known truth, and public ones by download."""

from __future__ import annotations

from scdd.datasets._fetch import cellxgene, fetch
from scdd.datasets._pancreas import pancreas
from scdd.datasets._simulate import simulate

__all__ = ["cellxgene", "fetch", "pancreas", "simulate"]

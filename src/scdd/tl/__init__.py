"""Tools: distil, cut, expand, draw coresets, evaluate, report, embed."""

from __future__ import annotations

from scdd.tl._coreset import coreset
from scdd.tl._distill import distill
from scdd.tl._embed import embed
from scdd.tl._evaluate import evaluate
from scdd.tl._expand import expand
from scdd.tl._head import head
from scdd.tl._report import Report, report

__all__ = ["Report", "coreset", "distill", "embed", "evaluate", "expand", "head", "report"]

"""Tools: distil, expand, draw coresets, evaluate, embed."""

from __future__ import annotations

from scdd.tl._coreset import coreset
from scdd.tl._distill import distill
from scdd.tl._embed import embed
from scdd.tl._evaluate import evaluate
from scdd.tl._expand import expand

__all__ = ["coreset", "distill", "embed", "evaluate", "expand"]

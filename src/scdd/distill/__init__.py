"""Distillation on arrays: codes, one generator step, matching, the inner referee, rendering to counts."""

from __future__ import annotations

from scdd.distill._blocks import blocks
from scdd.distill._calibrate import CalibrationConfig
from scdd.distill._codes import Codes, invert
from scdd.distill._config import PRESETS, DistillConfig, resolve_config
from scdd.distill._decide import most_steps
from scdd.distill._expected_log import ExpectedLog
from scdd.distill._init import INITIALISERS
from scdd.distill._refine import RefineConfig, RowFeatures, refine
from scdd.distill._render import RENDERERS, RenderInput
from scdd.distill._rows import RenderedRows, RowPlan, plan_rows, render_rows
from scdd.distill._run import Distilled, distill

__all__ = [
    "INITIALISERS",
    "PRESETS",
    "RENDERERS",
    "CalibrationConfig",
    "Codes",
    "DistillConfig",
    "Distilled",
    "ExpectedLog",
    "RefineConfig",
    "RenderInput",
    "RenderedRows",
    "RowFeatures",
    "RowPlan",
    "blocks",
    "distill",
    "invert",
    "most_steps",
    "plan_rows",
    "refine",
    "render_rows",
    "resolve_config",
]

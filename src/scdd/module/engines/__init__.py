"""Training engines of the generator, one per file: energy distance, drifting, consistency."""

from __future__ import annotations

from scdd.module.engines._base import ENGINES, Engine, Groups
from scdd.module.engines._consistency import ConsistencyEngine
from scdd.module.engines._drifting import DriftingEngine
from scdd.module.engines._energy import EnergyEngine

__all__ = ["ENGINES", "ConsistencyEngine", "DriftingEngine", "EnergyEngine", "Engine", "Groups"]

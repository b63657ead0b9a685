"""The model class that a user holds: ``scdd.model.SCDD``."""

from __future__ import annotations

from scdd.model._scdd import SCDD

__all__ = ["SCDD"]

"""The model class that a user holds: ``scdd.model.SCDD``."""

from __future__ import annotations

from scdd._rng import numpy_state_kept

with numpy_state_kept():  # scvi-tools draws from the global stream while it is imported
    from scdd.model._scdd import SCDD

__all__ = ["SCDD"]

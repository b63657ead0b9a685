"""Arguments that several plots share."""

from __future__ import annotations

import numpy as np

from scdd.errors import InputError

__all__ = ["check_counts"]


def check_counts(**values: int) -> None:
    """Raise :class:`~scdd.errors.InputError` unless each value, given by its name, is a positive integer."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            msg = f"{name} must be a positive integer, got {value!r}."
            raise InputError(msg)

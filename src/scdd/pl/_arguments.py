"""Arguments that several plots share."""

from __future__ import annotations

from typing import Any

import numpy as np

from scdd.errors import InputError, InputTypeError
from scdd.pp._check import check_type

__all__ = ["check_counts", "check_model"]


def check_counts(**values: int) -> None:
    """Raise :class:`~scdd.errors.InputError` unless each value, given by its name, is a positive integer."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            msg = f"{name} must be a positive integer, got {value!r}."
            raise InputError(msg)


def check_model(model: Any, syn: Any, *, call: str) -> None:
    """Raise :class:`~scdd.errors.InputTypeError` unless the one is a model and the other, where there is one, a set.

    ``call`` is shown: plots take the two in different orders.
    """
    from scdd.model import SCDD

    if not isinstance(model, SCDD):
        msg = f"The model must be a scdd.model.SCDD, got {type(model).__name__}. The order is {call}."
        raise InputTypeError(msg)
    if syn is not None:
        check_type(syn)

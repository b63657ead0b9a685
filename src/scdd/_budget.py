"""How many synthetic cells each class gets."""

from __future__ import annotations

import difflib
import math
import operator
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scdd.errors import BudgetError, InputError

SmallClass = Literal["keep", "cap", "error"]

_FLOOR, _FACTOR = 10_000, 10  # a class gets at most max(10,000, 10 x its size) rows


def resolve_sizes(
    n_per_class: int | Mapping[Any, int] | None,
    fraction: float | None,
    class_sizes: ArrayLike,
    class_names: Sequence[str],
    small_class: SmallClass = "keep",
) -> tuple[NDArray[np.int64], list[str]]:
    """Turn what a user asks for into the number of rows of each class.

    Parameters
    ----------
    n_per_class
        The same number for all classes, or a mapping from each class to its number.
    fraction
        Share of the cells of each class instead, in (0, 1]; at least one row per class. It wins over ``n_per_class``.
    class_sizes
        Number of cells of each class (n_classes,).
    class_names
        Names of the classes, in the same order.
    small_class
        What a class with fewer cells than rows asked for gets: ``"keep"``: the rows, with a warning; ``"cap"``: as many
        rows as it has cells; ``"error"``: an error.

    Returns
    -------
    Rows of each class, int64 (n_classes,), and warnings to be passed on.

    Raises
    ------
    scdd.errors.BudgetError
        If a number is not an integer of at least 1, absurdly large, or the classes named are not those of the data.

    Examples
    --------
    >>> resolve_sizes({"a": 2, "b": 1}, None, [10, 5], ["a", "b"])
    (array([2, 1]), [])
    """
    sizes = np.asarray(class_sizes, dtype=np.int64)
    names = [str(name) for name in class_names]
    if small_class not in ("keep", "cap", "error"):
        msg = f'small_class must be "keep", "cap" or "error", got {small_class!r}.'
        raise BudgetError(msg)
    if fraction is not None:
        return _proportional(fraction, sizes), []
    if isinstance(n_per_class, Mapping):
        rows = _from_mapping(n_per_class, names)
    else:
        rows = np.full(len(names), _count(n_per_class, "n_per_class"), dtype=np.int64)
    _refuse_absurd(rows, sizes, names)
    small = np.flatnonzero(rows > sizes)
    if not len(small):
        return rows, []
    listed = _first([f"{names[k]!r} ({sizes[k]} cells, {rows[k]} rows)" for k in small])
    if small_class == "error":
        msg = (
            f"{len(small)} of {len(names)} classes have fewer cells than rows asked for: {listed}. "
            'Ask for fewer rows, give a mapping, or use small_class="keep" or "cap".'
        )
        raise BudgetError(msg)
    if small_class == "cap":
        return np.minimum(rows, sizes), [f"{len(small)} classes got only as many rows as they have cells: {listed}."]
    return rows, [
        f"{len(small)} classes have fewer cells than rows asked for, and get the rows all the same: {listed}."
    ]


def deadline(max_seconds: float | None) -> float | None:
    """Turn a time limit into the value of ``time.monotonic()`` at which it is over; None is no limit.

    Raises
    ------
    scdd.errors.InputError
        If it is not a number of at least 0.
    """
    if max_seconds is None:
        return None
    try:
        value = math.nan if isinstance(max_seconds, (bool, str)) else float(max_seconds)
    except (TypeError, ValueError):
        value = math.nan
    if not value >= 0:
        msg = f"max_seconds must be a number of at least 0, or None for no limit, got {max_seconds!r}."
        raise InputError(msg)
    return time.monotonic() + value


def _proportional(fraction: float, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    try:
        value = math.nan if isinstance(fraction, (bool, str)) else float(fraction)
    except (TypeError, ValueError):
        value = math.nan
    if not 0.0 < value <= 1.0:
        msg = f"fraction must be a number above 0 and at most 1, got {fraction!r}."
        raise BudgetError(msg)
    return np.maximum(1, np.rint(sizes * value)).astype(np.int64)


def _from_mapping(n_per_class: Mapping[Any, int], names: list[str]) -> NDArray[np.int64]:
    given = {str(key): value for key, value in n_per_class.items()}
    unknown = [key for key in given if key not in set(names)]
    if unknown:
        close = difflib.get_close_matches(unknown[0], names, n=3)
        hint = f" Did you mean {_first([repr(c) for c in close])}?" if close else f" The classes are {_quoted(names)}."
        msg = f"n_per_class names {len(unknown)} classes that the data do not have: {_quoted(unknown)}.{hint}"
        raise BudgetError(msg)
    missing = [name for name in names if name not in given]
    if missing:
        msg = f"n_per_class lacks {len(missing)} of {len(names)} classes: {_quoted(missing)}. Give a number for each class."
        raise BudgetError(msg)
    return np.array([_count(given[name], f"n_per_class[{name!r}]") for name in names], dtype=np.int64)


def _count(value: Any, name: str) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if isinstance(value, (bool, np.bool_)) or number < 1:
        hint = " For a share of the cells use fraction=." if isinstance(value, float) and 0 < value < 1 else ""
        msg = f"{name} must be an integer of at least 1, got {value!r}.{hint}"
        raise BudgetError(msg)
    return number


def _refuse_absurd(rows: NDArray[np.int64], sizes: NDArray[np.int64], names: list[str]) -> None:
    limit = np.maximum(_FLOOR, _FACTOR * sizes)
    over = np.flatnonzero(rows > limit)
    if len(over):
        listed = _first([f"{names[k]!r} (asked {rows[k]:,}, limit {limit[k]:,})" for k in over])
        msg = (
            f"The budget of {int(rows.sum()):,} synthetic cells from {int(sizes.sum()):,} real ones is not a distillation: "
            f"a class gets at most max({_FLOOR:,}, {_FACTOR} x its cells) rows, exceeded by {listed}. "
            "Ask for fewer rows; to draw many cells use the generator (model.generate) or scdd.tl.expand."
        )
        raise BudgetError(msg)


def _first(items: list[str], n: int = 5) -> str:
    return ", ".join(items[:n]) + (", ..." if len(items) > n else "")


def _quoted(items: list[str]) -> str:
    return _first([repr(item) for item in items])

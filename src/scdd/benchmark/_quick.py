"""The small benchmark: a few minutes on two cores."""

from __future__ import annotations

from typing import Any

from scdd.benchmark._task import TASKS
from scdd.errors import InputError

__all__ = ["quick"]


def quick() -> dict[str, Any]:
    """Return the arguments of the small benchmark: two data sets, six methods, two budgets, two seeds, four models."""
    second = "zheng"
    try:
        TASKS.get(second).check()
    except InputError:
        second = "simulated"  # needs no file
    return {
        "tasks": ["baron", second],
        "methods": ["random", "herding", "class_mean", "kmeans", "scdd", "full"],
        "n": [1, 10],
        "splits": [0],
        "seeds": [0, 1],
        "models": ["LR", "kNN", "RF", "SVM"],
    }

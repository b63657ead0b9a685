"""The benchmark: every method under one protocol.

A task is a data set, its labels and a split; a method makes a few rows per class from the training cells; models
trained on these rows are tested on real cells that were held out. ``python -m scdd benchmark --quick`` runs a small
one.
"""

from __future__ import annotations

from scdd.benchmark import _entries, tasks  # importing a file registers its methods or its task
from scdd.benchmark._methods import METHODS, Made, Method
from scdd.benchmark._prepare import Training
from scdd.benchmark._runner import run
from scdd.benchmark._statistics import mean_ranks, paired_tests
from scdd.benchmark._tables import margins, scores, summary
from scdd.benchmark._task import TASKS, Task

__all__ = [
    "METHODS",
    "TASKS",
    "Made",
    "Method",
    "Task",
    "Training",
    "margins",
    "mean_ranks",
    "paired_tests",
    "run",
    "scores",
    "summary",
]

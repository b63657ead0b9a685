"""The benchmark: every method under one protocol.

A task is a data set, its labels and a split; a method makes a few rows per class from the training cells; models
trained on these rows are tested on real cells that were held out. ``python -m scdd benchmark --quick`` runs a small
one.
"""

from __future__ import annotations

from scdd.benchmark import _entries, _tools, tasks  # importing a file registers methods, models or tasks
from scdd.benchmark._bootstrap import donor_intervals
from scdd.benchmark._cost import Cost
from scdd.benchmark._merge import merge
from scdd.benchmark._methods import METHODS, Made, Method
from scdd.benchmark._nested import nested
from scdd.benchmark._page import page
from scdd.benchmark._prepare import Training
from scdd.benchmark._runner import run
from scdd.benchmark._statistics import critical_difference, mean_ranks, paired_tests
from scdd.benchmark._tables import margins, scores, summary
from scdd.benchmark._task import TASKS, Task

__all__ = [
    "METHODS",
    "TASKS",
    "Cost",
    "Made",
    "Method",
    "Task",
    "Training",
    "critical_difference",
    "donor_intervals",
    "margins",
    "mean_ranks",
    "merge",
    "nested",
    "page",
    "paired_tests",
    "run",
    "scores",
    "summary",
]

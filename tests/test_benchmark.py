"""The command behind the published table, and its ranking, on one real data set."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

if TYPE_CHECKING:
    from anndata import AnnData


@pytest.mark.slow
def test_scdd_beats_random_cells(tmp_path: Path, shared_data: Callable[[str], AnnData]) -> None:
    shared_data("pancreas_human_baron")  # skips where it is absent; the task looks in the same folder
    asked = "--tasks baron --methods random,class_mean,scdd --n 1 --splits 0 --seeds 0 --models LR,MLP,kNN,RF,SVM"
    # a process of its own: the cells of a task are kept in memory, and tests of the pages put smaller ones in their place
    done = subprocess.run(
        [sys.executable, "-m", "scdd", "benchmark", *asked.split(), "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    table = pd.read_csv(tmp_path / "benchmark.csv")
    assert set(table["method"]) == {"random", "class_mean", "scdd"}
    assert np.isfinite(table[["macro_f1", "balanced_accuracy", "accuracy"]]).all(axis=None)
    score = table.groupby("method")["macro_f1"].mean()
    assert score["scdd"] > score["class_mean"] > score["random"]
    assert score["scdd"] > 0.87

"""The script behind the published table runs, and its ranking holds on one real data set."""

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

SCRIPT = Path(__file__).parent.parent / "scripts" / "benchmark_table.py"


@pytest.mark.slow
@pytest.mark.skipif(not SCRIPT.exists(), reason="the scripts are not part of a source distribution")
def test_scdd_beats_random_cells(tmp_path: Path, shared_data: Callable[[str], AnnData]) -> None:
    shared_data("pancreas_human_baron")  # skips where it is absent; the script looks in the same folder
    out = tmp_path / "table.csv"
    asked = "--sets baron --methods random class_mean scdd --n 1 --splits 0 --seeds 0"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *asked.split(), "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "macro-F1" in done.stdout
    table = pd.read_csv(out)
    assert set(table["method"]) == {"random", "class_mean", "scdd"}
    assert np.isfinite(table[["macro_f1", "balanced_accuracy", "accuracy"]]).all(axis=None)
    score = table.groupby("method")["macro_f1"].mean()
    assert score["scdd"] > score["random"] + 0.05, score.to_dict()

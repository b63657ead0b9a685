"""Switch the parts of a distillation off, one at a time, and score the rows under the protocol of the benchmark.

    python scripts/ablation_table.py --tasks zheng baron --n 1 10 --out results/ablation.csv
    python scripts/ablation_table.py --out results/ablation.csv --print-only

Parts are switched off in the preset "fast", where no referee can make up for them; "default" and "best" stand beside it.
One model is trained for each task, split and seed. What is in the CSV is not run again, so the script can be stopped
and started at will.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import scipy.sparse as sp

import scdd
from scdd.benchmark import Made, Method
from scdd.benchmark._entries import trained
from scdd.benchmark._store import read_results
from scdd.distill import PRESETS, DistillConfig
from scdd.metrics import PANEL

if TYPE_CHECKING:
    from scdd.benchmark._prepare import Training

TASKS = ["zheng", "baron", "kang", "tabula_muris", "tabula_muris_tissue", "gbm_treatment"]
FAST = PRESETS.get("fast")
VARIANTS: dict[str, DistillConfig] = {
    "fast": FAST,
    "default": PRESETS.get("default"),
    "best": PRESETS.get("best"),
    "no calibration": replace(FAST, calibration=None),
    "no levels": replace(FAST, levels=0.0),
    "no levels, no calibration": replace(FAST, levels=0.0, calibration=None),
    "no evidence": replace(FAST, prior_cells=None),
    "no guidance": replace(FAST, guidance=0.0),
    "rows at their own centres": replace(FAST, spread=1.0),
    "denoised rows alone": replace(FAST, rendering="denoised"),
    "noisy rows alone": replace(FAST, rendering="noisy"),
    "plain rounding": replace(FAST, rendering="plain"),
    "generator none": replace(FAST, generator="none"),
    "generator gaussian": replace(FAST, generator="gaussian"),
    **{
        f"+ {name} matching": replace(FAST, objective=name)
        for name in ("gradient", "distribution", "characteristic", "moments", "kernel", "prototypes")
    },
}


@dataclass(frozen=True)
class Variant:
    """A method of the benchmark: one configuration, on the model that all variants share."""

    config: DistillConfig

    def __call__(self, training: Training, n: int, seed: int) -> Made:
        """Return the rows."""
        model, _ = trained(training, seed)
        syn = model.distill(n, preset=self.config, seed=seed, progress=False)
        labels = pd.Index(training.class_names).get_indexer(syn.obs[training.labels_key].astype(str))
        return Made(sp.csr_matrix(syn.X), labels)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return points against the preset "fast", mean over tasks: variants against n, then models at each n."""
    runs = results[results["status"] == "ok"].groupby(["method", "n", "model", "task", "seed"])["macro_f1"].mean()
    wide = runs.unstack("method")
    gain = 100 * wide.sub(wide["fast"], axis=0)
    by_n = gain.groupby("n").mean().T.add_prefix("n = ")
    by_model = gain.groupby(["n", "model"]).mean().T
    by_model.columns = [f"{model}, n = {n}" for n, model in by_model.columns]
    order = [name for name in VARIANTS if name in by_n.index]
    return pd.concat([by_n, by_model], axis=1).loc[order].round(1)


def main() -> None:
    """Run what is asked for and print the tables."""
    parser = argparse.ArgumentParser(description="Switch the parts of a distillation off, one at a time.")
    parser.add_argument("--tasks", nargs="+", default=TASKS)
    parser.add_argument("--variants", nargs="+", default=[v for v in VARIANTS if v != "best"], choices=list(VARIANTS))
    parser.add_argument("--n", nargs="+", type=int, default=[1, 10, 50])
    parser.add_argument("--splits", nargs="+", type=int, default=[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("results/ablation.csv"))
    parser.add_argument("--print-only", action="store_true", help="run nothing")
    given = parser.parse_args()
    if not given.print_only:
        methods = [Method(name, Variant(VARIANTS[name]), ours=True, encoder="self") for name in given.variants]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", scdd.errors.ScddWarning)
            scdd.benchmark.run(
                given.tasks, methods, n=given.n, splits=given.splits, seeds=given.seeds, models=PANEL, out=given.out,
                n_jobs=given.n_jobs,
            )  # fmt: skip
    results = read_results(given.out)
    print(table(results).to_string())
    for task, part in results.groupby("task"):
        print(f"\n{task}\n{table(part).to_string()}")


if __name__ == "__main__":
    main()

"""Switch the parts of a distillation off, one at a time, score the rows under the protocol of the benchmark, write the page.

    python scripts/ablation_table.py --tasks zheng baron --n 1 10 --out results/ablation.csv
    python scripts/ablation_table.py --print-only
    python scripts/ablation_table.py --page

Parts are switched off in the preset "fast", where no referee can make up for them; "default", which is the method "scdd"
of the committed benchmark unless it is asked for, stands beside it. One model is trained for each task, split and seed. What
is in the CSV is not run again, so the script can be stopped and started at will. ``--page`` makes
``docs/user_guide/ablation.md`` from it.
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
from scdd._atomic import write_text
from scdd.benchmark import Made, Method
from scdd.benchmark._entries import trained
from scdd.benchmark._store import read_results
from scdd.distill import PRESETS, DistillConfig
from scdd.metrics import PANEL

if TYPE_CHECKING:
    from scdd.benchmark._prepare import Training

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "_static" / "ablation.csv"
BENCHMARK = ROOT / "docs" / "_static" / "benchmark" / "benchmark.csv"
PAGE = ROOT / "docs" / "user_guide" / "ablation.md"
TASKS = [
    "zheng", "baron", "kang", "tabula_muris", "tabula_muris_tissue", "gbm_treatment", "airway_disease", "onek1k_age",
    "pancreas_technology", "pbmc_study",
]  # fmt: skip
N_ALL = [1, 10, 50]
FAST = PRESETS.get("fast")
VARIANTS: dict[str, DistillConfig] = {
    "fast": FAST,
    "default": PRESETS.get("default"),
    "default, levels stay": replace(PRESETS.get("default"), levels_options=()),
    "best": PRESETS.get("best"),
    "no calibration": replace(FAST, calibration=None),
    "no levels": replace(FAST, levels=0.0),
    "no levels, no calibration": replace(FAST, levels=0.0, calibration=None),
    "no evidence": replace(FAST, prior_cells=None),
    "no guidance": replace(FAST, guidance=0.0),
    "no nuisance": replace(FAST, nuisance=0),
    "rows at their own centres": replace(FAST, spread=1.0),
    "denoised rows alone": replace(FAST, rendering="denoised"),
    "every other row noisy": replace(FAST, rendering="half"),
    "noisy rows alone": replace(FAST, rendering="noisy"),
    "plain rounding": replace(FAST, rendering="plain"),
    "generator none": replace(FAST, generator="none"),
    "generator gaussian": replace(FAST, generator="gaussian"),
    **{
        f"+ {name} matching": replace(FAST, objective=name)
        for name in ("gradient", "distribution", "characteristic", "moments", "kernel", "prototypes")
    },
}


WHAT = {
    "fast": "all parts, no referee",
    "default": "a referee may refine the codes by gradient matching, make every other row noisy, drop calibration or levels",
    "default, levels stay": "the referee may not drop the levels",
    "best": "more to choose from, and five inner splits",
    "no calibration": "denoised rows stay at the means of their cells",
    "no levels": "small differences between classes stay",
    "no levels, no calibration": "both",
    "no evidence": "the decoder's rates as they are, not corrected by the cells of a row",
    "no guidance": "rows are not moved away from the mean of all classes",
    "no nuisance": "rows of near classes differ along the direction in which cells vary most",
    "rows at their own centres": "and not half way from the mean of the class",
    "denoised rows alone": "no row shows the noise of a cell",
    "every other row noisy": "however few the rows are for the cells",
    "noisy rows alone": "each row is a rendering of one cell, chosen by herding",
    "plain rounding": "rates of one step rounded, as in the paper, and not the counts whose log is the expected one",
    "generator none": "codes are latents",
    "generator gaussian": "codes are whitened coordinates of a Gaussian of each class",
    "+ gradient matching": "codes are refined, without a referee: gradients of networks",
    "+ distribution matching": "means of random features",
    "+ characteristic matching": "characteristic functions",
    "+ moments matching": "means and variances of classes",
    "+ kernel matching": "kernel ridge regression",
    "+ prototypes matching": "soft nearest prototypes",
}
TEXT = """<!-- made by scripts/ablation_table.py: do not edit -->

# What each part brings

Each line changes one part of the preset `fast`, which has no referee that could make up for it; `default` stands beside
it. Numbers are points of macro-F1 against `fast`, on {tasks}; split 0, {n_seeds} seeds, hard labels, the models of the
[benchmark](../benchmark.md), from which `default` is taken, and its protocol. Differences below a point are within what
another seed does (sd of `fast` over its seeds: {sd:.1f} points on a task, on average). Most lines of n = 1 and 10 were made when
the codes of rows were found in 20 rounds, now it is 50; rows are the same but for rounding.{left}

<!-- not run: it takes hours -->
```bash
python scripts/ablation_table.py --out docs/_static/ablation.csv
```

## On average

Mean over tasks, and in brackets the tasks on which the part is worth more than half a point/less than minus half a point, that
is, on which the variant loses/gains that much.

{by_n}

## By model

{by_model}

## By task

{by_task}
"""


@dataclass(frozen=True)
class Variant:
    """A method of the benchmark: one configuration, on the model that all variants share."""

    config: DistillConfig

    def __call__(self, training: Training, n: int, seed: int) -> Made:
        """Return the rows."""
        model, _ = trained(training, seed)
        syn = model.distill(n, preset=self.config, small_class="cap", seed=seed, progress=False)
        labels = pd.Index(training.class_names).get_indexer(syn.obs[training.labels_key].astype(str))
        return Made(sp.csr_matrix(syn.X), labels)


def with_default(results: pd.DataFrame, benchmark: pd.DataFrame) -> pd.DataFrame:
    """Return the results with the preset "default" of the benchmark, on the splits, seeds and n that are here."""
    if "default" in set(results["method"]):
        return results
    key = ["task", "n", "split", "seed"]
    ours = benchmark[benchmark["method"] == "scdd"].assign(method="default")
    return pd.concat([results, ours.merge(results[key].drop_duplicates(), on=key)], ignore_index=True)


def gains(results: pd.DataFrame) -> pd.DataFrame:
    """Return points against the preset "fast": one column a variant, one line for each n, model, task and seed."""
    runs = results[results["status"] == "ok"].groupby(["n", "model", "task", "seed", "method"])["macro_f1"].mean()
    wide = runs.unstack("method")
    return 100 * wide.sub(wide["fast"], axis=0)[[name for name in VARIANTS if name in wide]]


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return means over tasks: variants against n, then models at each n."""
    gain = gains(results)
    by_n = gain.groupby("n").mean().T.add_prefix("n = ")
    by_model = gain.groupby(["n", "model"]).mean().T
    by_model.columns = [f"{model}, n = {n}" for n, model in by_model.columns]
    return pd.concat([by_n, by_model], axis=1).round(1)


def text(results: pd.DataFrame) -> str:
    """Return the page."""
    gain = gains(results)
    by_task = gain.groupby(["n", "task"]).mean()
    n_all = sorted(set(results["n"]))
    average = [["", *(f"n = {n}" for n in n_all), "what changes"]]
    tasks = [["", "task", *(f"n = {n}" for n in n_all)]]
    models = sorted(set(results["model"]))
    of_models = [["", *(f"{model}, n = {n}" for n in n_all for model in models)]]
    for name in gain.columns:
        found = [by_task[name].loc[n].dropna() if n in by_task.index else by_task[name].iloc[:0] for n in n_all]
        average.append([name, *map(_told, found), WHAT[name]])
        if name == "fast":
            continue
        of_models.append([name, *(_points(gain[name].xs((n, m), level=("n", "model"))) for n in n_all for m in models)])
        tasks += [
            [name if k == 0 else "", task, *(_points(part[part.index == task]) for part in found)]
            for k, task in enumerate(sorted(set(results["task"])))
        ]
    fast = results[results["method"] == "fast"].groupby(["task", "n", "seed"])["macro_f1"].mean()
    return TEXT.format(
        tasks=", ".join(sorted(set(results["task"]))), n_seeds=results["seed"].nunique(), left=_left(results),
        sd=100 * fast.groupby(["task", "n"]).std().mean(),
        by_n=_markdown(average), by_model=_markdown(of_models), by_task=_markdown(tasks),
    )  # fmt: skip


def _left(results: pd.DataFrame) -> str:
    """Return in words what of the tasks and n that the script runs by itself is not here."""
    tasks = [task for task in TASKS if task not in set(results["task"])]
    left = [*tasks, *(f"n = {n}" for n in N_ALL if n not in set(results["n"]))]
    return f"\n**Not run yet:** {', '.join(left)}." if left else ""


def _told(by_task: pd.Series) -> str:
    if by_task.empty:
        return ""
    return f"{_signed(by_task.mean())} ({(by_task < -0.5).sum()}/{(by_task > 0.5).sum()})"


def _points(values: pd.Series) -> str:
    return "" if values.dropna().empty else _signed(values.mean())


def _signed(points: float) -> str:
    return f"{round(points, 1) + 0.0:+.1f}"  # no -0.0


def _markdown(lines: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], ["---"] * len(lines[0]), *lines[1:]])


def main() -> None:
    """Run what is asked for and print the tables."""
    parser = argparse.ArgumentParser(description="Switch the parts of a distillation off, one at a time.")
    parser.add_argument("--tasks", nargs="+", default=TASKS)
    parser.add_argument(
        "--variants", nargs="+", choices=list(VARIANTS),
        default=[name for name in VARIANTS if not name.startswith(("default", "best"))],
    )  # fmt: skip
    parser.add_argument("--n", nargs="+", type=int, default=N_ALL)
    parser.add_argument("--splits", nargs="+", type=int, default=[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--print-only", action="store_true", help="run nothing")
    parser.add_argument("--page", action="store_true", help="run nothing, and write the page")
    given = parser.parse_args()
    if not (given.print_only or given.page):
        names = dict.fromkeys(["fast", *given.variants])  # all others are told against it
        methods = [Method(name, Variant(VARIANTS[name]), ours=True, encoder="self") for name in names]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", scdd.errors.ScddWarning)
            scdd.benchmark.run(
                given.tasks, methods, n=given.n, splits=given.splits, seeds=given.seeds, models=PANEL, out=given.out,
                n_jobs=given.n_jobs,
            )  # fmt: skip
    results = with_default(read_results(given.out), read_results(BENCHMARK))
    if given.page:
        write_text(PAGE, text(results))
        return
    print(table(results).to_string())
    for task, part in results.groupby("task"):
        print(f"\n{task}\n{table(part).to_string()}")


if __name__ == "__main__":
    main()

"""Score scdd and its baselines on real held-out cells, and print the table.

Macro-F1: train on the small set, test on real cells of held-out donors (where donors are known),
mean of LR, MLP, kNN, RF and SVM, several splits and seeds. One line of the CSV is one model of one run; what is there is
not run again, so the script can be stopped and started at will.

    python scripts/benchmark_table.py --sets zheng kang --n 1 10 --out results.csv
    python scripts/benchmark_table.py --out results.csv --print-only
"""

from __future__ import annotations

import argparse
import csv
import os
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

import scdd
from scdd.baselines import BASELINES, embed_selected
from scdd.errors import ScddWarning
from scdd.metrics import PANEL, TEST_MODELS, utility

if TYPE_CHECKING:
    from anndata import AnnData

DATA = Path(os.environ.get("SCDD_DATA", Path(__file__).parents[2] / "shared" / "data"))
COLUMNS = [
    "set", "method", "n", "split", "seed", "model", "macro_f1", "balanced_accuracy", "accuracy", "rows", "seconds",
    "n_classes",
]  # fmt: skip
KEY = ["set", "method", "n", "split", "seed"]
BASELINE_METHODS = ["random", "herding", "k_medoids", "class_mean", "class_mean_log", "kmeans", "kmeans_log"]
# one cluster is the class, and a class has one mean: the same rows need no second run
SAME = {("kmeans", 1): ("class_mean", 1), ("kmeans_log", 1): ("class_mean_log", 1)}


@dataclass(frozen=True)
class Task:
    """A data set and how it is split."""

    file: str
    labels_key: str
    donor_key: str | None
    splits: tuple[int, ...] = (0, 1, 2)  # seeds of the splits: the first ones that hold out different cells


TASKS = {
    "zheng": Task("pbmc_facs_zheng", "cell_type", None),
    "tm": Task("tabula_muris_facs_subsample", "cell_type", None),
    # four donors leave three ways to hold out two; seeds 0 and 1 draw the same
    "baron": Task("pancreas_human_baron", "cell_type", "donor", splits=(0, 2, 15)),
    "kang": Task("pbmc_ifnb_kang_full", "cell_type", "donor"),
}


class Prepared:
    """Training and test cells of one split, with what all methods share."""

    def __init__(self, adata: AnnData, task: Task, split: int) -> None:
        self.task = task
        self.models: dict[int, Any] = {}
        train, test = scdd.pp.split(adata, labels_key=task.labels_key, donor_key=task.donor_key, seed=split)
        self.train = adata[train].copy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ScddWarning)
            self.source = scdd.pp.check(self.train, labels_key=task.labels_key).source
            checked = scdd.pp.check(adata[test].copy(), labels_key=task.labels_key).source
        self.names = list(self.source.class_names)
        self.names += [name for name in checked.class_names if name not in self.names]
        self.counts = self.source.rows(np.arange(self.source.n_obs))
        self.labels = self.source.labels
        self.hvg = scdd.pp.highly_variable(self.source)
        self.embedding = embed_selected(
            sp.csr_matrix(self.counts[:, np.flatnonzero(self.hvg)]), self.source.library, seed=split
        )
        self.test_counts = checked.rows(np.arange(checked.n_obs))
        self.test_labels = np.array([self.names.index(name) for name in checked.class_names])[checked.labels]
        self.sizes = np.bincount(self.labels, minlength=len(self.source.class_names))

    def rows(self, method: str, n: int, seed: int) -> tuple[sp.csr_matrix, Any, float]:
        """Return counts, labels and the seconds it took."""
        start = time.perf_counter()
        if method == "full":
            return self.counts, self.labels, 0.0
        if method == "scdd":
            keys = {"labels_key": self.task.labels_key, "donor_key": self.task.donor_key}
            # one training serves all n: with the model given, only the distillation is left, and the result is the same
            syn = scdd.tl.distill(self.train, n, **keys, model=self._model(seed, keys), seed=seed, progress=False)
            labels = pd.Index(self.source.class_names).get_indexer(syn.obs[self.task.labels_key].astype(str))
            return sp.csr_matrix(syn.X), labels, time.perf_counter() - start
        made = BASELINES.get(method).fit(
            self.counts, self.embedding, self.labels, sizes=np.full(len(self.sizes), n), seed=seed, hvg=self.hvg
        )
        return made.counts, made.labels, time.perf_counter() - start

    def _model(self, seed: int, keys: dict[str, Any]) -> Any:
        """Return the model that ``scdd.tl.distill`` would train for this seed."""
        if seed not in self.models:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ScddWarning)
                checked = scdd.pp.check(self.train, **keys)
            self.models[seed] = scdd.model.SCDD.from_checked(checked, seed=seed)
            self.models[seed].train(progress=False)
        return self.models[seed]

    def score(self, counts: sp.csr_matrix, labels: Any, seed: int, models: list[str]) -> pd.DataFrame:
        """Return one line per model."""
        table = utility(
            counts, labels, self.test_counts, self.test_labels, self.hvg, models=models, class_names=self.names,
            train_sizes=self.sizes, seed=seed,
        )  # fmt: skip
        wide = table[table["class"] == ""].pivot(index="model", columns="metric", values="value").reset_index()
        return wide.assign(n_classes=int((table["metric"] == "f1").sum() // len(models)))


def run(arguments: argparse.Namespace) -> None:
    """Run what is asked for and not in the CSV yet."""
    done = _done(arguments.out)
    for name in arguments.sets:
        adata = None
        for split in arguments.splits or TASKS[name].splits:
            prepared = None
            for method, n, seed in _jobs(arguments):
                if (name, method, n, split, seed) in done:
                    continue
                if adata is None:
                    adata = _read(TASKS[name])
                if prepared is None:
                    prepared = Prepared(adata, TASKS[name], split)
                counts, labels, seconds = prepared.rows(method, n, seed)
                start = time.perf_counter()
                models = list(arguments.models)
                repeat = pd.DataFrame()
                if method == "full" and seed != arguments.seeds[0]:
                    # training on everything is slow, and half of the panel knows no chance
                    table = pd.read_csv(arguments.out)
                    earlier = (table["set"] == name) & (table["method"] == "full") & (table["split"] == split)
                    fixed = [m for m in models if not TEST_MODELS.get(m).stochastic]
                    repeat = table[earlier & (table["seed"] == arguments.seeds[0]) & table["model"].isin(fixed)]
                    models = [m for m in models if m not in set(repeat["model"])]
                scores = pd.concat([prepared.score(counts, labels, seed, models), repeat], ignore_index=True)
                scores = scores.assign(
                    set=name, method=method, n=n, split=split, seed=seed, rows=counts.shape[0],
                    seconds=round(seconds, 2),
                )  # fmt: skip
                _append(arguments.out, scores)
                print(
                    f"{name} split {split} seed {seed} {method} n={n}: {scores['macro_f1'].mean():.3f}"
                    f" ({seconds:.1f} s, scored in {time.perf_counter() - start:.1f} s)",
                    flush=True,
                )


def _jobs(arguments: argparse.Namespace) -> list[tuple[str, int, int]]:
    jobs = []
    for method in arguments.methods:
        if method == "full":
            jobs += [("full", 0, seed) for seed in arguments.seeds]
            continue
        ns = [1] if method.startswith("class_mean") else arguments.n
        jobs += [(*SAME.get((method, n), (method, n)), seed) for n in ns for seed in arguments.seeds]
    return list(dict.fromkeys(jobs))


def _read(task: Task) -> AnnData:
    import anndata

    path = DATA / f"{task.file}.h5ad"
    if not path.exists():
        msg = f"{path.name} is not in {DATA}: set SCDD_DATA to the folder of the data sets."
        raise SystemExit(msg)
    return anndata.read_h5ad(path)


def _done(path: Path) -> set[tuple[Any, ...]]:
    return set(pd.read_csv(path)[KEY].itertuples(index=False, name=None)) if path.exists() else set()


def _append(path: Path, scores: pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(COLUMNS)
        writer.writerows(scores[COLUMNS].itertuples(index=False, name=None))


def expand(table: pd.DataFrame, ns: list[int]) -> pd.DataFrame:
    """Enter the rows that were not run a second time because they are the same."""
    parts = [table]
    for n in ns:
        for kmeans, mean in (("kmeans", "class_mean"), ("kmeans_log", "class_mean_log")):
            same = table[(table["method"] == mean) & (table["n"] == 1)]
            if n == 1:
                parts.append(same.assign(method=kmeans))
            else:
                parts.append(same.assign(n=n))
    return pd.concat(parts, ignore_index=True).drop_duplicates([*KEY, "model"])


def report(path: Path, ns: list[int]) -> None:
    """Print the tables of a CSV."""
    table = expand(pd.read_csv(path), ns)
    runs = table.groupby(KEY, as_index=False)["macro_f1"].mean()
    order = [m for m in ["full", *BASELINE_METHODS, "scdd"] if m in set(runs["method"])]
    sets = [s for s in TASKS if s in set(runs["set"])]
    for n in ns:
        part = runs[(runs["n"] == n) | (runs["method"] == "full")]
        mean = part.pivot_table(index="method", columns="set", values="macro_f1").reindex(order, columns=sets)
        sd = part.pivot_table(index="method", columns="set", values="macro_f1", aggfunc="std")
        text = mean.map("{:.3f}".format) + " ± " + sd.reindex(order, columns=sets).map("{:.3f}".format)
        print(f"\n## n = {n}: macro-F1, mean of the models, ± sd over splits and seeds\n")
        print(text.assign(mean=mean.mean(axis=1).map("{:.3f}".format)).to_string())
        models = table[(table["n"] == n) | (table["method"] == "full")]
        per_model = models.pivot_table(index=["set", "method"], columns="model", values="macro_f1")
        index = pd.MultiIndex.from_product([sets, order], names=["set", "method"])
        print(f"\nn = {n}, by model\n")
        print(per_model.reindex(index)[[m for m in PANEL if m in per_model]].to_string(float_format="%.3f"))
        _print_worst(models, order, sets, n)
        _print_margin(mean, sets, n)


def _print_worst(models: pd.DataFrame, order: list[str], sets: list[str], n: int) -> None:
    """Print the worst single model as a share of its own score on the full data."""
    key = ["set", "split", "seed", "model"]
    full = models[models["method"] == "full"].set_index(key)["macro_f1"]
    if full.empty:
        return
    rest = models[models["method"] != "full"].copy()
    rest["share"] = rest["macro_f1"] / full.reindex(pd.MultiIndex.from_frame(rest[key])).to_numpy()
    by_model = rest.groupby(["method", "set", "model"])["share"].mean()
    worst = by_model.groupby(["method", "set"]).min().unstack("set").reindex(order[1:], columns=sets)
    print(f"\nn = {n}: worst single model as a share of its score on the full data\n")
    print(worst.assign(mean=worst.mean(axis=1)).to_string(float_format="%.3f"))


def _print_margin(mean: pd.DataFrame, sets: list[str], n: int) -> None:
    """Print scdd minus the best baseline of each set."""
    others = mean.loc[[m for m in BASELINE_METHODS if m in mean.index]]
    best = pd.DataFrame({"best": others.max(), "which": others.idxmax()}).T[sets]
    print(f"\nn = {n}: best baseline of each set\n{best.to_string()}")
    if "scdd" in mean.index:
        margin = 100 * (mean.loc["scdd"] - others.max())
        listed = ", ".join(f"{s} {margin[s]:+.1f}" for s in sets)
        print(f"n = {n}: scdd minus best baseline, points: {listed}; mean {margin[sets].mean():+.2f}")


def main() -> None:
    """Parse the arguments, run, print."""
    parser = argparse.ArgumentParser(description="Score scdd and its baselines on real held-out cells.")
    methods = [*BASELINE_METHODS, "scdd", "full"]
    parser.add_argument("--sets", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--methods", nargs="+", default=methods, choices=[*methods, "k_center"])
    parser.add_argument("--models", nargs="+", default=list(PANEL), choices=TEST_MODELS.names())
    parser.add_argument("--n", nargs="+", type=int, default=[1, 10])
    parser.add_argument("--splits", nargs="+", type=int, help="seeds of the splits; by default those of each task")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--out", type=Path, default=Path("results/benchmark.csv"))
    parser.add_argument("--print-only", action="store_true", help="run nothing")
    arguments = parser.parse_args()
    if not arguments.print_only:
        run(arguments)
    report(arguments.out, arguments.n)


if __name__ == "__main__":
    main()

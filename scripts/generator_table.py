"""Compare cells from ``SCDD.generate`` with real ones, and print the table.

For each set: a random forest trained on 50 generated cells a class against one trained on 50 random real cells (or all
that the class has), both tested on held-out real cells; and how well generated cells pass for real, beside real cells of
the other half of the training data. A draw is a set of generated and a set of real cells; a model is trained for each
split and seed.

    python scripts/generator_table.py --seeds 0 1 --draws 3
"""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

import scdd
from scdd._rng import stream
from scdd.errors import ScddWarning
from scdd.metrics import fidelity, utility

DATA = Path(os.environ.get("SCDD_DATA", Path(__file__).parents[2] / "shared" / "data"))
FIGURES = ("rf_auc", "mean_correlation", "genes_detected_ratio", "zero_fraction_difference", "library_ks")


class Task(NamedTuple):
    """A data set and how it is split."""

    file: str
    donor_key: str | None = None
    splits: tuple[int, ...] = (0, 1, 2)  # seeds of the splits: the first ones that hold out different cells


TASKS = {
    "zheng": Task("pbmc_facs_zheng"),
    "tm": Task("tabula_muris_facs_subsample"),
    # four donors leave three ways to hold out two; seeds 0 and 1 draw the same
    "baron": Task("pancreas_human_baron", "donor", splits=(0, 2, 15)),
    "kang": Task("pbmc_ifnb_kang_full", "donor"),
}


def balanced(labels: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return at most ``n`` random cells of each class."""
    parts = []
    for label in np.unique(labels):
        cells = np.flatnonzero(labels == label)
        parts.append(rng.choice(cells, min(n, len(cells)), replace=False))
    return np.concatenate(parts)


def lines_of(name: str, split: int, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the lines of one set and split: two for each model and draw."""
    import anndata as ad

    task = TASKS[name]
    adata = ad.read_h5ad(DATA / f"{task.file}.h5ad")
    train, test = scdd.pp.split(adata, labels_key="cell_type", donor_key=task.donor_key, seed=split)
    checked = scdd.pp.check(adata[train].copy(), labels_key="cell_type", batch_key=task.donor_key)
    held_out = scdd.pp.check(adata[test].copy(), labels_key="cell_type").source
    source = checked.source
    position = {c: k for k, c in enumerate(source.class_names)}
    known = np.array([position.get(c, -1) for c in held_out.class_names])[held_out.labels]
    test_cells = np.flatnonzero(known >= 0)
    tested = (held_out.rows(test_cells), known[test_cells], np.asarray(scdd.pp.highly_variable(source)))
    lines = []
    for seed in arguments.seeds:
        model = scdd.model.SCDD.from_checked(checked, encoder="self", engine=arguments.engine, seed=seed)
        model.train(progress=False)
        for draw in range(arguments.draws):
            found = _draw(model, source, tested, arguments.n, seed * arguments.draws + draw, split)
            lines += [{"set": name, "split": split, "seed": seed, "draw": draw, **line} for line in found]
    return lines


def _draw(model: Any, source: Any, tested: tuple[Any, ...], n: int, seed: int, split: int) -> list[dict[str, Any]]:
    """Return what generated and what real cells are like, in one draw of both."""
    test_counts, test_labels, hvg = tested
    labels = np.repeat(np.arange(len(source.class_names)), n)
    cells = model.generate(len(labels), labels=[source.class_names[k] for k in labels], seed=seed)
    rng = stream(seed, "generator table", split)
    real = balanced(source.labels, n, rng)
    half = rng.permutation(source.n_obs)
    first, second = np.sort(half[::2]), np.sort(half[1::2])
    lines = []
    for what, counts, of in (
        ("generated", sp.csr_matrix(cells.X), labels),
        ("real", source.rows(real), source.labels[real]),
    ):
        f1 = utility(
            counts, of, test_counts, test_labels, hvg,
            models=("RF",), train_sizes=np.bincount(source.labels, minlength=len(source.class_names)), seed=seed,
        )  # fmt: skip
        score = f1[(f1["metric"] == "macro_f1") & (f1["class"] == "")]["value"].iloc[0]
        chosen = first[balanced(source.labels[first], n, rng)]
        if what == "real":  # two halves of the training cells: what two real sets look like to each other
            other = second[balanced(source.labels[second], n, rng)]
            counts, of = source.rows(other), source.labels[other]
        table = fidelity(source.rows(chosen), source.labels[chosen], counts, of, hvg, seed=seed)
        overall = table[table["class"] == ""].set_index("metric")["value"]
        lines.append({"cells": what, "RF": score, **{f: overall.get(f, np.nan) for f in FIGURES}})
    return lines


def means(lines: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the mean over the models and draws of each set and split, and the standard deviation of the forest's score."""
    groups = pd.DataFrame(lines).groupby(["set", "split", "cells"], sort=False)
    table = groups[["RF", *FIGURES]].mean()
    table.insert(1, "RF sd", groups["RF"].std())
    return table.reset_index().round(3)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--splits", nargs="+", type=int, help="default: the splits of each set's table")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="a model is trained for each")
    parser.add_argument("--draws", type=int, default=1, help="sets of generated and of real cells for each model")
    parser.add_argument("--engine", default="energy")
    parser.add_argument("-n", type=int, default=50, help="cells a class")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ScddWarning)
    lines: list[dict[str, Any]] = []
    for name in arguments.sets:
        for split in arguments.splits or TASKS[name].splits:
            found = lines_of(name, split, arguments)
            print(means(found).to_string(index=False), flush=True)
            lines += found
    print("\nAll\n" + means(lines).to_string(index=False))


if __name__ == "__main__":
    main()

"""Compare cells from ``SCDD.generate`` with real ones, and print the table.

For each set: a random forest trained on 50 generated cells a class against one trained on 50 random real cells (or all
that the class has), both tested on held-out real cells; and how well generated cells pass for real, beside real cells of
the other half of the training data.

    python scripts/generator_table.py --sets zheng baron kang --splits 0 --engine energy
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from benchmark_table import DATA, TASKS  # the same tasks

import scdd
from scdd._rng import stream
from scdd.errors import ScddWarning
from scdd.metrics import fidelity, utility

FIGURES = ("rf_auc", "mean_correlation", "genes_detected_ratio", "zero_fraction_difference", "library_ks")


def balanced(labels: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return at most ``n`` random cells of each class."""
    parts = []
    for label in np.unique(labels):
        cells = np.flatnonzero(labels == label)
        parts.append(rng.choice(cells, min(n, len(cells)), replace=False))
    return np.concatenate(parts)


def one(name: str, split: int, seed: int, engine: str, n: int) -> list[dict[str, Any]]:
    """Return the lines of one set and split."""
    import anndata as ad

    task = TASKS[name]
    adata = ad.read_h5ad(DATA / f"{task.file}.h5ad")
    train, test = scdd.pp.split(adata, labels_key=task.labels_key, donor_key=task.donor_key, seed=split)
    checked = scdd.pp.check(adata[train].copy(), labels_key=task.labels_key, batch_key=task.donor_key)
    held_out = scdd.pp.check(adata[test].copy(), labels_key=task.labels_key).source
    source = checked.source
    start = time.perf_counter()
    model = scdd.model.SCDD.from_checked(checked, engine=engine, seed=seed)
    model.train(progress=False)
    seconds = time.perf_counter() - start
    position = {c: k for k, c in enumerate(source.class_names)}
    known = np.array([position.get(c, -1) for c in held_out.class_names])[held_out.labels]
    test_cells = np.flatnonzero(known >= 0)
    test_counts, test_labels = held_out.rows(test_cells), known[test_cells]
    hvg = np.asarray(scdd.pp.highly_variable(source))
    labels = np.repeat(np.arange(len(source.class_names)), n)
    cells = model.generate(len(labels), labels=[source.class_names[k] for k in labels], seed=seed)
    generated = sp.csr_matrix(cells.X)
    rng = stream(seed, "generator table", split)
    real = balanced(source.labels, n, rng)
    half = rng.permutation(source.n_obs)
    first, second = np.sort(half[::2]), np.sort(half[1::2])
    lines = []
    for what, counts, of, against in (
        ("generated", generated, labels, first),
        ("real", source.rows(real), source.labels[real], first),
    ):
        f1 = utility(
            counts, of, test_counts, test_labels, hvg,
            models=("RF",), train_sizes=np.bincount(source.labels, minlength=len(position)), seed=seed,
        )  # fmt: skip
        score = f1[(f1["metric"] == "macro_f1") & (f1["class"] == "")]["value"].iloc[0]
        chosen = against[balanced(source.labels[against], n, rng)]
        if what == "real":  # two halves of the training cells: what two real sets look like to each other
            other = second[balanced(source.labels[second], n, rng)]
            counts, of = source.rows(other), source.labels[other]
        table = fidelity(source.rows(chosen), source.labels[chosen], counts, of, hvg, seed=seed)
        overall = table[table["class"] == ""].set_index("metric")["value"]
        lines.append(
            {"set": name, "split": split, "cells": what, "RF": score, **{f: overall.get(f, np.nan) for f in FIGURES}}
        )
    lines[0] |= {"seconds": seconds, **(model._quality or {})}
    return lines


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--splits", nargs="+", type=int, default=[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", default="energy")
    parser.add_argument("-n", type=int, default=50)
    args = parser.parse_args()
    warnings.simplefilter("ignore", ScddWarning)
    lines: list[dict[str, Any]] = []
    for name in args.sets:
        for split in args.splits:
            lines += one(name, split, args.seed, args.engine, args.n)
            print(pd.DataFrame(lines[-2:]).round(3).to_string(index=False), flush=True)
    print("\nAll\n" + pd.DataFrame(lines).round(3).to_string(index=False))


if __name__ == "__main__":
    main()

"""Distil few real cells with the encoder scdd-base and with "self", under the protocol of the benchmark.

    SCDD_DATA=/data python scripts/base_distil.py docs/_static/base/distil.csv --tasks kang enge
    SCDD_DATA=/data python scripts/base_distil.py docs/_static/base/distil_all.csv --given 0 --tasks kang enge --splits 0

Of each class, ten real training cells are given, and ten rows are made of them; ``real`` are these ten cells as they are.
``--given 0`` gives all cells.
Models are trained on the rows and tested on real cells that were held out (donors, where there are any). What is in the file
is not run again.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from encoder_probe import SETS, given

import scdd
from scdd.benchmark import Made, Method, run

if TYPE_CHECKING:
    from scdd.benchmark import Training

N = 10  # rows of each class


def real(per_class: int) -> Callable[[Training, int, int], Made]:
    """Return a method that gives the real cells themselves."""

    def make(training: Training, n: int, seed: int) -> Made:
        known = given(training.labels, per_class, seed)
        return Made(training.counts[known], training.labels[known])

    return make


def distilled(encoder: str, per_class: int) -> Callable[[Training, int, int], Made]:
    """Return a method that distils the real cells that are given."""

    def make(training: Training, n: int, seed: int) -> Made:
        known = given(training.labels, per_class, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # classes with fewer cells than rows are meant
            syn = scdd.tl.distill(
                training.adata[known].copy(), n, labels_key=training.labels_key, encoder=encoder, seed=seed,
                device="cpu", progress=False,
            )  # fmt: skip
        code = {name: i for i, name in enumerate(training.class_names)}
        return Made(syn.X, np.array([code[name] for name in syn.obs[training.labels_key].astype(str)]))

    return make


def main() -> None:
    """Run what is not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="file of the scores (csv)")
    parser.add_argument("--tasks", nargs="+", required=True, choices=SETS)
    parser.add_argument("--splits", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--given", type=int, default=10, help="real cells of each class; 0: all")
    args = parser.parse_args()
    sees = f"{args.given or 'all'} cells of each class"
    methods = [
        Method("self", distilled("self", args.given), ours=True, sees=sees),
        Method("scdd-base", distilled("scdd-base", args.given), ours=True, encoder="scdd-base", sees=sees),
    ]
    if args.given:  # all cells would be more than the rows that are asked for
        methods.append(Method("real", real(args.given), sees=sees))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    run(
        [SETS[name] for name in args.tasks], methods, n=[N], splits=args.splits, seeds=args.seeds, out=args.out,
        n_jobs=1,
    )  # fmt: skip


if __name__ == "__main__":
    main()

"""The demonstration behind ``hatch run demo``: distil the bundled pancreas data, test on donors that were held out."""

from __future__ import annotations

import argparse
import logging
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

HELD_OUT = ("human3", "human4")
MODELS = ("LR", "kNN", "RF", "MLP", "SVM")


def main(argv: list[str] | None = None) -> None:
    """Run the demonstration: print a table, write ``pancreas_distilled.h5ad`` and ``compare.png``.

    Parameters
    ----------
    argv
        Command-line arguments; default: those of the process.

    Examples
    --------
    >>> main(["--help"])
    Traceback (most recent call last):
        ...
    SystemExit: 0
    """
    parser = argparse.ArgumentParser(prog="scdd.demo", description="Distil the bundled human pancreas data.")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the two files (default: here)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)  # before the work, not after it
    logging.captureWarnings(True)  # notes on rare classes go to the log, not between the progress bars

    start = time.monotonic()
    import scdd

    adata = scdd.datasets.pancreas()
    held_out = adata.obs["donor"].isin(HELD_OUT).to_numpy()
    train, test = adata[~held_out].copy(), adata[held_out].copy()
    print(f"Human pancreas (Baron et al. 2016): {train.n_obs} cells of {train.obs['cell_type'].nunique()} classes")
    print(f"to distil; {test.n_obs} cells of the donors {' and '.join(HELD_OUT)} to test on.\n")

    sets = distilled_and_baselines(train, args.seed)
    syn = sets["distilled, 10 cells a class"]
    print(table(sets, train, test, args.seed).to_string(float_format="{:.3f}".format))
    print("\nMacro-F1 on the held-out donors, over the classes that have cells on both sides.")

    syn.write_h5ad(args.out / "pancreas_distilled.h5ad", compression="gzip")
    figure = scdd.pl.compare(train, syn, adata_test=test, show=False, return_fig=True, seed=args.seed)
    assert figure is not None
    figure.savefig(args.out / "compare.png", dpi=120, bbox_inches="tight")
    size = (args.out / "pancreas_distilled.h5ad").stat().st_size / 1e6
    print(f"\nWrote pancreas_distilled.h5ad ({size:.1f} MB) and compare.png in {time.monotonic() - start:.0f} s.")


def distilled_and_baselines(train: AnnData, seed: int) -> dict[str, AnnData]:
    """Return the sets of the table by name: full data, distilled sets, and what they have to beat."""
    import scdd

    sizes = train.obs["cell_type"].value_counts()
    present = train[train.obs["cell_type"].isin(sizes.index[sizes > 0])]
    scdd.model.SCDD.setup_anndata(train, labels_key="cell_type", donor_key="donor")
    # a pretrained encoder may have seen these cells
    model = scdd.model.SCDD(train, encoder="self", seed=seed)
    model.train()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", scdd.errors.ScddWarning)  # two classes have fewer than 10 cells
        return {
            "full data": present,
            "distilled, 1 cell a class": model.distill(1),
            "distilled, 10 cells a class": model.distill(10),
            "random, 1 cell a class": scdd.tl.coreset(train, 1, "random", seed=seed),
            "random, 10 cells a class": scdd.tl.coreset(train, 10, "random", seed=seed),
            "class means": scdd.tl.coreset(train, 1, "class_mean", seed=seed),
        }


def table(sets: dict[str, AnnData], train: AnnData, test: AnnData, seed: int) -> pd.DataFrame:
    """Return the macro-F1 of each model trained on each set, tested on the held-out donors."""
    import pandas as pd

    import scdd

    rows = {}
    for name, data in sets.items():
        scores = scdd.tl.evaluate(data, test, labels_key="cell_type", models=MODELS, reference=train, seed=seed)
        macro = scores[(scores["metric"] == "macro_f1") & (scores["class"] == "")].set_index("model")["value"]
        rows[name] = {"cells": data.n_obs, **macro[list(MODELS)], "mean": macro.mean()}
    out = pd.DataFrame.from_dict(rows, orient="index")
    return out.astype({"cells": int})


if __name__ == "__main__":
    main()

"""Draw the figures of the page on plots: ``python docs/figures/plots.py`` (some minutes on a CPU)."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pandas as pd
from anndata import AnnData
from matplotlib.figure import Figure
from PIL import Image

import scdd

TARGET = Path(__file__).resolve().parents[1] / "_static" / "plots"
MODELS = ("LR", "kNN")
SIZES = (1, 3, 10)


def save(figure: Figure | None, name: str) -> None:
    """Write a PNG of few colours, which is small."""
    assert figure is not None  # it is not shown
    buffer = BytesIO()
    figure.savefig(buffer, dpi=75)
    Image.open(buffer).convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE).save(
        TARGET / f"{name}.png", optimize=True
    )


def main() -> None:
    TARGET.mkdir(exist_ok=True)
    adata = scdd.datasets.pancreas()
    train, test = (adata[cells].copy() for cells in scdd.pp.split(adata, donor_key="donor"))
    model = scdd.model.SCDD.from_checked(scdd.pp.check(train, donor_key="donor"), train)
    model.train()
    draw(train, test, model, model.distill(10))


def draw(train: AnnData, test: AnnData, model: scdd.model.SCDD, syn: AnnData) -> None:
    """Write all figures."""
    sizes = train.obs["cell_type"].value_counts().to_dict()

    save(scdd.pl.composition(train, syn, show=False), "composition")
    save(scdd.pl.markers(train, syn, n_markers=2, show=False), "markers")
    save(scdd.pl.confusion(syn, test, show=False), "confusion")
    save(scdd.pl.codes(syn, model, show=False), "codes")
    save(scdd.pl.training(model, syn, show=False), "training")
    # rows are nested: the first n of each class are a set themselves
    sets = [scdd.tl.head(syn, n) for n in SIZES]
    tables = {"scdd": pd.concat([scdd.tl.evaluate(rows, test, models=MODELS, train_sizes=sizes) for rows in sets])}
    for method in ("random", "herding", "kmeans"):
        sets = [scdd.tl.coreset(train, n, method) for n in SIZES]
        tables[method] = pd.concat([scdd.tl.evaluate(rows, test, models=MODELS, reference=train) for rows in sets])
    present = train[train.obs["cell_type"].isin(syn.obs["cell_type"])].copy()
    tables["full"] = scdd.tl.evaluate(present, test, models=MODELS)
    save(scdd.pl.utility(tables, title="Human pancreas, held-out donors", show=False), "utility")


if __name__ == "__main__":
    main()

"""The table of docs/user_guide/array_support.md, cell by cell."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata as ad
import matplotlib.pyplot as plt
import pytest
import scipy.sparse as sp
from anndata import AnnData

import scdd

PAGE = Path(__file__).resolve().parents[1] / "docs" / "user_guide" / "array_support.md"
HOME = "scdd.model.SCDD"

pytestmark = pytest.mark.usefixtures("small_budget")


def table() -> dict[str, dict[str, str]]:
    """Return what the page says, by function and kind of matrix."""
    rows = [line.strip("| \n").split("|") for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    kinds = [cell.strip() for cell in rows[0]]
    out = {}
    for name, *cells in rows[2:]:
        found = re.search(r"<(.+)>`", name)
        assert found is not None
        out[found[1]] = dict(zip(kinds, (cell.strip() for cell in cells), strict=True))
    return out


def made(kind: str, toy: AnnData, folder: Path) -> AnnData:
    matrix = {
        "CSC": sp.csc_matrix, "dense": lambda x: x.toarray(), "sparse arrays": sp.csr_array, "backed CSC": sp.csc_matrix,
        "backed dense": lambda x: x.toarray(),
    }.get(kind, sp.csr_matrix)  # fmt: skip
    cells = toy.copy()
    cells.X = matrix(cells.X)
    if kind == "view":
        return cells[:200]
    if kind.startswith(("backed", "lazy")):
        cells.write_h5ad(folder / "cells.h5ad")
        if kind.startswith("lazy"):
            return ad.experimental.read_lazy(str(folder / "cells.h5ad"))
        return ad.read_h5ad(folder / "cells.h5ad", backed="r")
    return cells


def calls(syn: AnnData, folder: Path) -> dict[str, Callable[[AnnData], Any]]:
    def model(adata: AnnData) -> Any:
        scdd.model.SCDD.setup_anndata(adata, labels_key="cell_type")
        return scdd.model.SCDD(adata)

    return {
        "scdd.pp.check": scdd.pp.check,
        "scdd.pp.split": lambda adata: scdd.pp.split(adata, donor_key="donor"),
        "scdd.pp.highly_variable": scdd.pp.highly_variable,
        "scdd.tl.distill": lambda adata: scdd.tl.distill(adata, 2, preset="fast", progress=False),
        "scdd.tl.coreset": lambda adata: scdd.tl.coreset(adata, 2, "herding"),
        "scdd.tl.embed": lambda adata: scdd.tl.embed(adata, "pca:5"),
        "scdd.tl.evaluate": lambda adata: scdd.tl.evaluate(syn, adata, models=["kNN"]),
        "scdd.tl.report": lambda adata: scdd.tl.report(adata, syn, adata_test=adata, models=["kNN"], plots=False),
        "scdd.pl.compare": lambda adata: scdd.pl.compare(adata, syn, show=False),
        "scdd.pl.markers": lambda adata: scdd.pl.markers(adata, syn, show=False),
        "scdd.pl.composition": lambda adata: scdd.pl.composition(adata, syn, show=False),
        "scdd.pl.confusion": lambda adata: scdd.pl.confusion(syn, adata, show=False),
        HOME: model,
        "scdd.io.write_h5ad": lambda adata: scdd.io.write_h5ad(adata, folder / "out.h5ad"),
    }


def test_every_row_is_tried() -> None:
    assert set(table()) == set(calls(AnnData(), Path()))


@pytest.mark.parametrize("kind", next(iter(table().values())))
@pytest.mark.parametrize("name", table())
def test_a_cell_of_the_table(name: str, kind: str, toy: AnnData, tmp_path: Path) -> None:
    syn = scdd.tl.coreset(toy, 2, "random")
    call = calls(syn, tmp_path)[name]
    cells = made(kind, toy, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is read into memory, and of few cells
        if table()[name][kind] == "yes":
            call(cells)
        else:
            assert name == HOME, "only what scvi-tools sets up may refuse"
            with pytest.raises((ValueError, AttributeError)):
                call(cells)
    plt.close("all")

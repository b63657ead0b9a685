"""``scdd report``: judge a small set."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scdd.cli._lists import words
from scdd.cli._options import AsJson, Quiet

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["report"]

_WHAT, _HOW = "What is judged", "How it is judged"


def report(
    adata: Annotated[
        Path, typer.Argument(metavar="ADATA", help="The real cells that the set was made from: .h5ad or .zarr.")
    ],
    syn: Annotated[Path, typer.Argument(metavar="SYN", help="The set that is judged.")],
    test: Annotated[
        Path | None,
        typer.Option(
            "--test",
            metavar="TEST",
            help="Real cells that had no part in making it; without them utility is not known.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE", help="The page to write.", rich_help_panel=_HOW)
    ] = Path("report.html"),
    labels_key: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column with the classes; default: the one the set was made with, else cell_type.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    layer: Annotated[
        str | None, typer.Option(metavar="LAYER", help="Layer with the counts; default: X.", rich_help_panel=_WHAT)
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL,...",
            help="Models that are trained and tested; default: LR,MLP,kNN,RF,SVM.",
            rich_help_panel=_HOW,
        ),
    ] = None,
    max_cells: Annotated[
        int, typer.Option(metavar="N", help="Real cells that are looked at, at most.", rich_help_panel=_HOW)
    ] = 5000,
    backed: Annotated[
        bool, typer.Option("--backed", help="Leave the real cells on disk (.h5ad).", rich_help_panel=_HOW)
    ] = False,
    no_plots: Annotated[
        bool, typer.Option("--no-plots", help="Draw no figures: much faster.", rich_help_panel=_HOW)
    ] = False,
    seed: Annotated[int, typer.Option(metavar="SEED", help="Seed of all draws.", rich_help_panel=_HOW)] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the page if it is there.", rich_help_panel=_HOW)
    ] = False,
    json_: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Judge a small set: diagnostic, quality and utility, as one HTML page.

    The page is self-contained and opens without a network.

    Exit codes: 0 written; 2 something cannot be used; 130 after Ctrl-C.
    """
    from scdd.io._cells import check_output
    from scdd.metrics import PANEL
    from scdd.tl import report as judge

    inputs = [path for path in (adata, syn, test) if path is not None]
    target = check_output(out, overwrite=overwrite, inputs=inputs, suffixes=(out.suffix,))
    with warnings.catch_warnings():
        # what scdd has to say stands in the page
        warnings.simplefilter("ignore")
        result = judge(
            _cells(adata, backed=backed),
            _cells(syn),
            adata_test=None if test is None else _cells(test, backed=backed),
            path=target,
            labels_key=labels_key,
            layer=layer,
            models=words(models) or PANEL,
            max_cells=max_cells,
            plots=not no_plots,
            title=f"Report on {syn.name}",
            overwrite=overwrite,
            seed=seed,
        )
    if json_:
        told: dict[str, Any] = {**result.to_json(), "page": str(out)}
        print(json.dumps(told, indent=1))
    elif not quiet:
        print(repr(result).encode("ascii", "replace").decode())
    if not quiet:
        print(f"\nWrote {out}.", file=sys.stderr if json_ else sys.stdout)


def _cells(path: Path, *, backed: bool = False) -> AnnData:
    """Read cells of either format; those of an h5ad may stay on disk."""
    from scdd.errors import InputError
    from scdd.io import read_h5ad
    from scdd.io._cells import read_cells

    if not backed:
        return read_cells(path)
    if path.suffix == ".zarr":
        msg = f"{path} is a zarr store, and --backed leaves h5ad files on disk only. Leave --backed out."
        raise InputError(msg)
    return read_h5ad(path, backed=True)

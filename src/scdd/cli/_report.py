"""``scdd report``: judge a small set."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from scdd.cli._lists import words

__all__ = ["report"]

_WHAT, _HOW = "What is judged", "How it is judged"


def report(
    adata: Annotated[Path, typer.Argument(metavar="ADATA.h5ad", help="The real cells that the set was made from.")],
    syn: Annotated[Path, typer.Argument(metavar="SYN.h5ad", help="The set that is judged.")],
    test: Annotated[
        Path | None,
        typer.Option(
            "--test",
            metavar="TEST.h5ad",
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
        bool, typer.Option("--backed", help="Leave the real cells on disk.", rich_help_panel=_HOW)
    ] = False,
    no_plots: Annotated[
        bool, typer.Option("--no-plots", help="Draw no figures: much faster.", rich_help_panel=_HOW)
    ] = False,
    seed: Annotated[int, typer.Option(metavar="SEED", help="Seed of all draws.", rich_help_panel=_HOW)] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the page if it is there.", rich_help_panel=_HOW)
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.", rich_help_panel=_HOW)] = False,
) -> None:
    """Judge a small set: diagnostic, quality and utility, as one HTML page.

    The page is self-contained and opens without a network.
    """
    from scdd.io import read_h5ad
    from scdd.metrics import PANEL
    from scdd.tl import report as judge

    check_output(out, overwrite=overwrite)
    with warnings.catch_warnings():
        # what scdd has to say stands in the page
        warnings.simplefilter("ignore")
        result = judge(
            read_h5ad(adata, backed=backed),
            read_h5ad(syn),
            adata_test=None if test is None else read_h5ad(test, backed=backed),
            path=out,
            labels_key=labels_key,
            layer=layer,
            models=words(models) or PANEL,
            max_cells=max_cells,
            plots=not no_plots,
            title=f"Report on {syn.name}",
            seed=seed,
        )
    if json_:
        told: dict[str, Any] = {**result.to_json(), "page": str(out)}
        print(json.dumps(told, indent=1))
    else:
        print(repr(result).encode("ascii", "replace").decode())
    print(f"\nWrote {out}.", file=sys.stderr if json_ else sys.stdout)


def check_output(path: Path, *, overwrite: bool) -> None:
    """Refuse, before any work is done, what cannot be written.

    Raises
    ------
    scdd.errors.InputError
        If the file is there and is not to be replaced, or its folder is not there.
    """
    from scdd.errors import InputError

    if path.is_dir():
        msg = f"{path} is a folder. Give the path of a file."
        raise InputError(msg)
    if path.exists() and not overwrite:
        msg = f"{path} exists. Choose another path, or pass --overwrite."
        raise InputError(msg)
    if not path.parent.is_dir():
        msg = f"The folder {path.parent} does not exist. Create it first."
        raise InputError(msg)

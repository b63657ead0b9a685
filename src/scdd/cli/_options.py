"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AsJson",
    "BatchKey",
    "Input",
    "LabelsKey",
    "Layer",
    "Out",
    "Overwrite",
    "Quiet",
    "Rows",
    "Seed",
    "Set",
    "Unlabeled",
]

COLUMNS, HOW, RESULT = "The columns", "How it is done", "What comes out"

Input = Annotated[Path, typer.Argument(metavar="IN", help="Cells with raw counts: .h5ad or .zarr.", show_default=False)]
Set = Annotated[Path, typer.Argument(metavar="IN", help="A set that scdd wrote: .h5ad or .zarr.", show_default=False)]
Out = Annotated[
    Path,
    typer.Option(
        "--out", "-o", metavar="OUT", help="File to write: .h5ad or .zarr.", show_default=False, rich_help_panel=RESULT
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace OUT if it exists (never IN).", rich_help_panel=RESULT)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.", rich_help_panel=RESULT)]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="No progress bars, warnings or summary: errors only.", rich_help_panel=RESULT),
]
LabelsKey = Annotated[
    str | None,
    typer.Option(
        "--labels-key",
        metavar="COLUMN",
        help="Column of obs with the classes; default: cell_type.",
        rich_help_panel=COLUMNS,
    ),
]
BatchKey = Annotated[
    str | None,
    typer.Option("--batch-key", metavar="COLUMN", help="Column of obs with the batches.", rich_help_panel=COLUMNS),
]
Layer = Annotated[
    str | None,
    typer.Option("--layer", metavar="NAME", help="Layer with the counts; default: X.", rich_help_panel=COLUMNS),
]
Unlabeled = Annotated[
    str,
    typer.Option(
        "--unlabeled", metavar="RULE", help="Cells without a label: error, drop or class.", rich_help_panel=COLUMNS
    ),
]
Rows = Annotated[int, typer.Option("--n-per-class", "-n", metavar="N", help="Rows of each class.", rich_help_panel=HOW)]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Seed of everything random.", rich_help_panel=HOW)]

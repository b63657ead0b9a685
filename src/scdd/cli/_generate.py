"""``scdd generate``: new cells from a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scdd.cli._options import HOW, AsJson, Out, Overwrite, Quiet, Seed
from scdd.cli._session import tell, told_of, working

__all__ = ["generate"]


def generate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of a saved model.", show_default=False)],
    out: Out,
    n: Annotated[int, typer.Option("--n", "-n", metavar="N", help="Number of cells.", rich_help_panel=HOW)] = 100,
    label: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS", help="Class of all cells; default: as in the original cells.", rich_help_panel=HOW
        ),
    ] = None,
    batch: Annotated[
        str | None,
        typer.Option(
            metavar="BATCH", help="Batch of all cells; default: as in the original cells.", rich_help_panel=HOW
        ),
    ] = None,
    guidance: Annotated[
        float,
        typer.Option(
            metavar="NUMBER",
            help="Above 1, cells move further towards their class; well above it they leave the data.",
            rich_help_panel=HOW,
        ),
    ] = 1.0,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    json_: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Draw new cells from a saved model: one generator step from noise.

    A model is saved by scdd distill --save-model, or in Python by model.save.

    Exit codes: 0 written; 2 the model cannot be used; 130 after Ctrl-C. Nothing is written but with 0.
    """
    from scdd.io._cells import check_output, write_cells

    target = check_output(out, overwrite=overwrite, inputs=[model])
    with working(quiet=quiet) as clock:
        from scdd.model import SCDD

        cells = SCDD.load(model).generate(n, label, batch, guidance=guidance, seed=seed)
        write_cells(cells, target)
        told = told_of(cells, target, clock)
    tell(told, as_json=json_, quiet=quiet)

"""``scdd expand``: many count cells from each distilled row."""

from __future__ import annotations

from typing import Annotated

import typer

from scdd.cli._options import HOW, AsJson, Out, Overwrite, Quiet, Seed, Set
from scdd.cli._session import tell, told_of, working

__all__ = ["expand"]


def expand(
    path: Set,
    out: Out,
    n: Annotated[int, typer.Option("--n", "-n", metavar="N", help="Cells of each row.", rich_help_panel=HOW)] = 20,
    noise: Annotated[
        str, typer.Option(metavar="NAME", help="poisson, or nb for the scatter of real cells.", rich_help_panel=HOW)
    ] = "poisson",
    seed: Seed = 0,
    overwrite: Overwrite = False,
    json_: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Decode every row of a distilled file into count cells, from what the file itself holds.

    Exit codes: 0 written; 2 the input cannot be used; 130 after Ctrl-C. Nothing is written but with 0.
    """
    from scdd.io._cells import check_output, read_cells, write_cells

    target = check_output(out, overwrite=overwrite, inputs=[path])
    with working(quiet=quiet) as clock:
        from scdd.tl import expand as expand_

        cells = expand_(read_cells(path), n, noise=noise, seed=seed)
        write_cells(cells, target)
        told = told_of(cells, target, clock)
    tell(told, as_json=json_, quiet=quiet)

"""``scdd head``: the first rows of each class of a nested set."""

from __future__ import annotations

from scdd.cli._options import AsJson, Out, Overwrite, Quiet, Rows, Set
from scdd.cli._session import tell, told_of, working

__all__ = ["head"]


def head(
    path: Set, out: Out, n: Rows = 1, overwrite: Overwrite = False, json_: AsJson = False, quiet: Quiet = False
) -> None:
    """Cut a distilled set, or a coreset, to the first rows of each class, which are a good set themselves.

    Exit codes: 0 written; 2 the input cannot be used; 130 after Ctrl-C. Nothing is written but with 0.
    """
    from scdd.io._cells import check_output, read_cells, write_cells

    target = check_output(out, overwrite=overwrite, inputs=[path])
    with working(quiet=quiet) as clock:
        from scdd.tl import head as head_

        rows = head_(read_cells(path), n)
        write_cells(rows, target)
        told = told_of(rows, target, clock)
    tell(told, as_json=json_, quiet=quiet)

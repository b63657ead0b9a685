"""``scdd coreset``: a few real cells, or means, of each class."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scdd.cli._options import (
    HOW,
    AsJson,
    BatchKey,
    Input,
    LabelsKey,
    Layer,
    Out,
    Overwrite,
    Quiet,
    Rows,
    Seed,
    Unlabeled,
)
from scdd.cli._session import tell, told_of, working

__all__ = ["coreset"]


def coreset(
    path: Input,
    out: Out,
    n: Rows = 10,
    method: Annotated[
        str,
        typer.Option(
            "--method", "-m", metavar="NAME",
            help="random, herding, k_center, k_medoids, geosketch, scvalue or rded; means: class_mean, kmeans, class_mean_log, kmeans_log.",
            rich_help_panel=HOW,
        ),
    ] = "herding",
    fraction: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Share of the cells of each class instead of -n.", rich_help_panel=HOW)
    ] = None,
    labels_key: LabelsKey = None,
    batch_key: BatchKey = None,
    layer: Layer = None,
    unlabeled: Unlabeled = "error",
    small_class: Annotated[
        str, typer.Option(metavar="RULE", help="Classes with fewer cells than rows: keep, cap or error.", rich_help_panel=HOW)
    ] = "keep",
    seed: Seed = 0,
    overwrite: Overwrite = False,
    json_: AsJson = False,
    quiet: Quiet = False,
) -> None:  # fmt: skip
    """Choose or average cells of each class without learning, for comparison.

    Exit codes: 0 written; 2 the input cannot be used; 130 after Ctrl-C. Nothing is written but with 0.
    """
    from scdd.io._cells import check_output, read_cells, write_cells

    target = check_output(out, overwrite=overwrite, inputs=[path])
    options: dict[str, Any] = {
        "labels_key": labels_key, "batch_key": batch_key, "layer": layer, "fraction": fraction, "small_class": small_class,
        "unlabeled": unlabeled, "seed": seed,
    }  # fmt: skip
    with working(quiet=quiet) as clock:
        from scdd.tl import coreset as coreset_

        rows = coreset_(read_cells(path), n, method, **options)
        write_cells(rows, target)
        told = told_of(rows, target, clock)
    tell(told, as_json=json_, quiet=quiet)

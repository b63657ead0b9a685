"""``scdd distill``: from many labelled cells to a few synthetic ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scdd.cli._options import (
    COLUMNS,
    HOW,
    RESULT,
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

__all__ = ["distill"]


def distill(
    path: Input,
    out: Out,
    n: Rows = 10,
    fraction: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Share of the cells of each class instead of -n.", rich_help_panel=HOW),
    ] = None,
    labels_key: LabelsKey = None,
    batch_key: BatchKey = None,
    donor_key: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of obs that is held out together; default: the batches.",
            rich_help_panel=COLUMNS,
        ),
    ] = None,
    layer: Layer = None,
    unlabeled: Unlabeled = "error",
    preset: Annotated[
        str, typer.Option(metavar="NAME", help="default, fast, best or paper.", rich_help_panel=HOW)
    ] = "default",
    encoder: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Encoder, see scdd encoders; pca:30 is one with an argument.", rich_help_panel=HOW
        ),
    ] = "auto",
    objective: Annotated[
        str, typer.Option(metavar="NAME", help="Matching objective; none: no refinement.", rich_help_panel=HOW)
    ] = "auto",
    generator: Annotated[
        str | None, typer.Option(metavar="NAME", help="scdg, or the ablations gaussian and none.", rich_help_panel=HOW)
    ] = None,
    small_class: Annotated[
        str,
        typer.Option(
            metavar="RULE", help="Classes with fewer cells than rows: keep, cap or error.", rich_help_panel=HOW
        ),
    ] = "keep",
    allow_normalized: Annotated[
        bool, typer.Option("--allow-normalized", help="Take log-normalised input all the same.", rich_help_panel=HOW)
    ] = False,
    device: Annotated[
        str, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps.", rich_help_panel=HOW)
    ] = "auto",
    seed: Seed = 0,
    max_seconds: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="Stop learning after this time, and write what there is.", rich_help_panel=HOW
        ),
    ] = None,
    save_model: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Also save the trained model, for scdd generate.", rich_help_panel=RESULT),
    ] = None,
    overwrite: Overwrite = False,
    json_: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Distil labelled cells into a few synthetic cells per class.

    Exit codes: 0 written; 2 the input cannot be used, nothing written; 130 after Ctrl-C: what was learnt so far is written
    with the status "interrupted", a second Ctrl-C writes nothing.
    """
    from scdd.io._cells import check_output, read_cells, write_cells
    from scdd.io._files import check_target

    target = check_output(out, overwrite=overwrite, inputs=[path])
    if save_model is not None:
        check_target(save_model, overwrite=overwrite)
    options: dict[str, Any] = {
        "labels_key": labels_key, "batch_key": batch_key, "layer": layer, "encoder": encoder, "objective": objective,
        "donor_key": donor_key, "preset": preset, "generator": generator, "fraction": fraction, "small_class": small_class,
        "unlabeled": unlabeled, "allow_normalized": allow_normalized, "seed": seed, "device": device,
        "max_seconds": max_seconds,
    }  # fmt: skip
    with working(quiet=quiet) as clock:
        from scdd.tl._distill import distill_and_model

        syn, model = distill_and_model(read_cells(path), n, **options)
        write_cells(syn, target)
        told = told_of(syn, target, clock)
        if save_model is not None:
            model.save(save_model, overwrite=overwrite)
            told["model"] = str(save_model)
    tell(told, as_json=json_, quiet=quiet)
    if told["status"] == "interrupted":
        raise typer.Exit(130)

"""``scdd evaluate``: train models on a small set, test them on real cells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scdd.cli._lists import numbers, words
from scdd.cli._options import HOW, RESULT, AsJson, LabelsKey, Layer, Overwrite, Quiet
from scdd.cli._session import working

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["evaluate"]

_SCORES = ["macro_f1", "balanced_accuracy", "accuracy"]


def evaluate(
    syn: Annotated[
        Path, typer.Argument(metavar="SYN", help="What models are trained on: .h5ad or .zarr.", show_default=False)
    ],
    test: Annotated[
        Path, typer.Argument(metavar="TEST", help="Real cells that had no part in making SYN.", show_default=False)
    ],
    labels_key: LabelsKey = None,
    layer: Layer = None,
    models: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL,...", help="Models; default: LR,MLP,kNN,RF,SVM.", rich_help_panel=HOW),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The original training cells, where SYN was not made by scdd.", rich_help_panel=HOW
        ),
    ] = None,
    seeds: Annotated[
        list[str] | None, typer.Option(metavar="SEED,...", help="Seeds of the models; default: 0.", rich_help_panel=HOW)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="CSV", help="Also write all scores to this .csv.", rich_help_panel=RESULT),
    ] = None,
    per_class: Annotated[
        bool, typer.Option("--per-class", help="Print the F1 of each class too.", rich_help_panel=RESULT)
    ] = False,
    overwrite: Overwrite = False,
    json_: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train a panel of models on a small set, and score them on real cells.

    Exit codes: 0 scored; 2 an input cannot be used; 130 after Ctrl-C.
    """
    from scdd._atomic import write_text
    from scdd.io._cells import check_output, read_cells

    inputs = [path for path in (syn, test, reference) if path is not None]
    target = None if out is None else check_output(out, overwrite=overwrite, inputs=inputs, suffixes=(".csv",))
    with working(quiet=quiet):
        from scdd.metrics import PANEL
        from scdd.tl import evaluate as evaluate_

        table = evaluate_(
            read_cells(syn), read_cells(test), labels_key=labels_key, models=words(models) or PANEL, layer=layer,
            reference=None if reference is None else read_cells(reference), seeds=numbers("--seeds", seeds) or [0],
        )  # fmt: skip
        if target is not None:
            write_text(target, table.to_csv(index=False))
    if json_:
        records = json.loads(table.to_json(orient="records", double_precision=6))
        print(json.dumps({"scores": records, "excluded": table.attrs["excluded"]}, indent=1))
    elif not quiet:
        print(_as_text(table, per_class=per_class))


def _as_text(table: pd.DataFrame, *, per_class: bool) -> str:
    """Return the means over seeds: models by scores, then their mean; and the F1 of each class."""
    overall = table[table["metric"].isin(_SCORES)]
    models = list(dict.fromkeys(table["model"]))
    wide = overall.pivot_table(index="model", columns="metric", values="value").loc[models, _SCORES]
    if len(models) > 1:
        wide.loc["mean"] = wide.mean()
    wide.index.name = wide.columns.name = None
    blocks = [wide.to_string(float_format="{:.3f}".format)]
    if per_class:
        classes = table[table["metric"] == "f1"]
        f1 = classes.pivot_table(index="class", columns="model", values="value", sort=False)[models]
        f1.index.name = f1.columns.name = None
        blocks.append("F1 of each class\n" + f1.to_string(float_format="{:.3f}".format))
    excluded = table.attrs["excluded"]
    if excluded:
        blocks.append("Not scored: " + "; ".join(f"{name} ({why})" for name, why in excluded.items()) + ".")
    return "\n\n".join(blocks)

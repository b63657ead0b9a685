"""``scdd pretrain``: an encoder from many data sets."""

from __future__ import annotations

import json
import shlex
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scdd.errors import InputError

if TYPE_CHECKING:
    from scdd.encoders import PretrainConfig, Study

__all__ = ["pretrain"]

_WHAT, _HOW = "What it is trained on", "How it is trained"


def pretrain(
    data: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help=".h5ad files, .zarr stores, or .json lists of studies."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write.")],
    labels_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Column of the classes; default: none.", rich_help_panel=_WHAT)
    ] = None,
    batch_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Column of donors or batches.", rich_help_panel=_WHAT)
    ] = None,
    backed: Annotated[bool, typer.Option("--backed", help="Leave the counts on disk.", rich_help_panel=_WHAT)] = False,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSON object with fields of PretrainConfig.", rich_help_panel=_HOW),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="Steps; default: those of the configuration.", rich_help_panel=_HOW)
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed.", rich_help_panel=_HOW)] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, ... or auto.", rich_help_panel=_HOW)] = "auto",
    compile_: Annotated[
        bool, typer.Option("--compile", help="Let torch compile the network.", rich_help_panel=_HOW)
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an older encoder.", rich_help_panel=_HOW)
    ] = False,
) -> None:
    """Pretrain an encoder on many data sets, for encoder="scdd-base:DIR".

    The same command goes on where it stopped. Several GPUs: torchrun --nproc-per-node 4 -m scdd pretrain ...
    """
    from scdd.encoders import pretrain as train
    from scdd.encoders._pretrain._team import started

    chosen = _config(config, steps)
    made_by = f"scdd pretrain {shlex.join(path.name for path in data)} --seed {seed}"
    encoder = train(
        _studies(data, labels_key, batch_key), out, labels_key=labels_key, batch_key=batch_key, config=chosen,
        backed=backed, seed=seed, device=device, compile=compile_, overwrite=overwrite, made_by=made_by,
    )  # fmt: skip
    if not started().leads:
        return
    for member in encoder.card["data"]:
        share = "" if member["share_of_counts"] is None else f", {member['share_of_counts']:.1%} of the counts"
        print(f"{member['name']}: {member['n_cells']} cells, {member['n_genes_of_vocabulary']} genes{share}")
    print(f"Wrote {out}: {len(encoder.genes)} genes, embeddings of {encoder.info.dim}.")


def _config(path: Path | None, steps: int | None) -> PretrainConfig:
    from scdd.encoders import PretrainConfig

    values = {} if path is None else _json(path)
    unknown = sorted(set(values) - {field.name for field in fields(PretrainConfig)}) if isinstance(values, dict) else []
    if not isinstance(values, dict) or unknown:
        what = f"has fields that are not known: {', '.join(unknown)}" if unknown else "does not hold a JSON object"
        msg = f"{path} {what}."
        raise InputError(msg)
    for field in fields(PretrainConfig):
        value, wanted = values.get(field.name, field.default), type(field.default)
        # a whole number will do for a real one, and true is no number
        if type(value) not in {wanted, int}:
            msg = f"{path}: {field.name} must be {'a whole number' if wanted is int else 'a number'}, got {value!r}."
            raise InputError(msg)
    chosen = PretrainConfig(**values)
    return chosen if steps is None else replace(chosen, n_steps=steps)


def _studies(paths: list[Path], labels_key: str | None, batch_key: str | None) -> list[Study]:
    from scdd.encoders import Study

    found: list[Study] = []
    for path in paths:
        if path.suffix == ".json":
            entries = _json(path)
            found += [_study(entry, path) for entry in (entries if isinstance(entries, list) else [entries])]
        else:
            found.append(Study(path, labels_key=labels_key, batch_key=batch_key))
    return found


def _study(entry: Any, path: Path) -> Study:
    """Return the study that an entry of a list tells; its file is looked for beside the list."""
    from scdd.encoders import Study

    known = {field.name for field in fields(Study)}
    values = dict(entry) if isinstance(entry, dict) else {}
    studies = values.pop("studies", ())
    studies = (studies,) if isinstance(studies, str) else studies  # a single one may stand alone
    texts = all(isinstance(value, str | None) for value in values.values())
    named = isinstance(studies, list | tuple) and all(isinstance(study, str) for study in studies)
    if not isinstance(values.get("data"), str) or not set(values) <= known or not texts or not named:
        msg = f'{path} must hold a list of objects such as {{"data": "a.h5ad", "labels_key": "cell_type"}} ({", ".join(sorted(known))}).'
        raise InputError(msg)
    values["data"] = path.parent / values["data"]
    return Study(**values, studies=tuple(studies))


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read as JSON: {error}."
        raise InputError(msg) from error

"""``scdd benchmark``: compare methods under one protocol."""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from scdd.cli._lists import nothing_left, numbers, paths, words
from scdd.cli._session import working
from scdd.cli._tables import as_json, as_text

__all__ = ["FILE", "benchmark"]

FILE = "benchmark.csv"
_WHAT, _HOW, _SHOW = "What is run", "How it is run", "What is shown"


def benchmark(
    context: typer.Context,
    quick: Annotated[
        bool, typer.Option("--quick", help="Two data sets, six methods: a few minutes; other options change it.")
    ] = False,
    tasks: Annotated[
        list[str] | None,
        typer.Option(metavar="TASK,...", help="See --list; default: all that are not reserved.", rich_help_panel=_WHAT),
    ] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option(metavar="METHOD,...", help="See --list; default: all.", rich_help_panel=_WHAT),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL,...",
            help="Models that are trained and tested; default: LR,MLP,kNN,RF,SVM.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    n: Annotated[
        list[str] | None,
        typer.Option("--n", metavar="N,...", help="Rows per class; default: 1,10.", rich_help_panel=_WHAT),
    ] = None,
    splits: Annotated[
        list[str] | None,
        typer.Option(metavar="SEED,...", help="Seeds of the splits; default: 0,1.", rich_help_panel=_WHAT),
    ] = None,
    seeds: Annotated[
        list[str] | None,
        typer.Option(metavar="SEED,...", help="Seeds of methods and models; default: 0,1.", rich_help_panel=_WHAT),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help=f"Folder of {FILE}.", rich_help_panel=_HOW)] = Path(
        "scdd-benchmark"
    ),
    quality: Annotated[
        bool, typer.Option("--quality", help="Judge fidelity and biology of the rows too.", rich_help_panel=_WHAT)
    ] = False,
    n_jobs: Annotated[
        int | None,
        typer.Option(metavar="N", help="Processes; default: one per core, at most 2.", rich_help_panel=_HOW),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Run again what failed.", rich_help_panel=_HOW)
    ] = False,
    allow_reserved: Annotated[
        bool,
        typer.Option("--allow-reserved", help="Run our own method on reserved tasks too.", rich_help_panel=_HOW),
    ] = False,
    merge: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE,...", help=f"Run nothing, join these files into {FILE}.", rich_help_panel=_HOW),
    ] = None,
    metric: Annotated[
        str, typer.Option(metavar="SCORE", help="Score of the tables.", rich_help_panel=_SHOW)
    ] = "macro_f1",
    list_: Annotated[
        bool,
        typer.Option("--list", help="List tasks, methods and models, and stop.", rich_help_panel=_SHOW),
    ] = False,
    print_only: Annotated[
        bool,
        typer.Option("--print-only", help="Run nothing, print the tables of what is there.", rich_help_panel=_SHOW),
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.", rich_help_panel=_SHOW)] = False,
) -> None:
    """Compare methods that make a few cells per class.

    Models are trained on these cells and tested on real cells of held-out donors.
    The same command goes on where it stopped.
    Several values are joined by commas: --tasks baron,kang --n 1,10.
    Jobs of a cluster write to folders of their own, and --merge joins them.
    """
    nothing_left(context.args)
    if list_:
        _list(as_json_=json_)
        return
    path = out / FILE
    with working(quiet=False):
        from scdd.benchmark import merge as join
        from scdd.benchmark import run
        from scdd.benchmark._store import check_metric

        check_metric(metric)
        runs = merge is None and not print_only
        if not runs:
            _nothing_to_run(
                "--merge" if merge is not None else "--print-only",
                {"--quick": quick, "--tasks": tasks, "--methods": methods, "--models": models, "--n": n, "--splits": splits,
                 "--seeds": seeds, "--quality": quality, "--n-jobs": n_jobs, "--retry-failed": retry_failed,
                 "--allow-reserved": allow_reserved},
            )  # fmt: skip
        if merge is not None:
            join(paths("--merge", merge), path)
        elif runs:
            given: dict[str, Any] = {"tasks": words(tasks), "methods": words(methods), "models": words(models)}
            given |= {
                name: numbers(f"--{name}", values) for name, values in (("n", n), ("splits", splits), ("seeds", seeds))
            }
            options = _defaults(quick=quick) | {name: value for name, value in given.items() if value is not None}
            run(
                **options, out=path, n_jobs=min(2, os.cpu_count() or 1) if n_jobs is None else n_jobs, retry_failed=retry_failed,
                allow_reserved=allow_reserved, quality=quality,
            )  # fmt: skip
        _show(path, metric=metric, as_json_=json_)
        if not runs:  # a run has told it
            _tell_copies(path)
        if not print_only:
            written = ", ".join(str(file) for file in (path, *_drawn(path, metric=metric)))
            print(f"\nWrote {written}.", file=sys.stderr if json_ else sys.stdout)


def _nothing_to_run(option: str, given: dict[str, Any]) -> None:
    """Refuse options of a run where nothing is run: they would change nothing."""
    vain = [name for name, value in given.items() if value not in (None, False)]
    if vain:
        msg = f"{option} runs nothing, so {', '.join(vain)} would change nothing: leave them out."
        raise typer.BadParameter(msg)


def _defaults(*, quick: bool) -> dict[str, Any]:
    from scdd.benchmark import TASKS
    from scdd.benchmark._quick import quick as small

    if quick:
        return small()
    return {"tasks": [name for name in TASKS if not TASKS.get(name).reserved and name != "simulated"]}


def _show(path: Path, *, metric: str, as_json_: bool) -> None:
    from scdd.benchmark import summary
    from scdd.errors import InputError

    if not path.is_file():
        msg = f"There is no {path}."
        raise InputError(msg)
    tables = summary(path, metric=metric)
    print(as_json(tables, metric=metric) if as_json_ else "\n" + as_text(tables, metric=metric))


def _tell_copies(path: Path) -> None:
    from scdd.benchmark._held_out import copies
    from scdd.benchmark._store import read_results

    for (task, split), first in copies(read_results(path)).items():
        print(f"Split {split} of {task} tests on what split {first} does: it is no new test.", file=sys.stderr)


def _drawn(path: Path, *, metric: str) -> list[Path]:
    """Write figure and page beside the results."""
    from scdd.benchmark import page
    from scdd.pl import benchmark as draw

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is left out was told with the tables
        figure = draw(path, metric=metric, show=False)
        assert figure is not None  # it is not shown
        figure.savefig(path.with_suffix(".png"), dpi=150)
        return [path.with_suffix(".png"), page(path, path.with_suffix(".html"), metric=metric)]


def _list(*, as_json_: bool) -> None:
    from scdd.benchmark import METHODS, TASKS
    from scdd.metrics import TEST_MODELS

    tasks = [TASKS.get(name) for name in TASKS]
    if as_json_:
        keys = ("name", "kind", "split_by", "reserved", "note")
        listed = [{key: getattr(task, key) for key in keys} for task in tasks]
        print(json.dumps({"tasks": listed, "methods": METHODS.names(), "models": TEST_MODELS.names()}, indent=1))
        return
    print("tasks")
    for task in tasks:
        reserved = " Reserved." if task.reserved else ""
        how = "test cells fixed" if task.split_by == "fixed" else f"{task.split_by} held out"
        print(f"  {task.name:22} {task.kind}, {how}.{reserved} {task.note}")
    print(f"methods\n  {', '.join(METHODS)}\nmodels\n  {', '.join(TEST_MODELS)}")

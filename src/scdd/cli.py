"""The command line: ``python -m scdd benchmark``."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scdd.errors import ScddError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["main"]

FILE = "benchmark.csv"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv
        Arguments; default: those of the process.

    Returns
    -------
    0; 1 where the output was closed; 2 where something cannot be used (the reason goes to the standard error); 130 after
    Ctrl-C.

    Examples
    --------
    >>> main(["benchmark", "--list"])  # doctest: +ELLIPSIS
    tasks
      ...
    0
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        if arguments.list:
            _list()
        else:
            _benchmark(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # whoever read the output has seen enough; else Python would complain again when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ScddError as error:
        print(f"scdd: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nscdd: interrupted. The same command goes on where this one stopped.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scdd", description="Distil labelled scRNA-seq data sets.")
    commands = parser.add_subparsers(dest="command", required=True)
    benchmark = commands.add_parser(
        "benchmark",
        help="compare methods under one protocol",
        description="Compare methods that make a few cells per class: models are trained on these and tested on real cells "
        "of held-out donors. A run that stopped goes on where it stopped.",
    )
    add = benchmark.add_argument
    add("--quick", action="store_true", help="two data sets, six methods: a few minutes; other options change it")
    add("--tasks", nargs="+", metavar="TASK", help="see --list; default: all that are not reserved")
    add("--methods", nargs="+", metavar="METHOD", help="see --list; default: all")
    add("--models", nargs="+", metavar="MODEL", help="models that are trained and tested; default: LR MLP kNN RF SVM")
    add("--n", nargs="+", type=int, help="rows per class; default: 1 10")
    add("--splits", nargs="+", type=int, help="seeds of the splits; default: 0 1")
    add("--seeds", nargs="+", type=int, help="seeds of methods and models; default: 0 1")
    add(
        "--out",
        type=Path,
        default=Path("scdd-benchmark"),
        metavar="DIR",
        help=f"folder of {FILE}; default: %(default)s",
    )
    add("--n-jobs", type=int, help="processes; default: one per core, at most 2")
    add("--retry-failed", action="store_true", help="run again what failed")
    add("--allow-reserved", action="store_true", help="run our own method on reserved tasks too")
    add("--list", action="store_true", help="list tasks, methods and models, and stop")
    add("--print-only", action="store_true", help="run nothing, print the tables of what is there")
    return parser


def _benchmark(arguments: argparse.Namespace) -> None:
    from scdd.benchmark import TASKS, run, summary
    from scdd.benchmark._quick import quick
    from scdd.errors import InputError

    path = arguments.out / FILE
    if arguments.print_only:
        if not path.is_file():
            msg = f"There is no {path}."
            raise InputError(msg)
        _print(summary(path))
        return
    options: dict[str, Any] = quick() if arguments.quick else {}
    for name in ("tasks", "methods", "models", "n", "splits", "seeds"):
        if (value := getattr(arguments, name)) is not None:
            options[name] = value
    options.setdefault("tasks", [name for name in TASKS if not TASKS.get(name).reserved and name != "simulated"])
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # notes on small classes and slow solvers, between the lines of the progress bar
        run(
            **options,
            out=path,
            n_jobs=arguments.n_jobs or min(2, os.cpu_count() or 1),
            retry_failed=arguments.retry_failed,
            allow_reserved=arguments.allow_reserved,
        )
    _print(summary(path))
    print(f"\nWrote {path}.")


def _list() -> None:
    from scdd.benchmark import METHODS, TASKS
    from scdd.metrics import TEST_MODELS

    print("tasks")
    for task in map(TASKS.get, TASKS):
        reserved = " Reserved." if task.reserved else ""
        print(f"  {task.name:22} {task.kind}, {task.split_by} held out.{reserved} {task.note}")
    print(f"methods\n  {', '.join(METHODS)}\nmodels\n  {', '.join(TEST_MODELS)}")


def _print(tables: Mapping[str, pd.DataFrame]) -> None:
    import numpy as np

    scores = tables["scores"]
    for n, part in scores.groupby("n"):
        sd = part["sd"].map(lambda value: "" if np.isnan(value) else f" +- {value:.3f}")
        wide = part.assign(text=part["mean"].map("{:.3f}".format) + sd)
        wide = wide.pivot(index="task", columns="method", values="text").fillna("")
        relative = part.pivot(index="task", columns="method", values="relative").dropna()
        if len(relative):
            # over the tasks that all methods have: else the shares would be of different things
            wide.loc[f"share of full, {len(relative)} tasks"] = relative.mean().map("{:.2f}".format)
        if len(wide) < len(wide.columns):
            wide = wide.T
        print(f"\nn = {n}: macro-F1, mean +- sd over splits and seeds\n\n{wide.to_string()}")
    for name, title in (
        ("margins", "scdd minus the best baseline of each task"),
        ("tests", "scdd against each baseline, paired by task, split and seed"),
        ("ranks", "mean rank"),
        ("failures", "failed"),
    ):
        if len(tables[name]):
            print(f"\n{title}\n\n{tables[name].to_string(index=False, float_format='{:.3f}'.format)}")

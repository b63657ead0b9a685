"""Results files of several calls into one: on a cluster, each job writes its own."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scdd._atomic import write_text
from scdd.benchmark._provenance import provenance_path, read_provenance
from scdd.benchmark._store import Store, results_path
from scdd.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["merge"]


def merge(parts: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str]) -> pd.DataFrame:
    """Join results files, and what stands beside them: one job for each task or seed, one table in the end.

    Parameters
    ----------
    parts
        Results files that :func:`scdd.benchmark.run` wrote, which are only read. Where two hold the same line, that of the
        later one counts, unless it alone failed.
    out
        The file to write, a name that ends with ``.csv``, with its JSON beside it; it may be one of the parts.

    Returns
    -------
    All results, sorted.

    Raises
    ------
    scdd.errors.InputError
        If a part is not there or no results file, ``out`` has another ending, or is there and no part, or lines of two
        parts come from different training cells of a split or different settings of a method: their scores cannot be
        compared.

    Examples
    --------
    >>> import scdd
    >>> task = scdd.benchmark.Task("mine", scdd.datasets.simulate, donor_key="donor")
    >>> options = {"n": [1], "splits": [0], "models": ["kNN"], "progress": False}
    >>> for method in ("random", "class_mean"):
    ...     _ = scdd.benchmark.run(task, [method], **options, out=f"{method}.csv")
    >>> sorted(set(scdd.benchmark.merge(["random.csv", "class_mean.csv"], "both.csv")["method"]))
    ['class_mean', 'random']
    """
    paths, target = [Path(part).expanduser() for part in parts], results_path(out)
    missing = [str(path) for path in paths if not path.is_file()]
    if missing or not paths:
        msg = f"These results files are not there: {', '.join(missing)}." if missing else "merge needs results files."
        raise InputError(msg)
    if target.exists() and target.resolve() not in {path.resolve() for path in paths}:
        msg = f"{target} is there, and none of the parts. Name another file, or take it among the parts."
        raise InputError(msg)
    stores = [Store.read(path) for path in paths]
    whole = Store()
    for store in stores:
        whole.take(store)
    told: dict[str, Any] = {"calls": [], "tasks": {}, "methods": {}}
    for path, store in zip(paths, stores, strict=True):
        _add(told, read_provenance(path), whole.kept_of(store), path)
    told["calls"].sort(key=lambda call: str(call.get("date", "")))
    whole.path = target
    target.parent.mkdir(parents=True, exist_ok=True)
    whole.finish()
    write_text(provenance_path(target), json.dumps(told, indent=1, sort_keys=True))
    return whole.frame()


def _add(told: dict[str, Any], more: Mapping[str, Any], kept: set[tuple[str, str, str]], path: Path) -> None:
    """Add what stands beside a part: of the tasks, methods and splits whose lines were kept, if it fits the other parts."""
    told["calls"] += [call for call in more["calls"] if call not in told["calls"]]
    for name in sorted({method for _, method, _ in kept} & set(more["methods"])):
        facts = more["methods"][name]
        if told["methods"].setdefault(name, facts) != facts:
            raise InputError(_differs(f"method {name!r} has other settings", path))
    for name in sorted({task for task, _, _ in kept} & set(more["tasks"])):
        facts, before = more["tasks"][name], told["tasks"].get(name, {})
        told["tasks"][name] = before | facts
        for kind in ("training", "test"):
            cells = dict(before.get(kind, {}))
            for split in sorted({split for task, _, split in kept if task == name} & set(facts.get(kind, {}))):
                if cells.setdefault(split, facts[kind][split]) != facts[kind][split]:
                    raise InputError(_differs(f"the {kind} cells of task {name!r}, split {split}, are others", path))
            told["tasks"][name][kind] = cells


def _differs(what: str, path: Path) -> str:
    return f"In {path}, {what} than in the parts before it: these scores cannot be compared."

"""What a page about a benchmark says: its tables, and in words where a method leads and where it loses."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scdd._names import score_name
from scdd.benchmark._nested import nested
from scdd.benchmark._provenance import read_provenance
from scdd.benchmark._runs import is_reference
from scdd.benchmark._store import results_of
from scdd.benchmark._tables import summary
from scdd.metrics import QUALITY

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Report", "Section", "build_report"]


@dataclass(frozen=True)
class Section:
    """A title, paragraphs (one a line), and a table whose cells are text."""

    title: str
    text: str
    table: pd.DataFrame | None = None


@dataclass(frozen=True)
class Report:
    """All of a page but its figure.

    Attributes
    ----------
    lead
        What was done, in sentences.
    sections
        What follows, in order.
    """

    lead: list[str]
    sections: list[Section]


def build_report(
    results: pd.DataFrame | str | os.PathLike[str], *, metric: str = "macro_f1", ours: str = "scdd"
) -> Report:
    """Return what a page says of results; with a path, also what the provenance beside it tells.

    Parameters
    ----------
    results
        What :func:`scdd.benchmark.run` returned, or the path of its CSV.
    metric
        Score of the tables.
    ours
        The method that the others are compared with.
    """
    import pandas as pd

    told: Mapping[str, Any] = {"calls": [], "tasks": {}, "methods": {}}
    if not isinstance(results, pd.DataFrame):
        told = read_provenance(results)
    results = results_of(results)
    tables = summary(results, metric=metric, ours=ours)
    name = score_name(metric)
    sections = [
        *_losses(tables["margins"], tables["ranks"], ours),
        *(
            Section(f"{name}, n = {n}", "Mean ± sd over splits and seeds, each the mean of the models.", _wide(part))
            for n, part in tables["scores"].groupby("n")
        ),
        Section(
            f"{ours} against the best baseline of each task",
            "The best is chosen after the fact, on the scores that it is compared by, so this is hard on the method.",
            _rounded(tables["margins"]),
        ),
        Section(
            f"{ours} against each baseline",
            "Wilcoxon's signed-rank test, paired by task, split and seed, corrected by Holm. Runs of one task share cells, "
            "so p values are too small: take them for an order.",
            _rounded(tables["tests"]),
        ),
        Section(
            "Mean ranks",
            "Over the tasks that all these methods have; 1 is best. Methods that lack too many tasks have no rank.",
            _rounded(tables["ranks"]),
        ),
        Section(
            "Intervals over donors",
            "95 % intervals by a bootstrap over held-out donors, of the macro-F1 within a donor; few donors make them too "
            "narrow.",
            _rounded(tables["donors"][tables["donors"]["donors"] > 1]),
        ),
        Section(
            "Cost",
            "Mean over runs. Seconds include the training of a model that several n share; times were taken while other "
            "runs were going on." + _took(told["calls"]),
            _cost(results),
        ),
        Section(
            "Quality",
            "How much rows look like the cells they stand for: mean over tasks, and in brackets what as many real cells of "
            "another half reach. Figures that need more rows than a set has are empty.",
            _quality(results),
        ),
        Section("Failures", "", tables["failures"]),
        Section("Tasks", "", _tasks(told)),
        Section("Methods and their settings", "", _methods(told)),
    ]
    return Report(_lead(results, told, name), [s for s in sections if s.table is None or len(s.table)])


def _lead(results: pd.DataFrame, told: Mapping[str, Any], name: str) -> list[str]:
    models = list(dict.fromkeys(results["model"]))
    methods = set(results["method"])
    references = sum(map(is_reference, methods))
    beside = f" and {_number(references, 'reference')}" if references else ""
    sentences = [
        f"{_number(len(methods) - references, 'method')}{beside} on {_number(results['task'].nunique(), 'task')}, with n = "
        f"{', '.join(str(n) for n in sorted(set(results['n'])) if n)} rows per class, "
        f"{_number(results['split'].nunique(), 'split')} and {_number(results['seed'].nunique(), 'seed')}. A method sees training cells only "
        "and makes n rows per class, at most as many as it has cells; "
        f"{', '.join(models)} are trained on these rows with hard labels and tested on real "
        f"cells that were held out, whole donors wherever donors are known. Scores are {name}.",
        "All numbers are runs of this package under this protocol. Those of the paper scDD (arXiv 2503.04357: +7.61 points, "
        "15.70 % relative, over earlier distillation methods) are quoted as reported; they are of other data and cannot be "
        "compared.",
    ]
    if "scdd-paper" in methods:
        sentences.append("scdd-paper follows the paper as far as it tells.")
    if told["calls"]:
        last = told["calls"][-1]
        packages = ", ".join(f"{package} {version}" for package, version in last["versions"].items())
        sentences.append(f"Last run on {last['date'][:10]} with {packages}.")
    return sentences


def _number(n: int, what: str) -> str:
    return f"{n} {what}{'s' if n != 1 else ''}"


def _losses(margins: pd.DataFrame, ranks: pd.DataFrame, ours: str) -> list[Section]:
    """Say in words where the method loses."""
    if not len(margins):
        return []
    words = []
    for n, part in margins.groupby("n"):
        lost = part[part["margin"] < 0].sort_values("margin")
        won = int((part["margin"] > 0).sum())
        sentence = (
            f"With n = {n}, {ours} is better than the best baseline on {won} of {len(part)} tasks; "
            f"the mean difference is {100 * part['margin'].mean():+.1f} points."
        )
        if len(lost):
            named = (f"{r.task} ({100 * r.margin:+.1f} points, {r.best})" for r in lost.itertuples())
            sentence += f" It loses on {', '.join(named)}."
        mine = ranks[(ranks["n"] == n) & (ranks["method"] == ours)]
        if len(mine):
            better = ranks[(ranks["n"] == n) & (ranks["rank"] < mine["rank"].iloc[0])]["method"].tolist()
            sentence += f" Its mean rank is {mine['rank'].iloc[0]:.1f}"
            sentence += f", behind {', '.join(better)}." if better else ", the best."
        words.append(sentence)
    return [Section(f"Where {ours} leads, and where it loses", "\n".join(words))]


def _wide(scores: pd.DataFrame) -> pd.DataFrame:
    """Return methods against tasks as text, by their mean over all tasks; references last."""
    text = scores["mean"].map("{:.3f}".format) + scores["sd"].map(lambda v: "" if np.isnan(v) else f" ± {v:.3f}")
    wide = scores.assign(text=text).pivot(index="method", columns="task", values="text").fillna("")
    value = scores.pivot(index="method", columns="task", values="mean")
    wide["mean"] = ["" if row.isna().any() else f"{row.mean():.3f}" for _, row in value.iterrows()]
    order = sorted(wide.index, key=lambda m: (is_reference(m), -value.loc[m].mean()))
    return wide.loc[order].rename_axis(columns=None).reset_index()


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    out = table.copy()
    for column in out.columns:
        if out[column].dtype.kind == "f":
            out[column] = out[column].map(lambda v: "" if np.isnan(v) else f"{v:.3f}")
    return out


def _took(calls: Sequence[Mapping[str, Any]]) -> str:
    """Say how long all calls took, where each of them tells it."""
    if not calls or not all("seconds" in call for call in calls):
        return ""
    hours = sum(call["seconds"] for call in calls) / 3600
    processes = " or ".join(str(n) for n in sorted({call["n_jobs"] for call in calls}))
    return f" The whole took {hours:.2g} hours on the clock, scores included: {_number(len(calls), 'call')}, n_jobs = {processes}."


def _cost(results: pd.DataFrame) -> pd.DataFrame:
    key = ["task", "method", "n", "split", "seed"]
    runs = results[results["status"] == "ok"].drop_duplicates(key)
    mean = runs.groupby(["method", "n"])[["seconds", "peak_mb", "bytes"]].mean().reset_index()
    out = mean.rename(columns={"peak_mb": "peak MB", "bytes": "kB on disk"})
    out["kB on disk"] = out["kB on disk"].astype(float) / 1000
    for column in ("seconds", "peak MB", "kB on disk"):
        out[column] = out[column].map(lambda v: "" if np.isnan(v) else f"{v:,.1f}")
    return out.assign(n=out["n"].map(lambda n: "all" if n == 0 else str(n)))


def _quality(results: pd.DataFrame) -> pd.DataFrame:
    table = nested(results, "quality")
    if not len(table):
        return table
    mean = table.groupby(["method", "n", "metric"], sort=False)[["value", "floor"]].mean().reset_index()
    text = ["" if np.isnan(row.value) else f"{row.value:.2f} ({row.floor:.2f})" for row in mean.itertuples(index=False)]
    wide = mean.assign(text=text).pivot(index=["method", "n"], columns="metric", values="text")
    return wide[[name for name in QUALITY if name in wide.columns]].fillna("").rename_axis(columns=None).reset_index()


def _tasks(told: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for name, task in sorted(told["tasks"].items()):
        first: Mapping[str, Any] = next(iter(task.get("training", {}).values()), {})
        cells, genes = first.get("shape", ("", ""))
        rows.append(
            (name, task.get("kind", ""), task.get("held_out", ""), cells, genes, len(first.get("classes", ())) or "",
             ", ".join(task.get("studies", ())), task.get("note", ""))
        )  # fmt: skip
    columns = ["task", "kind", "held out", "training cells", "genes", "classes", "studies", "to know"]
    return pd.DataFrame(rows, columns=columns)


def _methods(told: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    def settings(facts: Mapping[str, Any]) -> str:
        return ", ".join(f"{key} {value}" for key, value in facts["settings"].items())

    rows = [(name, facts["sees"], facts["rows"], settings(facts)) for name, facts in sorted(told["methods"].items())]
    return pd.DataFrame(rows, columns=["method", "sees", "rows", "settings"])

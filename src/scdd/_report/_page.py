"""The page: tables of text, figures, and a template that escapes all of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from scdd._about import About
from scdd._limits import INTENDED, NOT_INTENDED, WHEN_NOT, privacy
from scdd._report._figures import Picture
from scdd._report._result import Report
from scdd._report._utility import by_class, by_model
from scdd._report._words import cell, number, percent, signed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Sheet", "render"]

Columns = Mapping[str, tuple[str, Callable[[Any], str]]]  # name in the table -> head, and how a value is written

_MOST = 300  # lines of a table in the page: those beyond are in the tables of the result
_BEST = {"higher": "Higher is better.", "lower": "Lower is better."}
_PARTS = {
    "diagnostic": ("Diagnostic", "Is the set valid and well-formed? Should be 100 %."),
    "quality": ("Quality", "Do the rows look like real cells? 100 %: like as many real cells."),
    "utility": ("Utility", "Do models trained on it work on real cells? 100 %: like models trained on real cells."),
}


@dataclass(frozen=True)
class Sheet:
    """A table whose cells are text.

    Attributes
    ----------
    columns, rows
        Head and body.
    more
        Lines that are left out.
    marks
        Class of each line: ``"pass"``, ``"fail"`` or empty.
    notes
        What stands in small below the first cell of each line.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    more: int = 0
    marks: Sequence[str] = ()
    notes: Sequence[str] = ()


def render(
    report: Report,
    facts: About,
    pictures: Sequence[Picture],
    *,
    title: str,
    lead: Sequence[str],
    cells: Mapping[str, int],
) -> str:
    """Return the page as text.

    Parameters
    ----------
    report
        The tables.
    facts
        What the set tells of itself.
    pictures
        The figures.
    title, lead
        Title, and sentences below it.
    cells
        Real cells of each class.
    """
    import jinja2

    source = files("scdd._report").joinpath("templates", "report.html.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(source).render(
        title=cell(title, 160),
        nature=facts.nature,
        lead=lead,
        parts=[_part(report, name) for name in _PARTS],
        diagnostic=_diagnostic(report.diagnostic),
        quality=_quality(report.quality),
        quality_classes=_classes(report.quality_classes),
        utility=_utility(report.utility),
        utility_models=_models(report.utility),
        no_test=not len(report.utility),
        notes=report.notes,
        inner=json.dumps(facts.inner, indent=1, ensure_ascii=False)[:4000] if facts.inner else "",
        pictures=pictures,
        provenance=_provenance(report.provenance),
        told=json.dumps(report.provenance.get("set", {}), indent=1, ensure_ascii=False)[:40_000],
        warnings=[cell(text, 400) for text in facts.warnings[:50]],
        intended=INTENDED,
        not_intended=NOT_INTENDED,
        when_not=WHEN_NOT,
        privacy=privacy(facts, cells),
        measured=facts.measured,
    )


def _part(report: Report, name: str) -> dict[str, Any]:
    score = report.scores[name]
    title, text = _PARTS[name]
    bar = 0.0 if math.isnan(score) else min(max(score, 0.0), 1.0)
    missing = report.notes.get(name, "") if math.isnan(score) else ""
    return {
        "name": name,
        "title": title,
        "text": text,
        "score": percent(score),
        "bar": round(100 * bar, 1),
        "missing": missing,
    }


def _sheet(table: pd.DataFrame, columns: Columns) -> Sheet:
    shown = table.head(_MOST)
    rows = [[form(row[name]) for name, (_, form) in columns.items()] for row in shown.to_dict("records")]
    return Sheet([head for head, _ in columns.values()], rows, len(table) - len(shown))


def _diagnostic(table: pd.DataFrame) -> list[tuple[str, str, Sheet]]:
    columns: Columns = {"check": ("check", cell), "status": ("result", cell), "share": ("right", percent)}
    out = []
    for about, part in table.groupby("about", sort=False):
        marks = [status if status in ("pass", "fail") else "" for status in part["status"]]
        notes = [cell(text, 400) for text in part["detail"]]
        sheet = replace(_sheet(part, columns), marks=marks, notes=notes)
        out.append((str(about), percent(float(part["share"].mean())), sheet))
    return out


def _quality(table: pd.DataFrame) -> list[tuple[str, str, Sheet]]:
    columns: Columns = {
        "metric": ("figure", cell),
        "value": ("set", number),
        "floor": ("real cells", number),
        "score": ("score", percent),
    }
    out = []
    for about, part in table.groupby("about", sort=False):
        notes = [
            f"{meaning} {_BEST.get(better, f'Best: {better}.')}{f' Not here: {cell(reason, 300)}.' if reason else ''}"
            for meaning, better, reason in zip(part["meaning"], part["better"], part["reason"], strict=True)
        ]
        out.append((str(about), percent(float(part["score"].mean())), replace(_sheet(part, columns), notes=notes)))
    return out


def _classes(table: pd.DataFrame) -> Sheet | None:
    """Return one line per class, and a pair of columns per figure."""
    if not len(table):
        return None
    metrics = list(dict.fromkeys(table["metric"]))
    wide = table.pivot(index="class", columns="metric").loc[list(dict.fromkeys(table["class"]))]
    rows = [
        [cell(name, 60), *(f"{number(line['value', m])} ({number(line['floor', m])})" for m in metrics)]
        for name, line in wide.head(_MOST).iterrows()
    ]
    return Sheet(["class", *(f"{m.replace('_', ' ')} (real)" for m in metrics)], rows, len(wide) - len(rows))


def _models(table: pd.DataFrame) -> Sheet | None:
    if not len(table):
        return None
    columns: Columns = {
        "model": ("model", cell),
        "synthetic": ("set", number),
        "real": ("real cells", number),
        "share": ("share", percent),
    }
    return _sheet(by_model(table), columns)


def _utility(table: pd.DataFrame) -> list[tuple[str, Sheet]]:
    """Return the F1 of each class as the mean of the models, then for each model."""
    if not len(table):
        return []
    columns: Columns = {
        "class": ("class", lambda text: cell(text, 60)),
        "synthetic": ("set", number),
        "real": ("real cells", number),
        "difference": ("difference", signed),
    }
    models = list(dict.fromkeys(table["model"]))
    return [("mean of the models", _sheet(by_class(table), columns))] + [
        (str(model), _sheet(by_class(table, model), columns)) for model in models
    ]


def _provenance(told: Mapping[str, Any]) -> Sheet:
    rows = [[name, cell(value, 300)] for name, value in told.items() if not isinstance(value, Mapping | list)]
    rows += [
        [name, cell(", ".join(f"{k} {v}" for k, v in value.items()), 400)]
        for name, value in told.items()
        if isinstance(value, Mapping) and name != "set"
    ]
    return Sheet(["", ""], rows)

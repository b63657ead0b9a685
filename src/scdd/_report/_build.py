"""From two or three AnnData to a report."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from scdd._about import About, about, plain
from scdd._report._checks import diagnose
from scdd._report._figures import Picture, draw_pictures
from scdd._report._page import render
from scdd._report._quality import CLASS_COLUMNS, COLUMNS, judge_classes, judge_rows, new_cells, real_cells
from scdd._report._result import Report
from scdd._report._subject import make_subject
from scdd._report._utility import COLUMNS as UTILITY_COLUMNS
from scdd._report._utility import NO_TEST, tidy
from scdd._report._words import cell
from scdd._version import versions
from scdd.errors import InputError, ScddError, ScddWarning
from scdd.pl._pair import Pair, pair_with
from scdd.pl._utility import prepare_utility
from scdd.pp._quiet import read_quietly, unlabeled_as_in

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from scdd.pp import CheckedInput

__all__ = ["build_report"]


def build_report(
    adata: AnnData,
    syn: AnnData,
    adata_test: AnnData | None,
    *,
    labels_key: str | None,
    layer: str | None,
    models: Sequence[str],
    max_cells: int,
    plots: bool,
    title: str | None,
    seed: int,
) -> Report:
    """Judge a set; see :func:`scdd.tl.report`. A set that cannot be judged further has a diagnostic all the same."""
    import pandas as pd

    notes: dict[str, str] = {}
    with _collected(notes):
        syn = syn.to_memory() if syn.isbacked else syn
        facts = about(syn)
        unlabeled = unlabeled_as_in(syn, labels_key)
        real = read_quietly(adata, labels_key or facts.labels_key, layer, unlabeled=unlabeled)
        test = None if adata_test is None else read_quietly(adata_test, real.labels_key, layer, unlabeled=unlabeled)
        subject = make_subject(real, syn, layer=layer)
        diagnostic = diagnose(subject)
        pair = _pair(real, syn, layer, notes)
        rows, classes = _quality(pair, test, max_cells, seed, notes)
        prepared = None
        if adata_test is None:
            notes["utility"] = NO_TEST
        elif pair is not None:
            prepared = _utility(pair, adata_test, models, layer, max_cells, seed, notes)
        pictures = _pictures(pair, prepared, plots, max_cells, seed, notes)
        utility = (
            pd.DataFrame(columns=UTILITY_COLUMNS) if prepared is None else tidy(prepared, pair.names if pair else ())
        )
    n_test = None if test is None else int(test.source.n_obs)
    told = _provenance(facts, subject.labels.size, real, n_test, models, max_cells, seed)
    report = Report(diagnostic, rows, classes, utility, told, notes)
    n_rows, n_classes = len(subject.labels), len(subject.rows_of)
    page = render(
        report,
        facts,
        pictures,
        title=title or f"Report on {n_rows:,} rows of {n_classes} classes",
        lead=_lead(report, facts, subject.cells_of, n_test),
        cells=subject.cells_of,
    )
    return Report(diagnostic, rows, classes, utility, told, notes, page)


@contextmanager
def _collected(notes: dict[str, str]) -> Iterator[None]:
    """Keep the warnings of scdd for the report, and give all of them to the user."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ScddWarning)
        yield
    texts = [str(w.message) for w in caught if issubclass(w.category, ScddWarning)]
    if texts:
        notes["warnings"] = "\n".join(cell(text, 400) for text in dict.fromkeys(texts))
    for w in caught:
        warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)


def _pair(real: CheckedInput, syn: AnnData, layer: str | None, notes: dict[str, str]) -> Pair | None:
    try:
        return pair_with(real, syn, layer=layer)
    except ScddError as error:  # the diagnostic says what is wrong
        notes |= dict.fromkeys(("quality", "utility", "figures"), f"The set cannot be read as counts: {error}")
        return None


def _quality(
    pair: Pair | None, test: CheckedInput | None, max_cells: int, seed: int, notes: dict[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    import pandas as pd

    if pair is None:
        return pd.DataFrame(columns=COLUMNS), pd.DataFrame(columns=CLASS_COLUMNS)
    cells = real_cells(pair, max_cells, seed)
    new = cells if test is None else new_cells(pair, test, max_cells, seed)
    if not len(new[1]):
        new = cells  # the part on utility says that no class is shared
    return judge_rows(pair, cells, new, seed=seed), judge_classes(pair, cells, seed=seed)


def _utility(
    pair: Pair,
    adata_test: AnnData,
    models: Sequence[str],
    layer: str | None,
    max_cells: int,
    seed: int,
    notes: dict[str, str],
) -> pd.DataFrame | None:
    try:
        prepared = prepare_utility(pair, adata_test, models=models, layer=layer, max_cells=max_cells, seed=seed)
    except InputError as error:  # a single class, or no class with enough test cells
        notes["utility"] = str(error)
        return None
    excluded: Mapping[str, str] = prepared.attrs["excluded"]
    if excluded:
        listed = "; ".join(f"{cell(name, 60)} ({why})" for name, why in list(excluded.items())[:50])
        notes["excluded"] = listed + ("; ..." if len(excluded) > 50 else "")
    return prepared


def _pictures(
    pair: Pair | None, prepared: pd.DataFrame | None, plots: bool, max_cells: int, seed: int, notes: dict[str, str]
) -> list[Picture]:
    if not plots:
        notes["figures"] = "figures were not asked for."
    if pair is None or not plots:
        return []
    return draw_pictures(pair, prepared, max_cells=max_cells, seed=seed)


def _lead(report: Report, facts: About, cells: Mapping[str, int], n_test: int | None) -> list[str]:
    fails = report.diagnostic["status"] == "fail"
    n_cells = sum(cells.values())
    out = [
        f"{report.provenance['rows']:,} rows for {n_cells:,} real cells of {len(cells)} classes, tested on "
        + ("no held-out cells." if n_test is None else f"{n_test:,} held-out cells.")
    ]
    if fails.any():
        wrong = "; ".join(report.diagnostic[fails]["check"].head(5).str.lower())
        out.append(f"{int(fails.sum())} of {len(fails)} checks fail, of: {wrong}.")
    if not facts.told:
        out.append('The set carries no provenance (uns["scdd"]): how it was made is not known.')
    return out


def _provenance(
    facts: About, n_rows: int, real: CheckedInput, n_test: int | None, models: Sequence[str], max_cells: int, seed: int
) -> dict[str, Any]:
    """Return what the page says of where things come from: facts of the set first, then of the report."""
    unknown = "not known"
    encoder = " ".join(str(facts.encoder[key]) for key in ("name", "version", "hash") if facts.encoder.get(key))
    return {
        "kind": facts.kind or unknown,
        "method": facts.method or unknown,
        "seed": facts.text("seed") or unknown,
        "status": facts.text("status") or unknown,
        "encoder": encoder or unknown,
        "encoder licence": str(facts.encoder.get("licence") or unknown),
        "label column": real.labels_key,
        "rows": int(n_rows),
        "real cells": int(real.source.n_obs),
        "genes": int(real.source.n_vars),
        "test cells": "none" if n_test is None else n_test,
        "report: models": ", ".join(models),
        "report: seed": seed,
        "report: real cells looked at, at most": max_cells,
        "versions of the set": facts.part("versions"),
        "versions of the report": versions(),
        "set": plain(facts.told),
    }

"""The card of a set: what it is, where it comes from, how good it is, what it is not for."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scdd import _keys
from scdd._about import About, about
from scdd._atomic import write_text
from scdd._compat import obs_frame
from scdd._limits import INTENDED, NOT_INTENDED, WHEN_NOT, privacy, small_classes
from scdd._version import versions
from scdd.errors import InputError
from scdd.io._croissant import croissant
from scdd.io._hashes import FileFact, file_fact
from scdd.io._info import UNKNOWN, CardInfo
from scdd.io._markdown import markdown

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from scdd.tl import Report

__all__ = ["CARD_FILES", "CARD_FORMAT", "CARD_VERSION", "card_of", "write_card"]

CARD_FILES = ("README.md", "card.json", "croissant.json")
CARD_FORMAT, CARD_VERSION = "scdd card", 1


def write_card(
    syn: AnnData,
    folder: str | os.PathLike[str],
    *,
    info: CardInfo | None = None,
    report: Report | None = None,
    labels_key: str | None = None,
    data: Sequence[str] = (),
    overwrite: bool = False,
) -> Path:
    """Write the card of a set as ``README.md``, ``card.json`` and ``croissant.json`` (JSON-LD, Croissant 1.0).

    Method, seed, encoder and sizes come from the set itself, scores from the report, the rest from ``info``. What nobody
    told is called unknown.

    Parameters
    ----------
    syn
        The set; not changed.
    folder
        Where to write; made where it is not there.
    info
        Source, licence, organism and what else only you know.
    report
        What :func:`scdd.tl.report` returned for this set.
    labels_key
        Column of ``obs`` with the classes. None: the one ``syn`` was made with, else ``"cell_type"``, if it is there.
    data
        Names of files in the folder that the card describes, such as ``"syn.h5ad"``: their sizes and hashes are told.
    overwrite
        Replace a card that is there.

    Returns
    -------
    The path of ``README.md``.

    Raises
    ------
    scdd.errors.InputError
        If a card is there and is not to be replaced, a file in ``data`` is absent, or an argument cannot be used.

    Examples
    --------
    >>> import scdd
    >>> syn = scdd.tl.coreset(scdd.datasets.simulate(), 2)
    >>> card = scdd.io.write_card(syn, "card", info=scdd.io.CardInfo(source="simulated", licence="CC0-1.0"))
    >>> "Licence" in card.read_text()
    True
    """
    target = Path(folder).expanduser()
    if target.exists() and not target.is_dir():
        msg = f"{target} is no folder."
        raise InputError(msg)
    there = [name for name in CARD_FILES if (target / name).exists()]
    if there and not overwrite:
        msg = f"{target} holds {', '.join(there)} already. Choose another folder, or pass overwrite=True."
        raise InputError(msg)
    facts = [file_fact(target, name) for name in data]
    card = card_of(syn, info=info, report=report, labels_key=labels_key, files=facts)
    for name, text in card_texts(card).items():
        write_text(target / name, text)
    return target / CARD_FILES[0]


def card_texts(card: Mapping[str, Any]) -> dict[str, str]:
    """Return the content of each file of a card."""
    dumped = (json.dumps(thing, indent=1, ensure_ascii=False) + "\n" for thing in (card, croissant(card)))
    return dict(zip(CARD_FILES, (markdown(card), *dumped), strict=True))


def card_of(
    syn: AnnData,
    *,
    info: CardInfo | None,
    report: Report | None,
    labels_key: str | None,
    files: Sequence[FileFact],
) -> dict[str, Any]:
    """Return a card as JSON values; ``"unknown"`` stands for what nobody told."""
    info = info if info is not None else CardInfo()
    facts = about(syn)
    obs = obs_frame(syn)
    key = _labels_key(obs, labels_key, facts)
    classes = _classes(obs, key, facts)
    cells = {entry["class"]: entry["cells"] for entry in classes if entry["cells"] is not None}
    encoder = {name: facts.encoder.get(name) or UNKNOWN for name in ("name", "version", "licence", "hash")}
    stored = syn.uns.get("source")
    return {
        "format": CARD_FORMAT,
        "format_version": CARD_VERSION,
        "name": info.name or _name(facts, key),
        "description": info.description or f"{syn.n_obs:,} rows x {syn.n_vars:,} genes.",
        "nature": facts.nature,
        "measured": facts.measured,
        "kind": facts.kind or UNKNOWN,
        "source": {
            "name": info.source or (stored if isinstance(stored, str) else "") or UNKNOWN,
            **{name: getattr(info, name) or UNKNOWN for name in ("doi", "url", "licence", "consent", "citation")},
        },
        **{name: getattr(info, name) or UNKNOWN for name in ("organism", "tissue", "assay")},
        "creators": list(info.creators),
        "homepage": info.homepage or UNKNOWN,
        "version": info.version,
        "published": info.published or datetime.datetime.now(datetime.UTC).date().isoformat(),
        "label": {"column": key or UNKNOWN, "ontology": info.ontology or UNKNOWN, "classes": classes},
        "rows": int(syn.n_obs),
        "genes": int(syn.n_vars),
        "cells": facts.told["n_obs"] if isinstance(facts.told.get("n_obs"), int) else UNKNOWN,
        "method": {
            "name": facts.method or UNKNOWN,
            "seed": facts.text("seed") or UNKNOWN,
            "status": facts.text("status") or UNKNOWN,
            "versions": dict(facts.part("versions")) or UNKNOWN,
        },
        # cells are chosen or averaged without one
        "encoder": encoder if facts.kind not in ("coreset", "profile") else "none",
        "report": None if report is None else _told(report),
        "intended_use": list(INTENDED),
        "not_intended_use": list(NOT_INTENDED),
        "when_not_to_use": list(WHEN_NOT),
        "privacy": privacy(facts, cells),
        "small_classes": small_classes(cells),
        "files": [fact.to_json() for fact in files],
        "written_with": {"scdd": versions()["scdd"]},
    }


def _labels_key(obs: pd.DataFrame, labels_key: str | None, facts: About) -> str | None:
    if labels_key is not None and labels_key not in obs.columns:
        msg = f"syn has no obs[{labels_key!r}]. There are: {', '.join(map(str, obs.columns[:20]))}."
        raise InputError(msg)
    found = labels_key or facts.labels_key
    return found or (_keys.DEFAULT_LABELS if _keys.DEFAULT_LABELS in obs.columns else None)


def _classes(obs: pd.DataFrame, key: str | None, facts: About) -> list[dict[str, Any]]:
    """Return class, rows and original cells (None where they are not told) of each class."""
    if key is None:
        return []
    labels = obs[key].dropna().astype(str)
    rows = labels.value_counts(sort=False)
    told = facts.cells_per_class
    if not told and _keys.WEIGHT in obs.columns:
        # weights sum to the cells of the class
        told = (
            obs.loc[labels.index, _keys.WEIGHT]
            .astype(float)
            .groupby(labels.to_numpy())
            .sum()
            .round()
            .astype(int)
            .to_dict()
        )
    order = [name for name in dict.fromkeys([*told, *labels.unique()]) if name in rows.index]
    return [
        {"class": str(name), "rows": int(rows[name]), "cells": int(told[name]) if name in told else None}
        for name in order
    ]


def _name(facts: About, key: str | None) -> str:
    what = {"coreset": "Chosen cells", "profile": "Mean cells", "": "Small set"}.get(
        facts.kind, f"{facts.kind} cells".capitalize()
    )
    return f"{what} by {key}" if key else what


def _told(report: Report) -> dict[str, Any]:
    """Return what a card tells of a report: scores, failed checks, and figures beside their floors."""
    found = report.to_json()
    return {
        "scores": found["scores"],
        "failed_checks": [row["check"] for row in found["diagnostic"] if row["status"] == "fail"],
        "quality": [{k: row[k] for k in ("metric", "value", "floor", "better", "score")} for row in found["quality"]],
        "utility": [row for row in found["utility"] if row["metric"] == "macro_f1"],
        "notes": found["notes"],
        "test_cells": found["provenance"].get("test cells", UNKNOWN),
        "seed": found["provenance"].get("report: seed", UNKNOWN),
    }

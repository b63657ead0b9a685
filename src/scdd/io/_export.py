"""A folder that is ready to be shared: the set, its card, hashes, citation, licence, metadata for an archive."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scdd._about import about
from scdd._compat import warn
from scdd.io._card import CARD_FORMAT, card_of, card_texts
from scdd.io._folder import check_target, write_folder
from scdd.io._h5ad import write_h5ad
from scdd.io._hashes import SUMS, file_fact, read_sums, sums_text
from scdd.io._info import UNKNOWN, CardInfo
from scdd.io._licence import bare_doi, licence_id, licence_spdx, licence_url
from scdd.pp._check import check_type

if TYPE_CHECKING:
    from anndata import AnnData

    from scdd.tl import Report

__all__ = ["DATA", "SYNTHETIC", "export", "fill_folder"]

DATA = "syn.h5ad"
SYNTHETIC = "is_synthetic"


def export(
    syn: AnnData,
    folder: str | os.PathLike[str],
    *,
    info: CardInfo | None = None,
    report: Report | None = None,
    labels_key: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a set with all that belongs to it as one folder, ready for an archive such as Zenodo.

    The folder holds ``syn.h5ad`` (the set, with ``obs["is_synthetic"]``), the card (``README.md``, ``card.json``,
    ``croissant.json``), ``report.html`` where a report is given, ``CITATION.cff``, ``LICENCE.txt``, ``zenodo.json``
    (metadata of a deposit) and ``SHA256SUMS``. It is written whole or not at all: an older folder stays until the new one
    is on disk. Without a known licence the metadata ask for restricted access.

    Parameters
    ----------
    syn
        The set; not changed.
    folder
        Folder to write.
    info
        Source, licence, organism and what else only you know.
    report
        What :func:`scdd.tl.report` returned for this set.
    labels_key
        Column of ``obs`` with the classes; see :func:`write_card`.
    overwrite
        Replace an older folder that this function wrote, unless files were put into it.

    Returns
    -------
    The folder. What an archive will ask for and nobody told is named in a warning.

    Raises
    ------
    scdd.errors.InputError
        If the folder cannot be written, or exists and is not to be replaced.

    Examples
    --------
    >>> import scdd
    >>> syn = scdd.tl.coreset(scdd.datasets.simulate(), 2, method="kmeans")
    >>> info = scdd.io.CardInfo(source="simulated", licence="CC0-1.0", creators=("A. Author",))
    >>> folder = scdd.io.export(syn, "shared", info=info)
    >>> sorted(file.name for file in folder.iterdir())[:4]
    ['CITATION.cff', 'LICENCE.txt', 'README.md', 'SHA256SUMS']
    """
    check_type(syn)
    target = check_target(folder, overwrite=overwrite, listed=_listed, what="folder of scdd.io.export")
    info = info if info is not None else CardInfo()
    missing = [name for name in ("licence", "creators", "source") if not getattr(info, name)]
    if missing:
        warn(
            f"The card calls unknown what an archive asks for: {', '.join(missing)}. Give them with info=CardInfo(...)."
        )
    return write_folder(target, fill_folder(syn, info=info, report=report, labels_key=labels_key))


def fill_folder(
    syn: AnnData, *, info: CardInfo, report: Report | None, labels_key: str | None
) -> Callable[[Path], None]:
    """Return the function that writes all files into an empty folder."""

    def fill(folder: Path) -> None:
        write_h5ad(_flagged(syn), folder / DATA, compat="0.10")  # whoever gets it, in whatever language
        told = [DATA]
        if report is not None and report.html:
            report.save(folder / "report.html")
            told.append("report.html")
        facts = [file_fact(folder, name) for name in told]
        card = card_of(syn, info=info, report=report, labels_key=labels_key, files=facts)
        texts = card_texts(card) | {
            "CITATION.cff": _citation(card),
            "LICENCE.txt": _licence(card),
            "zenodo.json": json.dumps(_zenodo(card), indent=1, ensure_ascii=False) + "\n",
        }
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
        facts += [file_fact(folder, name) for name in texts]
        (folder / SUMS).write_text(sums_text(facts), encoding="utf-8", newline="\n")

    return fill


def _listed(folder: Path) -> set[str] | None:
    """Return the names of the files of an exported folder; None where it is none."""
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        sums = read_sums(folder / SUMS)
    except (OSError, ValueError):  # absent, or of another kind
        return None
    return {SUMS, *sums} if isinstance(card, dict) and card.get("format") == CARD_FORMAT else None


def _flagged(syn: AnnData) -> AnnData:
    """Return a copy that says of each row whether it is synthetic, so that no merge with real cells hides it."""
    out: AnnData = syn.to_memory() if syn.isbacked else syn.copy()
    out.obs[SYNTHETIC] = np.full(out.n_obs, not about(syn).measured)
    return out


def _citation(card: Mapping[str, Any]) -> str:
    """Return the citation file of the set; JSON values are YAML values."""
    source = card["source"]
    told: dict[str, Any] = {
        "cff-version": "1.2.0",
        "message": "If you use this set, cite it and the data that it was made from.",
        "type": "dataset",
        "title": card["name"],
        "authors": [{"name": name} for name in card["creators"] or [UNKNOWN]],
        "abstract": f"{card['nature']} {card['description']}",
    }
    if licence_spdx(source["licence"]):
        told["license"] = licence_spdx(source["licence"])
    told |= {"version": card["version"], "date-released": card["published"]}
    if card["homepage"] != UNKNOWN:
        told["url"] = card["homepage"]
    references = [
        {
            "type": "software",
            "title": "scdd",
            "version": card["written_with"]["scdd"],
            "authors": [{"name": "The scdd developers"}],
        }
    ]
    if source["name"] != UNKNOWN or source["doi"] != UNKNOWN:
        reference = {"type": "data", "title": source["name"], "authors": [{"name": UNKNOWN}]}
        if source["doi"] != UNKNOWN:
            reference["doi"] = bare_doi(source["doi"])
        if source["citation"] != UNKNOWN:
            reference["notes"] = source["citation"]
        references.insert(0, reference)
    told["references"] = references
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in told.items())


def _licence(card: Mapping[str, Any]) -> str:
    source, encoder = card["source"], card["encoder"]
    url = licence_url(source["licence"])
    lines = [
        f"{card['name']}: {card['nature']}",
        "",
        f"This set was made from: {source['name']} (DOI: {source['doi']}).",
        f"Licence of the source: {source['licence']}{f', {url}' if url else ''}.",
        f"Consent: {source['consent']}.",
        f"Licence of the encoder: {encoder if isinstance(encoder, str) else encoder['licence']}.",
        "",
        "The set is derived from the source, and the terms of the source hold for it too."
        if source["licence"] != UNKNOWN
        else "The licence of the source is not known. Nobody has given leave to share this set: ask the owners of the source.",
    ]
    return "\n".join(lines) + "\n"


def _zenodo(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of a deposit, as the archive takes them; its description is HTML."""
    source = card["source"]
    known = licence_id(source["licence"])
    told: dict[str, Any] = {
        "upload_type": "dataset",
        "title": card["name"],
        "description": f"<p><strong>{html.escape(card['nature'])}</strong></p><p>{html.escape(card['description'])}</p>",
        "creators": [{"name": name} for name in card["creators"]],
        "version": card["version"],
        "publication_date": card["published"],
        "keywords": ["scRNA-seq", "single-cell", "scdd", *([] if card["measured"] else ["synthetic data"])],
        "access_right": "open" if known else "restricted",
    }
    if known:
        told["license"] = known
    else:
        told["access_conditions"] = f"Licence of the source: {html.escape(source['licence'])}. Ask its owners first."
    if source["doi"] != UNKNOWN:
        told["related_identifiers"] = [{"identifier": bare_doi(source["doi"]), "relation": "isDerivedFrom"}]
    return {"metadata": told}

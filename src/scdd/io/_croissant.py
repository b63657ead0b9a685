"""A card as Croissant 1.0: JSON-LD that data set search engines and loaders read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scdd.io._info import UNKNOWN
from scdd.io._licence import doi_url, licence_url

__all__ = ["croissant"]

_FORMATS = {".h5ad": "application/x-hdf5", ".html": "text/html", ".json": "application/json", ".md": "text/markdown"}
_NAMED = (
    "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject", "fileSet", "format", "includes",
    "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex", "repeated",
    "replace", "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
# names of the vocabulary, as the specification gives them
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "citeAs": "cr:citeAs",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{name: f"cr:{name}" for name in _NAMED},
}


def croissant(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON-LD of a card; what is unknown is left out, as the vocabulary has no word for it.

    The specification wants ``license``, ``creator`` and ``url``, so a set without them is not described in full.
    The classes are a record set with its data in place; the matrix itself is a file that readers of h5ad open.
    """
    source = card["source"]
    out: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": card["name"],
        "description": f"{card['nature']} {card['description']}",
        "keywords": ["anndata", "scRNA-seq", "scdd", "single-cell"],
        "version": card["version"],
        "datePublished": card["published"],
        "rai:dataUseCases": list(card["intended_use"]),
        "rai:dataLimitations": [card["nature"], *card["not_intended_use"]],
        "rai:personalSensitiveInformation": list(card["privacy"]),
        "distribution": [_file(fact) for fact in card["files"]],
    }
    told = {
        "license": licence_url(source["licence"]) or source["licence"],
        "url": card["homepage"],
        "citeAs": source["citation"],
        "isBasedOn": _origin(source),
    }
    out |= {key: value for key, value in told.items() if value != UNKNOWN}
    if card["creators"]:
        out["creator"] = [{"@type": "sc:Person", "name": name} for name in card["creators"]]
    if card["label"]["classes"]:
        out["recordSet"] = [_classes(card)]
    return out


def _origin(source: Mapping[str, Any]) -> str:
    """Return the address of the source where one is told, else its name."""
    if source["doi"] != UNKNOWN:
        return doi_url(source["doi"])
    return str(source["url"] if source["url"] != UNKNOWN else source["name"])


def _file(fact: Mapping[str, Any]) -> dict[str, Any]:
    name = str(fact["name"])
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{fact['bytes']} B",
        "encodingFormat": next(
            (kind for end, kind in _FORMATS.items() if name.endswith(end)), "application/octet-stream"
        ),
        "sha256": fact["sha256"],
    }


def _classes(card: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {"class": "sc:Text", "rows": "sc:Integer"}
    return {
        "@type": "cr:RecordSet",
        "@id": "classes",
        "name": "classes",
        "description": f"Rows of each class of obs column {card['label']['column']}.",
        "field": [
            {"@type": "cr:Field", "@id": f"classes/{name}", "name": f"classes/{name}", "dataType": kind}
            for name, kind in kinds.items()
        ],
        "data": [{f"classes/{name}": entry[name] for name in kinds} for entry in card["label"]["classes"]],
    }

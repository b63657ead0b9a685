"""What only the user knows of a set: where its cells come from, and under which terms."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, fields

from scdd.errors import InputError

__all__ = ["UNKNOWN", "CardInfo"]

UNKNOWN = "unknown"


@dataclass(frozen=True)
class CardInfo:
    """Facts for a card that no file can tell; what is left empty is called unknown, and never guessed.

    Attributes
    ----------
    name
        Name of the set. Default: made of method and label column.
    description
        A paragraph on it.
    source
        The data set that it was made from: name or accession.
    doi, url
        Of the source.
    licence
        Terms of the source, which hold for the set too: an SPDX identifier such as ``"CC-BY-4.0"``, or words.
    consent
        Terms of the donors' consent.
    organism, tissue, assay
        What was measured in what, and how.
    ontology
        Ontology of the labels.
    creators
        People or groups that made the set.
    homepage
        Address at which the set itself is published; :func:`scdd.io.push_to_hub` knows it.
    version
        Version of the set, as three numbers.
    published
        Day of publication, as ``"2026-01-31"``. Default: the day on which the card is written.
    citation
        How to cite the source.

    Raises
    ------
    scdd.errors.InputError
        If a field is no text, ``creators`` is no tuple or list of texts, or ``version`` or ``published`` is not of the form
        that metadata ask for.

    Examples
    --------
    >>> CardInfo(source="GEO GSE84133", organism="Homo sapiens").licence
    ''
    """

    name: str = ""
    description: str = ""
    source: str = ""
    doi: str = ""
    url: str = ""
    licence: str = ""
    consent: str = ""
    organism: str = ""
    tissue: str = ""
    assay: str = ""
    ontology: str = ""
    creators: tuple[str, ...] = ()
    citation: str = ""
    homepage: str = ""
    version: str = "1.0.0"
    published: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "creators", tuple(self.creators) if isinstance(self.creators, list) else self.creators)
        if not isinstance(self.creators, tuple) or not all(isinstance(name, str) for name in self.creators):
            msg = f"creators must be a tuple of names, got {self.creators!r}."
            raise InputError(msg)
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "creators" and not isinstance(value, str):
                msg = f"{field.name} must be text, got {value!r}."
                raise InputError(msg)
        if not re.fullmatch(r"\d+\.\d+\.\d+", self.version):
            msg = f"version must be three numbers such as '1.0.0', got {self.version!r}."
            raise InputError(msg)
        if self.published and not _is_day(self.published):
            msg = f"published must be a day such as '2026-01-31', got {self.published!r}."
            raise InputError(msg)


def _is_day(text: str) -> bool:
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False

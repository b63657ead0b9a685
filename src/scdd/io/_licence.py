"""Licences and documents by their identifiers; anything else is words."""

from __future__ import annotations

import re

__all__ = ["bare_doi", "doi_url", "licence_id", "licence_spdx", "licence_url"]

# those that data come under most often: SPDX identifier -> where its text is; none that forbids what is derived from them
_KNOWN = {
    "Apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
    "BSD-3-Clause": "https://opensource.org/license/bsd-3-clause",
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC-BY-NC-4.0": "https://creativecommons.org/licenses/by-nc/4.0/",
    "CC-BY-NC-SA-4.0": "https://creativecommons.org/licenses/by-nc-sa/4.0/",
    "CC-BY-SA-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "MIT": "https://opensource.org/license/mit",
    "ODbL-1.0": "https://opendatacommons.org/licenses/odbl/",
}
_HUBS = {"ODbL-1.0": "odbl"}  # what hubs and archives write instead of the SPDX identifier in lower case
_SPELLED = {name.lower(): spdx for spdx in _KNOWN for name in (spdx, _HUBS.get(spdx, spdx))}
_BEFORE_DOI = re.compile(r"^(https?://)?((dx|www)\.)?(doi\.org/)?(doi[:\s]\s*)?", re.IGNORECASE)


def licence_spdx(licence: str) -> str:
    """Return the SPDX identifier of a licence that is known by it, in whatever case, else empty text.

    Examples
    --------
    >>> licence_spdx("cc-by-4.0"), licence_spdx("odbl"), licence_spdx("ask us")
    ('CC-BY-4.0', 'ODbL-1.0', '')
    """
    return _SPELLED.get(licence.strip().lower(), "")


def licence_id(licence: str) -> str:
    """Return the identifier that hubs and archives give a known licence, else empty text.

    Examples
    --------
    >>> licence_id("CC-BY-4.0"), licence_id("ODbL-1.0"), licence_id("ask us")
    ('cc-by-4.0', 'odbl', '')
    """
    spdx = licence_spdx(licence)
    return _HUBS.get(spdx, spdx.lower())


def licence_url(licence: str) -> str:
    """Return where the text of a known licence is, else empty text."""
    return _KNOWN.get(licence_spdx(licence), "")


def bare_doi(doi: str) -> str:
    """Return a DOI without the address or the word that is written before it.

    Examples
    --------
    >>> bare_doi("10.1/x"), bare_doi("DOI: 10.1/x"), bare_doi("https://doi.org/10.1/x")
    ('10.1/x', '10.1/x', '10.1/x')
    """
    return _BEFORE_DOI.sub("", doi.strip(), count=1)


def doi_url(doi: str) -> str:
    """Return the address of a DOI, however it is written.

    Examples
    --------
    >>> doi_url("10.1016/j.cels.2016.08.011"), doi_url("doi:10.1/x")
    ('https://doi.org/10.1016/j.cels.2016.08.011', 'https://doi.org/10.1/x')
    """
    return f"https://doi.org/{bare_doi(doi)}"

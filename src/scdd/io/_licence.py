"""Licences and documents by their identifiers; anything else is words."""

from __future__ import annotations

__all__ = ["doi_url", "licence_id", "licence_url"]

# those that data come under most often: identifier -> where its text is; none that forbids what is derived from them
_KNOWN = {
    "apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
    "bsd-3-clause": "https://opensource.org/license/bsd-3-clause",
    "cc-by-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "cc-by-nc-4.0": "https://creativecommons.org/licenses/by-nc/4.0/",
    "cc-by-nc-sa-4.0": "https://creativecommons.org/licenses/by-nc-sa/4.0/",
    "cc-by-sa-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "cc0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "mit": "https://opensource.org/license/mit",
    "odbl": "https://opendatacommons.org/licenses/odbl/",
}


def licence_id(licence: str) -> str:
    """Return the identifier in lower case of a licence that is known by it, else empty text.

    Examples
    --------
    >>> licence_id("CC-BY-4.0"), licence_id("ask us")
    ('cc-by-4.0', '')
    """
    found = licence.strip().lower()
    return found if found in _KNOWN else ""


def licence_url(licence: str) -> str:
    """Return where the text of a known licence is, else empty text."""
    return _KNOWN.get(licence_id(licence), "")


def doi_url(doi: str) -> str:
    """Return the address of a DOI, however it is written.

    Examples
    --------
    >>> doi_url("10.1016/j.cels.2016.08.011"), doi_url("doi:10.1/x"), doi_url("https://doi.org/10.1/x")
    ('https://doi.org/10.1016/j.cels.2016.08.011', 'https://doi.org/10.1/x', 'https://doi.org/10.1/x')
    """
    bare = doi.strip()
    for start in ("https://", "http://", "dx.", "doi.org/", "doi:"):
        bare = bare.removeprefix(start).strip()
    return f"https://doi.org/{bare}"

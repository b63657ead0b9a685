"""A card as Markdown, with a head that dataset hubs read; what comes from outside stays text."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from scdd.io._info import UNKNOWN
from scdd.io._licence import licence_id
from scdd.pl._palette import ellipsis

__all__ = ["markdown", "text"]

_MOST = 2000  # lines of the table of classes
_MARKS = re.compile(r"([\\`*_{}\[\]|~$!])")
_FIRST = re.compile(r"^(\d*)(#+|[-+]|=+|-{2,}|[.)])(?=\s|$)")  # what opens a heading or an item at the start of a line


def markdown(card: Mapping[str, Any]) -> str:
    """Return a card as Markdown with a YAML head."""
    import jinja2

    source = files("scdd.io").joinpath("templates", "card.md.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        # Markdown, not HTML: every value goes through an escape of its own
        autoescape=False, finalize=text, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    body = environment.from_string(source).render(card=card, classes=card["label"]["classes"][:_MOST], unknown=UNKNOWN)
    return f"---\n{_head(card)}---\n\n{body}"


def text(value: Any) -> str:
    r"""Return a value on one line, so that neither HTML nor Markdown sees more in it than text.

    Examples
    --------
    >>> text("<b>|x_y"), text(None), text(0.5), text("1. x")
    ('&lt;b&gt;\\|x\\_y', 'unknown', '0.5', '1\\. x')
    """
    if value is None:
        return UNKNOWN
    plain = _MARKS.sub(r"\\\1", html.escape(ellipsis(str(value), 2000), quote=False))
    return _FIRST.sub(r"\1\\\2", plain)


def _head(card: Mapping[str, Any]) -> str:
    """Return the metadata of the page; JSON values are YAML values, so nothing in them can break out."""
    licence = str(card["source"]["licence"])
    known = licence_id(licence)
    told: dict[str, Any] = {
        "pretty_name": ellipsis(str(card["name"]), 200),
        "license": known or (UNKNOWN if licence == UNKNOWN else "other"),
    }
    if not known and licence != UNKNOWN:
        told["license_name"] = ellipsis(licence, 200)
    told["tags"] = ["anndata", "scRNA-seq", "scdd", "single-cell", *([] if card["measured"] else ["synthetic"])]
    # whoever takes the head for a part of the page sees no markup either
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in told.items()).replace("<", r"\u003c")

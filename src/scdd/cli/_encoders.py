"""``scdd encoders``: what encoders there are, with their facts."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from scdd.cli._options import AsJson, Quiet
from scdd.cli._session import working

__all__ = ["encoders"]

_SHOWN = (
    "gene_identifier", "species", "n_vocabulary", "normalisation", "dim", "differentiable", "licence", "citation",
    "trained_on", "argument", "extra",
)  # fmt: skip


def encoders(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Encoders to list; default: all.")
    ] = None,
    json_: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """List the encoders with their facts: genes, species, normalisation, licence.

    With --quiet only the names are printed, a line each. Exit codes: 0; 2 there is no such encoder.
    """
    with working(quiet=quiet):
        facts = _facts(names or None)
    if json_:
        print(json.dumps({"encoders": facts}, indent=1))
    elif quiet:
        print("\n".join(fact["name"] for fact in facts))
    else:
        print("\n\n".join(_as_text(fact) for fact in facts))


def _facts(names: list[str] | None) -> list[dict[str, Any]]:
    """Return the facts of each encoder, JSON-safe."""
    import scdd.encoders
    from scdd.encoders import ENCODERS

    # the table leaves out encoders of other packages that cannot be loaded, with a warning
    found = scdd.encoders.list().index if names is None else names
    return [asdict(ENCODERS.get(name).info) for name in found]


def _as_text(fact: dict[str, Any]) -> str:
    width = max(map(len, _SHOWN))
    lines = [
        f"  {key.replace('_', ' '):{width}}  {', '.join(fact[key]) if isinstance(fact[key], tuple) else fact[key]}"
        for key in _SHOWN
        if fact[key] not in (None, "", ())
    ]
    return "\n".join([f"{fact['name']} (version {fact['version']})", *lines])

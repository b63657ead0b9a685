"""``encoder="auto"``: the encoder that comes with scdd where cells are few and it knows their genes, else one of their own."""

from __future__ import annotations

import logging

import numpy as np

from scdd.encoders._base import Cells, Encoder
from scdd.encoders._scdd_base import ScddBaseEncoder
from scdd.encoders._self import SelfEncoder
from scdd.errors import GeneError

__all__ = ["choose"]

_LOG = logging.getLogger("scdd")
FEW = 50  # cells of the median class
KNOWN = 0.9  # share of the counts


def choose(cells: Cells) -> Encoder:
    """Return ``"scdd-base"`` where it can help, else ``"self"``; ``reason`` of the encoder tells why.

    Where cells are many, both have been found level, and what was trained on the cells alone is simpler to explain. What is
    measured stands on the page "scdd-base" of the user guide.

    Parameters
    ----------
    cells
        The cells that are to be distilled, their genes and classes.
    """
    sizes = np.bincount(cells.source.labels[cells.source.labels >= 0])
    few = float(np.median(sizes[sizes > 0])) <= FEW
    told = f"{np.median(sizes[sizes > 0]):.0f} cells in the median class"
    if few:
        base = ScddBaseEncoder()
        known, of_genes = _knows(base, cells)
        told = f"{told}, {of_genes}"
        if known:
            return _told(base, told)
    return _told(SelfEncoder(), f"trained on the data: {told}")


def _knows(base: ScddBaseEncoder, cells: Cells) -> tuple[bool, str]:
    """Return whether scdd-base can embed these cells well, and what was found."""
    try:
        match = base.match(cells)
    except GeneError as error:
        return False, f"whose genes scdd-base does not know ({error})"
    share = match.share or 0.0
    found = f"{match.n_found} genes with {share:.1%} of the counts known to scdd-base"
    if share < KNOWN:
        return False, found
    empty = sum(int((np.diff(match.align(counts).indptr) == 0).sum()) for _, counts in cells.source.blocks(1024))
    return not empty, found + (f", but {empty} cells have no count of these" if empty else "")


def _told(encoder: Encoder, reason: str) -> Encoder:
    encoder.reason = reason
    _LOG.info("encoder 'auto' is %r: %s", encoder.info.name, reason)
    return encoder

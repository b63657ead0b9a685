"""Cells without labels: their counts through the door, where only genes and counts matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scdd._compat import warn
from scdd.data import BackedSource, MemorySource, Source
from scdd.data._backed import RowReader
from scdd.pp._counts import judge
from scdd.pp._load import load_counts

if TYPE_CHECKING:
    from anndata import AnnData


def unlabelled_source(adata: AnnData, layer: str | None) -> Source:
    """Return the counts of all cells as a Source of one class; normalised values are refused, what is on disk stays there.

    What is odd about the counts is told as a warning.
    """
    loaded, found = load_counts(adata, layer)
    verdict = judge(loaded.scan, loaded.library, adata, layer=layer, allow_normalized=False)
    for message in (*found, *verdict.warnings):
        warn(message)
    labels = np.zeros(adata.n_obs, dtype=np.int32)
    counts, transform = loaded.counts, verdict.transform
    # what is changed has other sums
    library = np.maximum(loaded.library, 1.0) if transform is None else None
    if isinstance(counts, RowReader):
        reader = counts if transform is None else counts.with_transform(transform)
        return BackedSource(reader, labels, ("cell",), library=library)
    return MemorySource(counts if transform is None else transform(counts), labels, ("cell",), library=library)

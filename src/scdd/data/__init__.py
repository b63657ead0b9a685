"""The Source protocol and its engines: what everything above sees of the data."""

from __future__ import annotations

from scdd.data._backed import BackedSource
from scdd.data._memory import MemorySource
from scdd.data._sampler import ClassSampler
from scdd.data._source import Source
from scdd.data._split import split_indices
from scdd.data._subset import SubsetSource

__all__ = ["BackedSource", "ClassSampler", "MemorySource", "Source", "SubsetSource", "split_indices"]

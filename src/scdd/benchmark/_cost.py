"""What a method costs: time and memory while it works, and the size of what it leaves."""

from __future__ import annotations

import os
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp

__all__ = ["Cost", "compressed_bytes", "measured"]

_STATM = Path("/proc/self/statm")  # Linux alone tells the memory of a process without another package
_INTERVAL = 0.05  # seconds between two looks at the memory


@dataclass
class Cost:
    """Time and memory.

    Attributes
    ----------
    seconds
        Wall-clock time.
    peak_mb
        Most resident memory in MB above that at the start, looked at 20 times a second; None where the system does not
        tell.
    """

    seconds: float = 0.0
    peak_mb: float | None = None

    def then(self, other: Cost) -> Cost:
        """Return the cost of both, one after the other."""
        peaks = [cost.peak_mb for cost in (self, other) if cost.peak_mb is not None]
        return Cost(self.seconds + other.seconds, max(peaks, default=None))


@contextmanager
def measured() -> Iterator[Cost]:
    """Measure what happens inside; the cost is known at the end.

    Examples
    --------
    >>> with measured() as cost:
    ...     total = sum(range(1000))
    >>> cost.seconds > 0
    True
    """
    cost = Cost()
    before = _resident()
    done = threading.Event()
    peak = [before or 0.0]

    def watch() -> None:
        while not done.wait(_INTERVAL):
            peak[0] = max(peak[0], _resident() or 0.0)

    watcher = threading.Thread(target=watch, daemon=True)
    if before is not None:
        watcher.start()
    start = time.perf_counter()
    try:
        yield cost
    finally:
        cost.seconds = time.perf_counter() - start
        if before is not None:
            done.set()
            watcher.join()
            cost.peak_mb = max(peak[0], _resident() or 0.0) - before


def compressed_bytes(counts: sp.csr_matrix) -> int:
    """Return the bytes of counts on disk: CSR arrays of the smallest types that hold them, compressed by zlib.

    Its fastest level: within a tenth of level 6, which takes ten seconds for a set of many dense rows.

    Examples
    --------
    >>> compressed_bytes(sp.csr_matrix(np.zeros((5, 1000)))) < 100
    True
    """
    counts = sp.csr_matrix(counts)
    data = counts.data
    if len(data) == 0 or np.array_equal(data, np.rint(data)):
        data = data.astype(np.min_scalar_type(int(data.max(initial=0))))
    else:
        data = data.astype(np.float32)
    arrays = (data, counts.indices.astype(np.int32), np.diff(counts.indptr).astype(np.int32))
    return sum(len(zlib.compress(np.ascontiguousarray(array).tobytes(), 1)) for array in arrays)


def _resident() -> float | None:
    """Return the resident memory of this process in MB."""
    try:
        pages = int(_STATM.read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

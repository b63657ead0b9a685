"""Nested rows: the rows of a class come in blocks, so that the first 1, 5, 10, 50, ... are good sets themselves."""

from __future__ import annotations

from itertools import count


def blocks(n: int) -> list[tuple[int, int]]:
    """Return the blocks ``(start, stop)`` of ``n`` rows: they end at 1, 5, 10, 50, 100, 500, ... and at ``n``.

    Whatever is spread evenly (cluster centres, library quantiles, noise strata) is spread within a block, given the
    blocks before. So every prefix that ends with a block is complete.

    Examples
    --------
    >>> blocks(12)
    [(0, 1), (1, 5), (5, 10), (10, 12)]
    """
    ends = [1]
    for exponent in count():
        if ends[-1] >= n:
            break
        ends += [5 * 10**exponent, 10 * 10**exponent]
    ends = [end for end in ends if end < n] + ([n] if n else [])
    return list(zip([0, *ends[:-1]], ends, strict=True))

"""Nested rows: the rows of a class come in blocks, so that the first 1, 5, 10, 50, ... are good sets themselves."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, count, islice, takewhile


def blocks(n: int) -> list[tuple[int, int]]:
    """Return the blocks ``(start, stop)`` of ``n`` rows: they end at 1, 5, 10, 50, 100, 500, ... and at ``n``.

    Whatever is spread evenly (cluster centres, library quantiles, noise strata) is spread within a block, given the
    blocks before. So every prefix that ends with a block is complete.

    Parameters
    ----------
    n
        Number of rows.

    Returns
    -------
    Pairs of the first row and the one after the last.

    Examples
    --------
    >>> blocks(12)
    [(0, 1), (1, 5), (5, 10), (10, 12)]
    """
    ends = [*takewhile(lambda end: end < n, _ends()), n] if n else []
    return list(zip([0, *ends[:-1]], ends, strict=True))


def block_size(number: int) -> int:
    """Return the number of rows of a whole block.

    Examples
    --------
    >>> [block_size(number) for number in range(5)]
    [1, 4, 5, 40, 50]
    """
    first, last = islice(chain([0], _ends()), number, number + 2)
    return last - first


def _ends() -> Iterator[int]:
    yield 1
    for exponent in count():
        yield from (5 * 10**exponent, 10 * 10**exponent)

"""Names that a user gives: several, or one."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["several"]


def several(names: str | Sequence[str]) -> list[str]:
    """Return names as a list; a single text is one name and not its letters.

    Examples
    --------
    >>> several("LR"), several(("LR", "kNN"))
    (['LR'], ['LR', 'kNN'])
    """
    return [names] if isinstance(names, str) else list(names)

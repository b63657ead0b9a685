"""Names that a user gives, several or one, and the names by which scores are shown."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["SCORE_NAMES", "score_name", "several"]

SCORE_NAMES = {"macro_f1": "macro-F1", "balanced_accuracy": "balanced accuracy", "accuracy": "accuracy"}


def score_name(score: str, *, start: bool = False) -> str:
    """Return the name of a score; ``start``: with a capital, as at the start of a label.

    Examples
    --------
    >>> score_name("macro_f1"), score_name("accuracy", start=True)
    ('macro-F1', 'Accuracy')
    """
    name = SCORE_NAMES[score]
    return name[0].upper() + name[1:] if start else name


def several(names: str | Sequence[str]) -> list[str]:
    """Return names as a list; a single text is one name and not its letters.

    Examples
    --------
    >>> several("LR"), several(("LR", "kNN"))
    (['LR'], ['LR', 'kNN'])
    """
    return [names] if isinstance(names, str) else list(names)

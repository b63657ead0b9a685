"""Options that take several values: joined by commas, or given again."""

from __future__ import annotations

import re
from collections.abc import Sequence

import typer

__all__ = ["nothing_left", "numbers", "paths", "words"]


def words(values: Sequence[str] | None) -> list[str] | None:
    """Return the values of an option, or None where it was not given.

    Examples
    --------
    >>> words(["baron,kang", "zheng"]), words(None)
    (['baron', 'kang', 'zheng'], None)
    """
    found = [word for value in values or () for word in re.split(r"[,\s]+", value) if word]
    return found or None


def paths(option: str, values: Sequence[str]) -> list[str]:
    """Return the paths that an option names, whose names may have spaces.

    Raises
    ------
    typer.BadParameter
        If there is none.

    Examples
    --------
    >>> paths("--merge", ["my runs/a.csv,b.csv"])
    ['my runs/a.csv', 'b.csv']
    """
    found = [path.strip() for value in values for path in value.split(",") if path.strip()]
    if not found:
        msg = f"{option} takes files joined by commas, got none."
        raise typer.BadParameter(msg)
    return found


def numbers(option: str, values: Sequence[str] | None) -> list[int] | None:
    """Return the values of an option as integers.

    Raises
    ------
    typer.BadParameter
        If one is no integer.

    Examples
    --------
    >>> numbers("--n", ["1,10", "50"])
    [1, 10, 50]
    """
    found = words(values)
    try:
        return None if found is None else [int(word) for word in found]
    except ValueError:
        msg = f"{option} takes integers joined by commas, as in {option} 1,10; got {','.join(found or ())!r}."
        raise typer.BadParameter(msg) from None


def nothing_left(arguments: Sequence[str]) -> None:
    """Refuse words that belong to no option: most often, several values were joined by spaces.

    Raises
    ------
    typer.BadParameter
        If there are any.
    """
    if arguments:
        msg = (
            f"nothing is known of {' '.join(arguments)!r}. Several values of an option are joined by commas, as in "
            "--tasks baron,kang, or the option is given again."
        )
        raise typer.BadParameter(msg)

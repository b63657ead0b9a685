"""A text file is replaced as a whole, or stays as it is."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

__all__ = ["write_text"]


def write_text(path: Path, text: str) -> None:
    """Write a file under another name, and give it its own once it is on disk.

    Parameters
    ----------
    path
        The file; its folder is made where it is not there.
    text
        What it holds (UTF-8, line ends as they are).

    Examples
    --------
    >>> write_text(Path("new") / "a.txt", "hello")
    >>> Path("new/a.txt").read_text(), [p.name for p in Path("new").iterdir()]
    ('hello', ['a.txt'])
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)

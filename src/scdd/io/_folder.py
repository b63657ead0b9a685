"""A folder is replaced as a whole, or stays as it is: temporary folder, fsync, rename."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from scdd.errors import InputError

__all__ = ["check_target", "remove_folder", "set_aside", "write_folder"]


def check_target(
    path: str | os.PathLike[str], *, overwrite: bool, listed: Callable[[Path], set[str] | None], what: str
) -> Path:
    """Return the folder to write, or raise before any work is done that it cannot be written.

    Parameters
    ----------
    path
        The folder.
    overwrite
        Whether an older one may be replaced.
    listed
        Returns the names of all files that a folder of ours holds, as it tells itself, and None for one that is not ours.
        Such a folder, and one with further files, is never replaced.
    what
        What such a folder is, for messages: ``"saved scdd model"``.

    Raises
    ------
    scdd.errors.InputError
        If it exists and is not to be overwritten, or is not a folder of ours alone, or its parent is missing or cannot be
        written to.
    """
    target = Path(path).expanduser()
    if target.exists():
        if not overwrite:
            msg = f"{target} exists. Choose another path, or pass overwrite=True."
            raise InputError(msg)
        _require_ours(target, listed(target) if target.is_dir() else None, what)
    if not target.parent.is_dir():
        msg = f"The folder {target.parent} does not exist. Create it first."
        raise InputError(msg)
    if not os.access(target.parent, os.W_OK):
        msg = f"The folder {target.parent} cannot be written to."
        raise InputError(msg)
    return target


def write_folder(target: Path, fill: Callable[[Path], None]) -> Path:
    """Let ``fill`` write a new folder beside its place, and move it there once all of it is on disk.

    An older folder stays until the new one is whole, and is put back where the move fails.

    Parameters
    ----------
    target
        Where the folder shall be, see :func:`check_target`.
    fill
        Called with the empty temporary folder.

    Returns
    -------
    The folder.

    Raises
    ------
    scdd.errors.InputError
        If no folder can be made there.

    Examples
    --------
    >>> write_folder(Path("made"), lambda folder: None).is_dir()
    True
    """
    # made by mkdir, which follows the umask: mkdtemp would leave a folder that only its owner can read
    hidden, token = _hidden(target), secrets.token_hex(4)
    temporary, old = (target.parent / f"{hidden}-{part}-{token}" for part in ("new", "old"))
    try:
        _make(temporary)
        fill(temporary)
        for file in sorted(temporary.iterdir()):
            # a handle that may write: Windows flushes no other
            with file.open("rb+") as handle:
                os.fsync(handle.fileno())
        if target.exists():
            _remove_set_aside(target)
            target.replace(old)
        temporary.replace(target)
    except BaseException:
        if old.exists() and not target.exists():
            old.rename(target)  # the older folder goes back to its place
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _remove_set_aside(target)
    return target


def set_aside(target: Path) -> list[Path]:
    """Return the older folders that were moved out of the way of a new one; only a killed process leaves any."""
    return list(target.parent.glob(f"{_hidden(target)}-old-*"))


def remove_folder(target: Path) -> None:
    """Remove a folder, and the older ones that a killed process left beside it."""
    shutil.rmtree(target, ignore_errors=True)
    _remove_set_aside(target)


def _require_ours(target: Path, known: set[str] | None, what: str) -> None:
    if known is None:
        msg = f"{target} exists and is not a {what}; it is not overwritten."
        raise InputError(msg)
    more = sorted(entry.name for entry in target.iterdir() if entry.name not in known)
    if more:
        msg = (
            f"{target} holds more than a {what}: {', '.join(more[:5])}{', ...' if len(more) > 5 else ''}. It is not "
            "overwritten: move these elsewhere first."
        )
        raise InputError(msg)


def _make(folder: Path) -> None:
    try:
        folder.mkdir()
    except OSError as error:
        msg = f"The folder {folder.parent} cannot be written to: {error.strerror}."
        raise InputError(msg) from error


def _hidden(target: Path) -> str:
    """Return how the names of temporary folders begin: of bounded length, and for this target only."""
    return f".scdd-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}"


def _remove_set_aside(target: Path) -> None:
    for older in set_aside(target):
        shutil.rmtree(older, ignore_errors=True)

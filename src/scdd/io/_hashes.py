"""Sizes and hashes of files, and the list of them that travels with a folder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scdd.errors import DownloadError, InputError

__all__ = ["SUMS", "FileFact", "file_fact", "read_sums", "sha256_of", "sums_text"]

SUMS = "SHA256SUMS"
_BLOCK = 1 << 20


@dataclass(frozen=True)
class FileFact:
    """Name, size in bytes and SHA-256 of a file."""

    name: str
    bytes: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def file_fact(folder: Path, name: str) -> FileFact:
    """Return the facts of a file that lies in a folder itself.

    Raises
    ------
    scdd.errors.InputError
        If there is no such file, or the name leads elsewhere.
    """
    path = folder / name
    if Path(name).name != name or not path.is_file():
        msg = f"There is no file {name!r} in {folder}: give the names of files that lie there."
        raise InputError(msg)
    return FileFact(name, path.stat().st_size, sha256_of(path))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hex, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def sums_text(facts: Sequence[FileFact]) -> str:
    """Return a list of hashes as ``sha256sum --check`` reads it."""
    return "".join(f"{fact.sha256}  {fact.name}\n" for fact in sorted(facts, key=lambda fact: fact.name))


def read_sums(path: Path) -> dict[str, str]:
    """Return the hash of each file of such a list.

    Raises
    ------
    scdd.errors.DownloadError
        If it is no such list.
    """
    found = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path.name} cannot be read: {error}."
        raise DownloadError(msg) from error
    for line in lines:
        match = re.fullmatch(r"([0-9a-f]{64})  (\S[^/\\]*)", line)
        if match is None:
            msg = f"{path.name} is no list of hashes: {line[:80]!r}."
            raise DownloadError(msg)
        found[match[2]] = match[1]
    return found

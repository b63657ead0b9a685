"""AnnData from files and into files, h5ad or zarr: a file is whole or not there."""

from __future__ import annotations

import os
import secrets
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scdd.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["check_output", "read_cells", "write_cells"]

_SUFFIXES = (".h5ad", ".zarr")
_ZARR_FILES = (".zgroup", "zarr.json")  # one of them lies in every store, of version 2 or 3


def read_cells(path: str | os.PathLike[str]) -> AnnData:
    """Read an h5ad file or a zarr store into memory.

    Raises
    ------
    scdd.errors.InputError
        If it is not there, of another kind, or damaged.
    """
    source = Path(path).expanduser()
    kind = _kind(source)
    if not source.exists():
        msg = f"There is no {source}."
        raise InputError(msg)
    if source.is_dir() != (kind == ".zarr"):
        msg = f"{source} is a {'folder' if source.is_dir() else 'file'}, so it is no {kind[1:]}."
        raise InputError(msg)
    import anndata

    try:
        with warnings.catch_warnings():
            # what anndata has to say of the file belongs to those who wrote it
            warnings.simplefilter("ignore")
            return anndata.read_h5ad(source) if kind == ".h5ad" else anndata.read_zarr(source)
    # a file that is cut, or of a newer format, raises one of many types
    except Exception as error:
        msg = f"{source} cannot be read as {kind[1:]}: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        raise InputError(msg) from error


def check_output(
    path: str | os.PathLike[str],
    *,
    overwrite: bool,
    inputs: Sequence[str | os.PathLike[str]] = (),
    suffixes: Sequence[str] = _SUFFIXES,
    flag: str = "--overwrite",
) -> Path:
    """Return the path to write to, or raise before any work is done that it cannot be written.

    Parameters
    ----------
    path
        File to write.
    overwrite
        Whether an older file may be replaced.
    inputs
        Files that are read: these are never replaced.
    suffixes
        How its name may end.
    flag
        What a user gives to have it replaced.

    Raises
    ------
    scdd.errors.InputError
        If its name, its place, or what is there already does not allow it.
    """
    target = Path(path).expanduser()
    kind = _kind(target, suffixes)
    if any(Path(source).expanduser().resolve() == target.resolve() for source in inputs):
        msg = f"{target} is read, so it is not overwritten. Give another name for the output."
        raise InputError(msg)
    if not target.parent.is_dir():
        msg = f"The folder {target.parent} does not exist. Create it first."
        raise InputError(msg)
    if not os.access(target.parent, os.W_OK):
        msg = f"The folder {target.parent} cannot be written to."
        raise InputError(msg)
    if target.exists():
        if not overwrite:
            msg = f"{target} exists. Give another name, or let it be replaced with {flag}."
            raise InputError(msg)
        if target.is_dir() and not (kind == ".zarr" and any((target / name).is_file() for name in _ZARR_FILES)):
            msg = f"{target} is a folder and no zarr store; it is not overwritten."
            raise InputError(msg)
    return target


def write_cells(adata: AnnData, target: Path) -> None:
    """Write under another name, and take the place of what is there once all is on disk."""
    token = secrets.token_hex(4)
    # of the same ending, which tells some readers what it is; and hidden
    temporary, old = (target.with_name(f".scdd-{part}-{token}{target.suffix}") for part in ("new", "old"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if target.suffix == ".zarr":
                adata.write_zarr(temporary)
            else:
                adata.write_h5ad(temporary, compression="gzip")
        for file in [temporary] if temporary.is_file() else [f for f in temporary.rglob("*") if f.is_file()]:
            _to_disk(file)
        if target.is_dir():
            # a folder cannot take the place of another in one step
            target.rename(old)
        temporary.replace(target)
    except BaseException:
        if old.exists() and not target.exists():
            old.rename(target)
        raise
    finally:
        for leftover in (temporary, old):
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)


def _kind(path: Path, suffixes: Sequence[str] = _SUFFIXES) -> str:
    if path.suffix not in suffixes:
        msg = f"The name of {path} must end with {' or '.join(suffixes)}."
        raise InputError(msg)
    return path.suffix


def _to_disk(file: Path) -> None:
    with file.open("rb+") as handle:
        os.fsync(handle.fileno())

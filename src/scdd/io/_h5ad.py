"""Reading h5ad, with errors that tell what to do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from scdd.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["read_h5ad"]

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def read_h5ad(path: str | os.PathLike[str], *, backed: bool = False) -> AnnData:
    """Read an h5ad file, and nothing else: h5ad holds numbers and text, so nothing is executed.

    Parameters
    ----------
    path
        The file.
    backed
        Leave the matrix on disk.

    Returns
    -------
    The AnnData.

    Raises
    ------
    scdd.errors.InputError
        If there is no such file, or it is no h5ad.

    Examples
    --------
    >>> import scdd
    >>> scdd.datasets.simulate(n_obs=20, n_vars=10).write_h5ad("cells.h5ad")
    >>> read_h5ad("cells.h5ad").shape
    (20, 10)
    """
    import anndata

    file = Path(path).expanduser()
    if not file.is_file():
        msg = f"There is no file {file}."
        raise InputError(msg)
    try:
        with file.open("rb") as handle:
            head = handle.read(len(_SIGNATURE))
        if head != _SIGNATURE:
            msg = f"{file} is no h5ad file (no HDF5). Convert it first: adata.write_h5ad(path)."
            raise InputError(msg)
        return anndata.read_h5ad(file, backed="r" if backed else None)
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        msg = f"{file} cannot be read as h5ad: {error}. It may be cut off or damaged; take a fresh copy."
        raise InputError(msg) from error

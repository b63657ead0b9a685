"""Reading and writing h5ad, with errors that tell what to do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scdd.errors import InputError
from scdd.io._cells import check_output, write_cells
from scdd.io._compat_h5ad import make_plain
from scdd.pp._check import check_type

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["read_h5ad", "write_h5ad"]

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
        if head == _SIGNATURE:
            return anndata.read_h5ad(file, backed="r" if backed else None)
    # a file that is cut, or of a newer format, raises one of many types
    except Exception as error:
        msg = f"{file} cannot be read as h5ad: {error}. It may be cut off, damaged, or of a newer anndata; take a fresh copy."
        raise InputError(msg) from error
    msg = f"{file} is no h5ad file (no HDF5). Convert it first: adata.write_h5ad(path)."
    raise InputError(msg)


def write_h5ad(
    adata: AnnData,
    path: str | os.PathLike[str],
    *,
    compat: Literal["0.10"] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write an h5ad file, compressed, whole or not at all, and on request so that older readers and R can open it.

    With pandas 3 anndata stores names of cells and genes in a form that readers of R (anndataR, zellkonverter, ...) and anndata
    before 0.11 may not know. With ``compat="0.10"`` the file holds what anndata 0.10 knew, and nothing newer.

    Parameters
    ----------
    adata
        Cells or rows (n_obs, n_vars); in memory, a view, backed or lazy. It is not changed.
    path
        The file, ``.h5ad``.
    compat
        Version of anndata that must be able to read the file. ``"0.10"``: text columns of all tables become categories, arrays
        of text those of numpy, and entries of ``uns`` that are None are left out. None: as the anndata that is installed writes.
    overwrite
        Replace a file that is there.

    Returns
    -------
    The path.

    Raises
    ------
    scdd.errors.InputError
        If the name does not end with ``.h5ad``, the folder does not exist, the file is there and is not to be replaced, or
        ``compat`` is another version.

    Examples
    --------
    >>> import scdd
    >>> syn = scdd.tl.coreset(scdd.datasets.simulate(), 2, method="kmeans")
    >>> write_h5ad(syn, "for_r.h5ad", compat="0.10").name
    'for_r.h5ad'
    """
    check_type(adata)
    if compat not in (None, "0.10"):
        msg = f"compat must be '0.10' or None, got {compat!r}."
        raise InputError(msg)
    target = check_output(path, overwrite=overwrite, suffixes=(".h5ad",), flag="overwrite=True")
    import anndata

    # anndata turns text into categories where it stands, and takes the new file for the one behind a backed object
    cells: AnnData = adata.to_memory(copy=True)
    if compat is None:
        write_cells(cells, target)
    else:
        make_plain(cells)
        with anndata.settings.override(allow_write_nullable_strings=False):
            write_cells(cells, target)
    return target

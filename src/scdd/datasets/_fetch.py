"""Public data sets by download, kept in a cache."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from scdd._atomic import write_text
from scdd._compat import warn
from scdd._optional import require
from scdd._settings import settings
from scdd.errors import DownloadError, InputError

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["cellxgene", "fetch"]

VARIABLE = "SCDD_CACHE"
_CELLXGENE = "https://datasets.cellxgene.cziscience.com"


def fetch(
    url: str, *, sha256: str | None = None, name: str | None = None, folder: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
) -> Path:  # fmt: skip
    """Download a file once, and return where it is.

    The file appears under its name when it is whole and has the right checksum, never before. A second call needs no
    network. Its address and checksum are written beside it, and a file of another address is not taken for it.

    Parameters
    ----------
    url
        Address (http or https).
    sha256
        Checksum that the file must have. None: later calls compare with the checksum of the first download, which a
        warning tells.
    name
        Name of the file. Default: the last part of the address.
    folder
        Where to keep it. Default: ``scdd.settings.data_dir``, else the folder that the environment variable SCDD_CACHE
        names, else the cache of the user.
    progress
        Show a progress bar. Default: ``scdd.settings.progress``.

    Returns
    -------
    Path of the file.

    Raises
    ------
    scdd.errors.DownloadError
        If there is no network, no such file, a connection that breaks off, or another checksum.
    scdd.errors.InputError
        If the address or the name cannot be used, or a file of this name came from another address.
    ImportError
        If the package ``pooch`` is not installed (``pip install "scdd[download]"``).

    Examples
    --------
    >>> from scdd.errors import InputError
    >>> try:
    ...     fetch("ftp://example.org/cells.h5ad")
    ... except InputError as error:
    ...     print(error)
    The address must start with http:// or https://, got 'ftp://example.org/cells.h5ad'.
    """
    if not url.startswith(("http://", "https://")):
        msg = f"The address must start with http:// or https://, got {url!r}."
        raise InputError(msg)
    name = name if name is not None else url.split("?")[0].rstrip("/").rsplit("/", 1)[-1]
    if not name or Path(name).name != name:
        msg = f"The name of the file must be a plain name, got {name!r}: give name=."
        raise InputError(msg)
    pooch = require("pooch", extra="download", what="scdd.datasets.fetch")
    place = Path(folder or settings.data_dir or os.environ.get(VARIABLE) or pooch.os_cache("scdd")).expanduser()
    note = place / f"{name}.sha256"
    kept, source = _told(note, url)
    if source != url and not (place / name).is_file():
        kept, source = None, url  # the file that the note tells of is gone
    elif source != url and sha256 != kept:
        msg = f"{place / name} came from {source}, not from {url}: give another name= or folder=."
        raise InputError(msg)
    known = sha256 or kept
    pooch.get_logger().setLevel("WARNING")
    try:
        path = Path(
            pooch.retrieve(
                url,
                known_hash=None if known is None else f"sha256:{known}",
                fname=name,
                path=place,
                downloader=pooch.HTTPDownloader(progressbar=settings.shows_progress(progress), timeout=30),
            )  # fmt: skip
        )
    except ValueError as error:  # how pooch tells of a wrong checksum
        msg = f"{url} is not the file that was expected: {error} Nothing was kept."
        raise DownloadError(msg) from error
    except OSError as error:  # requests' errors are OSErrors
        msg = f"{url} could not be downloaded ({error}). Nothing was kept: check the address and the network, and try again."
        raise DownloadError(msg) from error
    if known is None:
        known = pooch.file_hash(str(path), alg="sha256")
        msg = f"No checksum is known for {url}. That of this download was kept: sha256 {known}."
        warn(msg)
    if known != kept and os.access(place, os.W_OK):  # a folder that others filled may be read-only
        write_text(note, f"{known}\n{source}\n")
    return path


def _told(note: Path, url: str) -> tuple[str | None, str]:
    """Return checksum and address that a note tells; one without an address is taken to be of ``url``."""
    told = note.read_text(encoding="utf-8").splitlines() if note.is_file() else []
    return told[0].strip() if told else None, told[1] if len(told) > 1 else url


def cellxgene(
    version_id: str,
    *,
    sha256: str | None = None,
    folder: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
    server: str = _CELLXGENE,
) -> AnnData:
    """Download a data set of CELLxGENE Discover, and return its raw counts.

    Find the version of a data set on its page (Download, H5AD): the address ends with ``<version_id>.h5ad``. A version
    never changes. Labels are in ``obs`` as ``cell_type``, ``disease``, ``development_stage`` and ``tissue``, donors in
    ``donor_id``; genes are Ensembl ids, with their symbols in ``var["feature_name"]``.

    Parameters
    ----------
    version_id
        Identifier of the version, a UUID.
    sha256, folder, progress
        As in :func:`fetch`.
    server
        Address of the server.

    Returns
    -------
    AnnData whose ``X`` holds the raw counts: those of ``raw`` where the file has both.

    Raises
    ------
    scdd.errors.InputError
        If the identifier is no UUID.
    scdd.errors.DownloadError
        As in :func:`fetch`.

    Examples
    --------
    >>> from scdd.errors import InputError
    >>> try:
    ...     cellxgene("blood")
    ... except InputError as error:
    ...     print(str(error)[:40])
    version_id must be a UUID, got 'blood':
    """
    try:
        identifier = str(uuid.UUID(version_id))
    except ValueError as error:
        msg = f"version_id must be a UUID, got {version_id!r}: it is the last part of the address of the H5AD file."
        raise InputError(msg) from error
    path = fetch(f"{server}/{identifier}.h5ad", sha256=sha256, folder=folder, progress=progress)
    import anndata

    adata = anndata.read_h5ad(path)
    if adata.raw is None:
        return adata
    counts = adata.raw.to_adata()
    counts.uns = adata.uns
    return counts

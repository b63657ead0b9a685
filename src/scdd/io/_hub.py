"""Sets on the Hugging Face Hub: pushed with their card, pulled with their hash."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scdd._optional import require
from scdd.errors import DownloadError, InputError
from scdd.io._export import DATA, fill_folder
from scdd.io._h5ad import read_h5ad
from scdd.io._hashes import SUMS, read_sums, sha256_of
from scdd.io._info import CardInfo
from scdd.pp._check import check_type

if TYPE_CHECKING:
    from anndata import AnnData

    from scdd.tl import Report

__all__ = ["pull_from_hub", "push_to_hub"]

_TYPE = "dataset"
_HUB = "https://huggingface.co"


def push_to_hub(
    syn: AnnData,
    repo_id: str,
    *,
    info: CardInfo | None = None,
    report: Report | None = None,
    labels_key: str | None = None,
    private: bool = True,
    token: str | None = None,
    message: str = "Upload a set of scdd",
    api: Any = None,
) -> str:
    """Upload a set with its card as a data set of the Hugging Face Hub; needs ``pip install "scdd[hub]"``.

    What is uploaded is what :func:`export` writes.

    Parameters
    ----------
    syn
        The set; not changed.
    repo_id
        ``"owner/name"``; made where it is not there.
    info, report, labels_key
        As in :func:`export`.
    private
        Make a new repository private: distilled cells are not anonymous, so look at the card before you open it. One that
        is there stays as it is.
    token
        Access token. None: the one that ``hf auth login`` stored.
    message
        Message of the commit.
    api
        A ``huggingface_hub.HfApi``, for another endpoint. None: a new one.

    Returns
    -------
    The commit, which :func:`pull_from_hub` takes as ``revision``.

    Raises
    ------
    ImportError
        If ``huggingface_hub`` is not installed; the text tells how to install it.
    scdd.errors.DownloadError
        If the hub cannot be reached or refuses.

    Examples
    --------
    >>> import scdd
    >>> syn = scdd.tl.coreset(scdd.datasets.simulate(), 2)
    >>> commit = scdd.io.push_to_hub(syn, "me/my-cells")  # doctest: +SKIP
    """
    check_type(syn)
    api = _api(token) if api is None else api
    info = info if info is not None else CardInfo()
    if not info.homepage:
        info = replace(info, homepage=f"{getattr(api, 'endpoint', _HUB)}/datasets/{repo_id}")
    with tempfile.TemporaryDirectory(prefix="scdd-") as folder:
        fill_folder(syn, info=info, report=report, labels_key=labels_key)(Path(folder))
        try:
            api.create_repo(repo_id=repo_id, repo_type=_TYPE, private=private, exist_ok=True)
            commit = api.upload_folder(repo_id=repo_id, repo_type=_TYPE, folder_path=folder, commit_message=message)
        except Exception as error:
            msg = f"{repo_id} could not be uploaded: {error}"
            raise DownloadError(msg) from error
    return str(commit.oid)


def pull_from_hub(
    repo_id: str,
    *,
    revision: str | None = None,
    sha256: str | None = None,
    token: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    api: Any = None,
) -> AnnData:
    """Download a set from the Hugging Face Hub, check its hash, and read it; needs ``pip install "scdd[hub]"``.

    Two files are fetched, ``SHA256SUMS`` and ``syn.h5ad``, of one commit; nothing that comes with them is executed.

    Parameters
    ----------
    repo_id
        ``"owner/name"``.
    revision
        Commit, tag or branch. None: the newest; name a commit where the result has to stay the same.
    sha256
        Hash that the h5ad must have. None: the one that the repository itself tells, which shows damage but not an
        exchange by its owner.
    token
        Access token. None: the one that ``hf auth login`` stored.
    cache_dir
        Folder for the files. None: the cache of ``huggingface_hub``.
    api
        A ``huggingface_hub.HfApi``, for another endpoint. None: a new one.

    Returns
    -------
    The set.

    Raises
    ------
    ImportError
        If ``huggingface_hub`` is not installed; the text tells how to install it.
    scdd.errors.DownloadError
        If it cannot be fetched, or is not the file that was expected.
    scdd.errors.InputError
        If ``sha256`` is no hash, or the file is no h5ad.

    Examples
    --------
    >>> import scdd
    >>> syn = scdd.io.pull_from_hub("me/my-cells", revision="0123abc")  # doctest: +SKIP
    """
    if sha256 is not None and (len(sha256) != 64 or set(sha256.lower()) - set("0123456789abcdef")):
        msg = f"sha256 must be 64 hexadecimal digits, got {sha256!r}."
        raise InputError(msg)
    api = _api(token) if api is None else api
    try:
        # both files are of one commit, even where another is being made
        commit = api.dataset_info(repo_id, revision=revision).sha
        place = {"repo_id": repo_id, "repo_type": _TYPE, "revision": commit, "cache_dir": cache_dir}
        sums, data = (Path(api.hf_hub_download(filename=name, **place)) for name in (SUMS, DATA))
    except Exception as error:
        msg = f"{repo_id} could not be downloaded: {error}"
        raise DownloadError(msg) from error
    told = read_sums(sums).get(DATA)
    if told is None:
        msg = f"{repo_id} tells no hash of {DATA} in {SUMS}: it was not uploaded by scdd.io.push_to_hub."
        raise DownloadError(msg)
    found = sha256_of(data)
    if sha256 is not None and found != sha256.lower():
        msg = f"{DATA} of {repo_id} is not the file that was expected: SHA-256 {found}, expected {sha256.lower()}."
        raise DownloadError(msg)
    if found != told:
        msg = f"{DATA} of {repo_id} is not the file that its {SUMS} tells of: SHA-256 {found}, told {told}."
        raise DownloadError(msg)
    return read_h5ad(data)


def _api(token: str | None) -> Any:
    hub = require("huggingface_hub", extra="hub", what="The hub")
    return hub.HfApi(token=token)

"""The hub: against an injected object, and with the real client against a server on this machine; no network."""

from __future__ import annotations

import hashlib
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from anndata import AnnData

import scdd
from scdd.errors import DownloadError, InputError, InputTypeError
from scdd.io import CardInfo, pull_from_hub, push_to_hub

INFO = CardInfo(source="simulated", licence="CC0-1.0", creators=("A",))


@dataclass
class FakeApi:
    """The calls that scdd makes, on a folder."""

    root: Path
    told: list[dict[str, Any]] = field(default_factory=list)

    def create_repo(self, **options: Any) -> None:
        self.told.append(options)

    def upload_folder(self, *, repo_id: str, repo_type: str, folder_path: str, commit_message: str) -> Any:
        shutil.copytree(folder_path, self.root, dirs_exist_ok=True)
        return SimpleNamespace(oid="0123abc")

    def dataset_info(self, repo_id: str, *, revision: str | None = None) -> Any:
        if not self.root.exists():
            msg = f"no {repo_id}"
            raise OSError(msg)
        return SimpleNamespace(sha=revision or "newest")

    def hf_hub_download(self, *, filename: str, **options: Any) -> str:
        self.told.append({"filename": filename, **options})
        return str(self.root / filename)


@pytest.fixture
def syn(toy: AnnData) -> AnnData:
    return scdd.tl.coreset(toy, 2, method="kmeans")


@pytest.fixture
def api(tmp_path: Path) -> FakeApi:
    return FakeApi(tmp_path / "hub")


def test_there_and_back(syn: AnnData, api: FakeApi) -> None:
    assert push_to_hub(syn, "me/cells", info=INFO, api=api) == "0123abc"
    assert api.told == [{"repo_id": "me/cells", "repo_type": "dataset", "private": True, "exist_ok": True}]
    back = pull_from_hub("me/cells", revision="0123abc", api=api)
    np.testing.assert_array_equal(back.X.toarray(), syn.X.toarray())
    assert back.obs["cell_type"].astype(str).tolist() == syn.obs["cell_type"].astype(str).tolist()
    assert back.obs["is_synthetic"].all()
    # two files of one commit, nothing else
    assert [(t["filename"], t["revision"]) for t in api.told[1:]] == [
        ("SHA256SUMS", "0123abc"),
        ("syn.h5ad", "0123abc"),
    ]


def test_damage_and_exchange_are_found(syn: AnnData, api: FakeApi) -> None:
    push_to_hub(syn, "me/cells", info=INFO, api=api)
    data, sums = api.root / "syn.h5ad", api.root / "SHA256SUMS"
    whole, told = data.read_bytes(), sums.read_text()
    digest = hashlib.sha256(whole).hexdigest()
    assert pull_from_hub("me/cells", sha256=digest.upper(), api=api).n_obs == syn.n_obs
    with pytest.raises(DownloadError, match="not the file that was expected"):
        pull_from_hub("me/cells", sha256="0" * 64, api=api)
    data.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(DownloadError, match=f"not the file that its SHA256SUMS tells of: SHA-256 .*, told {digest}"):
        pull_from_hub("me/cells", api=api)
    # the right file beside a list that is wrong
    data.write_bytes(whole)
    sums.write_text(told.replace(digest, "0" * 64))
    with pytest.raises(DownloadError, match=f"its SHA256SUMS tells of: SHA-256 {digest}, told {'0' * 64}"):
        pull_from_hub("me/cells", sha256=digest, api=api)
    data.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    # the owner exchanges both: only a hash from elsewhere tells
    sums.write_text(told.replace(digest, hashlib.sha256(data.read_bytes()).hexdigest()))
    with pytest.raises(DownloadError, match=digest):
        pull_from_hub("me/cells", sha256=digest, api=api)


@pytest.mark.parametrize("sums", ["", "<html>", f"{'0' * 64}  ../syn.h5ad\n", f"{'0' * 64}  other.h5ad\n", "\xff"])
def test_strange_lists_of_hashes_are_refused(syn: AnnData, api: FakeApi, sums: str) -> None:
    push_to_hub(syn, "me/cells", info=INFO, api=api)
    (api.root / "SHA256SUMS").write_bytes(sums.encode("latin-1"))
    with pytest.raises(DownloadError):
        pull_from_hub("me/cells", api=api)


def test_only_h5ad_is_read(api: FakeApi) -> None:
    api.root.mkdir()
    (api.root / "syn.h5ad").write_bytes(b"\x80\x04\x95 a pickle")
    digest = hashlib.sha256((api.root / "syn.h5ad").read_bytes()).hexdigest()
    (api.root / "SHA256SUMS").write_text(f"{digest}  syn.h5ad\n")
    with pytest.raises(InputError, match="no h5ad"):
        pull_from_hub("me/cells", api=api)


def test_what_is_wrong_is_told(syn: AnnData, api: FakeApi) -> None:
    with pytest.raises(DownloadError, match="me/cells could not be downloaded"):
        pull_from_hub("me/cells", api=api)
    with pytest.raises(InputError, match="64 hexadecimal"):
        pull_from_hub("me/cells", sha256="abc", api=api)
    with pytest.raises(InputTypeError):
        push_to_hub(syn.obs, "me/cells", api=api)

    def refuse(**_: Any) -> None:
        msg = "no leave"
        raise PermissionError(msg)

    api.create_repo = refuse
    with pytest.raises(DownloadError, match="could not be uploaded: no leave"):
        push_to_hub(syn, "me/cells", info=INFO, api=api)


def test_a_missing_package_is_named(syn: AnnData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for call in (lambda: push_to_hub(syn, "me/cells"), lambda: pull_from_hub("me/cells")):
        with pytest.raises(ImportError, match=r"scdd\[hub\]"):
            call()


def test_the_real_client(syn: AnnData, tmp_path: Path, hub: Any) -> None:
    """The client that users have, over HTTP; the server is a stand-in on this machine."""
    package = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed: scdd[hub]")
    api = package.HfApi(endpoint=hub.address, token=False)
    with pytest.raises(DownloadError, match="could not be downloaded"):
        pull_from_hub("me/cells", api=api, cache_dir=tmp_path)
    first = push_to_hub(syn, "me/cells", info=INFO, api=api)
    assert hub.private == {"me/cells": True}
    assert set(hub.commits[first]) >= {"README.md", "SHA256SUMS", "card.json", "croissant.json", "syn.h5ad"}
    syn.X = syn.X * 2
    second = push_to_hub(syn, "me/cells", info=INFO, api=api)
    assert second != first
    newest, older = (pull_from_hub("me/cells", revision=r, api=api, cache_dir=tmp_path) for r in (None, first))
    np.testing.assert_array_equal(newest.X.toarray(), syn.X.toarray())
    np.testing.assert_array_equal(2 * older.X.toarray(), syn.X.toarray())

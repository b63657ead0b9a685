"""Downloads against a local server."""

from __future__ import annotations

import hashlib
import http.server
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import scdd
from scdd.datasets import cellxgene, fetch
from scdd.errors import DownloadError, InputError, ScddWarning

BODY = b"cells and genes" * 10_000
SHA = hashlib.sha256(BODY).hexdigest()
VERSION = "0b4a15a7-4e9e-4555-9733-2423e5c66469"  # of no data set: the server of these tests answers


class _Handler(http.server.BaseHTTPRequestHandler):
    files: dict[str, bytes] = {}
    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        name = self.path.strip("/").split("?")[0]
        if name not in self.files:
            self.send_error(404)
            return
        body = self.files[name]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        # this one breaks off
        self.wfile.write(body[: len(body) // 2] if name == "torn.bin" else body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    _Handler.files = {"cells.bin": BODY, "torn.bin": BODY}
    _Handler.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_a_file_comes_once(server: str, tmp_path: Path) -> None:
    for _ in range(2):
        path = fetch(f"{server}/cells.bin", sha256=SHA, folder=tmp_path, progress=False)
        assert path == tmp_path / "cells.bin"
        assert path.read_bytes() == BODY
    assert _Handler.asked == ["/cells.bin"]


def test_an_unknown_checksum_is_kept_and_told(server: str, tmp_path: Path) -> None:
    with pytest.warns(ScddWarning, match=SHA):
        fetch(f"{server}/cells.bin", folder=tmp_path, progress=False)
    assert (tmp_path / "cells.bin.sha256").read_text().split() == [SHA, f"{server}/cells.bin"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fetch(f"{server}/cells.bin", folder=tmp_path, progress=False)  # known by now
    # the cached file is damaged, and the server has another one
    (tmp_path / "cells.bin").write_bytes(b"damaged")
    _Handler.files["cells.bin"] = b"another file"
    with pytest.raises(DownloadError, match="not the file that was expected"):
        fetch(f"{server}/cells.bin", folder=tmp_path, progress=False)


@pytest.mark.parametrize("sha256", [None, SHA])
def test_a_file_of_another_address_is_not_taken(server: str, tmp_path: Path, sha256: str | None) -> None:
    _Handler.files["v2/cells.bin"] = b"another file"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = fetch(f"{server}/cells.bin", sha256=sha256, folder=tmp_path, progress=False)
        with pytest.raises(InputError, match=r"came from .*/cells.bin, not from .*/v2/cells.bin: give another name="):
            fetch(f"{server}/v2/cells.bin", folder=tmp_path, progress=False)
        assert path.read_bytes() == BODY
        # a copy elsewhere is the same file, and so is what was kept before addresses were
        assert fetch(f"{server}/mirror/cells.bin", sha256=SHA, folder=tmp_path, progress=False) == path
        (tmp_path / "cells.bin.sha256").write_text(f"{SHA}\n")
        assert fetch(f"{server}/cells.bin", folder=tmp_path, progress=False) == path
        assert _Handler.asked == ["/cells.bin"]
        # once the file is gone, its name is free
        fetch(f"{server}/v2/cells.bin", folder=tmp_path, name="other.bin", progress=False).unlink()
        fetch(f"{server}/cells.bin", folder=tmp_path, name="other.bin", progress=False)
        assert (tmp_path / "other.bin").read_bytes() == BODY


@pytest.mark.parametrize(("name", "match"), [("absent.bin", "404"), ("torn.bin", "could not be downloaded")])
def test_what_does_not_come_leaves_nothing(server: str, tmp_path: Path, name: str, match: str) -> None:
    with pytest.raises(DownloadError, match=match):
        fetch(f"{server}/{name}", folder=tmp_path, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_checksum_leaves_nothing(server: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="not the file that was expected"):
        fetch(f"{server}/cells.bin", sha256="0" * 64, folder=tmp_path, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_no_network(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="check the address and the network"):
        fetch("http://127.0.0.1:9/cells.bin", folder=tmp_path, progress=False)


def test_the_variable_names_the_cache(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCDD_CACHE", str(tmp_path / "cache"))
    path = fetch(f"{server}/cells.bin?x=1", sha256=SHA, progress=False)
    assert path == tmp_path / "cache" / "cells.bin"


@pytest.mark.parametrize("name", ["../x", "a/b", ""])
def test_names_stay_in_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="plain name"):
        fetch("http://127.0.0.1:9/cells.bin", name=name, folder=tmp_path)


@pytest.mark.parametrize("with_raw", [False, True])
def test_cellxgene_gives_raw_counts(server: str, tmp_path: Path, with_raw: bool) -> None:
    adata = scdd.datasets.simulate(n_obs=30, n_vars=20)
    counts = adata.X.copy()
    if with_raw:
        adata.raw = adata.copy()
        adata.X = np.log1p(adata.X.toarray())
    adata.write_h5ad(tmp_path / "source.h5ad")
    _Handler.files[f"{VERSION}.h5ad"] = (tmp_path / "source.h5ad").read_bytes()
    with pytest.warns(ScddWarning, match="No checksum is known"):
        found = cellxgene(VERSION, folder=tmp_path, progress=False, server=server)
    assert (found.X != counts).nnz == 0
    assert found.obs["cell_type"].tolist() == adata.obs["cell_type"].tolist()
    with pytest.raises(InputError, match="UUID"):
        cellxgene("blood", server=server)

"""A stand-in for the hub on this machine: the part of its protocol that pushing and pulling need."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class Hub:
    """What the stand-in stores: the files of each commit, and whether a repository is private."""

    def __init__(self) -> None:
        self.commits: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.requests: list[str] = []
        self.address = ""

    @property
    def newest(self) -> str:
        return list(self.commits)[-1]


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A server on a free port of this machine, until the test ends."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None: ...

        def do_POST(self) -> None:
            hub.requests.append(f"POST {self.path}")
            body = self._body()
            if self.path == "/api/repos/create":
                told = json.loads(body)
                hub.private[f"{told.get('organization', 'me')}/{told['name']}"] = told.get(
                    "private", told.get("visibility") == "private"
                )
                self._json({"url": f"{hub.address}/datasets/me/{told['name']}"})
            elif self.path == "/api/validate-yaml":
                self._json({"errors": [], "warnings": []})
            elif "/preupload/" in self.path:
                files = json.loads(body)["files"]
                self._json(
                    {"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]}
                )
            elif "/commit/" in self.path:
                self._commit([json.loads(line) for line in body.splitlines() if line])
            else:
                self._json({"error": "not found"}, 404)

        def _commit(self, lines: list[dict[str, Any]]) -> None:
            files = dict(hub.commits[hub.newest]) if hub.commits else {}
            for line in lines:
                if line["key"] == "file":
                    files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            digest = hashlib.sha1(repr(sorted(files.items())).encode(), usedforsecurity=False).hexdigest()
            hub.commits[digest] = files
            self._json({"success": True, "commitOid": digest, "commitUrl": f"{hub.address}/c/{digest}"})

        def do_GET(self) -> None:
            self._get(body=True)

        def do_HEAD(self) -> None:
            self._get(body=False)

        def _get(self, *, body: bool) -> None:
            hub.requests.append(f"{self.command} {self.path}")
            if match := re.fullmatch(r"/datasets/me/[\w-]+/resolve/(\w+)/(.+)", self.path):
                commit, name = match.groups()
                content = hub.commits.get(commit, {}).get(name)
                if content is None:
                    self._json({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"})
                    return
                etag = hashlib.sha1(content, usedforsecurity=False).hexdigest()
                self._send(content, 200, {"ETag": f'"{etag}"', "X-Repo-Commit": commit}, body=body)
            elif match := re.fullmatch(r"/api/datasets/me/([\w-]+)(?:/revision/(\w+))?(?:\?.*)?", self.path):
                commit = match[2] if match[2] in hub.commits else (hub.newest if hub.commits else "")
                if f"me/{match[1]}" not in hub.private or not commit:
                    self._json({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
                    return
                self._json({"id": f"me/{match[1]}", "sha": commit, "siblings": [], "tags": []})
            else:
                self._json({"error": "not found"}, 404)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            out = b""
            while size := int(self.rfile.readline(), 16):
                out += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return out

        def _json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
            self._send(json.dumps(value).encode(), status, {"Content-Type": "application/json", **(headers or {})})

        def _send(self, content: bytes, status: int, headers: dict[str, str], *, body: bool = True) -> None:
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(key, value)
            self.end_headers()
            if body and self.command != "HEAD":
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

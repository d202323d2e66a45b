"""A real HTTP server on this machine that takes repositories as the Hugging Face hub does, and keeps their files."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_of_the_test"


class Hub(ThreadingHTTPServer):
    """What was created and sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.private: dict[str, bool] = {}
        """By `kind/name`."""
        self.files: dict[str, dict[str, bytes]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        raw = self._body()
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._answer(401, {"error": "Invalid credentials"})
            return
        parts = self.path.strip("/").split("/")
        if parts[1:] == ["repos", "create"]:
            self._create(json.loads(raw))
        elif parts[1:] == ["validate-yaml"]:
            self._answer(200, {"errors": [], "warnings": []})
        elif "preupload" in parts:
            files = [
                {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                for one in json.loads(raw)["files"]
            ]
            self._answer(200, {"files": files})
        elif "commit" in parts:
            self._commit(f"{parts[1]}/{parts[2]}/{parts[3]}", raw)
        else:
            self._answer(404, {"error": f"nothing at {self.path}"})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def _create(self, wanted: dict[str, Any]) -> None:
        kind = wanted.get("type", "model")
        name = f"{wanted['organization']}/{wanted['name']}" if wanted.get("organization") else wanted["name"]
        at = f"{kind}s/{name}"
        private = wanted.get("visibility") == "private" or bool(wanted.get("private"))
        self.server.private[at] = private
        self.server.files.setdefault(at, {})
        path = name if kind == "model" else f"{kind}s/{name}"
        self._answer(200, {"url": f"{self.server.url}/{path}"})

    def _commit(self, at: str, raw: bytes) -> None:
        for line in raw.decode().splitlines():
            one = json.loads(line)
            if one["key"] == "file":
                value = one["value"]
                self.server.files[at][value["path"]] = base64.b64decode(value["content"])
        self._answer(200, {"commitUrl": f"{self.server.url}/{at}/commit/1", "commitOid": "1" * 40, "success": True})

    def _answer(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def hub() -> Iterator[Hub]:
    """A running server."""
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

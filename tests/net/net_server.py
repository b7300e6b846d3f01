"""A web server of this machine that answers as it is told, and a download from it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipelines.net import (
    Downloaded,
    Origin,
    download,
)

FILM = b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 2000
FILM_SHA = hashlib.sha256(FILM).hexdigest()


class Server:
    """A loopback HTTP server that answers each path as it was told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                outer.answers[self.path](self)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.origin = Origin("http", "127.0.0.1", self._server.server_port)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.origin.port}{path}"

    def says(self, path: str, status: int = 200, body: bytes = FILM, length: int | None = None, **headers: str) -> str:
        """Answer `path` so; underscores in header names become dashes. Returns the address."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.send_header("Content-Length", str(len(body) if length is None else length))
            handler.send_header("Connection", "close")  # announced: the client must not ask again on it
            handler.end_headers()
            handler.wfile.write(body)

        self.answers[path] = answer
        return self.url(path)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


def fetch(server: Server, url: str, dest: Path, max_bytes: int = 10**8, **more: object) -> Downloaded:
    return download(url, dest, trusted=[server.origin], max_bytes=max_bytes, timeout=30, **more)  # type: ignore[arg-type]


def nothing_left(folder: Path) -> bool:
    return list(folder.iterdir()) == []

"""A server that plays recorded exchanges with a language model."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

WIRE = Path(__file__).parents[1] / "wire" / "openai_text"


class Server(ThreadingHTTPServer):
    """Plays one list of exchanges and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.exchanges: list[dict[str, Any]] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def play(self, name: str) -> None:
        self.exchanges = json.loads((WIRE / f"{name}.json").read_text("utf-8"))

    def answer(self, status: int, error: dict[str, Any], **headers: str) -> None:
        self.exchanges = [{"path": "/v1/responses", "status": status, "headers": headers, "body": {"error": error}}]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body))
        exchange: dict[str, Any] = self.server.exchanges.pop(0) if self.server.exchanges else {"path": None}
        if exchange["path"] != self.path:
            exchange = {"status": 418, "headers": {}, "body": {"error": {"message": f"unexpected: {self.path}"}}}
        found = exchange["body"]
        data = (found if isinstance(found, str) else json.dumps(found)).encode()
        self.send_response(exchange["status"])
        self.send_header("Content-Type", "text/html" if isinstance(found, str) else "application/json")
        self.send_header("Content-Length", str(len(data) + exchange.get("missing_bytes", 0)))
        for name, value in exchange["headers"].items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Say nothing."""

"""What the tests of the sandbox's vendors share: its dials, its bill, and a server that is called back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import httpx

from tools import stack

DEADLINE_S = 60


class Inbox(ThreadingHTTPServer):
    """Keeps what is posted to it as (path, headers, body), after `refusals` answers of 503."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Keeper)
        self.posts: list[tuple[str, Message, bytes]] = []
        self.refusals = 0
        self.url = f"http://127.0.0.1:{self.server_port}/hook"


class _Keeper(BaseHTTPRequestHandler):
    server: Inbox

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append((self.path, self.headers, body))
        self.send_response(200 if len(self.server.posts) > self.server.refusals else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def called_back() -> Iterator[Inbox]:
    """A server on loopback."""
    with Inbox() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def control(url: str, **changes: Any) -> Any:
    """Turn the sandbox's dials; its answer."""
    answer = httpx.post(f"{url}/vendors/_control", json=changes, timeout=60.0)
    assert answer.status_code == 200, answer.text
    return answer.json()


def bill(url: str) -> Any:
    return httpx.get(f"{url}/bill", timeout=60.0).json()


Found = TypeVar("Found")


def until(condition: Callable[[], Found | None]) -> Found:
    """The condition's value, as soon as it has one."""
    return stack.until(condition, "the condition", DEADLINE_S, 0.01)

"""What the tests of the emulated Airtable share: a running board, a file server, and waiting with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import requests
from pyairtable import Api

from pipelines.sandbox.airtable import FIRST_BASE
from pipelines.sandbox.app import Sandbox

TOKEN = "patSandbox.demo"
CHECKBOX = {"icon": "check", "color": "greenBright"}
UTC_TIME = {"timeZone": "utc", "dateFormat": {"name": "iso"}, "timeFormat": {"name": "24hour"}}
VIDEOS: list[dict[str, Any]] = [
    {"name": "Title", "type": "singleLineText"},
    {"name": "Master Prompt", "type": "multilineText"},
    {
        "name": "Status",
        "type": "singleSelect",
        "options": {"choices": [{"name": "Draft", "color": "grayLight2"}, {"name": "Ready"}, {"name": "Done"}]},
    },
    {"name": "Formats", "type": "multipleSelects", "options": {"choices": [{"name": "16:9"}, {"name": "9:16"}]}},
    {"name": "Scene Count", "type": "number", "options": {"precision": 0}},
    {"name": "Max Cost", "type": "currency", "options": {"precision": 2, "symbol": "$"}},
    {"name": "Progress", "type": "percent", "options": {"precision": 0}},
    {"name": "Duration", "type": "duration", "options": {"durationFormat": "h:mm:ss"}},
    {"name": "Stars", "type": "rating", "options": {"icon": "star", "color": "yellowBright", "max": 5}},
    {"name": "Generate", "type": "checkbox", "options": CHECKBOX},
    {"name": "Scheduled For", "type": "dateTime", "options": UTC_TIME},
    {"name": "Due", "type": "date", "options": {"dateFormat": {"name": "iso"}}},
    {"name": "Notes", "type": "richText"},
    {"name": "Video URL", "type": "url"},
    {"name": "Final Video", "type": "multipleAttachments"},
]
Found = TypeVar("Found")


def until(probe: Callable[[], Found | Literal[False] | None], seconds: float = 60.0) -> Found:
    """The first true answer of the probe; fails when the deadline passes first."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < deadline, "the awaited condition did not come true"
        time.sleep(0.02)
    return found


class Board:
    """A sandbox with one base of two linked tables, and clients for its API and its control plane."""

    def __init__(self, *, state: Path | None = None) -> None:
        self.sandbox = Sandbox(state=state)
        self.api = Api(TOKEN, endpoint_url=f"{self.sandbox.url}/airtable", timeout=(60, 60), retry_strategy=None)
        self.base = self.api.base(FIRST_BASE)

    def __enter__(self) -> Self:
        self.sandbox.__enter__()
        self.control("POST", "faults", {"rate_limit": 0, "token_rate_limit": 0})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.api.session.close()
        self.sandbox.__exit__(kind, error, trace)

    def build(self) -> Self:
        """The tables `Videos` and `Scenes`, the second linked to the first."""
        videos = self.base.create_table("Videos", VIDEOS)
        link = {"name": "Video", "type": "multipleRecordLinks", "options": {"linkedTableId": videos.id}}
        cost = {"name": "Cost", "type": "currency", "options": {"precision": 4, "symbol": "$"}}
        self.base.create_table("Scenes", [{"name": "Scene Key", "type": "singleLineText"}, link, cost])
        return self

    @property
    def videos(self) -> Any:
        return self.base.table("Videos")

    @property
    def scenes(self) -> Any:
        return self.base.table("Scenes")

    def control(self, verb: str, path: str, doc: Any = None) -> Any:
        """A call of the control plane, which must succeed."""
        answer = requests.request(verb, f"{self.sandbox.url}/airtable/_control/{path}", json=doc, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def raw(self, verb: str, path: str, doc: Any = None, token: str | None = TOKEN) -> requests.Response:
        """A call of the API as it is on the wire."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{self.sandbox.url}/airtable/v0/{path}"
        return requests.request(verb, url, json=doc, headers=headers, timeout=60)

    def person(self, table: str, fields: dict[str, Any], record: str = "") -> Any:
        """What somebody does in the grid: a new row, or an edit of one."""
        return self.control("POST", f"person/{FIRST_BASE}/{table}/{record}".rstrip("/"), {"fields": fields})


def error_type(answer: requests.Response) -> str:
    """The machine-readable kind of a refusal, whichever of the three shapes it has."""
    doc = answer.json()
    if "errors" in doc:
        return str(doc["errors"][0]["error"])
    return str(doc["error"] if isinstance(doc["error"], str) else doc["error"]["type"])


class Web:
    """Somebody's web server: files by path, redirects, and every POST that arrives."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.gets: list[str] = []
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.post_answers: list[int] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def serve(self, path: str, content: bytes, kind: str = "video/mp4") -> str:
        self.files[path] = (200, {"Content-Type": kind}, content)
        return self.url + path

    def redirect(self, path: str, target: str) -> str:
        self.files[path] = (302, {"Location": target}, b"")
        return self.url + path

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.gets.append(self.path)
                status, headers, content = web.files.get(self.path.partition("?")[0], (404, {}, b"nothing here"))
                self._answer(status, headers, content)

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                web.posts.append((dict(self.headers.items()), content))
                self._answer(web.post_answers.pop(0) if web.post_answers else 204, {}, b"")

            def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        return Handler

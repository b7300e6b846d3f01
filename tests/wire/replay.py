"""A server on loopback that plays a vendor's recorded answers in order and compares what it is asked."""

from __future__ import annotations

import base64
import io
import json
import threading
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from PIL import Image

PNG_IN_BASE64 = "iVBORw0KGgo"
JPEG_ADDRESS = "data:image/jpeg;base64,"
CLIP = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + bytes(1000)


class Replay:
    """Use as a context manager; `complaints` holds every difference from the recording."""

    def __init__(self, exchange: list[dict[str, Any]]) -> None:
        self.left = list(exchange)
        self.complaints: list[str] = []
        replay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.path == "/token":
                    replay.write(
                        self, {"body": {"access_token": "test-key", "token_type": "Bearer", "expires_in": 3600}}
                    )
                    return
                if not replay.left:
                    replay.complaints.append(f"one request too many: {self.command} {self.path}")
                    replay.write(self, {"status": 599, "body": ""})
                    return
                expected = replay.left.pop(0)
                replay.compare(expected, self.command, self.path, self.headers, body)
                replay.write(self, expected["answer"])

            do_GET = do_POST = do_DELETE = _answer  # noqa: N815 — http.server's names

            def log_message(self, *args: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.complaints += [f"never asked: {one['method']} {one['path']}" for one in self.left]

    def filled(self, value: Any) -> Any:
        """The recording with our own address in place of `<server>`."""
        return json.loads(json.dumps(value).replace("<server>", self.url))

    def compare(self, expected: dict[str, Any], method: str, path: str, headers: Message, body: bytes) -> None:
        if (method, path) != (expected["method"], expected["path"]):
            self.complaints.append(f"asked {method} {path}, not {expected['method']} {expected['path']}")
        for name, value in expected.get("headers", {}).items():
            if headers.get(name) != value:
                self.complaints.append(f"header {name} is {headers.get(name)!r}, not {value!r}")
        if "json" in expected:
            self._subset(self.filled(expected["json"]), _shown(json.loads(body)), "body")
        if "form" in expected:
            self._subset(expected["form"], _form(headers, body), "form")

    def _subset(self, expected: Any, found: Any, place: str) -> None:
        if isinstance(expected, dict) and isinstance(found, dict):
            for name, value in expected.items():
                self._subset(value, found.get(name), f"{place}.{name}")
        elif expected != found:
            self.complaints.append(f"{place} is {found!r}, not {expected!r}")

    def write(self, handler: BaseHTTPRequestHandler, answer: dict[str, Any]) -> None:
        body = self.filled(answer["body"])
        if body == "<clip>":
            data = CLIP
        elif isinstance(body, str):
            data = body.encode()
        else:
            data = json.dumps(body).replace("<clip base64>", base64.b64encode(CLIP).decode()).encode()
        handler.send_response(answer.get("status", 200))
        kind = "application/json" if not isinstance(body, str) else "text/plain"
        for name, value in {"Content-Type": kind, **answer.get("headers", {})}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)


def _shown(value: Any) -> Any:
    """JSON with `<png>` in place of a picture in base64, alone or as a `data:` address, and `<jpeg WxH>` likewise."""
    if isinstance(value, dict):
        return {name: _shown(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_shown(entry) for entry in value]
    if isinstance(value, str) and value.startswith(JPEG_ADDRESS):
        with Image.open(io.BytesIO(base64.b64decode(value.removeprefix(JPEG_ADDRESS)))) as image:
            return f"<jpeg {image.width}x{image.height}>"
    shown = isinstance(value, str) and value.removeprefix("data:image/png;base64,").startswith(PNG_IN_BASE64)
    return "<png>" if shown else value


def _form(headers: Message, body: bytes) -> dict[str, str]:
    """The fields of a multipart form; a file is told as `<file type WxH>`."""
    head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
    fields: dict[str, str] = {}
    for part in BytesParser(policy=HTTP).parsebytes(head + body).iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        if part.get_filename():
            with Image.open(io.BytesIO(data)) as image:
                fields[name] = f"<file {part.get_content_type()} {image.width}x{image.height}>"
        else:
            fields[name] = data.decode().removesuffix("\r\n")
    return fields

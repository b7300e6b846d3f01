"""A real S3 server of this machine with the bucket `reels`: as Amazon's, as Supabase's, or spoilt on demand."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Iterable, Iterator
from threading import Lock, Thread
from typing import Any

import httpx

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret-example", "AWS_REGION": "us-east-1"}
SUPABASE = "/storage/v1/s3"
"""The path under which Supabase's storage speaks S3. There a PUT `If-None-Match: *` replaces what is there."""


class Bucket:
    """Under `prefix`, if one is given; `replaces` as Supabase does. `status` answers every request with that, at
    `bytes_per_s` what comes and goes passes; `spoilt` counts them.
    """

    def __init__(self, prefix: str = "", *, replaces: bool = False) -> None:
        # A second of imports, for the few who need it.
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        self.status, self.bytes_per_s, self.spoilt = 0, 0, 0
        self._prefix, self._replaces, self._one_at_a_time = prefix, replaces, Lock()
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}{prefix}"
        Thread(target=self._server.serve_forever, daemon=True).start()
        httpx.put(f"{self.url}/reels", timeout=60.0).raise_for_status()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if slow := self.bytes_per_s > 0:
            environ["wsgi.input"] = io.BytesIO(b"".join(self._crawling_in(environ)))
        self.spoilt += slow or self.status > 0
        if self.status or not environ["PATH_INFO"].startswith(self._prefix):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response(f"{self.status or 404} Spoilt", [("Content-Length", "0")])
            return []
        for name in ("PATH_INFO", "RAW_URI", "REQUEST_URI"):
            environ[name] = environ.get(name, "").removeprefix(self._prefix)
        if not self._replaces:
            answer = self._asked(environ, start_response)
            return self._crawling_out(answer) if slow else answer
        environ.pop("HTTP_IF_NONE_MATCH", None)
        # The server behind it falls over what is replaced while it is written.
        with self._one_at_a_time:
            return self._asked(environ, start_response)

    def _asked(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer: Iterable[bytes] = self._app(environ, start_response)
        return answer

    def _crawling_in(self, environ: dict[str, Any]) -> Iterator[bytes]:
        left = int(environ.get("CONTENT_LENGTH") or 0)
        while left > 0:
            piece = environ["wsgi.input"].read(min(left, self.bytes_per_s or left))
            yield piece
            left -= len(piece) or left
            self._pass_a_second()

    def _crawling_out(self, answer: Iterable[bytes]) -> Iterator[bytes]:
        whole, at = b"".join(answer), 0
        while at < len(whole):
            piece = whole[at : at + (self.bytes_per_s or len(whole))]
            yield piece
            at += len(piece)
            self._pass_a_second()

    def _pass_a_second(self) -> None:
        if self.bytes_per_s:
            time.sleep(1.0)

    def stop(self) -> None:
        """No more answers."""
        self._server.shutdown()

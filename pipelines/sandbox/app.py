"""One Flask app for the whole sandbox, and the threaded server that carries it."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from pipelines.sandbox import airtable, hooks, idp, stripe
from pipelines.sandbox.airtable.api import page
from pipelines.sandbox.airtable.state.store import FIRST_BASE, World

MAX_BODY_BYTES = 64 * 1024 * 1024


def create_app(world: World) -> Flask:
    """Airtable and every vendor under their paths, a receiver of webhooks, `GET /bill`, and `GET /` for people."""
    from pipelines.sandbox import vendors, x402

    app = Flask("sandbox", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.config["STATE_DIR"] = world.state
    app.url_map.strict_slashes = False  # airtable.js asks for /v0/<base>/<table>/
    app.json.sort_keys = False  # type: ignore[attr-defined]
    airtable.register(app, world)
    x402.register(app)
    vendors.register(app, public_url=lambda: world.public_url)
    idp.register(app, public_url=lambda: world.public_url)
    hooks.register(app)
    stripe.register(app)
    app.add_url_rule("/", "front_page", lambda: page.render(world, vendors.summary()))
    return app


class _QuietHandler(WSGIRequestHandler):
    """No line per request: a demo makes hundreds."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""

    def connection_dropped(self, error: BaseException, environ: Any = None) -> None:
        """Clients that go away, and answers lost on purpose, are everyday here."""


class Sandbox:
    """A running sandbox. Use it as a context manager in tests; `serve` blocks for the command line.

    `port=0` takes a free one; the socket is bound when the object exists, so `url` is true at once.
    """

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 0, state: Path | None = None, public_url: str = ""
    ) -> None:
        self.world = World(state=state)
        if not self.world.bases:
            self.world.create_base("Reelgrid", FIRST_BASE)
        self._app: Flask | None = None
        self._server: BaseWSGIServer = make_server(
            host, port, self._dispatch, threaded=True, request_handler=_QuietHandler
        )
        self.world.public_url = public_url.rstrip("/") or f"http://{host}:{self._server.server_port}"
        # The vendors resume their jobs when they are registered, so the address has to be known first.
        self._app = create_app(self.world)
        airtable.resume(self.world)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The origin, without a trailing slash."""
        return self.world.public_url

    def serve(self) -> None:
        """Answer until interrupted."""
        try:
            self._server.serve_forever(poll_interval=0.05)
        finally:
            self._server.server_close()
            self.world.close()
            if self._app is not None:
                self._app.extensions["sandbox_vendors"].close()

    def _dispatch(self, environ: Any, start_response: Any) -> Any:
        if self._app is None:
            raise RuntimeError("the sandbox answers only when it is complete")
        return self._app(environ, start_response)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve, name="sandbox", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        if self._thread is not None:
            self._thread.join()

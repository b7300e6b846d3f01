"""A receiver of webhooks that behaves as it is told by its address: `POST /hooks/ok`; `GET /hooks` shows what came."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, render_template_string, request

INWARD = "http://169.254.169.254/latest/meta-data/"
SLOW_S = 20.0
MOST_KEPT, LONGEST_SHOWN = 100, 20_000
_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Webhooks received</title>
<style>
:root { color-scheme: light dark }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1000px; padding: 0 1rem }
pre { overflow-x: auto; padding: .75rem; border: 1px solid #8884; border-radius: 8px }
</style></head><body>
<h1>Webhooks received</h1>
<p>Send to {% for name in behaviours %}<code>/hooks/{{ name }}</code>{{ ", " if not loop.last }}{% endfor %}.
<a href="/hooks.json">As JSON</a>. Reload to see what is new.</p>
{% for one in received %}<h3>{{ one.behaviour }} · {{ one.headers.get("webhook-id", "no id") }}</h3>
<pre>{{ one.body }}</pre>{% else %}<p>Nothing yet.</p>{% endfor %}
</body></html>"""


@dataclass(frozen=True, slots=True)
class Received:
    """One request that came."""

    behaviour: str
    at: float
    headers: Mapping[str, str]
    body: str


@dataclass
class Receiver:
    """The newest requests."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    received: deque[Received] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))

    def add(self, one: Received) -> None:
        """Remember it."""
        with self.lock:
            self.received.append(one)

    def newest(self) -> list[Received]:
        """The newest first."""
        with self.lock:
            return list(self.received)[::-1]


def _slow() -> Response:
    time.sleep(min(float(request.args.get("seconds", SLOW_S)), 60.0))
    return Response("late")


def _drip() -> Response:
    def drops() -> Any:
        for _ in range(600):
            yield b"."
            time.sleep(0.1)

    return Response(drops())


BEHAVIOURS: Mapping[str, Callable[[], Response]] = {
    "ok": lambda: Response("thank you"),
    "500": lambda: Response("no", 500),
    "410": lambda: Response("gone", 410),
    "429": lambda: Response("busy", 429, {"Retry-After": request.args.get("seconds", "60")}),
    "redirect": lambda: Response("", 307, {"Location": INWARD}),
    "slow": _slow,
    "drip": _drip,
}


def register(app: Flask) -> None:
    """Mount the receiver."""
    receiver, hooks = Receiver(), Blueprint("hooks", __name__)

    @hooks.post("/hooks/<behaviour>")
    def receive(behaviour: str) -> Response:
        if behaviour not in BEHAVIOURS:
            return Response(f"try one of {', '.join(BEHAVIOURS)}", 404)
        body = request.get_data(as_text=True)[:LONGEST_SHOWN]
        headers = {name.lower(): value for name, value in request.headers}
        receiver.add(Received(behaviour, time.time(), headers, body))
        return BEHAVIOURS[behaviour]()

    @hooks.get("/hooks")
    def page() -> str:
        return render_template_string(_TEMPLATE, received=receiver.newest(), behaviours=list(BEHAVIOURS))

    @hooks.get("/hooks.json")
    def listed() -> Response:
        return jsonify(
            [
                {"behaviour": one.behaviour, "at": one.at, "headers": dict(one.headers), "body": one.body}
                for one in receiver.newest()
            ]
        )

    app.register_blueprint(hooks)

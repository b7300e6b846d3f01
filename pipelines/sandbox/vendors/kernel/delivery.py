"""Outgoing webhooks and callbacks: signed at each attempt, retried with growing pauses, doubled or lost on request."""

from __future__ import annotations

import base64
import hashlib
import heapq
import hmac
import itertools
import logging
import queue
import secrets
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from pipelines.sandbox.vendors.kernel.faults import Counts, Dials

logger = logging.getLogger(__name__)

PAUSES_S = (0.25, 0.5, 1, 2, 4, 8, 16, 30, 60, 120)
TIMEOUT_S = 15.0
Signer = Callable[[bytes, int], dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One message: its bytes never change between attempts, its signature does."""

    vendor: str
    url: str
    body: bytes
    sign: Signer = lambda _body, _now: {}


def new_secret() -> str:
    """A Standard Webhooks secret of 32 random bytes."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def standard_webhook(message_id: str, secret: str) -> Signer:
    """Standard Webhooks 1.0: HMAC-SHA256 over `id.timestamp.body`, the key in base64 after `whsec_`."""

    def sign(body: bytes, now: int) -> dict[str, str]:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        digest = hmac.new(key, f"{message_id}.{now}.".encode() + body, hashlib.sha256).digest()
        signature = f"v1,{base64.b64encode(digest).decode()}"
        return {"webhook-id": message_id, "webhook-timestamp": str(now), "webhook-signature": signature}

    return sign


class Crew:
    """A few daemon threads for calls that nobody waits for; started at the first call, so a fork before is safe."""

    def __init__(self, name: str, size: int) -> None:
        self._name, self._size = name, size
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._started = False

    def submit(self, call: Callable[[], None]) -> None:
        with self._lock:
            if not self._started:
                self._started = True
                for _ in range(self._size):
                    threading.Thread(target=self._work, name=self._name, daemon=True).start()
        self._calls.put(call)

    def close(self) -> None:
        """Let the threads end with what was asked for before."""
        for _ in range(self._size):
            self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


class Postman:
    """A clock thread that runs what is due, and a few senders."""

    def __init__(self, dials: Dials, counts: Counts) -> None:
        self._dials, self._counts = dials, counts
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._wake = threading.Condition()
        self._clock: threading.Thread | None = None
        self._closed = False
        self._senders = Crew("sandbox-post", 4)
        # Whom the machine trusts, SSL_CERT_FILE included, but none of its proxies.
        trust = ssl.create_default_context()
        self._client = httpx.Client(trust_env=False, timeout=TIMEOUT_S, follow_redirects=False, verify=trust)

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Run `call` at Unix time `when`, or at once if that has passed."""
        with self._wake:
            heapq.heappush(self._due, (when, next(self._order), call))
            if self._clock is None:
                self._clock = threading.Thread(target=self._run, name="sandbox-clock", daemon=True)
                self._clock.start()
            self._wake.notify()

    def close(self) -> None:
        """Drop what is due later and let the threads end."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._senders.close()

    def send(self, post: Post) -> None:
        """Deliver at least once, or not at all, or twice, as the dials say."""
        dials = self._dials.of(post.vendor)
        if self._dials.happens(dials.webhook_loss_percent):
            self._counts.kind(post.vendor, "webhook_lost")
            return
        twice = self._dials.happens(dials.webhook_duplicate_percent)
        for _ in range(2 if twice else 1):
            self._senders.submit(lambda: self._attempt(post, 0))

    def _run(self) -> None:
        while (call := self._next()) is not None:
            self._senders.submit(call)

    def _next(self) -> Callable[[], None] | None:
        with self._wake:
            while not self._closed and (not self._due or self._due[0][0] > time.time()):
                self._wake.wait(min(1.0, self._due[0][0] - time.time()) if self._due else None)
            return None if self._closed else heapq.heappop(self._due)[2]

    def _attempt(self, post: Post, attempt: int) -> None:
        if self._deliver(post):
            self._counts.kind(post.vendor, "webhook")
        elif attempt < len(PAUSES_S):
            self.at(time.time() + PAUSES_S[attempt], lambda: self._attempt(post, attempt + 1))
        else:
            self._counts.kind(post.vendor, "webhook_given_up")

    def _deliver(self, post: Post) -> bool:
        headers = {"Content-Type": "application/json", **post.sign(post.body, int(time.time()))}
        try:
            answer = self._client.post(post.url, content=post.body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as problem:
            logger.debug("No delivery to %s: %s", post.url, problem)
            return False
        return answer.is_success

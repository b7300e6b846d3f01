"""How often an account may look and be heard, and what answers say of limits
(draft-ietf-httpapi-ratelimit-headers-11).

Looks and webhooks are counted in the memory of this process, because the web process waits for nobody; several
processes count each for themselves. Starts are counted in SQL, for all processes together. The operator's keys look as
often as they want.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from math import ceil
from typing import cast

from flask import Flask, Response, current_app, g, request

from webapp.access import rules
from webapp.access.rules import Door
from webapp.context import actor, services
from webapp.errors import RATE_LIMITED, READS, WEBHOOKS, HttpProblem, Left

BUCKETS = "reelgrid.buckets"
ACCOUNTS = 10_000
WINDOW_S = 60.0
_TOO_OFTEN = {READS: "You ask", WEBHOOKS: "Your programs send webhooks"}


class TokenBuckets:
    """One for each account: when it will be full again."""

    def __init__(self, name: str, most: int) -> None:
        self.name, self.most, self.every_s = name, most, WINDOW_S / most
        self._lock = threading.Lock()
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def take(self, whose: str, now: float) -> tuple[Left, float]:
        """Take one, and what is left; or, where there is none, how long until there is."""
        with self._lock:
            # Never further ahead than all of it: the clock may have been set back.
            full_at = min(max(now, self._full_at.get(whose, now)), now + WINDOW_S)
            wait = max(0.0, full_at + self.every_s - WINDOW_S - now)
            if wait <= 0:
                full_at += self.every_s
                self._full_at[whose] = full_at
                self._full_at.move_to_end(whose)
                while len(self._full_at) > ACCOUNTS:
                    self._full_at.popitem(last=False)
        full_in = full_at - now
        return Left(self.name, self.most, WINDOW_S, int((WINDOW_S - full_in + 1e-9) / self.every_s), full_in), wait


def register(app: Flask, reads_per_minute: int, webhooks_per_minute: int) -> None:
    """After the doors, which say who asks."""
    limits = {READS: reads_per_minute, WEBHOOKS: webhooks_per_minute}
    app.extensions[BUCKETS] = {name: TokenBuckets(name, most) for name, most in limits.items()}
    app.before_request(_count)
    app.after_request(_tell)


def note(left: Left | None) -> None:
    """The answer to this request says what is left."""
    if left is not None:
        g.limits = [*g.get("limits", []), left]


def count_read() -> None:
    """Count a read, or a quote, of whoever asks. Raises 429."""
    _take(READS, actor().account_id)


def webhook(account_id: str | None) -> None:
    """A sender of an account has called. Raises 429."""
    _take(WEBHOOKS, account_id)


def _count() -> None:
    """Looks by an account, also by its agents and on its pages. Raises 429."""
    rule = rules.rule_of(current_app.view_functions.get(request.endpoint or ""))
    if g.actor is None or rule is None or rule.door is Door.SHARE:
        return
    if request.method in {"GET", "HEAD"} or rule.scope == "read":
        count_read()


def _take(name: str, account_id: str | None) -> None:
    if account_id is None:
        return
    buckets = cast("Mapping[str, TokenBuckets]", current_app.extensions[BUCKETS])[name]
    left, wait = buckets.take(account_id, services().clock.now())
    note(left)
    if wait:
        seconds = ceil(wait)
        detail = f"{_TOO_OFTEN[name]} more often than {buckets.most} times a minute. Please try again in {seconds} s."
        raise HttpProblem(429, detail, (), {"Retry-After": str(seconds)}, RATE_LIMITED, (name,))


def _tell(response: Response) -> Response:
    limits: list[Left] = g.get("limits", [])
    if limits:
        response.headers["RateLimit-Policy"] = ", ".join(left.policy for left in limits)
        response.headers["RateLimit"] = ", ".join(left.state for left in limits)
    return response

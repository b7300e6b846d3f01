"""Who may call, how often, and what goes wrong on purpose.

Airtable allows 5 requests a second per base and 50 per token; over it every request is refused for 30 s. The monthly
quota is a second, different 429. Both are on Airtable's page on rate limits; the hard stop on the quota was observed.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any

from pipelines.sandbox.airtable.state import errors

WINDOW_S = 1.0
RULES = ("fail_next", "drop_answers", "attachment_fetch_fails")
"""Faults of which so many are ordered, for all or for some of what happens."""


@dataclass
class Settings:
    """What the control plane may turn. Times in seconds."""

    rate_limit: int = 5
    token_rate_limit: int = 50
    lockout_seconds: float = 30.0
    retry_after: bool = False
    quota_exhausted: bool = False
    revoke_token: bool | str = False
    latency_s: float = 0.0
    attachment_delay_s: float = 0.0
    attachment_fetch_fails: list[dict[str, Any]] = field(default_factory=list)
    attachment_failure: str = "empty"
    attachment_refusal: str = "details"
    attachment_ttl_s: float = 7200.0
    unreachable_hosts: list[str] = field(default_factory=list)
    computed_fields_creatable: bool = False
    ping_delay_s: float = 0.1
    ping_retry_s: float = 10.0
    fail_next: list[dict[str, Any]] = field(default_factory=list)
    drop_answers: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Call:
    """One request as the limits see it. `kind` is records, meta, comments, webhooks, upload."""

    base: str
    verb: str
    kind: str
    token: str

    @property
    def place(self) -> dict[str, str]:
        """What a rule may name."""
        return {"base": self.base, "verb": self.verb, "kind": self.kind}


@dataclass
class Traffic:
    """Arrivals of one base or token."""

    admitted: deque[float] = field(default_factory=deque)
    arrivals: deque[float] = field(default_factory=deque)
    locked_until: float = 0.0
    busiest_second: int = 0
    lockouts: int = 0
    refused: int = 0


class Limits:
    """Rate limits, tokens, faults and statistics. Thread-safe."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.tokens: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._reset_counts()

    def _reset_counts(self) -> None:
        self._bases: dict[str, Traffic] = defaultdict(Traffic)
        self._tokens: dict[str, Traffic] = defaultdict(Traffic)
        self._calls: dict[tuple[str, str, str], int] = defaultdict(int)

    def reset(self) -> None:
        """Forget statistics and lock-outs; settings stay."""
        with self._lock:
            self._reset_counts()

    def admit(self, call: Call) -> None:
        """Count a call and let it pass, or raise the 429 that it runs into."""
        now = time.monotonic()
        with self._lock:
            self._calls[call.base, call.verb, call.kind] += 1
            if call.base:
                self._pass(self._bases[call.base], self.settings.rate_limit, now)
            self._pass(self._tokens[call.token], self.settings.token_rate_limit, now)
            if self.settings.quota_exhausted and call.kind != "meta":
                raise errors.over_quota()

    def _pass(self, traffic: Traffic, limit: int, now: float) -> None:
        traffic.arrivals.append(now)
        _forget(traffic.arrivals, now)
        traffic.busiest_second = max(traffic.busiest_second, len(traffic.arrivals))
        _forget(traffic.admitted, now)
        if now >= traffic.locked_until and (limit <= 0 or len(traffic.admitted) < limit):
            if limit > 0:
                traffic.admitted.append(now)
            return
        if now >= traffic.locked_until:
            traffic.locked_until = now + self.settings.lockout_seconds
            traffic.lockouts += 1
        traffic.refused += 1
        raise errors.rate_limited(traffic.locked_until - now + 1 if self.settings.retry_after else None)

    def lock_out(self, seconds: float, base: str) -> None:
        """Impose the penalty now, as if another integration of the customer had been too fast."""
        with self._lock:
            traffic = self._bases[base]
            traffic.locked_until = time.monotonic() + seconds
            traffic.lockouts += 1

    def check_token(self, token: str) -> dict[str, Any]:
        """What a token may do: `{scopes?, bases?}`; raises 401 when it is revoked or no token at all."""
        revoked = self.settings.revoke_token
        known = self.tokens.get(token, {})
        if not token.startswith("pat") or revoked is True or revoked == token or known.get("revoked"):
            raise errors.invalid_token()
        return known

    def failure(self, call: Call) -> dict[str, Any] | None:
        """The next ordered failure for a call like this one: `{status?, body?, headers?, after?}`."""
        return self._take(self.settings.fail_next, call.place)

    def drops_answer(self, call: Call) -> bool:
        """Whether the answer to this call shall be lost after the work was done."""
        return self._take(self.settings.drop_answers, call.place) is not None

    def attachment_fails(self, **place: str) -> bool:
        """Whether the fetch that starts now is one of those ordered to fail. `place`: base, table, field, filename;
        a rule may have patterns such as `*.mp4`.
        """
        return self._take(self.settings.attachment_fetch_fails, place) is not None

    def _take(self, rules: list[dict[str, Any]], seen: Mapping[str, str]) -> dict[str, Any] | None:
        with self._lock:
            for rule in rules:
                wanted = [fnmatchcase(value, str(rule.get(name) or "*")) for name, value in seen.items()]
                if all(wanted) and rule["count"] > 0:
                    rule["count"] -= 1
                    return rule
            return None

    def configure(self, wishes: dict[str, Any]) -> None:
        """Set faults and settings by name; raises KeyError with the first unknown name."""
        names = {f.name for f in fields(Settings)}
        if unknown := set(wishes) - names:
            raise KeyError(min(unknown))
        with self._lock:
            for name, value in wishes.items():
                setattr(self.settings, name, _rules(value) if name in RULES else value)

    def dump(self) -> dict[str, Any]:
        return {"settings": asdict(self.settings), "tokens": self.tokens}

    def load(self, doc: dict[str, Any]) -> None:
        known = doc["settings"]
        self.settings = Settings(**{**known, **{name: _rules(known.get(name)) for name in RULES}})
        self.tokens = doc["tokens"]

    def stats(self) -> dict[str, Any]:
        """Calls per base, verb and kind; the busiest second; refusals and lock-outs."""
        with self._lock:
            bases: dict[str, Any] = {}
            for (base, verb, kind), count in sorted(self._calls.items()):
                entry = bases.setdefault(base or "-", {"calls": {}, "total": 0})
                entry["calls"][f"{verb} {kind}"] = count
                entry["total"] += count
            for base, traffic in self._bases.items():
                bases.setdefault(base, {"calls": {}, "total": 0}).update(
                    max_per_second=traffic.busiest_second, refused_429=traffic.refused, lockouts=traffic.lockouts
                )
            return {"bases": bases, "total": sum(self._calls.values())}


def _forget(times: deque[float], now: float) -> None:
    while times and times[0] <= now - WINDOW_S:
        times.popleft()


def _rules(value: Any) -> list[dict[str, Any]]:
    """`2`, `{"count": 2, …}` or a list of such objects."""
    if isinstance(value, list):
        return [rule for item in value for rule in _rules(item)]
    if isinstance(value, dict):
        return [{"count": 1} | value]
    return [{"count": int(value)}] if value else []

"""What can go wrong on order: the dials of the control plane, and a count of what was asked of each vendor."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter, deque
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Faults(BaseModel):
    """The dials. Percentages 0–100, times in seconds.

    `palette` n draws clips without text in n colours only, so that thousands cost n renderings; `prerender` draws a
    clip when its job is taken rather than at its first fetch; `lifetime_s` overrides how long results are kept;
    `kie_creates_per_10s` 0 lifts kie.ai's limit; without `lists` /v1/videos refuses to list, as LiteLLM's proxy does,
    and MiniMax and BytePlus do, as gateways in front of them.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    generation_s: float = Field(default_factory=lambda: float(os.environ.get("SANDBOX_GENERATION_S", "1.5")), ge=0)
    generation_jitter: float = Field(default=0.3, ge=0, le=1)
    lifetime_s: float | None = Field(default=None, ge=0)
    latency_s: float = Field(default=0, ge=0, le=120)
    lost_percent: float = Field(default=0, ge=0, le=100)
    error_after_percent: float = Field(default=0, ge=0, le=100)
    error_percent: float = Field(default=0, ge=0, le=100)
    rate_limit_percent: float = Field(default=0, ge=0, le=100)
    retry_after_s: float = Field(default=1, ge=0)
    max_in_flight: int | None = Field(default=None, ge=0)
    webhook_delay_s: float = Field(default=0, ge=0)
    webhook_loss_percent: float = Field(default=0, ge=0, le=100)
    webhook_duplicate_percent: float = Field(default=0, ge=0, le=100)
    damage_percent: float = Field(default=0, ge=0, le=100)
    prerender: bool = True
    palette: int | None = Field(default=None, ge=1)
    kie_creates_per_10s: int = Field(default=20, ge=0)
    lists: bool = True


class Dials:
    """The current faults, for all vendors and per vendor, with one seeded source of chance."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.everywhere = Faults()
        self.overrides: dict[str, dict[str, Any]] = {}
        self._chance = random.Random(0)

    def reset(self) -> None:
        with self._lock:
            self.everywhere = Faults()
            self.overrides = {}
            self._chance = random.Random(0)

    def seed(self, seed: int) -> None:
        with self._lock:
            self._chance = random.Random(seed)

    def set(self, changes: dict[str, Any], vendor: str | None = None) -> None:
        """Turn some dials, for one vendor or for all; raises pydantic's ValidationError on an unknown or bad one."""
        with self._lock:
            if vendor is None:
                self.everywhere = Faults(**{**self.everywhere.model_dump(), **changes})
            else:
                merged = {**self.overrides.get(vendor, {}), **changes}
                Faults(**{**self.everywhere.model_dump(), **merged})
                self.overrides[vendor] = merged

    def of(self, vendor: str) -> Faults:
        with self._lock:
            return Faults(**{**self.everywhere.model_dump(), **self.overrides.get(vendor, {})})

    def happens(self, percent: float) -> bool:
        with self._lock:
            return percent > 0 and self._chance.random() * 100 < percent

    def spread(self, value: float, jitter: float) -> float:
        with self._lock:
            return value * (1 + jitter * (2 * self._chance.random() - 1))


class Counts:
    """Requests by vendor and route, and the most jobs that ran at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests: dict[str, Counter[str]] = {}
        self.kinds: dict[str, Counter[str]] = {}
        self.max_concurrent_jobs = 0

    def reset(self) -> None:
        with self._lock:
            self.requests, self.kinds, self.max_concurrent_jobs = {}, {}, 0

    def request(self, vendor: str, route: str) -> None:
        with self._lock:
            self.requests.setdefault(vendor, Counter())[route] += 1

    def kind(self, vendor: str, kind: str) -> None:
        """Count by meaning: create, poll, list, content, webhook, lost …"""
        with self._lock:
            self.kinds.setdefault(vendor, Counter())[kind] += 1

    def running(self, jobs: int) -> None:
        with self._lock:
            self.max_concurrent_jobs = max(self.max_concurrent_jobs, jobs)

    def report(self) -> dict[str, Any]:
        with self._lock:
            totals: Counter[str] = Counter()
            for kinds in self.kinds.values():
                totals.update(kinds)
            return {
                "requests": {vendor: dict(routes) for vendor, routes in self.requests.items()},
                "kinds": {vendor: dict(kinds) for vendor, kinds in self.kinds.items()},
                "creates": totals["create"],
                "polls": totals["poll"],
                "lists": totals["list"],
                "contents": totals["content"],
                "max_concurrent_jobs": self.max_concurrent_jobs,
            }


class RateWindow:
    """Admissions of the last ten seconds. What is over the limit is refused, not queued."""

    SECONDS = 10.0

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: deque[float] = deque()

    def reset(self) -> None:
        with self._lock:
            self._times.clear()

    def admit(self, most: int) -> bool:
        """Whether one more fits under `most`; 0 means no limit."""
        now = time.monotonic()
        with self._lock:
            while self._times and self._times[0] <= now - self.SECONDS:
                self._times.popleft()
            if most and len(self._times) >= most:
                return False
            self._times.append(now)
            return True

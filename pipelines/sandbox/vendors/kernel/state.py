"""What the vendors remember: jobs, the bill that follows from them, webhook endpoints, prompts seen before.

In memory; with a folder also in a journal of JSON lines, written through to the system at each change, so that a kill
loses nothing. The last line of a thing wins when it is read back.
"""

from __future__ import annotations

import heapq
import json
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Phase(StrEnum):
    """Where a job stands, in the sandbox's own words; each vendor translates."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


ENDED = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED, Phase.EXPIRED})


class Outcome(StrEnum):
    """What will become of a job; decided when it is taken."""

    CLIP = "clip"
    FLAGGED = "flagged"
    FAILED = "failed"
    NEVER = "never"


@dataclass(slots=True, kw_only=True)
class Request:
    """A checked create request. `callback_url` is where this one job is announced, money is in US dollars."""

    vendor: str
    model: str
    prompt: str
    seconds: float
    width: int
    height: int
    usd: float
    audio: bool = True
    callback_url: str | None = None
    idempotency_key: str | None = None
    reference: str | None = None
    images: int = 0
    """How many pictures came along; `reference` shows the first."""
    seed: int | None = None
    negative_prompt: str | None = None
    lifetime_s: float = 3600.0
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Order(Request):
    """A request to be booked; `id_prefix` begins the id of its job."""

    id_prefix: str


@dataclass(slots=True, kw_only=True)
class Job(Request):
    """One accepted paid request. Times are Unix seconds. Its phase follows from the clock."""

    id: str
    number: int
    created_at: float
    due_at: float
    colour: str
    tone_hz: float
    outcome: str = Outcome.CLIP
    plain: bool = False
    odd: str | None = None
    damage: str | None = None
    cancelled_at: float | None = None
    deleted_at: float | None = None
    fetches: int = 0
    announced: bool = False

    def phase(self, now: float) -> Phase:
        if self.cancelled_at is not None:
            return Phase.CANCELLED
        if self.outcome == Outcome.NEVER or now < self.due_at:
            started = self.created_at + min(0.2 * (self.due_at - self.created_at), 1.0)
            return Phase.RUNNING if now >= started else Phase.QUEUED
        return Phase.SUCCEEDED if self.outcome == Outcome.CLIP else Phase.FAILED

    def progress(self, now: float) -> int:
        """Percent, 100 only when done."""
        if self.phase(now) in ENDED:
            return 100
        share = (now - self.created_at) / max(self.due_at - self.created_at, 0.001)
        return max(0, min(99, int(share * 100)))

    def expires_at(self) -> float:
        return self.due_at + self.lifetime_s

    def charged(self, now: float) -> bool:
        """Refusals, failures and cancelled jobs cost nothing; a job that is still running counts as charged."""
        return self.phase(now) not in {Phase.FAILED, Phase.CANCELLED}

    @property
    def at_create(self) -> float:
        """The instant before the job began: at it even a job that takes no time is still queued."""
        return math.nextafter(self.created_at, 0)

    @property
    def size(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(slots=True, kw_only=True)
class Endpoint:
    """A registered webhook endpoint and the secret its deliveries are signed with."""

    id: str
    vendor: str
    name: str
    url: str
    secret: str
    events: list[str]
    created_at: float


@dataclass(slots=True, kw_only=True)
class TextUse:
    """One answered text request: tokens and what they cost."""

    id: str
    model: str
    route: str
    input_tokens: int
    output_tokens: int
    usd: float
    at: float


class Books:
    """All state of the vendors behind one lock."""

    def __init__(self, folder: Path | None = None) -> None:
        self.lock = threading.RLock()
        self.jobs: dict[str, Job] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.texts: list[TextUse] = []
        self.keys: dict[str, str] = {}
        self.seen: dict[str, int] = {}
        self._ends: list[tuple[float, str]] = []
        self._journal: Path | None = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._journal = folder / "vendors.jsonl"
            self._replay(self._journal)

    def _replay(self, journal: Path) -> None:
        if not journal.exists():
            return
        raw = journal.read_bytes()
        if raw and not raw.endswith(b"\n"):
            journal.write_bytes(raw[: raw.rfind(b"\n") + 1])
        for line in raw.split(b"\n")[:-1]:
            entry = json.loads(line)
            self._apply(entry["kind"], entry["value"])

    def _apply(self, kind: str, value: Any) -> None:
        match kind:
            case "job":
                self._hold(Job(**value))
            case "endpoint":
                self.endpoints[value["id"]] = Endpoint(**value)
            case "endpoint_gone":
                self.endpoints.pop(value, None)
            case "text":
                self.texts.append(TextUse(**value))
            case "seen":
                self.seen[value] = self.seen.get(value, 0) + 1
            case "reset":
                self._forget()

    def _hold(self, job: Job) -> None:
        if job.id not in self.jobs:
            heapq.heappush(self._ends, (_end_of(job), job.id))
        self.jobs[job.id] = job
        if job.idempotency_key:
            self.keys[f"{job.vendor}|{job.model}|{job.idempotency_key}"] = job.id

    def _forget(self) -> None:
        for shelf in (self.jobs, self.endpoints, self.keys, self.seen):
            shelf.clear()
        self.texts.clear()
        self._ends.clear()

    def _write(self, kind: str, value: Any) -> None:
        if self._journal is not None:
            with self._journal.open("a", encoding="utf-8") as journal:
                journal.write(json.dumps({"kind": kind, "value": value}, ensure_ascii=False) + "\n")

    def save(self, job: Job) -> None:
        with self.lock:
            self._hold(job)
            self._write("job", asdict(job))

    def save_endpoint(self, endpoint: Endpoint) -> None:
        with self.lock:
            self.endpoints[endpoint.id] = endpoint
            self._write("endpoint", asdict(endpoint))

    def drop_endpoint(self, endpoint_id: str) -> bool:
        with self.lock:
            known = self.endpoints.pop(endpoint_id, None) is not None
            self._write("endpoint_gone", endpoint_id)
            return known

    def save_text(self, use: TextUse) -> None:
        with self.lock:
            self.texts.append(use)
            self._write("text", asdict(use))

    def reset(self) -> None:
        with self.lock:
            self._forget()
            self._write("reset", None)

    def first_time(self, mark: str) -> bool:
        """True once per mark, whoever asks first; remembered like all else."""
        with self.lock:
            fresh = mark not in self.seen
            self._apply("seen", mark)
            self._write("seen", mark)
            return fresh

    def by_key(self, vendor: str, model: str, key: str) -> Job | None:
        with self.lock:
            return self.jobs.get(self.keys.get(f"{vendor}|{model}|{key}", ""))

    def of(self, vendor: str) -> Iterator[Job]:
        """The vendor's jobs, oldest first, deleted ones left out."""
        with self.lock:
            jobs = list(self.jobs.values())
        return (job for job in jobs if job.vendor == vendor and job.deleted_at is None)

    def running(self) -> int:
        """How many jobs are unfinished now, in logarithmic time, since every create asks."""
        with self.lock:
            while self._ends and self._ends[0][0] <= time.time():
                heapq.heappop(self._ends)
            return len(self._ends)

    def recount(self) -> None:
        """After ends were moved by hand: look at all jobs again."""
        with self.lock:
            self._ends = [(_end_of(job), job.id) for job in self.jobs.values()]
            heapq.heapify(self._ends)


def _end_of(job: Job) -> float:
    if job.cancelled_at is not None:
        return job.cancelled_at
    return math.inf if job.outcome == Outcome.NEVER else job.due_at

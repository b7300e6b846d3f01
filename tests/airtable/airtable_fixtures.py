"""What the tests of the Airtable room share: a sandbox, a store, and our services on a clock that never waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from pipelines.airtable.connections import AirtableTools, connect
from pipelines.domain.records import OutboxEntry
from pipelines.sandbox.airtable import FIRST_BASE
from pipelines.sandbox.app import Sandbox
from pipelines.settings import load_settings
from pipelines.testing import fresh_store

TOKEN = "patReelgrid.test"
BASE = FIRST_BASE
MODELS = ("local/animatic", "sora/sora-2")
START = 1_800_000_000.0


class QuickClock:
    """Time that passes only when somebody waits."""

    def __init__(self, now: float = START) -> None:
        self._now, self._lock = now, threading.Lock()
        self.waits: list[float] = []

    def now(self) -> float:
        with self._lock:
            return self._now

    def wait(self, seconds: float) -> None:
        with self._lock:
            self._now += seconds
            self.waits.append(seconds)

    def set(self, now: float) -> None:
        with self._lock:
            self._now = now


class AirtableHarness:
    """A sandbox and our Airtable room over HTTP; rate limits of the sandbox are off unless a test wants them."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder, self.environ = folder, environ
        self.sandbox = Sandbox()
        self.clock = QuickClock()
        self.calls: list[tuple[str, str, str]] = []
        self.on_call: Callable[[str, str, str], None] | None = None
        self.store = fresh_store(folder / "truth.db")
        self.url = f"{self.sandbox.url}/airtable"

    def __enter__(self) -> Self:
        self.sandbox.__enter__()
        self.faults(rate_limit=0, token_rate_limit=0)
        self.tools = self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.store.engine.dispose()
        self.sandbox.__exit__(kind, error, trace)

    def connect(
        self, clock: Any = None, wait: Callable[[float], object] | None = None, **environ: str
    ) -> AirtableTools:
        """Our services, as another process would have them."""
        clock = clock or self.clock
        variables = {
            "AIRTABLE_API_KEY": TOKEN,
            "AIRTABLE_BASE_ID": BASE,
            "AIRTABLE_ENDPOINT_URL": self.url,
            "SECRET_KEY": "a secret key for tests only",
            **self.environ,
            **environ,
        }
        settings = load_settings(variables, self.folder)
        return connect(settings, self.store, clock, on_call=self._count, wait=wait or self.clock.wait)

    def _count(self, base_id: str, verb: str, what: str) -> None:
        self.calls.append((base_id, verb, what))
        if self.on_call is not None:
            self.on_call(base_id, verb, what)

    def build(self) -> Self:
        """The whole base, by our own setup."""
        self.tools.setup(BASE, MODELS)
        self.calls.clear()
        return self

    def control(self, verb: str, path: str, doc: Any = None) -> Any:
        answer = requests.request(verb, f"{self.url}/_control/{path}", json=doc, timeout=20)
        answer.raise_for_status()
        return answer.json()

    def faults(self, **wishes: Any) -> None:
        self.control("POST", "faults", wishes)

    def add(self, table: str, fields: Mapping[str, Any]) -> str:
        """A person adds a row; its id."""
        return str(self.control("POST", f"person/{BASE}/{table}", {"fields": dict(fields)})["id"])

    def edit(self, table: str, record: str, fields: Mapping[str, Any]) -> None:
        self.control("PATCH", f"person/{BASE}/{table}/{record}", {"fields": dict(fields)})

    def cells(self, table: str, record: str) -> dict[str, Any]:
        """A row as a person sees it, by the base's names."""
        fields: dict[str, Any] = self.control("GET", f"person/{BASE}/{table}/{record}")["fields"]
        return fields

    def rows(self, table: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", f"person/{BASE}/{table}")["records"]
        return found

    def add_field(self, table: str, name: str, kind: str, options: Mapping[str, Any] | None = None) -> None:
        doc = {"name": name, "type": kind, **({"options": dict(options)} if options else {})}
        self.control("POST", f"bases/{BASE}/tables/{table}/fields", doc)

    def rename_field(self, table: str, name: str, to: str) -> None:
        self.control("PATCH", f"bases/{BASE}/tables/{table}/fields/{name}", {"name": to})

    def delete_field(self, table: str, name: str) -> None:
        self.control("DELETE", f"bases/{BASE}/tables/{table}/fields/{name}")

    @property
    def airtable(self) -> Any:
        return self.tools.airtable


def want(id: str, table: str, fields: Mapping[str, Any], **changes: Any) -> OutboxEntry:
    """An outbox row."""
    return replace(OutboxEntry(id=id, base_id=BASE, table=table, fields=dict(fields)), **changes)

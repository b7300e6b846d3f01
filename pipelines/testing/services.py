"""A whole core on fakes: real database, real files, everything else scripted; and the hands of pump and workers."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Dialect, event

from pipelines.airtable.bases import Bases, Defaults
from pipelines.database import SqlStore
from pipelines.domain.catalogue import Ability, CatalogueModel
from pipelines.domain.errors import RecordGone
from pipelines.domain.planning.price_list import PriceList
from pipelines.domain.policy import Policy
from pipelines.domain.records import Kind, Run
from pipelines.domain.state.base import Hook
from pipelines.ports import AirtableChange, Changes, Check, Clock, Health, MediaStore, SetupReport, Store
from pipelines.security.secret_keys import SecretKeys
from pipelines.stages.base_rows import fetches
from pipelines.stages.base_rows.airtable_calls import CallCounter
from pipelines.stages.delivery import flush
from pipelines.stages.generations import poll
from pipelines.stages.kernel.services import Services
from pipelines.stages.notices.send import Notifier
from pipelines.stages.scheduler import steps
from pipelines.storage import FileStore
from pipelines.testing.airtable import BASE, MemoryAirtable
from pipelines.testing.fakes import (
    FixedClock,
    MappedIntake,
    NoCrashPoints,
    PlainLinks,
    QuietHints,
    RecordingSender,
    ScriptedModerator,
    ScriptedPictures,
    ScriptedSpeech,
    ScriptedWriter,
)
from pipelines.testing.film_editor import QuietFilmEditor
from pipelines.testing.provider import ScriptedProvider, ScriptedProviders

_SIZES = {"16:9 720p": "1280x720", "9:16 720p": "720x1280"}
_PAID: dict[str, Any] = {
    "durations": (4.0, 8.0, 12.0),
    "sizes": _SIZES,
    "prices": {"720p": 100_000},
    "image_to_video": True,
    "typical_s": 10.0,
    "maximum_s": 600.0,
    "ability": Ability.NONE,
    "creates_per_minute": 6000.0,
}
_CARDS = (
    CatalogueModel(id="acme/film", label="the usual one: $0.10 a second", **_PAID),
    CatalogueModel(id="acme/fickle", label="its filter is fickle", fickle_filter=True, **_PAID),
    CatalogueModel(id="other/film", label="another vendor's", **_PAID),
    CatalogueModel(
        id="local/animatic",
        label="free",
        free=True,
        min_seconds=0.5,
        step_seconds=0.1,
        sizes={**_SIZES, "1:1 720p": "720x720", "4:5 720p": "720x900"},
        ability=Ability.KEY,
    ),
)
CATALOGUE: Mapping[str, CatalogueModel] = {card.id: card for card in _CARDS}
"""`acme/film` and `other/film` cost 10 cents a second and make 4, 8 or 12 seconds; `local/animatic` is free."""

POLICY = Policy(run_cap_micro=20_000_000, day_cap_micro=100_000_000, default_model="acme/film", default_base=BASE)
_DIALECTS: dict[str, Dialect] = {}
_COMPILED: dict[Any, Any] = {}
"""Statements as SQL, by the dialect and their shape."""
STEPPED = tuple(steps.STAGES)
LEASED = (*STEPPED, Kind.OUTBOX, Kind.NOTICE)
_MOMENT_S = 0.001


class MemoryWebhooks:
    """Airtable's push: what people `changed`, read once. `dropped`: Airtable has forgotten the webhook."""

    def __init__(self) -> None:
        self.changed: list[AirtableChange] = []
        self.cursor = 1
        self.registered = 0
        self.dropped = False
        self.url = "https://reelgrid.test/api/webhook/airtable"
        self._hook: Hook | None = None

    def known(self, base_id: str) -> Hook | None:  # noqa: ARG002 - one base
        """The webhook; None while push is off."""
        return self._hook

    def read(self, base_id: str) -> Changes:
        """Everything since the cursor."""
        if self.dropped:
            raise RecordGone(f"the webhook of {base_id} is gone")
        return Changes(self.cursor + len(self.changed), tuple(self.changed))

    def advance(self, base_id: str, cursor: int) -> None:  # noqa: ARG002 - one base
        """What was read was acted on."""
        del self.changed[: cursor - self.cursor]
        self.cursor = cursor

    def register(self, base_id: str) -> Hook:  # noqa: ARG002 - one base
        """Push is on: by the webhook that lives, else by a new one."""
        if self._hook is None or self.dropped:
            self.registered += 1
            self.dropped = False
            self._hook = Hook(f"ach{self.registered}", self.url, "", 1, 0.0, 0.0)
        return self._hook

    def verify(self, body: bytes, mac: str | None) -> str:  # noqa: ARG002 - nobody forges a ping here
        """The only base."""
        return BASE

    def health(self, base_id: str) -> Health:  # noqa: ARG002 - one base
        """Well, if there is a webhook."""
        return Health(registered=self._hook is not None)

    def unregister(self, base_id: str) -> bool:  # noqa: ARG002 - one base
        """Push is off; whether it was on."""
        was_on, self._hook = self._hook is not None, None
        return was_on


class MemoryTools:
    """ports.BaseTools for a base that is there already."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.bases = Bases(store, clock, Defaults(SecretKeys("a secret key for tests only"), base_id=BASE))
        self.webhooks = MemoryWebhooks()

    def setup(self, base_id: str, models: object) -> SetupReport:  # noqa: ARG002 - a port
        """Nothing to build."""
        return SetupReport((), (), ())

    def doctor(self, base_id: str) -> list[Check]:  # noqa: ARG002 - a port
        """Nothing is wrong."""
        return []

    def script(self, base_id: str | None = None) -> str:  # noqa: ARG002 - a port
        """No script."""
        return ""

    def button_formula(self, base_id: str | None = None) -> str:  # noqa: ARG002 - a port
        """No formula."""
        return ""


def make_services(folder: Path, **overrides: Any) -> Services:
    """Services on a fresh SQLite file and files under `folder`; `overrides` replace whole services, or single fields
    of the policy by their own names.
    """
    known = {field.name for field in fields(Services)}
    policy = {name: value for name, value in overrides.items() if name not in known}
    given = {name: value for name, value in overrides.items() if name in known}
    clock = given.get("clock") or FixedClock()
    media: MediaStore = given.get("media") or FileStore(folder / "media")
    store = given.get("store") or fresh_store(folder / "truth.db")
    defaults: dict[str, Any] = {
        "owner": "test",
        "policy": Policy(**{field.name: getattr(POLICY, field.name) for field in fields(Policy)} | policy),
        "store": store,
        "clock": clock,
        "points": NoCrashPoints(),
        "hints": QuietHints(),
        "links": PlainLinks(),
        "catalogue": CATALOGUE,
        "prices": PriceList(),
        "providers": ScriptedProviders(*_vendors(clock)),
        "writer": ScriptedWriter(),
        "moderator": ScriptedModerator(),
        "speech": ScriptedSpeech(),
        "pictures": ScriptedPictures(),
        "airtable": MemoryAirtable(
            clock,
            lambda url: _size_in(media, url),
            on_call=CallCounter(store, clock),
            on_fetch=lambda url: _note_fetch(store, clock, url),
        ),
        "base_tools": MemoryTools(store, clock),
        "media": media,
        "intake": MappedIntake(media),
        "editor": QuietFilmEditor(),
        "notices": RecordingSender(),
        "work": folder / "work",
    }
    return Services(**{**defaults, **given})


def fresh_store(path: Path) -> SqlStore:
    """An empty database of the present schema."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(empty_database())
    store = SqlStore(f"sqlite:///{path}")
    made_for_tests(store)
    return store


def made_for_tests(store: Store) -> None:
    """Let a store begin at once, for tests that prove no durability: commits to SQLite are not awaited on the disk, and
    a statement is compiled once a process instead of once a database.
    """
    if not isinstance(store, SqlStore):
        raise TypeError("only SQL writes to the disk and compiles")
    engine = store.engine
    engine.dialect = _DIALECTS.setdefault(engine.dialect.name, engine.dialect)
    engine.update_execution_options(compiled_cache=_COMPILED)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _do_not_wait)


def _do_not_wait(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=OFF")


@cache
def empty_database() -> bytes:
    """The file of an empty database of the present schema; migrating once is enough for all tests of a process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        store = SqlStore(f"sqlite:///{path}")
        store.migrate()
        with store.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        store.engine.dispose()
        return path.read_bytes()


def _vendors(clock: Any) -> list[ScriptedProvider]:
    local = ScriptedProvider("local", clock, ready_after_s=0.0)
    local.honours_keys = True
    return [ScriptedProvider("acme", clock), ScriptedProvider("other", clock), local]


def _note_fetch(store: Store, clock: Clock, url: str) -> None:
    fetch_id = PlainLinks.fetch_id_of(url)
    if fetch_id:
        fetches.note(store, fetch_id, clock.now())


def _size_in(media: MediaStore, url: str) -> int | None:
    key = PlainLinks.key_of(url)
    stored = media.stat(key) if key else None
    return stored.size if stored is not None else None


@dataclass(frozen=True, slots=True)
class ServicesHarness:
    """Services with the hands of pump and workers: time passes only while nothing is to be done."""

    services: Services
    forgiving: bool = False
    """Whether a defect in a step is handled as a worker does it; else it is raised."""

    def work(self) -> bool:
        """One round of everything that is due; whether there was anything."""
        services = self.services
        worked = poll.poll_due(services) > 0
        due = self._due()
        for kind in STEPPED:
            if kind in due:
                for row, _ in services.store.due(kind, services.clock.now(), 500):
                    worked = self.step(kind, row) or worked
                due = self._due()
        worked = Notifier(services).send_due() > 0 or worked
        return flush.flush_due(services) > 0 or worked

    def step(self, kind: str, row: str) -> bool:
        """One step, with the outer edge that a worker has."""
        try:
            return steps.step(self.services, kind, row)
        except Exception as error:
            if not self.forgiving:
                raise
            steps.record_failure(self.services, kind, row, error)
            return True

    def settle(self, *, patience_s: float = 7200.0) -> None:
        """Work, and let time pass to the next due moment, until nothing is due within `patience_s`."""
        clock = self.services.clock
        until = clock.now() + patience_s
        while True:
            while self.work():
                pass
            soon = self._next_due()
            if soon is None or soon > until:
                return
            self._wait(soon - clock.now())

    def until(self, run_id: str, *statuses: str, rounds: int = 2000) -> Run:
        """Work until the run has one of these statuses."""
        for _ in range(rounds):
            run = self.run(run_id)
            if run.status.value in statuses:
                return run
            if not self.work():
                soon = self._next_due()
                if soon is None:
                    raise AssertionError(
                        f"nothing is due, and the run is {run.status.value}: {run.error or run.detail}"
                    )
                self._wait(soon - self.services.clock.now())
        raise AssertionError(f"the run is still {self.run(run_id).status.value}")

    def run(self, run_id: str) -> Run:
        """The run as it is now."""
        with self.services.store.read() as tx:
            found = tx.runs.get(run_id)
        if found is None:
            raise KeyError(run_id)
        return found

    def _due(self) -> set[Kind]:
        now = self.services.clock.now()
        return {kind for kind, moment in self.services.store.earliest(now).items() if moment <= now}

    def _wait(self, seconds: float) -> None:
        clock = self.services.clock
        if not isinstance(clock, FixedClock):
            raise TypeError("only a FixedClock can be moved")
        clock.pass_by(max(seconds, 0.0) + _MOMENT_S)

    def _next_due(self) -> float | None:
        moments = []
        with self.services.store.read() as tx:
            for kind in LEASED:
                rows = tx.leased(Kind(kind))
                moments += [max(row.next_at or 0.0, row.lease_until) for row in rows.find(after={"next_at": 0.0})]
        return min(moments, default=None)

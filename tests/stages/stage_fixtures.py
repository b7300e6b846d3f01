"""What the tests of the stages share: a base, a database, vendors that obey, and short words for a person's hands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pipelines.domain.airtable.fields import AirtableTable
from pipelines.domain.lifecycle import RunSource
from pipelines.domain.money import Account
from pipelines.domain.records import Clip, Cut, Event, Generation, Run, Scene
from pipelines.stages.films.cuts import films_of
from pipelines.stages.orders import accept
from pipelines.stages.spending import audit
from pipelines.testing import (
    FixedClock,
    MappedIntake,
    MemoryAirtable,
    MemoryWebhooks,
    NoCrashPoints,
    QuietFilmEditor,
    ScriptedModerator,
    ScriptedProvider,
    ScriptedWriter,
    ServicesHarness,
    make_services,
)
from pipelines.testing.airtable import BASE

STOPPED = ("done", "failed", "needs_attention", "cancelled", "needs_approval")


@dataclass(frozen=True)
class StageHarness(ServicesHarness):
    """A house with everything in it under its own type."""

    @classmethod
    def build(cls, folder: Path, *, forgiving: bool = False, **overrides: Any) -> StageHarness:
        return cls(make_services(folder, **overrides), forgiving)

    @property
    def airtable(self) -> MemoryAirtable:
        return cast("MemoryAirtable", self.services.airtable)

    @property
    def clock(self) -> FixedClock:
        return cast("FixedClock", self.services.clock)

    @property
    def editor(self) -> QuietFilmEditor:
        return cast("QuietFilmEditor", self.services.editor)

    @property
    def writer(self) -> ScriptedWriter:
        return cast("ScriptedWriter", self.services.writer)

    @property
    def moderator(self) -> ScriptedModerator:
        return cast("ScriptedModerator", self.services.moderator)

    @property
    def intake(self) -> MappedIntake:
        return cast("MappedIntake", self.services.intake)

    @property
    def points(self) -> NoCrashPoints:
        return cast("NoCrashPoints", self.services.points)

    @property
    def webhooks(self) -> MemoryWebhooks:
        return cast("MemoryWebhooks", self.services.base_tools.webhooks)

    def vendor(self, name: str = "acme") -> ScriptedProvider:
        return cast("ScriptedProvider", self.services.providers.get(name))

    @property
    def bought(self) -> list[str]:
        """The prompts of all that any vendor was paid for."""
        return [*self.vendor("acme").prompts, *self.vendor("other").prompts]

    def row(self, **fields: Any) -> str:
        return self.airtable.add(AirtableTable.VIDEOS, **fields)

    def trigger(self, record_id: str, *, source: RunSource = "record", fresh: bool = False) -> str:
        request = accept.StartRequest(source=source, base_id=BASE, record_id=record_id, fresh=fresh)
        return accept.start(self.services, request).run_id

    def make(self, record_id: str, **options: Any) -> Run:
        """Trigger, work until the run stops, and let the row be written."""
        run = self.until(self.trigger(record_id, **options), *STOPPED)
        self.settle()
        return self.run(run.id)

    def film(self, **fields: Any) -> tuple[str, Run]:
        """A row, made."""
        record_id = self.row(**fields)
        return record_id, self.make(record_id)

    def cells(self, record_id: str) -> dict[str, Any]:
        return self.airtable.cells(record_id)

    def scene_rows(self) -> list[dict[str, Any]]:
        return self.airtable.rows(AirtableTable.SCENES)

    def scene_ids(self) -> list[str]:
        """Record ids of the rows of `Scenes`, by number."""
        table: Mapping[str, Mapping[str, Any]] = self.airtable.tables[AirtableTable.SCENES]
        return sorted(table, key=lambda record_id: table[record_id].get("Scene #", 0))

    def scenes(self, run: Run) -> list[Scene]:
        with self.services.store.read() as tx:
            return tx.scenes.find(run_id=run.id, order="number")

    def clips(self, run: Run) -> list[Clip]:
        with self.services.store.read() as tx:
            found = [tx.clips.get(scene.clip_id or "") for scene in tx.scenes.find(run_id=run.id, order="number")]
        return [clip for clip in found if clip is not None]

    def cuts(self, run: Run) -> list[Cut]:
        with self.services.store.read() as tx:
            return films_of(tx, self.run(run.id))

    def generations(self, run: Run) -> list[Generation]:
        with self.services.store.read() as tx:
            return tx.generations.find(run_id=run.id, order="created_at")

    def events(self, run: Run, name: str) -> list[Event]:
        with self.services.store.read() as tx:
            return tx.events.find(run_id=run.id, name=name)

    def balanced(self) -> bool:
        with self.services.store.read() as tx:
            return not audit.audit(tx).problems

    def held(self) -> int:
        with self.services.store.read() as tx:
            return tx.balance(Account.HELD)

    def calls(self, verb: str) -> int:
        return sum(call.verb == verb for call in self.airtable.calls)

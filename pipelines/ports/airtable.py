"""The conversation with Airtable."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pipelines.domain.airtable.fields import ACTION_BOXES, TICKED_TABLES
from pipelines.domain.airtable.values import CellFile
from pipelines.domain.orders.brand import Brand
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.records import Base, OutboxEntry
from pipelines.domain.state.base import BaseState, Hook
from pipelines.domain.state.open_json import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class AirtableRow:
    """A `Videos` row as an order. `problems` of the row's own fields are (field, sentence) pairs."""

    record_id: str
    order: Order
    status: str | None
    problems: tuple[tuple[str, str], ...] = ()
    ticks: frozenset[str] = frozenset()
    """Which of Generate, Approve, Cancel are ticked."""
    scheduled_for: float | None = None
    fields: JsonObject = field(default_factory=dict)
    """The row by our own field names, raw."""
    given: tuple[str, ...] = ()
    """The attributes of the order that the row itself says."""
    brand_id: str | None = None
    """The row of `Brands` that it is linked to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AirtableScene:
    """A `Scenes` row as a person left it."""

    record_id: str
    number: int | None
    scene: SceneOrder
    status: str | None
    key: str | None = None
    regenerate: bool = False
    video_id: str | None = None
    """The row of `Videos` it is linked to."""
    problems: tuple[tuple[str, str], ...] = ()
    """(field, sentence) pairs, as in `AirtableRow`."""
    blank: frozenset[str] = frozenset()
    """The attributes of the scene whose cell is there and empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AirtableBrand:
    """A row of `Brands`; what cannot be read in it is in the brand's `notes`."""

    record_id: str
    brand: Brand


@dataclass(frozen=True, slots=True, kw_only=True)
class AirtableVersion:
    """A `Versions` row."""

    record_id: str
    video_id: str | None
    run: int | None
    restore: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AirtableChange:
    """One row that a person changed, as Airtable's webhooks tell it: `table` by our name, watched cells by ours."""

    table: str
    record_id: str
    ticks: frozenset[str] = frozenset()
    """Boxes that are ticked now."""
    status: str | None = None
    changed: frozenset[str] = frozenset()
    """The watched fields that changed, and all that have a value in a new row."""
    fields: JsonObject = field(default_factory=dict)
    scheduled_for: float | None = None
    scene: AirtableScene | None = None
    """The row as read, where it is one of `Scenes`."""

    @property
    def inputs_changed(self) -> bool:
        """Whether anything else changed than boxes and what Reelgrid writes."""
        return bool(self.changed - ACTION_BOXES - {"Status"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AirtableSettings:
    """The `Settings` row."""

    stop: bool = False
    day_budget_micro: int | None = None
    record_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What Airtable answered for one outbox row. With `ok`, `error` says which cells it would not take; those that
    it took are `sent`, to be kept in the outbox row.
    """

    entry_id: str
    ok: bool
    record_id: str | None = None
    sent: JsonObject = field(default_factory=dict)
    fields: JsonObject = field(default_factory=dict)
    """The row as it is now, by our own field names."""
    no_column: frozenset[str] = frozenset()
    """Those of `sent` that the base has no column for: they stand nowhere."""
    error: str | None = None
    gone: bool = False


class Airtable(Protocol):
    """The conversation with Airtable. Every call passes the shared limiter; errors: RecordGone, AirtableDenied,
    AirtableQuota, RateLimited (with retry_after), Unavailable.
    """

    def row(self, base_id: str, table: str, record_id: str) -> AirtableRow:
        """Read one order."""

    def scenes(self, base_id: str, row: AirtableRow) -> list[AirtableScene]:
        """The row's linked scenes, by number; no call when there are none."""

    def film_scenes(
        self, base_id: str, record_id: str, prefix: str, known: Sequence[str]
    ) -> list[AirtableScene] | None:
        """What a person left of one film's scenes, by number, in one call and without its row: rows whose key begins
        with `prefix`, the `known` rows, and new Drafts without a key, as far as they are linked to the record. None
        when the base lacks a column that this needs.
        """

    def brand(self, base_id: str, record_id: str) -> AirtableBrand | None:
        """Read one brand; None when the base has no table for them. Raises RecordGone."""

    def brands(self, base_id: str) -> list[AirtableBrand]:
        """Every brand of the base; none when the table is not there."""

    def ready(self, base_id: str, now: float) -> list[AirtableRow]:
        """Rows whose Status is Ready and whose time has come."""

    def waiting(self, base_id: str, now: float) -> list[AirtableRow]:
        """Rows of `Videos` that ask for something: with a box ticked, or Ready and due by `now`; one call."""

    def ticked(
        self, base_id: str, tables: Collection[str] = TICKED_TABLES
    ) -> tuple[list[AirtableRow], list[AirtableScene]]:
        """Rows and scenes with a box ticked that we act on: a call for each of `tables`."""

    def restores(self, base_id: str) -> list[AirtableVersion]:
        """Versions with `Restore` ticked; none when the table is not there."""

    def settings(self, base_id: str) -> AirtableSettings:
        """The `Settings` row; all defaults when the table is not there."""

    def flush(self, base_id: str, entries: Sequence[OutboxEntry]) -> list[Written]:
        """Write what differs from `sent`, ten rows of one table a call: by id, or by upsert on `merge`.

        Raises only when nothing was written; an entry without an answer was not tried and stays as it is.
        """

    def upload(self, base_id: str, record_id: str, field: str, path: Path, filename: str) -> CellFile:
        """Append a file of at most 5 MB to an attachment field."""

    def attachments(self, base_id: str, table: str, record_id: str, fields: Sequence[str]) -> dict[str, list[CellFile]]:
        """Re-read attachment cells, to verify that Airtable really has the files."""

    def attachments_of(
        self, base_id: str, table: str, record_ids: Sequence[str], fields: Sequence[str], runs: Sequence[str] = ()
    ) -> dict[str, dict[str, list[CellFile]]]:
        """The same for many rows in one call (a hundred a page), made for these runs; rows that are gone are left
        out.
        """


@dataclass(frozen=True, slots=True)
class Health:
    """How push is doing. `problem` is empty when all is well."""

    registered: bool
    problem: str = ""
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What people changed, newest state of each row, in the order of the first change; `cursor` is for `advance`."""

    cursor: int
    rows: tuple[AirtableChange, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class ByHand:
    """Something that Airtable lets only a person do, click by click."""

    title: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetupReport:
    """What `setup` did: names such as `Videos` or `Videos.Status`, and what is left to do."""

    created: tuple[str, ...]
    kept: tuple[str, ...]
    by_hand: tuple[ByHand, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `warning`: it works without. `fix` is empty when all is well."""

    name: str
    ok: bool
    sentence: str
    fix: str = ""
    warning: bool = False


class ConnectedBases(Protocol):
    """Connecting and disconnecting bases, and what is remembered of each."""

    def connect(
        self, base_id: str, *, token: str | None = None, name: str = "", day_cap_micro: int | None = None
    ) -> Base:
        """Connect a base, or change its token, name and budget (None and "" keep them). Raises NotConfigured."""

    def disconnect(self, base_id: str) -> bool:
        """Forget a base and its token; its runs stay."""

    def all(self) -> list[Base]:
        """Every connected base, the default one included."""

    def state(self, base_id: str) -> BaseState:
        """What we remember."""

    def remember(self, base_id: str, change: Callable[[BaseState], BaseState]) -> BaseState:
        """Replace the state by `change(state)`, alone."""

    def sealed_before(self) -> list[str]:
        """The bases that keep something which only a former SECRET_KEY opens."""

    def seal_again(self) -> list[str]:
        """Seal what they keep with today's SECRET_KEY; which they were."""


class ChangeFeed(Protocol):
    """Airtable's push: registering, renewing and reading what changed."""

    @property
    def url(self) -> str:
        """Where this deployment is pinged."""

    def known(self, base_id: str) -> Hook | None:
        """The webhook as remembered."""

    def register(self, base_id: str) -> Hook:
        """The webhook of a base that pings this deployment, a new one where none lives. Raises AirtableDenied."""

    def unregister(self, base_id: str) -> bool:
        """Stop push for a base; False when there was none."""

    def verify(self, body: bytes, mac: str | None) -> str:
        """The base a ping is about. Raises for what Airtable did not send to us."""

    def read(self, base_id: str) -> Changes:
        """What people changed since the cursor. Raises RecordGone when the webhook is gone."""

    def advance(self, base_id: str, cursor: int) -> None:
        """The changes before `cursor` have been acted on."""

    def health(self, base_id: str) -> Health:
        """For the doctor: one call."""


class BaseTools(Protocol):
    """Building and checking bases, for the command line and the pump."""

    def setup(self, base_id: str, models: Sequence[str]) -> SetupReport:
        """Build or complete a base; `models` become the options of the Model fields."""

    def doctor(self, base_id: str) -> list[Check]:
        """Check every assumption about a base."""

    def script(self, base_id: str | None = None) -> str:
        """The automation script with this deployment's values."""

    def button_formula(self, base_id: str | None = None) -> str:
        """The formula of a button field that opens the record's page, in the default base or another one."""

    @property
    def bases(self) -> ConnectedBases:
        """Connecting and disconnecting bases."""

    @property
    def webhooks(self) -> ChangeFeed:
        """Airtable's push: registering, renewing and reading what changed."""

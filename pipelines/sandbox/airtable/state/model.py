"""Bases, tables, fields and records as the sandbox keeps them.

A cell holds one canonical value: text, a number, `True`, an ISO date, a choice id (or a list of them), record ids,
attachment ids. Names of choices, attachment objects and computed cells are made when a record is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

Json = dict[str, Any]

COMPUTED_TYPES = frozenset(
    {
        "aiText",
        "autoNumber",
        "button",
        "count",
        "createdBy",
        "createdTime",
        "externalSyncSource",
        "formula",
        "lastModifiedBy",
        "lastModifiedTime",
        "multipleLookupValues",
        "rollup",
    }
)
USER = {"id": "usrReelgridPerson", "email": "person@sandbox.invalid", "name": "Sandbox Person"}


@dataclass
class Field:
    """A column. `options` is what the metadata API shows, with choice ids and the inverse link filled in."""

    id: str
    name: str
    type: str
    options: Json = field(default_factory=dict)
    description: str = ""

    @property
    def is_computed(self) -> bool:
        return self.type in COMPUTED_TYPES

    def choice(self, key: str) -> Json | None:
        """A select option by id or exact name."""
        return next((c for c in self.options.get("choices", []) if key in (c["id"], c["name"])), None)


@dataclass
class Record:
    """A row. `number` is its place in the table and the value of an autoNumber field."""

    id: str
    created: str
    number: int
    cells: Json = field(default_factory=dict)
    modified: str = ""
    comments: list[Json] = field(default_factory=list)


@dataclass
class Table:
    """A table; its first field is the primary one, as in the create-table call."""

    id: str
    name: str
    fields: list[Field]
    views: list[Json]
    description: str = ""
    next_number: int = 1
    records: dict[str, Record] = field(default_factory=dict)

    @property
    def primary(self) -> Field:
        return self.fields[0]

    def field(self, key: str) -> Field | None:
        """A field by id or by exact name."""
        return next((f for f in self.fields if key in (f.id, f.name)), None)

    def view(self, key: str) -> Json | None:
        return next((v for v in self.views if key in (v["id"], v["name"])), None)

    def schema(self) -> Json:
        """Everything but the records, for the journal."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "views": self.views,
            "next_number": self.next_number,
            "fields": [asdict(f) for f in self.fields],
        }


@dataclass
class Webhook:
    """A registered webhook with the payloads it has seen; payload n has cursor n, counted from 1."""

    id: str
    base_id: str
    url: str | None
    secret: str
    specification: Json
    expires: str
    enabled: bool = True
    payloads: list[Json] = field(default_factory=list)
    last_success: str | None = None
    last_result: Json | None = None
    announced: int = 0
    """Payloads that a ping has told of; changes made before one goes out share it."""


@dataclass
class Base:
    """A base; `transactions` is the last baseTransactionNumber given out."""

    id: str
    name: str
    created: str
    tables: list[Table] = field(default_factory=list)
    transactions: int = 0
    webhooks: dict[str, Webhook] = field(default_factory=dict)

    def table(self, key: str) -> Table | None:
        """A table by id or by exact name."""
        return next((t for t in self.tables if key in (t.id, t.name)), None)

    def find_record(self, record_id: str) -> tuple[Table, Record] | None:
        for table in self.tables:
            if record := table.records.get(record_id):
                return table, record
        return None

    def link_fields(self) -> Iterator[tuple[Table, Field]]:
        for table in self.tables:
            for column in table.fields:
                if column.type == "multipleRecordLinks":
                    yield table, column

    def schema(self) -> Json:
        return {
            "id": self.id,
            "name": self.name,
            "created": self.created,
            "transactions": self.transactions,
            "tables": [t.schema() for t in self.tables],
        }


@dataclass
class Attachment:
    """A file in a cell. `state` is pending, ready or dead (kept with a URL that answers errors)."""

    id: str
    filename: str
    source: str
    base_id: str
    table_id: str
    record_id: str
    field_id: str
    state: str = "pending"
    type: str = ""
    size: int = 0
    width: int = 0
    height: int = 0
    thumbnails: Json = field(default_factory=dict)


@dataclass
class TableDiff:
    """What happened to one table. Cells are the stored values, keyed by field id."""

    table: Table
    created: dict[str, Record] = field(default_factory=dict)
    changed: dict[str, tuple[Json, Record]] = field(default_factory=dict)
    destroyed: dict[str, Record] = field(default_factory=dict)
    created_fields: list[Field] = field(default_factory=list)
    changed_fields: list[tuple[Json, Field]] = field(default_factory=list)
    destroyed_fields: list[str] = field(default_factory=list)
    renamed: tuple[Json, Json] | None = None
    is_new: bool = False

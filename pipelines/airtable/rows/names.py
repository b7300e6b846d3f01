"""Our names and the base's: by ids where the token may read the schema, so that a renamed column breaks nothing.

A field is found by FIELD_MAP, else by the contract's name, else by the id it had before somebody renamed it; the far
end of a link is found through the link. Without `schema.bases:read` the names of FIELD_MAP and the contract are sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.airtable.field_map import FIELD_ID, FieldMap
from pipelines.airtable.schema import TABLES, TableSpec
from pipelines.airtable.schema import table as spec_of
from pipelines.domain.airtable.fields import AirtableTable
from pipelines.domain.errors import AirtableDenied

Json = Mapping[str, Any]


class MissingTable(AirtableDenied):
    """The base has no such table, as far as we know: what we know may be older than the table."""


@dataclass(frozen=True, slots=True)
class Column:
    """A field of the base: `key` goes over the wire (id or name), `label` is what people see."""

    key: str
    label: str
    type: str | None = None


@dataclass(frozen=True, slots=True)
class TableNames:
    """One table of the base. `by_id`: keys are field ids, and answers are to be keyed by them."""

    spec: TableSpec
    key: str
    label: str
    by_id: bool
    columns: Mapping[str, Column] = field(default_factory=dict)

    def label_of(self, name: str) -> str:
        """What the base calls a field of ours."""
        column = self.columns.get(name)
        return column.label if column else str(name)

    def ours(self, cells: Json) -> dict[str, Any]:
        """An answer's cells by our names; columns that are none of ours are left out."""
        return {name: cells[column.key] for name, column in self.columns.items() if column.key in cells}

    def name_of(self, key: str) -> str | None:
        """Our name for a key or label of the base."""
        return next((name for name, column in self.columns.items() if key in (column.key, column.label)), None)

    def theirs(self, fields: Json) -> dict[str, Any]:
        """Our cells by the base's keys; a field that the base does not have is left out: the doctor tells."""
        return {self.columns[name].key: value for name, value in fields.items() if name in self.columns}


@dataclass(frozen=True, slots=True)
class BaseNames:
    """All tables of a base that are ours. `known`: read from its schema, not only assumed."""

    tables: Mapping[str, TableNames]
    known: bool

    def has(self, table: str) -> bool:
        """Whether the base has a table of ours, as far as we know."""
        return table in self.tables

    def table(self, name: str | None) -> TableNames:
        """A table by our name, its own name or its id; empty means `Videos`. A table that is none of ours is taken
        for another one of the same shape as `Videos`. Raises MissingTable when it is not there.
        """
        if not name:
            name = AirtableTable.VIDEOS
        for ours, names in self.tables.items():
            if name in (ours, names.key, names.label):
                return names
        if any(spec.name == name for spec in TABLES):
            raise MissingTable(
                f"airtable: no table {name}",
                marketer=f"The base has no table “{name}”. Ask your operator to run: flask airtable setup",
            )
        videos = self.table(AirtableTable.VIDEOS)
        return TableNames(videos.spec, name, name, videos.by_id, videos.columns)


def assumed(mapped: FieldMap) -> BaseNames:
    """The names without any look at the base. Raises AirtableDenied when FIELD_MAP gives ids: answers come by name."""
    tables = {}
    for spec in TABLES:
        keys = {item.name: mapped.field(spec.name, item.name) for item in spec.fields}
        if ids := [name for name, key in keys.items() if FIELD_ID.fullmatch(key)]:
            raise AirtableDenied(
                f"FIELD_MAP gives ids for {', '.join(ids)} in {spec.name}: the token needs schema.bases:read for that"
            )
        columns = {name: Column(key, key) for name, key in keys.items()}
        tables[spec.name] = TableNames(spec, mapped.table(spec.name), mapped.table(spec.name), False, columns)
    return BaseNames(tables, known=False)


def resolve(schema: Sequence[Json], mapped: FieldMap, before: Json) -> dict[str, Any]:
    """What the schema (`GET /v0/meta/bases/{id}/tables`) means for us, as JSON to remember:
    `{our table: {"id", "name", "fields": {our field: [id, name, type]}}}`. `before` is the last such answer.
    """
    found: dict[str, Any] = {}
    for spec in TABLES:
        old = before.get(spec.name, {})
        table = _pick(schema, mapped.table(spec.name), old.get("id"), explicit=spec.name in mapped.tables)
        if table is not None:
            fields = _fields(spec, table["fields"], mapped, old.get("fields", {}))
            found[spec.name] = {"id": table["id"], "name": table["name"], "fields": fields}
    for spec in TABLES:
        _add_far_ends(spec, found, schema)
    return found


def _fields(spec: TableSpec, columns: Sequence[Json], mapped: FieldMap, old: Json) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for item in spec.fields:
        known = old.get(item.name, [None])[0]
        explicit = item.name in mapped.fields.get(spec.name, {})
        column = _pick(columns, mapped.field(spec.name, item.name), known, explicit=explicit)
        if column is not None:
            fields[str(item.name)] = [column["id"], column["name"], column["type"]]
    return fields


def _pick(items: Sequence[Json], wanted: str, known_id: str | None, *, explicit: bool) -> Json | None:
    """By id or exact name, else by a name that differs in case or space only, else by the id of old."""
    for item in items:
        if wanted in (item["id"], item["name"]):
            return item
    if explicit:
        return None
    loose = [item for item in items if _loose(item["name"]) == _loose(wanted)]
    return next((item for item in [*loose, *items] if item in loose or item["id"] == known_id), None)


def _loose(name: str) -> str:
    return "".join(name.split()).casefold()


def _add_far_ends(spec: TableSpec, found: dict[str, Any], schema: Sequence[Json]) -> None:
    for item in spec.fields:
        if item.inverse_of is None or spec.name not in found or item.name in found[spec.name]["fields"]:
            continue
        table, link = item.inverse_of
        link_id = found.get(table, {}).get("fields", {}).get(link, [None])[0]
        columns = [column for whole in schema for column in whole["fields"]]
        near: Json = next((column for column in columns if column["id"] == link_id), {})
        far_id = near.get("options", {}).get("inverseLinkFieldId")
        if far := next((column for column in columns if column["id"] == far_id), None):
            found[spec.name]["fields"][str(item.name)] = [far["id"], far["name"], far["type"]]


def remembered(tables: Json) -> BaseNames:
    """`resolve`'s answer as names."""
    names = {
        name: TableNames(
            spec_of(name),
            entry["id"],
            entry["name"],
            True,
            {ours: Column(key, label, kind) for ours, (key, label, kind) in entry["fields"].items()},
        )
        for name, entry in tables.items()
    }
    return BaseNames(names, known=True)

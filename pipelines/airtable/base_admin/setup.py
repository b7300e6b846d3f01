"""Building or completing a base from the schema. Creates what is missing; never deletes, renames or changes anything.

Running it again finds everything in place, also after a run that broke off half way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.airtable.field_map import FIELD_ID, TABLE_ID, FieldMap
from pipelines.airtable.rows.answers import Gone, Rejected
from pipelines.airtable.rows.client import BUILD, READ, WRITE, Client
from pipelines.airtable.rows.name_book import NameBook, read_schema
from pipelines.airtable.rows.names import BaseNames
from pipelines.airtable.schema import TABLES, FieldSpec, TableSpec, create_options, own_fields
from pipelines.domain.airtable.fields import AirtableTable, SettingsField, VideoField
from pipelines.ports import ByHand, SetupReport

Json = dict[str, Any]
_UNPROCESSABLE = 422
SETTINGS_ROW = "Reelgrid"


@dataclass(slots=True)
class Setup:
    """One go at one base."""

    client: Client
    book: NameBook
    base_id: str
    field_map: FieldMap
    button_formula: str
    models: tuple[str, ...]
    created: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    by_hand: list[ByHand] = field(default_factory=list)
    _seen: Mapping[str, Any] | None = None
    """What the base had when we last looked: forgotten whenever a table is added."""

    def run(self) -> SetupReport:
        """Raises AirtableDenied with the missing scope, and what `Client.call` raises."""
        for spec in TABLES:
            found = self._found().get(spec.name)
            lacking = {item.links_to for item in spec.fields if item.links_to and item.written} - set(self._found())
            if lacking:
                steps = (
                    f"It links to {', '.join(sorted(map(str, lacking)))}, which is not there. Then run setup again.",
                )
                self.by_hand.append(ByHand(f"Table {spec.name}", steps))
            elif found is None:
                self._create_table(spec)
            else:
                self._complete(spec, found)
        self._link_inputs()
        self._seen = None
        self._add_settings_row()
        self.book.refresh(self.base_id)
        self.by_hand += manual_steps(self._schema(), self.button_formula, self.book.of(self.base_id))
        return SetupReport(tuple(self.created), tuple(self.kept), tuple(self.by_hand))

    def _schema(self) -> list[Json]:
        try:
            return read_schema(self.client, self.base_id)
        except (Rejected, Gone) as error:
            raise needs_scope(error, "schema.bases:read") from error

    def _found(self) -> Mapping[str, Any]:
        if self._seen is None:
            self._seen = self.book.resolved(self.base_id, self._schema())
        return self._seen

    def _table_ids(self) -> dict[str, str]:
        return {name: entry["id"] for name, entry in self._found().items()}

    def _create_table(self, spec: TableSpec) -> None:
        name = self.field_map.table(spec.name)
        if TABLE_ID.fullmatch(name):
            steps = (f"FIELD_MAP says that {spec.name} is {name}, which the base does not have. Correct FIELD_MAP.",)
            self.by_hand.append(ByHand(f"Table {spec.name}", steps))
            return
        ids = self._table_ids()
        body = {
            "name": name,
            "description": spec.description,
            "fields": [
                self._field_body(spec, item, ids)
                for item in own_fields(spec)
                if (item.links_to is None or item.links_to in ids) and self._is_buildable(spec, item)
            ],
        }
        self._build(lambda api: api.post(api.build_url("meta", "bases", self.base_id, "tables"), json=body))
        self.created.append(spec.name)
        self._seen = None

    def _link_inputs(self) -> None:
        """Links to tables that are built after their own."""
        for spec in TABLES:
            found, ids = self._found().get(spec.name), self._table_ids()
            if found is None:
                continue
            for item in own_fields(spec):
                missing = item.links_to in ids and not item.written and item.name not in found["fields"]
                if missing and self._is_buildable(spec, item) and self._create_field(spec, item, found["id"], ids):
                    self.created.append(f"{spec.name}.{item.name}")

    def _complete(self, spec: TableSpec, found: Mapping[str, Any]) -> None:
        self.kept.append(spec.name)
        ids = self._table_ids()
        for item in own_fields(spec):
            name = f"{spec.name}.{item.name}"
            if item.name in found["fields"]:
                self.kept.append(name)
            elif item.links_to is not None and item.links_to not in ids:
                continue
            elif self._is_buildable(spec, item) and self._create_field(spec, item, found["id"], ids):
                self.created.append(name)

    def _is_buildable(self, spec: TableSpec, item: FieldSpec) -> bool:
        """An id cannot be created: FIELD_MAP names a field that is not there."""
        name = self.field_map.field(spec.name, item.name)
        if FIELD_ID.fullmatch(name) is None:
            return True
        steps = (f"FIELD_MAP says that it is {name}, which the table does not have. Correct FIELD_MAP.",)
        self.by_hand.append(ByHand(f"{spec.name}.{item.name}", steps))
        return False

    def _create_field(self, spec: TableSpec, item: FieldSpec, table_id: str, ids: Mapping[str, str]) -> bool:
        body = self._field_body(spec, item, ids)
        try:
            self._build(
                lambda api: api.post(
                    api.build_url("meta", "bases", self.base_id, "tables", table_id, "fields"), json=body
                )
            )
        except Rejected as error:
            if error.answer.status != _UNPROCESSABLE:
                raise
            self.by_hand.append(ByHand(f"{spec.name}.{item.name}", _field_steps(spec, body, error)))
            return False
        return True

    def _field_body(self, spec: TableSpec, item: FieldSpec, ids: Mapping[str, str]) -> Json:
        body: Json = {"name": self.field_map.field(spec.name, item.name), "type": item.type}
        body["description"] = item.description
        if options := create_options(item, self.models, ids):
            body["options"] = options
        return body

    def _build(self, send: Any) -> None:
        try:
            self.client.call(self.base_id, BUILD, "setup", send)
        except (Rejected, Gone) as error:
            if error.answer.status == _UNPROCESSABLE:
                raise
            raise needs_scope(error, "schema.bases:write") from error

    def _add_settings_row(self) -> None:
        """One row, by key: asked for twice it is still one."""
        entry = self._found().get(AirtableTable.SETTINGS)
        if entry is None or SettingsField.NAME not in entry["fields"]:
            return
        name = entry["fields"][SettingsField.NAME][0]
        if self.client.call(
            self.base_id, READ, "setup", lambda api: api.table(self.base_id, entry["id"]).first() is not None
        ):
            return
        row = {"fields": {name: SETTINGS_ROW}}
        self.client.call(
            self.base_id, WRITE, "setup", lambda api: api.table(self.base_id, entry["id"]).batch_upsert([row], [name])
        )
        self.created.append(f"{AirtableTable.SETTINGS} row")


def needs_scope(error: Rejected | Gone, scope: str) -> Rejected:
    """The refusal, with the scope that a token probably lacks."""
    return Rejected(
        error.answer,
        marketer=f"{error.operator}. The token needs the scope {scope} and this base under Access "
        "(airtable.com/create/tokens).",
    )


def _field_steps(spec: TableSpec, body: Json, error: Rejected) -> tuple[str, ...]:
    return (
        f"Airtable did not create it: {error.answer.message or error.answer.kind}",
        f"Open the table {spec.name}, click + right of the last column.",
        f"Name: {body['name']}. Type: {body['type']}. Click Create field.",
    )


def manual_steps(schema: list[Json], formula: str, names: BaseNames) -> Iterator[ByHand]:
    """What no API can build, in the base's own words. The button is left out when the table has one."""
    videos = names.tables.get(AirtableTable.VIDEOS)
    if videos is None:
        return
    columns: list[Json] = next((entry["fields"] for entry in schema if videos.key in (entry["id"], entry["name"])), [])
    generate = videos.label_of(VideoField.GENERATE)
    yield ByHand(
        "Start from a ticked box: automation",
        (
            "Builder Hub → Development → Secrets → New secret: REELGRID_KEY = a key from `flask keys create airtable`.",
            f"Automations → Create → When a record matches conditions: table {videos.label}, {generate} is checked.",
            "Add advanced logic or action → Run a script. Paste the output of `flask airtable script`.",
            "Left panel → Input variables → Add: recordId = Airtable record ID (from step 1).",
            "Left panel → Secrets → add REELGRID_KEY. Test, then switch the automation on.",
        ),
    )
    if not any(column["type"] == "button" for column in columns):
        yield ByHand("Button to the progress page", _button_steps(videos.label, formula))
    yield ByHand(
        "Kanban by status",
        (f"Open the table {videos.label} → Create… → Kanban.", f"Stack by {videos.label_of(VideoField.STATUS)}."),
    )
    yield ByHand(
        "Button in an interface (starts without a ticked box)",
        (
            f"Interfaces → Create → a page on {videos.label} → add a Button → Action: Run automation.",
            "In that automation the trigger is When a button is clicked; the script and its inputs are the same.",
        ),
    )


def _button_steps(table: str, formula: str) -> tuple[str, ...]:
    return (
        f"Open the table {table}, click + right of the last column, choose Button.",
        "Label: Reelgrid. Action: Open URL.",
        f"URL formula: {formula}",
    )

"""Which webhook learns what of a change."""

from __future__ import annotations

from typing import Any

from pipelines.sandbox.airtable.cells.render import v2
from pipelines.sandbox.airtable.state import ids
from pipelines.sandbox.airtable.state.model import USER, Base, Json, Record, TableDiff, Webhook
from pipelines.sandbox.airtable.state.store import Transaction, World
from pipelines.sandbox.airtable.webhooks.pings import is_expired, ping_due


def observe(change: Transaction) -> None:
    """Write down what every webhook of the base learns of a change, and ping those who do not know yet."""
    record_payloads(change)
    ping_due(change.world, change.base)


def record_payloads(change: Transaction) -> None:
    """Give every webhook of the base its own view of the change."""
    for hook in change.base.webhooks.values():
        payload = None if is_expired(hook) else payload_for(change, hook)
        if payload is None:
            continue
        hook.payloads.append(payload)
        change.world.journal.write({f"payload/{hook.id}/{len(hook.payloads):08d}": payload})


def payload_for(change: Transaction, hook: Webhook) -> Json | None:
    """One payload as this webhook's filters see it, or None."""
    filters: Json = hook.specification["options"]["filters"]
    if filters.get("fromSources") and change.source not in filters["fromSources"]:
        return None
    tables: Json = {}
    created: Json = {}
    for diff in change.diffs.values():
        if not _in_scope(diff, filters.get("recordChangeScope")):
            continue
        if diff.is_new and "tableMetadata" in filters["dataTypes"] and _wants(filters, "add"):
            created[diff.table.id] = _created_table(diff)
        elif shown := _table(change, diff, hook):
            tables[diff.table.id] = shown
    if not tables and not created:
        return None
    payload: Json = {
        "timestamp": ids.now_iso(),
        "baseTransactionNumber": change.base.transactions,
        "payloadFormat": "v0",
        "actionMetadata": {"source": change.source, "sourceMetadata": _source(change)},
    }
    payload |= {"changedTablesById": tables} if tables else {}
    return payload | ({"createdTablesById": created} if created else {})


def _source(change: Transaction) -> Json:
    return {} if change.source == "system" else {"user": USER | {"permissionLevel": "create"}}


def _wants(filters: Json, kind: str) -> bool:
    return not filters.get("changeTypes") or kind in filters["changeTypes"]


def _in_scope(diff: TableDiff, scope: str | None) -> bool:
    """A view stands for its table: the sandbox's views hide nothing."""
    return not scope or scope == diff.table.id or diff.table.view(scope) is not None


def _created_table(diff: TableDiff) -> Json:
    table = diff.table
    return {
        "metadata": {"name": table.name, "description": table.description or None},
        "fieldsById": {f.id: {"name": f.name, "type": f.type} for f in table.fields},
        "recordsById": {},
    }


def _table(change: Transaction, diff: TableDiff, hook: Webhook) -> Json:
    filters: Json = hook.specification["options"]["filters"]
    shown: Json = {}
    if "tableData" in filters["dataTypes"]:
        shown |= _records(change, diff, hook)
    if "tableFields" in filters["dataTypes"]:
        shown |= _fields(diff, filters)
    if "tableMetadata" in filters["dataTypes"] and diff.renamed and _wants(filters, "update"):
        shown["changedMetadata"] = {"previous": diff.renamed[0], "current": diff.renamed[1]}
    return shown


def _fields(diff: TableDiff, filters: Json) -> Json:
    shown: Json = {}
    if diff.created_fields and _wants(filters, "add"):
        shown["createdFieldsById"] = {f.id: {"name": f.name, "type": f.type} for f in diff.created_fields}
    if diff.destroyed_fields and _wants(filters, "remove"):
        shown["destroyedFieldIds"] = diff.destroyed_fields
    if diff.changed_fields and _wants(filters, "update"):
        shown["changedFieldsById"] = {
            f.id: {"current": {"name": f.name, "type": f.type}, "previous": before} for before, f in diff.changed_fields
        }
    return shown


def _records(change: Transaction, diff: TableDiff, hook: Webhook) -> Json:
    filters: Json = hook.specification["options"]["filters"]
    watched: list[str] | None = filters.get("watchDataInFieldIds") or None
    shown: Json = {}
    if _wants(filters, "add"):
        created = {r.id: _created(change.world, change.base, diff, r, watched) for r in diff.created.values()}
        created = {k: v for k, v in created.items() if not watched or v["cellValuesByFieldId"]}
        shown |= {"createdRecordsById": created} if created else {}
    if _wants(filters, "update"):
        pairs = {k: _changed(change, diff, hook, before, record) for k, (before, record) in diff.changed.items()}
        changed = {k: v for k, v in pairs.items() if v}
        shown |= {"changedRecordsById": changed} if changed else {}
    if _wants(filters, "remove") and diff.destroyed:
        shown["destroyedRecordIds"] = list(diff.destroyed)
    return shown


def _created(world: World, base: Base, diff: TableDiff, record: Record, watched: list[str] | None) -> Json:
    keys = [k for k in record.cells if watched is None or k in watched]
    return {
        "createdTime": record.created,
        "cellValuesByFieldId": _values(world, base, diff, record.cells, keys, skip_empty=True),
    }


def _changed(change: Transaction, diff: TableDiff, hook: Webhook, before: Json, record: Record) -> Json | None:
    options: Json = hook.specification["options"]
    watched = options["filters"].get("watchDataInFieldIds") or None
    keys = [k for k in {**before, **record.cells} if before.get(k) != record.cells.get(k)]
    keys = [k for k in keys if watched is None or k in watched]
    if not keys:
        return None
    world, base = change.world, change.base
    shown: Json = {"current": {"cellValuesByFieldId": _values(world, base, diff, record.cells, keys)}}
    includes = options.get("includes") or {}
    if includes.get("includePreviousCellValues"):
        shown["previous"] = {"cellValuesByFieldId": _values(world, base, diff, before, keys)}
    if extra := includes.get("includeCellValuesInFieldIds"):
        wanted = [f.id for f in diff.table.fields] if extra == "all" else extra
        others = [k for k in wanted if k not in keys]
        shown["unchanged"] = {"cellValuesByFieldId": _values(world, base, diff, record.cells, others, skip_empty=True)}
    return shown


def _values(
    world: World, base: Base, diff: TableDiff, cells: Json, keys: list[str], *, skip_empty: bool = False
) -> Json:
    columns = [c for c in (diff.table.field(k) for k in keys) if c]
    shown: dict[str, Any] = {c.id: v2(world, base, c, cells.get(c.id)) for c in columns}
    return {k: v for k, v in shown.items() if v is not None} if skip_empty else shown

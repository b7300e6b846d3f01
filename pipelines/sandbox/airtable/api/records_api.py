"""The routes of records: single, in batches, upsert, and both forms of list."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request

from pipelines.sandbox.airtable.api.gate import body, find_table, needs
from pipelines.sandbox.airtable.cells.render import Row, record_json
from pipelines.sandbox.airtable.state import errors
from pipelines.sandbox.airtable.state.changes import Change, transaction
from pipelines.sandbox.airtable.state.model import Base, Json, Record, Table
from pipelines.sandbox.airtable.state.store import World
from pipelines.sandbox.airtable.tables import query, records

READ, WRITE = "data.records:read", "data.records:write"


def blueprint(world: World) -> Blueprint:
    """`/v0/{base}/{table}` and below, for records."""
    pages = Blueprint("records", __name__)
    _reading(pages, world)
    _writing(pages, world)
    _writing_one(pages, world)
    return pages


def _reading(pages: Blueprint, world: World) -> None:
    iterators = query.Iterators()

    @pages.get("/v0/<base>/<table>")
    @needs("records", READ)
    def list_records(base: str, table: str) -> Json:
        return listed(base, table, query.from_args(request.args))

    @pages.post("/v0/<base>/<table>/listRecords")
    @needs("records", READ)
    def list_by_post(base: str, table: str) -> Json:
        return listed(base, table, query.from_body(body()))

    def listed(base_id: str, key: str, wanted: query.Query) -> Json:
        with world.lock:
            base = world.base(base_id)
            return query.run(world, base, find_table(base, key), wanted, iterators)

    @pages.get("/v0/<base>/<table>/<record>")
    @needs("records", READ)
    def get_record(base: str, table: str, record: str) -> Json:
        # A record of another table of the base is answered too: Airtable does not compare the table (its issue 117).
        with world.lock:
            found = world.base(base)
            find_table(found, table)
            if (place := found.find_record(record)) is None:
                raise errors.not_found()
            return show(world, found, *place, query.from_args(request.args))


def _writing(pages: Blueprint, world: World) -> None:
    @pages.post("/v0/<base>/<table>")
    @needs("records", WRITE)
    def create_records(base: str, table: str) -> Json:
        doc = body()
        with transaction(world, world.base(base)) as change:
            found = find_table(change.base, table)
            if "records" not in doc:
                made = records.create(change, found, _fields(doc), typecast=_typecast(doc))
                return show(world, change.base, found, made, _shape(doc)) | _details(change)
            items = records.check_batch(doc["records"], with_ids=False)
            many = [records.create(change, found, item["fields"], typecast=_typecast(doc)) for item in items]
            return _show_all(change, found, many, doc)

    @pages.route("/v0/<base>/<table>", methods=["PATCH", "PUT"])
    @needs("records", WRITE)
    def update_records(base: str, table: str) -> Json:
        doc = body()
        with transaction(world, world.base(base)) as change:
            found = find_table(change.base, table)
            if "performUpsert" in doc:
                return _upsert(change, found, doc)
            items = records.check_batch(doc.get("records"), with_ids=True)
            return _show_all(change, found, [_update(change, found, item, doc) for item in items], doc)

    @pages.delete("/v0/<base>/<table>")
    @needs("records", WRITE)
    def delete_records(base: str, table: str) -> Json:
        wanted = [*request.args.getlist("records[]"), *request.args.getlist("records")]
        if not 1 <= len(wanted) <= records.BATCH:
            raise errors.typed(422, "INVALID_RECORDS", f"You must provide up to {records.BATCH} record ids")
        with transaction(world, world.base(base)) as change:
            found = find_table(change.base, table)
            if missing := [r for r in wanted if r not in found.records]:
                raise errors.missing_row(missing[0])
            for record_id in wanted:
                records.delete(change, found, found.records[record_id])
        return {"records": [{"id": record_id, "deleted": True} for record_id in wanted]}


def _writing_one(pages: Blueprint, world: World) -> None:
    @pages.route("/v0/<base>/<table>/<record>", methods=["PATCH", "PUT"])
    @needs("records", WRITE)
    def update_record(base: str, table: str, record: str) -> Json:
        doc = body()
        with transaction(world, world.base(base)) as change:
            found = find_table(change.base, table)
            row = _row(found, record)
            put = request.method == "PUT"
            records.update(change, found, row, _fields(doc), replace=put, typecast=_typecast(doc))
            return show(world, change.base, found, row, _shape(doc)) | _details(change)

    @pages.delete("/v0/<base>/<table>/<record>")
    @needs("records", WRITE)
    def delete_record(base: str, table: str, record: str) -> Json:
        with transaction(world, world.base(base)) as change:
            found = find_table(change.base, table)
            records.delete(change, found, _row(found, record))
        return {"id": record, "deleted": True}


def _row(table: Table, record_id: str) -> Record:
    row = table.records.get(record_id)
    if row is None:
        raise errors.not_found()
    return row


def _fields(doc: Json) -> Json:
    fields = doc.get("fields")
    if not isinstance(fields, dict):
        raise errors.missing_field("fields")
    return fields


def _typecast(doc: Json) -> bool:
    return query.is_true(doc.get("typecast"))


def _update(change: Change, table: Table, item: Json, doc: Json) -> Record:
    if item["id"] not in table.records:
        raise errors.missing_row(item["id"])
    put = request.method == "PUT"
    return records.update(
        change, table, table.records[item["id"]], item["fields"], replace=put, typecast=_typecast(doc)
    )


def _upsert(change: Change, table: Table, doc: Json) -> Json:
    wish = doc["performUpsert"]
    columns = records.merge_columns(table, wish.get("fieldsToMergeOn") if isinstance(wish, dict) else None)
    items = records.check_batch(doc.get("records"), with_ids=False)
    before = set(table.records)
    put = request.method == "PUT"
    rows = [records.upsert(change, table, item, columns, replace=put, typecast=_typecast(doc)) for item in items]
    answer = _show_all(change, table, rows, doc)
    answer["createdRecords"] = [row.id for row in rows if row.id not in before]
    answer["updatedRecords"] = [row.id for row in rows if row.id in before]
    return answer


def _shape(doc: Json) -> query.Query:
    """How a write wants its answer, from the body or the query string."""
    by_id = doc.get("returnFieldsByFieldId", request.args.get("returnFieldsByFieldId"))
    return query.Query(by_id=query.is_true(by_id))


def show(world: World, base: Base, table: Table, record: Record, wanted: query.Query) -> Json:
    """One record as the API answers it."""
    row = Row(world, base, table, record)
    return record_json(row, table.fields, by_id=wanted.by_id, as_text=wanted.as_text)


def _show_all(change: Change, table: Table, rows: list[Record], doc: Json) -> Json:
    shown: list[Any] = [show(change.world, change.base, table, row, _shape(doc)) for row in rows]
    return {"records": shown} | _details(change)


def _details(change: Change) -> Json:
    reasons = sorted(change.partial_failures)
    return {"details": {"message": "partialSuccess", "reasons": reasons}} if reasons else {}

"""The control plane: what a person in Airtable's interface does, and what goes wrong there. Not part of Airtable.

Open to everyone who reaches the sandbox, needs no token, and counts in no limit.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, abort, jsonify, request
from flask.typing import ResponseReturnValue

from pipelines.sandbox.airtable.api.gate import body, find_table
from pipelines.sandbox.airtable.api.meta_api import build_base
from pipelines.sandbox.airtable.api.records_api import show
from pipelines.sandbox.airtable.state import errors, ids
from pipelines.sandbox.airtable.state.changes import Change, transaction
from pipelines.sandbox.airtable.state.limits import Settings
from pipelines.sandbox.airtable.state.model import Json, Record, Table
from pipelines.sandbox.airtable.state.store import World
from pipelines.sandbox.airtable.tables import query, records, schema


def blueprint(world: World) -> Blueprint:
    """`/_control/…`."""
    pages = Blueprint("control", __name__, url_prefix="/_control")
    _faults(pages, world)
    _rest(pages, world)
    _bases(pages, world)
    _fields_of(pages, world)
    _people(pages, world)
    return pages


def _faults(pages: Blueprint, world: World) -> None:
    @pages.post("/faults")
    def set_faults() -> ResponseReturnValue:
        doc = body()
        seconds, base = doc.pop("lockout_now_s", None), doc.pop("base", None)
        try:
            world.limits.configure(doc)
        except KeyError as exc:
            return jsonify(error=f"unknown fault {exc}", known=sorted(vars(Settings()))), 400
        for base_id in [base] if base else list(world.bases):
            if seconds is not None:
                world.limits.lock_out(float(seconds), base_id)
        world.save_limits()
        return jsonify(world.limits.dump()["settings"])

    @pages.get("/faults")
    def get_faults() -> Json:
        return dict(world.limits.dump()["settings"])

    @pages.delete("/faults")
    def clear_faults() -> Json:
        world.limits.settings = Settings()
        world.failed_urls.clear()
        world.save_limits()
        return dict(world.limits.dump()["settings"])


def _rest(pages: Blueprint, world: World) -> None:
    @pages.post("/tokens")
    def set_token() -> Json:
        doc = body()
        world.limits.tokens[doc["token"]] = {k: doc[k] for k in ("scopes", "bases", "revoked") if k in doc}
        world.save_limits()
        return world.limits.tokens[doc["token"]]

    @pages.post("/webhooks/<webhook>")
    def age_webhook(webhook: str) -> Json:
        left = timedelta(seconds=float(body()["expires_in_s"]))
        with world.lock:
            hook = next((b.webhooks[webhook] for b in world.bases.values() if webhook in b.webhooks), None) or abort(
                404
            )
            hook.expires = ids.to_iso(datetime.now(UTC) + left)
            world.save_webhook(hook)
        return {"id": hook.id, "expirationTime": hook.expires}

    @pages.get("/stats")
    def stats() -> Json:
        return world.limits.stats()

    @pages.delete("/stats")
    def forget_stats() -> Json:
        world.limits.reset()
        return world.limits.stats()


def _bases(pages: Blueprint, world: World) -> None:
    @pages.post("/bases")
    def create_base() -> Json:
        doc = body()
        name = str(doc.get("name") or "Untitled Base")
        wanted = doc.get("id")
        if wanted is not None and (wanted in world.bases or not ids.is_id(wanted, "app")):
            raise errors.invalid_request(f"{wanted} is taken, or not app and 14 letters and digits")
        return build_base(world, name, doc.get("tables") or [], source="client", base_id=wanted)

    @pages.delete("/bases/<base>")
    def delete_base(base: str) -> Json:
        world.delete_base(world.base(base))
        return {"id": base, "deleted": True}

    @pages.post("/bases/<base>/tables")
    def create_table(base: str) -> Json:
        doc = body()
        with _person(world, base) as change:
            return schema.table_json(schema.create_table(change, doc))


def _fields_of(pages: Blueprint, world: World) -> None:
    @pages.post("/bases/<base>/tables/<table>/fields")
    def create_field(base: str, table: str) -> Json:
        doc = body()
        with _person(world, base) as change:
            return schema.field_json(schema.create_field(change, find_table(change.base, table), doc))

    @pages.patch("/bases/<base>/tables/<table>")
    def update_table(base: str, table: str) -> Json:
        doc = body()
        with _person(world, base) as change:
            return schema.table_json(schema.update_table(change, find_table(change.base, table), doc))

    @pages.patch("/bases/<base>/tables/<table>/fields/<field>")
    def update_field(base: str, table: str, field: str) -> Json:
        doc = body()
        with _person(world, base) as change:
            found = find_table(change.base, table)
            return schema.field_json(schema.update_field(change, found, found.field(field) or abort(404), doc))

    @pages.delete("/bases/<base>/tables/<table>/fields/<field>")
    def delete_field(base: str, table: str, field: str) -> Json:
        with _person(world, base) as change:
            found = find_table(change.base, table)
            column = found.field(field) or abort(404)
            schema.delete_field(change, found, column)
        return {"id": column.id, "deleted": True}


def _people(pages: Blueprint, world: World) -> None:
    @pages.get("/person/<base>/<table>")
    def rows(base: str, table: str) -> Json:
        with world.lock:
            found = world.base(base)
            every = query.Query(page_size=10**6)
            return query.run(world, found, find_table(found, table), every, query.Iterators())

    @pages.get("/person/<base>/<table>/<record>")
    def row(base: str, table: str, record: str) -> Json:
        with _person(world, base) as change:
            found = find_table(change.base, table)
            return _show(change, found, found.records.get(record) or abort(404))

    @pages.post("/person/<base>/<table>")
    def create(base: str, table: str) -> Json:
        fields = _fields()
        with _person(world, base) as change:
            found = find_table(change.base, table)
            return _show(change, found, records.create(change, found, fields, typecast=True))

    @pages.route("/person/<base>/<table>/<record>", methods=["POST", "PATCH"])
    def edit(base: str, table: str, record: str) -> Json:
        fields = _fields()
        with _person(world, base) as change:
            found = find_table(change.base, table)
            known = found.records.get(record) or abort(404)
            records.update(change, found, known, fields, replace=False, typecast=True)
            return _show(change, found, known)

    @pages.delete("/person/<base>/<table>/<record>")
    def delete(base: str, table: str, record: str) -> Json:
        with _person(world, base) as change:
            found = find_table(change.base, table)
            records.delete(change, found, found.records.get(record) or abort(404))
        return {"id": record, "deleted": True}


def _person(world: World, base_id: str) -> Any:
    return transaction(world, world.base(base_id), "client")


def _fields() -> Json:
    doc = body()
    fields: Json = doc.get("fields", {})
    return fields


def _show(change: Change, table: Table, record: Record) -> Json:
    by_id = query.is_true(request.args.get("returnFieldsByFieldId"))
    return show(change.world, change.base, table, record, query.Query(by_id=by_id))

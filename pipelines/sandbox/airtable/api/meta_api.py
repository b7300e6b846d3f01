"""The metadata API: bases, tables, fields, collaborators and whoami."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, request

from pipelines.sandbox.airtable.api.gate import body, find_table, needs
from pipelines.sandbox.airtable.state import errors, ids
from pipelines.sandbox.airtable.state.changes import transaction
from pipelines.sandbox.airtable.state.model import USER, Base, Json
from pipelines.sandbox.airtable.state.store import World
from pipelines.sandbox.airtable.tables import schema

READ, WRITE = "schema.bases:read", "schema.bases:write"
WORKSPACE = "wspReelgridSandbx"


def blueprint(world: World) -> Blueprint:
    """`/v0/meta/…`."""
    pages = Blueprint("meta", __name__)
    _reading(pages, world)
    _bases(pages, world)
    _tables(pages, world)
    return pages


def _reading(pages: Blueprint, world: World) -> None:
    @pages.get("/v0/meta/whoami")
    @needs("meta")
    def whoami() -> Json:
        # Scopes are listed for OAuth tokens only, which the sandbox does not know.
        return {"id": USER["id"]}

    @pages.get("/v0/meta/bases")
    @needs("meta", READ)
    def list_bases() -> Json:
        with world.lock:
            bases = [b for b in world.bases.values() if b.id in (g.grant.get("bases") or [b.id])]
            return {"bases": [{"id": b.id, "name": b.name, "permissionLevel": "create"} for b in bases]}

    @pages.get("/v0/meta/bases/<base>")
    @needs("meta", "workspacesAndBases:read")
    def collaborators(base: str) -> Json:
        return _collaborators(world.base(base))

    @pages.get("/v0/meta/bases/<base>/tables")
    @needs("meta", READ)
    def list_tables(base: str) -> Json:
        visible = "visibleFieldIds" in [*request.args.getlist("include[]"), *request.args.getlist("include")]
        with world.lock:
            return {"tables": [schema.table_json(t, visible=visible) for t in world.base(base).tables]}


def _collaborators(base: Base) -> Json:
    person: dict[str, Any] = {
        "baseId": base.id,
        "createdTime": base.created,
        "email": USER["email"],
        "grantedByUserId": USER["id"],
        "permissionLevel": "create",
        "userId": USER["id"],
    }
    return {
        "id": base.id,
        "name": base.name,
        "createdTime": base.created,
        "permissionLevel": "create",
        "workspaceId": WORKSPACE,
        "individualCollaborators": {"baseCollaborators": [person], "workspaceCollaborators": []},
        "groupCollaborators": {"baseCollaborators": [], "workspaceCollaborators": []},
        "inviteLinks": {"baseInviteLinks": [], "workspaceInviteLinks": []},
        "interfaces": {},
    }


def _bases(pages: Blueprint, world: World) -> None:
    @pages.post("/v0/meta/bases")
    @needs("meta", WRITE)
    def create_base() -> Json:
        doc = body()
        for name in ("name", "workspaceId", "tables"):
            if not doc.get(name):
                raise errors.missing_field(name)
        return build_base(world, str(doc["name"]), doc["tables"], source="publicApi")


def build_base(world: World, name: str, tables: list[Json], *, source: str, base_id: str | None = None) -> Json:
    """A base with its tables, or none at all when a table is refused."""
    base = world.create_base(name, base_id)
    try:
        with transaction(world, base, source) as change:
            for spec in tables:
                schema.create_table(change, spec)
    except errors.AirtableError:
        world.delete_base(base)
        raise
    return {"id": base.id, "name": base.name, "tables": [schema.table_json(t) for t in base.tables]}


def _tables(pages: Blueprint, world: World) -> None:
    @pages.post("/v0/meta/bases/<base>/tables")
    @needs("meta", WRITE)
    def create_table(base: str) -> Json:
        doc = body()
        with transaction(world, world.base(base)) as change:
            return schema.table_json(schema.create_table(change, doc))

    @pages.patch("/v0/meta/bases/<base>/tables/<table>")
    @needs("meta", WRITE)
    def update_table(base: str, table: str) -> Json:
        doc = body()
        with transaction(world, world.base(base)) as change:
            return schema.table_json(schema.update_table(change, find_table(change.base, table), doc))

    @pages.post("/v0/meta/bases/<base>/tables/<table>/fields")
    @needs("meta", WRITE)
    def create_field(base: str, table: str) -> Json:
        doc = body()
        with transaction(world, world.base(base)) as change:
            return schema.field_json(schema.create_field(change, _by_id(change.base, table), doc))

    @pages.patch("/v0/meta/bases/<base>/tables/<table>/fields/<field>")
    @needs("meta", WRITE)
    def update_field(base: str, table: str, field: str) -> Json:
        doc = body()
        with transaction(world, world.base(base)) as change:
            found = _by_id(change.base, table)
            column = found.field(field)
            if column is None:
                raise errors.hidden()
            return schema.field_json(schema.update_field(change, found, column, doc))


def _by_id(base: Base, table_id: str) -> Any:
    """Field routes take table ids only."""
    if not ids.is_id(table_id, "tbl"):
        raise errors.not_found()
    return find_table(base, table_id)

"""`flask keys`: who may use the API."""

from __future__ import annotations

import click

from pipelines.domain.money import dollars
from pipelines.domain.records import ApiKey
from pipelines.security import api_keys
from pipelines.stages.views.sections import iso
from webapp.commands.output import OPERATORS, Group, Money, as_json, print_table, reports_errors, show
from webapp.context import services

group = Group("keys", OPERATORS, help="Make, list and revoke API keys.", alone="list")
SCOPES = ("trigger", "read", "admin")


@group.command("create")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="May be given several times.")
@click.option("--day-cap", type=Money(), help="What this key may spend a day, in dollars.")
@as_json
@reports_errors
def create(name: str, scopes: tuple[str, ...], day_cap: int | None, *, json_: bool) -> None:
    """Make a key. It is shown once and not kept; only its hash is. Default scopes: trigger and read."""
    core, made = services(), api_keys.new_api_key()
    row = ApiKey(
        id=made.id,
        name=name,
        sha256=made.sha256,
        scopes=scopes or ("trigger", "read"),
        day_cap_micro=day_cap,
        created_at=core.clock.now(),
    )
    with core.store.write() as tx:
        tx.keys.add(row)
    show({"id": made.id, "key": made.key}, json_=json_, table=lambda: click.echo(f"{made.key}\n\nShown once: keep it."))


@group.command("list")
@as_json
@reports_errors
def list_(*, json_: bool) -> None:
    """All keys, without the keys themselves."""
    with services().store.read() as tx:
        rows = tx.keys.find(order="created_at")
    found = [
        {
            "id": row.id,
            "name": row.name,
            "scopes": list(row.scopes),
            "day_cap_usd": None if row.day_cap_micro is None else dollars(row.day_cap_micro),
            "created_at": iso(row.created_at),
            "last_used_at": iso(row.last_used_at),
            "revoked_at": iso(row.revoked_at),
        }
        for row in rows
    ]
    columns = ("id", "name", "scopes", "day_cap_usd", "created_at", "last_used_at", "revoked_at")
    cells = [[" ".join(row["scopes"]) if name == "scopes" else row[name] for name in columns] for row in found]  # type: ignore[arg-type]
    show(
        found, json_=json_, table=lambda: print_table(columns, cells, empty="No keys. Make one: flask keys create NAME")
    )


@group.command("revoke")
@click.argument("key_id")
@as_json
@reports_errors
def revoke(key_id: str, *, json_: bool) -> None:
    """Stop a key from working, now and for ever."""
    core = services()
    with core.store.write() as tx:
        if not tx.keys.change(key_id, {"revoked_at": None}, revoked_at=core.clock.now()):
            raise click.ClickException(f"There is no live key {key_id}.")
    show({"id": key_id, "revoked": True}, json_=json_, table=lambda: click.echo(f"{key_id} is revoked."))

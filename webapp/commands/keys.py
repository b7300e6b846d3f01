"""`flask keys`: who may use the API."""

from __future__ import annotations

import click

from pipelines.stages.commerce import accounts
from webapp.access import keys
from webapp.access.keys import NewKey
from webapp.api.account.handlers import DAY_S, view
from webapp.commands.output import OPERATORS, Group, Money, as_json, print_table, reports_errors, show
from webapp.context import services

group = Group("keys", OPERATORS, help="Make, list, rotate and revoke API keys.", alone="list")


@group.command("create")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(keys.SCOPES), help="May be given several times.")
@click.option("--account", "account_id", help="Whose key it is (acc_…); yours if not given.")
@click.option("--day-cap", type=Money(), help="What this key may spend a day, in dollars.")
@click.option("--days", type=click.IntRange(1, 3650), help="After so many days it stops working.")
@as_json
@reports_errors
def create(
    name: str, scopes: tuple[str, ...], account_id: str | None, day_cap: int | None, days: int | None, *, json_: bool
) -> None:
    """Make a key. It is shown once and not kept; only its hash is. Default scopes: trigger and read, and for an account
    also manage.
    """
    core = services()
    if account_id is not None:
        with core.store.read() as tx:
            accounts.found(tx, account_id)
        if "admin" in scopes:
            raise click.ClickException("A key of an account never has the scope admin: that is the operator's.")
    expires_at = core.clock.now() + days * DAY_S if days else None
    usual = ("trigger", "read") if account_id is None else keys.OF_ACCOUNTS
    made = keys.create(name, scopes or usual, account_id=account_id, day_cap_micro=day_cap, expires_at=expires_at)
    _print_once(made, json_=json_)


def _print_once(made: NewKey, *, json_: bool) -> None:
    document = {"id": made.row.id, "key": made.text}
    show(document, json_=json_, table=lambda: click.echo(f"{made.text}\n\nShown once: keep it."))


@group.command("list")
@click.option("--account", "account_id", help="Only those of this account.")
@as_json
@reports_errors
def list_(account_id: str | None, *, json_: bool) -> None:
    """All keys, without the keys themselves."""
    with services().store.read() as tx:
        rows = tx.keys.find(order="created_at")
    found = [{"id": row.id, **view(row)} for row in rows if account_id in (None, row.account_id)]
    columns = ("id", "name", "account_id", "scopes", "day_cap_usd", "expires_at", "last_used_at", "revoked_at")
    cells = [[" ".join(row["scopes"]) if name == "scopes" else row[name] for name in columns] for row in found]
    empty = "No keys. Make one: flask keys create NAME"
    show(found, json_=json_, table=lambda: print_table(columns, cells, empty=empty))


@group.command("rotate")
@click.argument("key_id")
@click.option("--hours", default=24.0, type=click.FloatRange(0, 720), show_default=True, help="The old key lives on.")
@as_json
@reports_errors
def rotate(key_id: str, hours: float, *, json_: bool) -> None:
    """Put another key in the place of one: the same id, rights and limits. The new one is shown once."""
    _print_once(keys.rotate(key_id, hours), json_=json_)


@group.command("revoke")
@click.argument("key_id")
@as_json
@reports_errors
def revoke(key_id: str, *, json_: bool) -> None:
    """Stop a key from working, now and for ever."""
    keys.revoke(key_id)
    show({"id": key_id, "revoked": True}, json_=json_, table=lambda: click.echo(f"{key_id} is revoked."))

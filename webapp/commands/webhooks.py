"""`flask webhooks`: who is told of what, and what did not arrive."""

from __future__ import annotations

from typing import Any

import click

from pipelines.stages.notices import endpoints
from webapp.api.notices.handlers import notice_view, view
from webapp.commands.output import OPERATORS, Group, as_json, print_table, reports_errors, show
from webapp.context import services

group = Group("webhooks", OPERATORS, help="Customers' webhooks: look at them, send again, switch on.", alone="list")
_NEWEST = 50


@group.command("list")
@click.argument("endpoint_id", required=False)
@as_json
@reports_errors
def list_(endpoint_id: str | None, *, json_: bool) -> None:
    """All endpoints; of one, its newest messages with what became of them."""
    if endpoint_id is not None:
        _list_notices(endpoint_id, json_=json_)
        return
    with services().store.read() as tx:
        found = [{"account_id": one.account_id, **view(one)} for one in tx.endpoints.find(order="created_at")]
    columns = ("endpoint_id", "account_id", "url", "format", "enabled", "disabled_reason", "failing_since")
    empty = "No webhooks. They are added over HTTP: POST /api/webhooks"
    show(found, json_=json_, table=lambda: print_table(columns, _rows(found, columns), empty=empty))


def _list_notices(endpoint_id: str, *, json_: bool) -> None:
    sent, _ = endpoints.notices_of(services(), endpoint_id, limit=_NEWEST, cursor=None)
    found = [notice_view(one) for one in sent]
    for row in found:
        row["last"] = row["attempts"][0]["outcome"] if row["attempts"] else None
    columns = ("notice_id", "type", "run_id", "status", "last", "next_attempt_at", "created_at")
    show(found, json_=json_, table=lambda: print_table(columns, _rows(found, columns), empty="Nothing was sent yet."))


def _rows(found: list[dict[str, Any]], columns: tuple[str, ...]) -> list[list[object]]:
    return [[row[column] for column in columns] for row in found]


@group.command("resend")
@click.argument("notice_id")
@as_json
@reports_errors
def resend(notice_id: str, *, json_: bool) -> None:
    """Send a message (msg_…) again, whether it arrived or not."""
    sent = endpoints.resend(services(), notice_id)
    show(notice_view(sent), json_=json_, table=lambda: click.echo(f"{notice_id} is sent again."))


@group.command("enable")
@click.argument("endpoint_id")
@as_json
@reports_errors
def enable(endpoint_id: str, *, json_: bool) -> None:
    """Switch an endpoint on again. Its owner has what it missed sent by recover."""
    endpoint = endpoints.change(services(), endpoint_id, enabled=True)
    show(view(endpoint), json_=json_, table=lambda: click.echo(f"{endpoint_id} is on."))

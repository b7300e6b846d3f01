"""`flask accounts`: the customers of this deployment."""

from __future__ import annotations

from typing import Any

import click

from pipelines.domain.records import AccountStatus, CustomerAccount
from pipelines.domain.times import iso
from pipelines.stages.commerce import accounts
from webapp.api.estimates import usd
from webapp.commands.output import OPERATORS, Group, Money, as_json, print_table, reports_errors, show
from webapp.context import services

group = Group("accounts", OPERATORS, help="Customers: make, list, suspend and close accounts.", alone="list")


@group.command("create")
@click.argument("name")
@click.option("--run-cap", type=Money(), help="What one of its runs may cost at most, in dollars.")
@click.option("--day-cap", type=Money(), help="What it may spend a day, in dollars.")
@as_json
@reports_errors
def create(name: str, run_cap: int | None, day_cap: int | None, *, json_: bool) -> None:
    """Make an account. Next: a key of it."""
    made = accounts.create(services(), name, run_cap_micro=run_cap, day_cap_micro=day_cap)
    text = f"{made.id}\n\nNext: flask keys create NAME --account {made.id}"
    show(_view(made), json_=json_, table=lambda: click.echo(text))


@group.command("list")
@as_json
@reports_errors
def list_(*, json_: bool) -> None:
    """All accounts."""
    with services().store.read() as tx:
        found = [_view(account) for account in tx.accounts.find(order="created_at")]
    columns = ("account_id", "name", "status", "run_cap_usd", "day_cap_usd", "created_at")
    rows = [[account[column] for column in columns] for account in found]
    empty = "No accounts: everything here is yours. Make one: flask accounts create NAME"
    show(found, json_=json_, table=lambda: print_table(columns, rows, empty=empty))


@group.command("suspend")
@click.argument("account_id")
@click.option("--lift", is_flag=True, help="Let it start things again.")
@as_json
@reports_errors
def suspend(account_id: str, *, lift: bool, json_: bool) -> None:
    """Let an account start nothing more. It may still look at what it has, and what is moving goes on."""
    _become(account_id, AccountStatus.ACTIVE if lift else AccountStatus.SUSPENDED, json_=json_)


@group.command("close")
@click.argument("account_id")
@as_json
@reports_errors
def close(account_id: str, *, json_: bool) -> None:
    """End an account for good: its keys stop working. What is moving goes on, and what was made stays."""
    _become(account_id, AccountStatus.CLOSED, json_=json_)


def _become(account_id: str, status: AccountStatus, *, json_: bool) -> None:
    account = accounts.set_status(services(), account_id, status)
    show(_view(account), json_=json_, table=lambda: click.echo(f"{account.name} is {account.status.value}."))


def _view(account: CustomerAccount) -> dict[str, Any]:
    return {
        "account_id": account.id,
        "name": account.name,
        "status": account.status.value,
        "run_cap_usd": usd(account.run_cap_micro),
        "day_cap_usd": usd(account.day_cap_micro),
        "created_at": iso(account.created_at),
    }

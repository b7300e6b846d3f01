"""`flask accounts`, `flask projects`: the customers of this deployment, and what orders are counted under."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from pipelines.domain.errors import NotConfigured
from pipelines.domain.money import dollars
from pipelines.domain.records import AccountStatus, Balance, CustomerAccount, Project
from pipelines.domain.times import iso
from pipelines.stages.commerce import accounts, projects
from webapp.api.estimates import usd
from webapp.commands.output import OPERATORS, Group, Money, as_json, print_table, reports_errors, show
from webapp.context import services, settings

group = Group("accounts", OPERATORS, help="Customers: make, list, suspend and close accounts.", alone="list")
projects_group = Group(
    "projects", OPERATORS, help="Projects that orders name: what they cost, and their budgets.", alone="list"
)
GROUPS = (group, projects_group)
_LIMITS = ("run_cap_usd", "day_cap_usd", "runs_in_flight", "backlog")


def limits(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say what an account may do at most, as one argument."""

    @wraps(command)
    def with_limits(
        *args: object,
        run_cap: int | None,
        day_cap: int | None,
        in_flight: int | None,
        backlog: int | None,
        **rest: object,
    ) -> None:
        told = accounts.Limits(run_cap_micro=run_cap, day_cap_micro=day_cap, runs_in_flight=in_flight, backlog=backlog)
        command(*args, limits=told, **rest)

    options = (
        click.option("--run-cap", type=Money(), help="What one of its runs may cost at most, in dollars."),
        click.option("--day-cap", type=Money(), help="What it may spend a day, in dollars."),
        click.option(
            "--in-flight",
            type=click.IntRange(1, 10_000),
            help="How many of its runs are made at a time; left out: ACCOUNT_RUNS_IN_FLIGHT.",
        ),
        click.option(
            "--backlog",
            type=click.IntRange(1, 1_000_000),
            help="How many more may be ordered and not begun; left out: ACCOUNT_BACKLOG.",
        ),
    )
    for option in reversed(options):
        with_limits = option(with_limits)
    return with_limits


@group.command("create")
@click.argument("name")
@limits
@as_json
@reports_errors
def create(name: str, *, limits: accounts.Limits, json_: bool) -> None:
    """Make an account. Next: a key of it."""
    made = accounts.create(services(), name, limits)
    text = f"{made.id}\n\nNext: flask keys create NAME --account {made.id}"
    show(_view(made), json_=json_, table=lambda: click.echo(text))


@group.command("limit")
@click.argument("account_id")
@limits
@click.option("--as-for-all", is_flag=True, help="First take away what was said of this account alone.")
@as_json
@reports_errors
def limit(account_id: str, *, limits: accounts.Limits, as_for_all: bool, json_: bool) -> None:
    """Say what an account may do at most. What is not named stays as it is."""
    account = accounts.set_limits(services(), account_id, limits, as_for_all=as_for_all)
    told = {name: value for name, value in _view(account).items() if name in _LIMITS}
    rows = [(name, "as for all" if value is None else value) for name, value in told.items()]
    show(_view(account), json_=json_, table=lambda: print_table(("limit", account.name), rows))


@group.command("list")
@as_json
@reports_errors
def list_(*, json_: bool) -> None:
    """All accounts."""
    with services().store.read() as tx:
        found = [_view(account) for account in tx.accounts.find(order="created_at")]
    columns = ("account_id", "name", "status", *_LIMITS, "created_at")
    rows = [[account[column] for column in columns] for account in found]
    empty = "No accounts: everything here is yours. Make one: flask accounts create NAME"
    show(found, json_=json_, table=lambda: print_table(columns, rows, empty=empty))


@group.command("link")
@click.argument("account_id")
@click.argument("subject")
@as_json
@reports_errors
def link(account_id: str, subject: str, *, json_: bool) -> None:
    """Let tokens of JWT_ISSUER that name SUBJECT act for an account."""
    issuer = settings().jwt_issuer
    if issuer is None:
        raise NotConfigured("JWT_ISSUER is not set", marketer="Set JWT_ISSUER first: it says whose tokens count.")
    account = accounts.link(services(), account_id, issuer, subject)
    text = f"Tokens of {issuer} that name {subject} act for {account.name}."
    show(_view(account), json_=json_, table=lambda: click.echo(text))


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
        "runs_in_flight": account.runs_in_flight,
        "backlog": account.backlog,
        "created_at": iso(account.created_at),
    }


@projects_group.command("list")
@as_json
@reports_errors
def list_projects(*, json_: bool) -> None:
    """All projects, with what is spent and set aside."""
    with services().store.read() as tx:
        found = [_project_view(project, balance) for project, balance in projects.standing(tx).items()]
    columns = ("name", "account_id", "budget_usd", "spent_usd", "set_aside_usd")
    rows = [[project[column] for column in columns] for project in found]
    empty = "No projects yet: name one in a row's Project, or in an order's project."
    show(found, json_=json_, table=lambda: print_table(columns, rows, empty=empty))


@projects_group.command("budget")
@click.argument("name")
@click.argument("amount", type=Money(), required=False)
@click.option("--account", help="Whose project it is; left out: yours.")
@as_json
@reports_errors
def project_budget(name: str, amount: int | None, account: str | None, *, json_: bool) -> None:
    """Say what a project may cost in all, in dollars; without an amount it has no limit of its own."""
    if not name.strip():
        raise click.BadParameter("a project has a name", param_hint="NAME")
    project = projects.set_budget(services(), name, amount, account)
    limit = "no budget of its own" if amount is None else f"a budget of ${dollars(amount):.2f}"
    show(_project_view(project, None), json_=json_, table=lambda: click.echo(f"{project.name} has {limit}."))


def _project_view(project: Project, balance: Balance | None) -> dict[str, Any]:
    known = {"spent_usd": dollars(balance.spent), "set_aside_usd": dollars(balance.exposure)} if balance else {}
    about = {"project_id": project.id, "name": project.name, "account_id": project.account_id}
    return {**about, "budget_usd": usd(project.budget_micro), **known}

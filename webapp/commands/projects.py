"""`flask projects`: what orders are grouped under, and what each may cost."""

from __future__ import annotations

from typing import Any

import click

from pipelines.domain.money import dollars
from pipelines.domain.records import Balance, Project
from pipelines.stages.commerce import projects
from webapp.api.estimates import usd
from webapp.commands.output import OPERATORS, Group, Money, as_json, print_table, reports_errors, show
from webapp.context import services

group = Group("projects", OPERATORS, help="Projects that orders name: what they cost, and their budgets.", alone="list")


@group.command("list")
@as_json
@reports_errors
def list_(*, json_: bool) -> None:
    """All projects, with what is spent and set aside."""
    with services().store.read() as tx:
        found = [_view(project, balance) for project, balance in projects.standing(tx).items()]
    columns = ("name", "account_id", "budget_usd", "spent_usd", "set_aside_usd")
    rows = [[project[column] for column in columns] for project in found]
    empty = "No projects yet: name one in a row's Project, or in an order's project."
    show(found, json_=json_, table=lambda: print_table(columns, rows, empty=empty))


@group.command("budget")
@click.argument("name")
@click.argument("amount", type=Money(), required=False)
@click.option("--account", help="Whose project it is; left out: yours.")
@as_json
@reports_errors
def budget(name: str, amount: int | None, account: str | None, *, json_: bool) -> None:
    """Say what a project may cost in all, in dollars; without an amount it has no limit of its own."""
    if not name.strip():
        raise click.BadParameter("a project has a name", param_hint="NAME")
    project = projects.set_budget(services(), name, amount, account)
    limit = "no budget of its own" if amount is None else f"a budget of ${dollars(amount):.2f}"
    show(_view(project, None), json_=json_, table=lambda: click.echo(f"{project.name} has {limit}."))


def _view(project: Project, balance: Balance | None) -> dict[str, Any]:
    known = {"spent_usd": dollars(balance.spent), "set_aside_usd": dollars(balance.exposure)} if balance else {}
    about = {"project_id": project.id, "name": project.name, "account_id": project.account_id}
    return {**about, "budget_usd": usd(project.budget_micro), **known}

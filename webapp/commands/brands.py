"""`flask brands`: what is wrong with the brands of a base."""

from __future__ import annotations

import dataclasses

from pipelines.domain.errors import ReelgridError
from pipelines.domain.orders.brand import Brand
from pipelines.ports import Check
from pipelines.stages.orders import intake
from webapp.commands.airtable import base_option, chosen
from webapp.commands.output import OPERATORS, Group, as_json, checks_table, failed, reports_errors, show
from webapp.context import services

group = Group("brands", OPERATORS, help="Look at the brands of an Airtable base.", alone="check")


@group.command("check")
@base_option
@as_json
@reports_errors
def check(base_id: str | None, *, json_: bool) -> None:
    """Read every row of Brands and fetch its files; exit code 1 if one cannot be used as it is."""
    found = [_checked(one.brand) for one in services().airtable.brands(chosen(base_id))]
    checks = [dataclasses.asdict(one) for one in found]
    show(checks, json_=json_, table=lambda: checks_table(checks))
    if failed(checks):
        raise SystemExit(1)


def _checked(brand: Brand) -> Check:
    name = f"brand {brand.name or '(without a name)'}"
    try:
        problems = intake.check_brand(services(), brand)
    except ReelgridError as error:
        return Check(name, False, error.marketer, "Try again in a minute.")
    if problems:
        return Check(name, False, " ".join(problems), "Change its row of Brands.")
    return Check(name, True, "Can be used as it is.")

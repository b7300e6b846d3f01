"""`flask airtable`: connecting a base."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import click
from flask.cli import AppGroup

from pipelines.domain.order_checks import usable
from webapp.commands.output import as_json, checks_table, failed, show, told
from webapp.context import services

group = AppGroup("airtable", help="Build, check and connect an Airtable base.")
base_option = click.option("--base", "base_id", help="The base; AIRTABLE_BASE_ID if not given.")


def chosen(base_id: str | None) -> str:
    """The base to work on."""
    base = base_id or services().policy.default_base
    if base is None:
        raise click.ClickException("Name the base: --base app…, or set AIRTABLE_BASE_ID.")
    return base


def model_options() -> list[str]:
    """What the Model fields offer: every model that may be ordered today."""
    core = services()
    today = datetime.fromtimestamp(core.clock.now(), UTC).date()
    origins = dict(core.policy.model_origins)
    return [card.id for card in core.catalogue.values() if not usable(card, today=today, origins=origins).refusal]


@group.command("setup")
@base_option
@click.option("--push/--no-push", default=True, help="Also register Airtable's webhook, if this address is public.")
@as_json
@told
def setup(base_id: str | None, *, push: bool, json_: bool) -> None:
    """Create missing tables and fields. Repeatable; never renames or deletes."""
    base = chosen(base_id)
    core = services()
    report = core.base_tools.setup(base, model_options())
    document = {**dataclasses.asdict(report), "push": _push(base) if push else None}
    show(document, json_=json_, table=lambda: _print_report(document))


def _push(base_id: str) -> str:
    """Airtable can only ping an address that it reaches."""
    core = services()
    if not core.policy.airtable_reaches_us:
        return "not registered: this address cannot be reached from outside"
    core.base_tools.webhooks.register(base_id)
    return "registered"


def _print_report(report: dict[str, Any]) -> None:
    click.echo(f"{len(report['created'])} created, {len(report['kept'])} were there already.")
    for name in report["created"]:
        click.echo(f"  + {name}")
    if report["push"]:
        click.echo(f"Push: {report['push']}.")
    for item in report["by_hand"]:
        click.echo(f"\nBy hand: {item['title']}")
        for number, step in enumerate(item["steps"], start=1):
            click.echo(f"  {number}. {step}")


@group.command("doctor")
@base_option
@as_json
@told
def doctor(base_id: str | None, *, json_: bool) -> None:
    """Check token, scopes, tables, fields, options, limits, push and links; exit code 1 if something is missing."""
    checks = checks_of(chosen(base_id))
    show(checks, json_=json_, table=lambda: checks_table(checks))
    if failed(checks):
        raise SystemExit(1)


def checks_of(base_id: str) -> list[dict[str, Any]]:
    """The findings about a base."""
    return [dataclasses.asdict(check) for check in services().base_tools.doctor(base_id)]


@group.command("script")
@base_option
@as_json
@told
def script(base_id: str | None, *, json_: bool) -> None:
    """The automation script and the button formula, with this deployment's values."""
    tools = services().base_tools
    text, formula = tools.script(base_id or services().policy.default_base), tools.button_formula()
    heading = f"// Formula of a button field that opens the record's page:\n// {formula}\n"
    show({"script": text, "button_formula": formula}, json_=json_, table=lambda: click.echo(f"{text}\n{heading}"))

"""`flask airtable …`: build a base, check it, print what is pasted into it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import click
from flask.cli import AppGroup

from pipelines.domain.errors import NotConfigured
from webapp.context import services

group = AppGroup("airtable", help="Connect an Airtable base, and check the connection.")


def _base(base_id: str | None) -> str:
    chosen = base_id or services().policy.default_base
    if chosen is None:
        raise NotConfigured(
            "AIRTABLE_BASE_ID is missing", marketer="Name a base: --base app…, or set AIRTABLE_BASE_ID."
        )
    return chosen


@group.command()
@click.option("--base", "base_id", help="The base; AIRTABLE_BASE_ID if not given.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def setup(base_id: str | None, *, as_json: bool) -> None:
    """Create the tables and fields that are missing. Never deletes or renames; may be run again."""
    report = services().base_tools.setup(_base(base_id), sorted(services().catalogue))
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(report), indent=2, ensure_ascii=False))
        return
    for name in report.created:
        click.echo(f"created  {name}")
    click.echo(f"{len(report.created)} created, {len(report.kept)} were there already.")
    for step in report.by_hand:
        click.echo(f"\nBy hand: {step.title}")
        for line in step.steps:
            click.echo(f"  - {line}")


@group.command()
@click.option("--base", "base_id", help="The base; AIRTABLE_BASE_ID if not given.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def doctor(base_id: str | None, *, as_json: bool) -> None:
    """Check every assumption about the base; each line says how to mend what is wrong. Exit code 1 if something is."""
    checks = services().base_tools.doctor(_base(base_id))
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(check) for check in checks], indent=2, ensure_ascii=False))
    else:
        for check in checks:
            _say(check)
    if any(not check.ok and not check.warning for check in checks):
        raise SystemExit(1)


def _say(check: Any) -> None:
    mark = "ok  " if check.ok else ("warn" if check.warning else "FAIL")
    click.echo(f"{mark}  {check.name}: {check.sentence}")
    if not check.ok and check.fix:
        click.echo(f"      → {check.fix}")


@group.command()
@click.option("--base", "base_id", help="The base whose table names are used.")
def script(base_id: str | None) -> None:
    """Print the automation script and the button's formula for this deployment."""
    tools = services().base_tools
    click.echo(tools.script(base_id))
    click.echo("\n// A button field that opens the record's page has this formula:")
    click.echo(f"// {tools.button_formula()}")

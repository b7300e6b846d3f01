"""`flask airtable`: connecting a base."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import click

from pipelines.domain.errors import ReelgridError
from pipelines.domain.orders.brand import Brand, brand_problems
from pipelines.domain.orders.checks import usable
from pipelines.domain.times import iso
from pipelines.ports import Check
from pipelines.stages.base_changes import webhook_push
from pipelines.stages.orders import brands, intake
from webapp.commands.output import OPERATORS, Group, as_json, checks_table, failed, reports_errors, show
from webapp.context import services

group = Group("airtable", OPERATORS, help="Build, check and connect an Airtable base.")
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
@click.option(
    "--push/--no-push", "with_push", default=True, help="Also register Airtable's webhook, if this address is public."
)
@as_json
@reports_errors
def setup(base_id: str | None, *, with_push: bool, json_: bool) -> None:
    """Create missing tables and fields. Repeatable; never renames or deletes."""
    base = chosen(base_id)
    core = services()
    report = core.base_tools.setup(base, model_options())
    document = {**dataclasses.asdict(report), "push": _push(base) if with_push else None}
    show(document, json_=json_, table=lambda: _print_report(document))


def _push(base_id: str) -> str:
    """Register Airtable's webhook if that is possible; one sentence about it."""
    core = services()
    if not core.policy.airtable_reaches_us:
        return "not registered: this address cannot be reached from outside"
    if webhook_push.turn_on(core, base_id) is webhook_push.PushState.NONE:
        return f"not registered: {webhook_push.known(core, base_id).problem}"
    return "registered"


@group.command("look")
@base_option
@as_json
@reports_errors
def poll_base(base_id: str | None, *, json_: bool) -> None:
    """Have the worker look now for ticked boxes and ready rows, instead of at its own pace."""
    base = chosen(base_id)
    webhook_push.schedule_polls(services())
    if not webhook_push.poll_soon(services(), base):
        raise click.ClickException(f"{base} is not connected: flask bases add {base}")
    show({"base_id": base, "due": True}, json_=json_, table=lambda: click.echo("The worker looks at the base now."))


push_group = Group("push", OPERATORS, help="Airtable's webhooks: boxes act without any script.")
group.add_command(push_group)


@push_group.command("on")
@base_option
@as_json
@reports_errors
def push_on(base_id: str | None, *, json_: bool) -> None:
    """Let Airtable tell us what people tick; exit code 1 if it cannot."""
    base = chosen(base_id)
    sentence = _push(base)
    show({"base_id": base, "push": sentence}, json_=json_, table=lambda: click.echo(f"Push: {sentence}."))
    if sentence != "registered":
        raise SystemExit(1)


@push_group.command("off")
@base_option
@as_json
@reports_errors
def push_off(base_id: str | None, *, json_: bool) -> None:
    """Remove the webhook; boxes are then seen by a look every three hours."""
    base = chosen(base_id)
    was_on = webhook_push.turn_off(services(), base)
    sentence = "off" if was_on else "off; it was not on"
    show(
        {"base_id": base, "push": "off", "was_on": was_on}, json_=json_, table=lambda: click.echo(f"Push: {sentence}.")
    )


@push_group.command("status")
@base_option
@as_json
@reports_errors
def push_status(base_id: str | None, *, json_: bool) -> None:
    """Whether push works; exit code 1 if it should and does not."""
    core, base = services(), chosen(base_id)
    known, health = webhook_push.known(core, base), core.base_tools.webhooks.health(base)
    problem = health.problem or (known.problem if known.wanted else "")
    document = {
        "base_id": base,
        "wanted": known.wanted,
        "registered": health.registered,
        "problem": problem,
        "expires_at": None if health.expires_at is None else iso(health.expires_at),
    }
    show(document, json_=json_, table=lambda: click.echo(_push_words(document)))
    if problem:
        raise SystemExit(1)


def _push_words(status: dict[str, Any]) -> str:
    if status["problem"]:
        return f"Push does not work: {status['problem']}"
    if status["registered"]:
        return f"Push works. The webhook lives until {status['expires_at']} and is renewed every day."
    return "Push is off." if not status["wanted"] else "Push is not registered yet: the worker does it, or push on."


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
@reports_errors
def doctor(base_id: str | None, *, json_: bool) -> None:
    """Check token, scopes, tables, fields, options, limits, push and links; exit code 1 if something is missing."""
    checks = checks_of(chosen(base_id))
    show(checks, json_=json_, table=lambda: checks_table(checks))
    if failed(checks):
        raise SystemExit(1)


def checks_of(base_id: str) -> list[dict[str, Any]]:
    """The findings about a base, and about the brands in it."""
    checks = services().base_tools.doctor(base_id)
    readable = all(check.ok for check in checks if check.name in {"token", "base"})
    found = brands.read_all(services(), base_id) if readable else []
    told = [(one.brand.name or one.record_id, brand_problems(one.brand)) for one in found]
    fix = "Change its row of Brands; flask brands check looks at its files, too."
    checks += [Check(f"brand {name}", False, " ".join(why), fix, warning=True) for name, why in told if why]
    return [dataclasses.asdict(check) for check in checks]


@group.command("script")
@base_option
@as_json
@reports_errors
def script(base_id: str | None, *, json_: bool) -> None:
    """The automation script and the button formula, with this deployment's values."""
    tools, base = services().base_tools, base_id or services().policy.default_base
    text, formula = tools.script(base), tools.button_formula(base)
    heading = f"// Formula of a button field that opens the record's page:\n// {formula}\n"
    show({"script": text, "button_formula": formula}, json_=json_, table=lambda: click.echo(f"{text}\n{heading}"))


of_brands = Group("brands", OPERATORS, help="Look at the brands of an Airtable base.", alone="check")


@of_brands.command("check")
@base_option
@as_json
@reports_errors
def check_brands(base_id: str | None, *, json_: bool) -> None:
    """Read every row of Brands and fetch its files; exit code 1 if one cannot be used as it is."""
    found = [_checked(one.brand) for one in brands.read_all(services(), chosen(base_id))]
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

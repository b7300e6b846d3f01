"""`flask db`: the whole database in one file, and back; what it keeps sealed. `flask recover`: the way from there."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from flask.cli import with_appcontext

from pipelines.bootstrap import back_up_database, mark_restored, restore_database
from pipelines.domain.money import dollars
from pipelines.domain.money import show as show_money
from pipelines.domain.records import Generation
from pipelines.domain.times import iso
from pipelines.settings.values import database_url
from pipelines.stages.commerce.payments import source_of
from pipelines.stages.recovery import after_restore
from webapp.access.rules import attach
from webapp.api.notices import reseal
from webapp.commands.output import OPERATORS, Group, as_json, print_table, reports_errors, show
from webapp.commands.selling import since_backup
from webapp.context import services, settings

group = Group("db", OPERATORS, help="The database: back it up, bring it back, seal its secrets anew.")


@group.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@as_json
@reports_errors
def db_backup(file: Path, *, json_: bool) -> None:
    """Write the database of this moment to FILE while everybody works on. Storage is saved after it, not before."""
    size = back_up_database(settings(), file)
    found = {"file": str(file), "bytes": size}
    show(found, json_=json_, table=lambda: click.echo(f"{file}: {size:,} bytes, checked."))


def _address(_context: click.Context, _option: click.Parameter, text: str) -> str:
    """As it was typed, if it is the address of a database."""
    try:
        database_url(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return text


@group.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option(
    "--into",
    required=True,
    metavar="URL",
    callback=_address,
    help="An empty database: sqlite:///a/path.db or postgresql://…",
)
@as_json
@reports_errors
def db_restore(file: Path, into: str, *, json_: bool) -> None:
    """Make an empty database what it was when FILE was written. Spending is stopped there until you say otherwise."""
    restore_database(file, into)
    words = "It is back, and spending is stopped there. What to look at now: docs/how-to/back-up-and-restore.md."
    show({"into": "done", "stopped": True}, json_=json_, table=lambda: click.echo(words))


@group.command("reseal")
@as_json
@reports_errors
def db_reseal(*, json_: bool) -> None:
    """Seal every secret that the database keeps with today's SECRET_KEY, so that the former ones can go."""
    bases, webhooks = services().base_tools.bases.seal_again(), reseal.seal_again()
    named = [*bases, *([f"webhooks ({webhooks})"] if webhooks else [])]
    words = f"Sealed anew: {', '.join(named)}." if named else "Everything is sealed with today's SECRET_KEY."
    show({"bases": bases, "webhooks": webhooks}, json_=json_, table=lambda: click.echo(words))


MOMENT = click.DateTime(["%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M:%SZ"])


@click.command("recover", help="After a restore: what was bought since the backup, and what needs you.")
@click.option(
    "--since",
    type=MOMENT,
    metavar="TIME",
    help="Your host brought the database back, to this moment (UTC, e.g. 2026-11-29T10:00Z): stop spending, and begin.",
)
@as_json
@with_appcontext
@attach(OPERATORS)
@reports_errors
def recover(since: datetime | None, *, json_: bool) -> None:
    """Exit code 1 while something is being looked for, or needs a person."""
    if since is not None:
        mark_restored(settings(), services().clock.now(), since.replace(tzinfo=UTC).timestamp())
    report = after_restore.report(services())
    money = since_backup.lost_money(services(), report.known_until, report.restored_at)
    show(_document(report) | _payments(money), json_=json_, table=lambda: _tell(report, money))
    if report.looking or report.in_doubt or report.replayed.waiting:
        raise SystemExit(1)


def _document(report: after_restore.Report) -> dict[str, Any]:
    return {
        "known_until": iso(report.known_until),
        "restored_at": iso(report.restored_at),
        "revocations": {"again": report.replayed.done, "waiting": list(report.replayed.waiting)},
        "found": [_generation(gen) for gen in report.found],
        "looking": [_generation(gen) for gen in report.looking],
        "in_doubt": [_generation(gen) for gen in report.in_doubt],
        "not_bought": report.not_bought,
        "unclaimed": [
            {
                "provider": one.provider,
                "job": one.job.id,
                "status": one.job.status,
                "created_at": iso(one.job.created_at),
            }
            for one in report.unclaimed
        ],
        "unlisted": list(report.unlisted),
    }


def _payments(money: since_backup.Money) -> dict[str, Any]:
    unknown = [
        {"payer": one.payer, "usd": dollars(one.amount_micro), "transaction": one.transaction} for one in money.unknown
    ]
    return {
        "payments": {"booked": money.booked, "unknown": unknown, "not_looked_for": list(money.not_looked_for)},
    }


def _generation(gen: Generation) -> dict[str, Any]:
    return {"generation": gen.id, "run": gen.run_id, "model": gen.model, "job": gen.provider_id}


def _tell(report: after_restore.Report, money: since_backup.Money) -> None:
    click.echo(f"Between {iso(report.known_until)} and {iso(report.restored_at)} this database knows nothing.")
    click.echo(f"{report.replayed.done} revocations hold again: keys, links, accounts, bases, erased rows.")
    for sentence in report.replayed.waiting:
        click.echo(f"  not yet: {sentence} Then run flask recover again.")
    click.echo(f"{len(report.found)} clips that were bought since then are ours again.")
    click.echo(f"{report.not_bought} requests were looked for and never bought.")
    if report.looking:
        click.echo(f"{len(report.looking)} are being looked for; the worker does that. Run flask recover again.")
    for gen in report.in_doubt:
        click.echo(f"  decide: flask runs decide {gen.id} wait | write_off | cancel   ({gen.model}, run {gen.run_id})")
        click.echo(f"  or, if its provider's own pages show the job: flask runs adopt {gen.id} JOB")
    for sentence in report.unlisted:
        click.echo(f"  {sentence}")
    if report.unclaimed:
        click.echo("Jobs that nothing here knows, of runs that began after the backup or of somebody else:")
        rows = [(one.provider, one.job.id, one.job.status, iso(one.job.created_at)) for one in report.unclaimed]
        print_table(("provider", "job", "status", "created"), rows)
    if money.booked:
        click.echo(f"{money.booked} payments and refunds at Stripe since then were booked.")
    for sentence in money.not_looked_for:
        click.echo(f"  {sentence}")
    for one in money.unknown:
        click.echo(f"{one.payer} paid {show_money(one.amount_micro)} for an order that is lost. Pay it back, or:")
        click.echo(f"  flask credits grant ACCOUNT CREDITS --source {source_of(one.transaction)}")
    click.echo("When nothing is left: flask ledger audit, flask storage check, and flask stop off.")

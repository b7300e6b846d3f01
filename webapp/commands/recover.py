"""`flask recover`: the way back after a backup was restored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click
from flask.cli import with_appcontext

from pipelines.bootstrap import mark_restored
from pipelines.domain.records import Generation
from pipelines.domain.times import iso
from pipelines.stages.recovery import after_restore
from webapp.access.rules import attach
from webapp.commands.output import OPERATORS, as_json, print_table, reports_errors, show
from webapp.context import services, settings

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
def command(since: datetime | None, *, json_: bool) -> None:
    """Exit code 1 while something is being looked for, or needs a person."""
    if since is not None:
        mark_restored(settings(), services().clock.now(), since.replace(tzinfo=UTC).timestamp())
    report = after_restore.report(services())
    show(_document(report), json_=json_, table=lambda: _tell(report))
    if report.looking or report.in_doubt or report.replayed.waiting:
        raise SystemExit(1)


def _document(report: after_restore.Report) -> dict[str, Any]:
    return {
        "known_until": iso(report.known_until),
        "restored_at": iso(report.restored_at),
        "withdrawals": {"again": report.replayed.done, "waiting": list(report.replayed.waiting)},
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


def _generation(gen: Generation) -> dict[str, Any]:
    return {"generation": gen.id, "run": gen.run_id, "model": gen.model, "job": gen.provider_id}


def _tell(report: after_restore.Report) -> None:
    click.echo(f"Between {iso(report.known_until)} and {iso(report.restored_at)} this database knows nothing.")
    click.echo(f"{report.replayed.done} withdrawals hold again: keys, links, accounts, bases, erased rows.")
    for sentence in report.replayed.waiting:
        click.echo(f"  not yet: {sentence} Then run flask recover again.")
    click.echo(f"{len(report.found)} clips that were bought since then are ours again.")
    click.echo(f"{report.not_bought} requests were looked for and never bought.")
    if report.looking:
        click.echo(f"{len(report.looking)} are being looked for; the worker does that. Run flask recover again.")
    for gen in report.in_doubt:
        click.echo(f"  decide: flask runs decide {gen.id} wait | write_off | cancel   ({gen.model}, run {gen.run_id})")
    for sentence in report.unlisted:
        click.echo(f"  {sentence}")
    if report.unclaimed:
        click.echo("Jobs that nothing here knows, of runs that began after the backup or of somebody else:")
        rows = [(one.provider, one.job.id, one.job.status, iso(one.job.created_at)) for one in report.unclaimed]
        print_table(("provider", "job", "status", "created"), rows)
    click.echo("When nothing is left: flask ledger audit, flask storage check, and flask stop off.")

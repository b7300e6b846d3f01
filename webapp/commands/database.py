"""`flask db`: the whole database in one file, and back; what it keeps sealed."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.bootstrap import back_up_database, restore_database
from pipelines.settings.values import database_url
from webapp.api.notices import reseal
from webapp.commands.output import OPERATORS, Group, as_json, reports_errors, show
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

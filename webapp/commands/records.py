"""`flask records`: what is kept of one row of Airtable."""

from __future__ import annotations

import click

from pipelines.domain.errors import InvalidOrder, Problem
from pipelines.stages.files.erase import erase
from webapp.commands.output import ACTOR, OPERATORS, Group, as_json, reports_errors, show
from webapp.context import services

group = Group("records", OPERATORS, help="What is kept of a row of Airtable.")


@group.command("erase")
@click.argument("record_id")
@click.option("--base", metavar="BASE", help="Its base, if it is not the default one.")
@click.option("--dry-run", is_flag=True, help="Say what would be erased, and erase nothing.")
@as_json
@reports_errors
def records_erase(record_id: str, base: str | None, *, dry_run: bool, json_: bool) -> None:
    """Erase what RECORD_ID ordered and all that was made of it: texts, pictures, clips and films. The books stay.

    Airtable's own copies, the vendors', logs and backups are not ours to erase: docs/how-to/erase.md.
    """
    core = services()
    base_id = base or core.policy.default_base
    if base_id is None:
        raise InvalidOrder([Problem("--base", "is needed: there is no default base.")])
    done = erase(core, base_id, record_id, dry_run=dry_run, actor=ACTOR)
    found = {
        "record_id": record_id,
        "dry_run": dry_run,
        "runs": list(done.runs),
        "rows": done.rows,
        "files": list(done.files),
        "kept": list(done.kept),
    }
    verb = "would be" if dry_run else "were"
    words = f"{len(done.runs)} runs, {done.rows} rows and {len(done.files)} files {verb} erased."
    kept = f" {len(done.kept)} files stay, because other runs use them." if done.kept else ""
    show(found, json_=json_, table=lambda: click.echo(words + kept))

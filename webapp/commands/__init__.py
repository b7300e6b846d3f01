"""The command line: `flask …`. Every command has `--json` and ends with 1 when what it checks is not well."""

from __future__ import annotations

from flask import Flask

from webapp.commands import (
    accounts,
    airtable,
    database,
    keys,
    operate,
    runs,
    video,
    webhooks,
    writers,
)
from webapp.commands.checkup import doctor
from webapp.commands.selling import credit_book, payments


def register(app: Flask) -> None:
    """Add every group."""
    groups = (airtable, credit_book, database, keys, payments, runs, video, webhooks, writers)
    of_modules = [
        *(module.group for module in groups),
        runs.of_records,
        runs.search,
        airtable.of_brands,
        doctor.command,
        database.recover,
    ]
    for command in [*accounts.GROUPS, *of_modules, *operate.GROUPS]:
        app.cli.add_command(command)

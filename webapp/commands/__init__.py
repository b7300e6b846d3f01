"""The command line: `flask …`. Every command has `--json` and ends with 1 when what it checks is not well."""

from __future__ import annotations

from flask import Flask

from webapp.commands import (
    accounts,
    airtable,
    database,
    doctor,
    keys,
    operate,
    projects,
    records,
    recover,
    runs,
    video,
    webhooks,
)


def register(app: Flask) -> None:
    """Add every group."""
    groups = (accounts, airtable, database, keys, projects, records, runs, video, webhooks)
    for command in [*(module.group for module in groups), doctor.command, recover.command, *operate.GROUPS]:
        app.cli.add_command(command)

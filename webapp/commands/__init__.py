"""The command line: `flask …`."""

from __future__ import annotations

from flask import Flask

from webapp.commands import airtable


def register(app: Flask) -> None:
    """Add every group."""
    app.cli.add_command(airtable.group)

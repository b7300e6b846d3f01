"""docs/reference/commands.md, from the Makefile, the Procfile and the command line itself."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
from flask import Flask

from pipelines.settings import load_settings
from tools.stack import procfile
from webapp.cli import create_app

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "commands.md"
TARGET = re.compile(r"^([a-z-]+):.*?## (.*)$", re.MULTILINE)
HEAD = """# Commands

<!-- Written by tools/docs/command_line.py from Makefile, Procfile and commands: change those, not this page. -->

## make

Everything runs in an environment of its own under `.venv`; nothing is installed on the machine.

| command | does |
|---|---|
"""
PROCESSES = """
## Processes

The commands of the `Procfile`. They need `requirements.txt` and [settings](settings.md), nothing else, and bring the
database up to date themselves.

| process | command |
|---|---|
"""
FLASK = """
## flask

In a clone, without further setup: `.venv/bin/flask …`, or `flask …` where the environment is active. Every command
takes `--json` and prints one JSON document then. The exit code is 1 when a check does not pass or something is
refused.
"""


def targets() -> list[tuple[str, str]]:
    """Each target of the Makefile with its line of help."""
    return TARGET.findall((ROOT / "Makefile").read_text("utf-8"))


def application() -> Flask:
    """The application on settings of its own: the page must not depend on this machine's."""
    with tempfile.TemporaryDirectory(prefix="reelgrid-docs-") as folder:
        return create_app(settings=load_settings({"VAR_DIR": folder}, root=Path(folder)))


def commands(app: Flask) -> Iterator[tuple[list[str], click.Command]]:
    """Every command of ours, by its words after `flask`."""
    yield from _below([], app.cli)


def _below(words: list[str], command: click.Command) -> Iterator[tuple[list[str], click.Command]]:
    if words:
        yield words, command
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _below([*words, name], command.commands[name])


def page() -> str:
    """The whole page."""
    made = "".join(f"| `make {name}` | {_cell(text)} |\n" for name, text in targets())
    run = "".join(f"| {name} | `{command}` |\n" for name, command in procfile().items())
    sections = "".join(_section(words, command) for words, command in commands(application()))
    return f"{HEAD}{made}{PROCESSES}{run}{FLASK}{sections}"


def _section(words: list[str], command: click.Command) -> str:
    name = " ".join(["flask", *words])
    text = " ".join((command.help or "").split())
    if isinstance(command, click.Group):
        return f"\n### {name}\n\n{text}\n"
    arguments = [
        f" {param.make_metavar(_context(command))}" for param in command.params if isinstance(param, click.Argument)
    ]
    options = [param for param in command.params if isinstance(param, click.Option) and param.name != "json_"]
    title = "####" if len(words) > 1 else "###"
    return f"\n{title} `{name}{''.join(arguments)}`\n\n{text}\n{_options(command, options)}"


def _options(command: click.Command, options: list[click.Option]) -> str:
    records = [record for option in options if (record := option.get_help_record(_context(command)))]
    if not records:
        return ""
    rows = "".join(f"| `{_cell(flags)}` | {_cell(text)} |\n" for flags, text in records)
    return f"\n| option | |\n|---|---|\n{rows}"


def _context(command: click.Command) -> click.Context:
    return click.Context(command)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


PAGES = {PAGE: page}

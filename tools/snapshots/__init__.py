"""Everything that others see, as files under tests/snapshots.

The API, the settings, the Airtable base, the commands and every sentence that a person reads. A change of the code's
own shape (a module moved, a function renamed) leaves them as they are; a change that somebody would notice is a line
in a diff. `make snapshots` writes them anew, tests/wiring/test_snapshots.py compares.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import click

from pipelines.airtable.schema import TABLES
from pipelines.providers import all_variables, load_catalogue
from tools.docs.command_line import application, commands
from tools.snapshots.sentences import sentences
from tools.stack import ROOT
from webapp.api.openapi import description

FOLDER = ROOT / "tests" / "snapshots"
_COLUMNS = 100
"""The width of help texts: without it, click asks the terminal."""


def openapi() -> str:
    """The description of the API, in the order in which it is served."""
    return _json(description("https://reelgrid.example"))


def settings() -> str:
    """Name, section, sentence, default and secrecy of every variable."""
    return _json([asdict(variable) for variable in all_variables(load_catalogue())])


def airtable() -> str:
    """Tables and fields with type, options and description."""
    return _json([asdict(table) for table in TABLES])


def command_tree() -> str:
    """The help of `flask` and of every command below it, as a terminal shows it."""
    return "\n\n".join(_help(words, command) for words, command in commands(application())) + "\n"


def prose() -> str:
    """Every sentence, sorted, one a line."""
    return "".join(f"{line}\n" for line in sentences(ROOT))


SNAPSHOTS: Mapping[str, Callable[[], str]] = {
    "openapi.json": openapi,
    "settings.json": settings,
    "airtable.json": airtable,
    "commands.txt": command_tree,
    "sentences.txt": prose,
}


def stale() -> Iterator[tuple[Path, str]]:
    """Files that do not say what the code says, with what they should say."""
    for name, make in SNAPSHOTS.items():
        path, text = FOLDER / name, make()
        if not path.is_file() or path.read_text("utf-8") != text:
            yield path, text


def _help(words: list[str], command: click.Command) -> str:
    context = click.Context(command, info_name=" ".join(["flask", *words]), terminal_width=_COLUMNS)
    return command.get_help(context)


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n"

"""What all commands share: the services, `--json`, tables for people, and errors as one sentence."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import click
from flask.cli import AppGroup

from pipelines.domain.errors import NotFound, ReelgridError
from pipelines.settings import values
from webapp.access.rules import Door, Owner, Rule, attach

F = TypeVar("F", bound=Callable[..., Any])

ACTOR = "command line"

as_json = click.option("--json", "json_", is_flag=True, help="Print one JSON document.")


OPERATORS = Rule(Door.CONSOLE, Owner.OPERATOR, "admin")
"""The rule of commands: whoever has a shell here is the operator."""


class Group(AppGroup):
    """Commands about one thing, under one rule. Named alone, it does the one that looks: `flask models` is
    `flask models list`.
    """

    def __init__(self, name: str, rule: Rule, *, help: str, alone: str | None = None) -> None:
        super().__init__(name, help=f"{help} Alone, it is `{alone}`." if alone else help)
        attach(rule)(self)
        self._alone = alone

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's; where no command is named, ours is."""
        named = self._alone is None or (bool(args) and (not args[0].startswith("-") or args[0] == "--help"))
        return super().parse_args(ctx, args if named else [str(self._alone), *args])


class Money(click.ParamType[int]):
    """Dollars as a person writes them, in micro-dollars; as in the settings."""

    name = "dollars"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Fails with a sentence for what is no amount."""
        try:
            return values.dollars(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def reports_errors(command: F) -> F:
    """An error of ours is a sentence and exit code 1, not a traceback."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except ReelgridError as error:
            sentence = error.marketer if isinstance(error, NotFound) else error.operator
            raise click.ClickException(sentence) from error

    return wrapped  # type: ignore[return-value]


def show(document: Any, *, json_: bool, table: Callable[[], object] | None = None) -> None:
    """The document as JSON, or what people read instead."""
    if json_ or table is None:
        click.echo(json.dumps(document, ensure_ascii=False, indent=2, default=str))
    else:
        table()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "Nothing.") -> None:
    """Rows under headings; in a pipe every line stays whole."""
    listed = [[("" if cell is None else str(cell)) for cell in row] for row in rows]
    if not listed:
        click.echo(empty)
        return
    # Here, because the web process knows the commands too and prints nothing.
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in listed:
        table.add_row(*row)
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 240
    console.print(table)


def checks_table(checks: Sequence[Mapping[str, Any]]) -> None:
    """Findings with how to mend each."""
    for check in checks:
        mark = "ok" if check["ok"] else "warn" if check.get("warning") else "FAIL"
        colour = {"ok": "green", "warn": "yellow", "FAIL": "red"}[mark]
        click.echo(f"{click.style(f'{mark:>4}', fg=colour)}  {check['name']}: {check['sentence']}")
        if check.get("fix"):
            click.echo(f"      → {check['fix']}")


def failed(checks: Sequence[Mapping[str, Any]]) -> bool:
    """Whether anything that is needed does not work."""
    return any(not check["ok"] and not check.get("warning") for check in checks)

"""What each route and command declares: its door, whose things are behind it, and the right that it needs.

Closed unless declared: an application with an undeclared route or command does not start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import click
from flask import Flask

F = TypeVar("F", bound=Callable[..., Any])

_RULE = "door_rule"


class Door(StrEnum):
    """What a caller has to show."""

    KEY = "key"
    SESSION = "session"
    """Somebody who signed in with a key."""
    LINK = "link"
    """Somebody who signed in, or who holds the signed link of what is shown."""
    ACTION = "action link"
    """Somebody who holds a link that names its one act, and is spent by it."""
    SHARE = "share"
    """The address itself cannot be guessed, and is the permit."""
    PUBLIC = "public"
    SIGNATURE = "webhook signature"
    """A signature over the message, or the token in the address that only its sender was given."""
    CONSOLE = "console"
    """The command line of the deployment."""


class Owner(StrEnum):
    """Whose things are behind a door."""

    ACCOUNT = "account"
    """What belongs to the caller's account; another's is answered as if it were not there. The operator sees all."""
    OPERATOR = "operator"
    """The operator's alone: an account is refused whatever it asks for."""
    ADDRESS = "address"
    """What the token in the address names, and nothing else."""
    NOBODY = "nobody"
    """Nothing that belongs to anybody."""


@dataclass(frozen=True, slots=True)
class Subjects:
    """What signed links must have been made for to open a page, by kind (None for what is not there); whose it is."""

    opens: Mapping[str, str | None]
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """The declaration. `subjects` says what a signed link must have been made for, where one opens the door."""

    door: Door
    owner: Owner
    scope: str = "read"
    subjects: Callable[..., Subjects] | None = None
    sold_by_call: bool = False
    """Whether whoever has no key may pay for one call, where the operator takes such payments."""


def declares(
    door: Door, owner: Owner, scope: str = "read", *, subjects: Callable[..., Subjects] | None = None
) -> Callable[[F], F]:
    """Declare the rule of a view, or of the callback of a command."""
    return attach(Rule(door, owner, scope, subjects))


def attach(rule: Rule) -> Callable[[F], F]:
    """Declare a rule that is made already."""

    def mark(function: F) -> F:
        setattr(function, _RULE, rule)
        return function

    return mark


def rule_of(thing: object) -> Rule | None:
    """The rule of a view, a command's callback or a group; None for an undeclared one."""
    rule = getattr(thing, _RULE, None)
    return rule if isinstance(rule, Rule) else None


class UndeclaredError(RuntimeError):
    """Routes or commands that say nothing of who may use them."""


def check(app: Flask) -> None:
    """Raise UndeclaredError unless everything that can be reached has said who may reach it."""
    missing = [
        f"route {rule.rule}" for rule in app.url_map.iter_rules() if not rule_of(app.view_functions[rule.endpoint])
    ]
    missing += [f"command flask {' '.join(path)}" for path, rule in commands(app) if rule is None]
    if missing:
        raise UndeclaredError(f"say who may use it (webapp.access.rules.declares): {', '.join(sorted(missing))}")


def commands(app: Flask) -> Iterator[tuple[tuple[str, ...], Rule | None]]:
    """Every command that does something, by its words, with its own rule or that of the group it belongs to."""
    yield from _commands(app.cli, (), None)


def _commands(
    group: click.Group, path: tuple[str, ...], inherited: Rule | None
) -> Iterator[tuple[tuple[str, ...], Rule | None]]:
    for name, command in group.commands.items():
        own = rule_of(command) or rule_of(command.callback) or inherited
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name), own)
        else:
            yield (*path, name), own

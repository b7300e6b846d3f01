"""The rules of a commit message, as a hook of git: `python -m tools.commit_message FILE`.

The subject is an order to the code base in at most 72 characters; an empty line; a body that says why. What git
writes by itself (merges, reverts, fixups) passes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_SUBJECT = 72
BY_GIT = ("Merge ", "Revert ", "fixup! ", "squash! ", "amend! ")
_SCISSORS = re.compile(r"^# -+ >8 -+$", re.MULTILINE)
_NO_ORDER = re.compile(r"[A-Za-z]+(?:ed|ing|[^s]s)")
ORDERS = frozenset(
    {
        "bring",
        "embed",
        "exceed",
        "feed",
        "focus",
        "need",
        "ping",
        "proceed",
        "seed",
        "shed",
        "speed",
        "spread",
        "string",
    }
)
"""Imperatives that only look like another form of the verb."""


def complaints(message: str) -> Iterator[str]:
    """What is against the rules, one sentence each."""
    text = _SCISSORS.split(message, maxsplit=1)[0]
    subject, *rest = [line.rstrip() for line in text.splitlines() if not line.startswith("#")] or [""]
    if subject.startswith(BY_GIT):
        return
    yield from _of_subject(subject)
    if rest and rest[0]:
        yield "The line after the subject stays empty."
    if not any(rest):
        yield "Say in the body why the change is made."


def _of_subject(subject: str) -> Iterator[str]:
    first = subject.partition(" ")[0]
    if not subject:
        yield "The first line is the subject; it is empty."
        return
    if len(subject) > MAX_SUBJECT:
        yield f"The subject has {len(subject)} characters; {MAX_SUBJECT} are the most."
    if not subject[0].isupper():
        yield "The subject begins with a capital letter."
    if subject.endswith("."):
        yield "The subject ends without a full stop."
    if _NO_ORDER.fullmatch(first) and first.lower() not in ORDERS:
        yield f"The subject is an order (Add, Mend, Say), not {first!r}."


def main(arguments: list[str]) -> int:
    """1 when the message in the file is against a rule."""
    found = list(complaints(Path(arguments[0]).read_text("utf-8")))
    print(*found, sep="\n", end="\n" if found else "")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

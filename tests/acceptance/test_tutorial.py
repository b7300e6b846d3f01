"""The Airtable tutorial, followed to the letter: commands are run, cells typed, and the rows say what it says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.acceptance.control_room import Room
from tools.stack import ROOT, until

pytestmark = [pytest.mark.xdist_group("acceptance"), pytest.mark.timeout(600), pytest.mark.slow]

PAGE = ROOT / "docs/tutorial/airtable-in-ten-minutes.md"
BLOCK = re.compile(r"```(sh|yaml)\n(.*?)```", re.DOTALL)
FLASK = ".venv/bin/flask "


@dataclass
class Reader:
    """Somebody who does what the page says."""

    room: Room
    record: str = ""
    ran: list[str] = field(default_factory=list)

    def run(self, commands: str) -> None:
        for line in commands.splitlines():
            assert line.startswith(FLASK), line
            self.room.stack.flask(*shlex.split(line.removeprefix(FLASK)))
            self.ran.append(line)

    def scene(self, number: int) -> str:
        return str(next(scene["id"] for scene in self.room.scenes(self.record) if scene["Scene #"] == number))

    def type(self, words: str, cells: dict[str, Any]) -> bool:
        """Cells that the sentence before them says to fill in; False when it says something else."""
        if words.endswith("add a row:"):
            self.record = self.room.stack.add_row(cells)
        elif words.endswith("change the row:"):
            self.room.edit(self.record, cells)
        elif found := re.search(r"change scene (\d+):$", words):
            self.room.edit(self.scene(int(found.group(1))), cells, "Scenes")
        elif found := re.search(r"the box of version (\d+):$", words):
            number = int(found.group(1))
            version = until(lambda: self.room.versions(self.record).get(number), f"version {number}")
            self.room.edit(version["id"], cells, "Versions")
        else:
            return False
        return True

    def expect(self, words: str, cells: dict[str, Any]) -> None:
        """Cells that a row says after a while."""
        found = re.search(r"(?:scene (\d+)|row) says:$", words)
        assert found, f"what is to be done with the cells after {words!r}?"
        record, table = (self.scene(int(found.group(1))), "Scenes") if found.group(1) else (self.record, "Videos")

        def said() -> bool:
            seen = self.room.cells(record, table)
            return all((seen.get(name) or False) == (value or False) for name, value in cells.items())

        until(said, f"{table} to say {cells}", 90, 0.2)


def cells_of(block: str) -> dict[str, Any]:
    """`Field: value` a line; `|` takes the indented lines that follow."""
    cells: dict[str, Any] = {}
    name = ""
    for line in block.splitlines():
        if line.startswith("  "):
            cells[name] = f"{cells[name]}\n{line.strip()}".strip()
        else:
            name, _, text = line.partition(": ")
            cells[name] = "" if text == "|" else value_of(text)
    return cells


def value_of(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.isdigit() else text


def steps() -> Iterator[tuple[str, str, str]]:
    """Each block with its kind and the sentence before it."""
    page = PAGE.read_text("utf-8")
    for found in BLOCK.finditer(page):
        yield found.group(1), page[: found.start()].strip().splitlines()[-1], found.group(2)


def test_the_tutorial_does_what_it_says(room: Room) -> None:
    reader = Reader(room)
    for kind, words, block in steps():
        if kind == "sh":
            reader.run(block)
        elif not reader.type(words, cells_of(block)):
            reader.expect(words, cells_of(block))
    assert len(reader.ran) > 8
    room.stack.flask("airtable", "push", "off")

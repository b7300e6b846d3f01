"""No pattern of ours holds a range by accident: a hyphen between a plus and a minus sign once meant every digit."""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2]
FOLDERS = ("pipelines", "webapp", "worker", "tools")
FUNCTIONS = {"compile", "match", "fullmatch", "search", "sub", "split", "findall", "finditer"}
MEANT = {
    ("!", "~"),
    ("\x00", "\x1f"),
    ("\x00", "\x20"),
    ("\x80", "\xa0"),
    ("\u2028", "\u202e"),
    ("①", "⑳"),
    ("①", "⒛"),
    ("❶", "➓"),
}
"""Printable ASCII, control characters, marks of direction, and signs that are counted."""


def constants(node: ast.AST) -> str:
    """A pattern's own text; what is put into it is looked at where it stands."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)
    if isinstance(node, ast.BinOp):
        return constants(node.left) + constants(node.right)
    return str(node.value) if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def patterns() -> Iterator[tuple[str, str]]:
    for path in (path for folder in FOLDERS for path in sorted((HERE / folder).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and is_of_re(node.func) and node.args and (text := constants(node.args[0])):
                yield f"{path.relative_to(HERE)}:{node.lineno}", text


def is_of_re(called: ast.expr) -> bool:
    """Whether it is a function of `re` that takes a pattern."""
    if not isinstance(called, ast.Attribute) or called.attr not in FUNCTIONS:
        return False
    return isinstance(called.value, ast.Name) and called.value.id == "re"


def ranges(text: str) -> Iterator[tuple[str, str]]:
    """Every `a-b` inside of a set."""
    for inside in re.findall(r"(?<!\\)\[\^?((?:\\.|[^\]\\])+)\]", text):
        plain = re.sub(r"\\[wdsWDSbB-]", "\ue000", inside)
        plain = re.sub(r"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})", lambda found: chr(int(found[1] or found[2], 16)), plain)
        for start, end in re.findall(r"(\\?.)-(\\?.)", plain, re.DOTALL):
            yield start[-1], end[-1]


def is_meant(start: str, end: str) -> bool:
    kinds = {unicodedata.category(start), unicodedata.category(end)}
    return (start, end) in MEANT or (len(kinds) == 1 and kinds <= {"Lu", "Ll", "Lo", "Nd"} and start < end)


@pytest.mark.parametrize(("where", "text"), list(patterns()))
def test_every_range_of_a_pattern_is_meant(where: str, text: str) -> None:
    assert [pair for pair in ranges(text) if not is_meant(*pair)] == []


def test_the_accident_is_found() -> None:
    assert list(ranges(r"[+-−]?\d")) == [("+", "−")]
    assert not is_meant("+", "−")
    assert is_meant("a", "z")

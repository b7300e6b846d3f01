"""Every sentence that marketers, reviewers, customers and operators read, collected without running anything.

Sources: string constants of the code that ships, the pages' templates and scripts, the catalogues. What is worked out
at run time is a bare `{}`, and a sentence is listed once wherever it stands, so neither a file name nor an identifier
gets into the list. Left out is what only engineers read: docstrings, log messages, SQL, prompts to language models.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter

from jinja2 import Environment
from typing_extensions import override

ROOMS = ("pipelines", "webapp", "worker")
NOT_OURS = frozenset({"sandbox", "testing", "migrations"})
"""Emulated vendors, fakes and the history of the database say nothing to people."""
LOGS = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log"})
SQL = re.compile(r"(?:SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|BEGIN|PRAGMA|WITH|SET|WHERE|AND) ")
PROSE = re.compile(r".*[^\W\d_]{2,}[^ ]* +[^ ].*[^\W_]|[A-Z][a-z]+[.:…!?]?$", re.DOTALL)
"""Two words, or one word that begins like a label."""
PATTERN = re.compile(r"\\[wdsbB(]|\(\?[:!=<iP]")
ATTRIBUTES = frozenset({"aria-label", "title", "alt", "placeholder", "content"})
_JS_COMMENT = re.compile(r"(?<![:\"'`])//[^\n]*|/\*.*?\*/", re.DOTALL)
_JS_STRING = re.compile(r"\"((?:[^\"\\\n]|\\.)*)\"|'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\]|\\.)*)`", re.DOTALL)
_JS_HOLE = re.compile(r"\$\{[^{}]*\}")


def sentences(root: Path) -> Sequence[str]:
    """All of them, sorted; each as one line."""
    paths = [path for room in ROOMS for path in sorted((root / room).rglob("*"))]
    # Only names inside the repository count: it may itself lie in a folder called `sandbox`.
    ours = [path for path in paths if not NOT_OURS.intersection(path.relative_to(root).parts)]
    found = {text for path in ours for text in _of_file(path)}
    return sorted({" ".join(text.split()) for text in found if _is_prose(text)})


def _of_file(path: Path) -> Iterator[str]:
    if path.suffix == ".py":
        yield from of_python(path.read_text("utf-8"))
    elif path.suffix == ".html":
        yield from of_template(path.read_text("utf-8"))
    elif path.suffix == ".js":
        yield from of_script(path.read_text("utf-8"))
    elif path.suffix == ".toml":
        yield from _of_toml(tomllib.loads(path.read_text("utf-8")))


def _is_prose(text: str) -> bool:
    return bool(PROSE.match(text)) and not SQL.match(text) and not PATTERN.search(text)


def of_python(source: str) -> Iterator[str]:
    """String constants that are no docstring, no log message, no exported name and no part of another constant."""
    tree = ast.parse(source)
    skipped = {id(node) for owner in ast.walk(tree) for part in _unread(owner) for node in ast.walk(part)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(map(_part, node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield _without_names(node.value)


def _unread(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        yield node.value
    elif isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in LOGS:
            yield from node.args
        elif name in {"cast", "TypeVar", "getattr", "hasattr"}:
            yield from (argument for argument in node.args if isinstance(argument, ast.Constant))
    elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield from (part for part in node.values if isinstance(part, ast.Constant))
    elif isinstance(node, ast.FormattedValue) and node.format_spec is not None:
        yield node.format_spec


def _part(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    form = node.format_spec if isinstance(node, ast.FormattedValue) else None
    return "{:" + "".join(map(_part, form.values)) + "}" if isinstance(form, ast.JoinedStr) else "{}"


def _without_names(text: str) -> str:
    """A template for `format`, without the names of what is put in."""
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        return text
    return "".join(
        before + ("" if name is None else f"{{:{form}}}" if form else "{}") for before, name, form, _ in parts
    )


def of_template(source: str) -> Iterator[str]:
    """What a page says: its text, the attributes that are read aloud, and texts within its expressions."""
    visible = []
    for _, kind, value in Environment(autoescape=True).lex(source):
        if kind == "data":
            visible.append(value)
        elif kind == "variable_begin":
            visible.append("{}")
        elif kind == "block_end":
            visible.append(" ")
        elif kind == "string":
            yield value[1:-1]
    reader = _Visible()
    reader.feed("".join(visible))
    reader.close()
    yield from reader.texts


class _Visible(HTMLParser):
    """The text between two tags, and the attributes for people."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    @override
    def handle_data(self, data: str) -> None:
        self.texts += [data.strip()] if data.strip() else []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.texts += [value for name, value in attrs if name in ATTRIBUTES and value]


def of_script(source: str) -> Iterator[str]:
    """The strings of a script for the browser or for Airtable."""
    for match in _JS_STRING.finditer(_JS_COMMENT.sub("", source)):
        text = next(group for group in match.groups() if group is not None)
        yield _JS_HOLE.sub("{}", text)


def _of_toml(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield _without_names(value)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _of_toml(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _of_toml(inner)

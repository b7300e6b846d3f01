"""Airtable's formula language: text to tree. What the functions mean is in formula.py."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>\d+\.?\d*|\.\d+)
      | (?P<string>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")
      | \{(?P<field>(?:\\.|[^}\\])*)\}
      | (?P<name>[A-Za-z_]\w*)
      | (?P<op><=|>=|!=|<>|[=<>&+\-*/(),])
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_LEVELS = (("=", "!=", "<>", "<", "<=", ">", ">="), ("&",), ("+", "-"), ("*", "/"))


class FormulaError(Exception):
    """The text is no formula, or names something that does not exist."""


@dataclass(frozen=True)
class Literal:
    value: str | float | int


@dataclass(frozen=True)
class FieldRef:
    name: str


@dataclass(frozen=True)
class Call:
    name: str
    args: tuple[Node, ...]


Node = Literal | FieldRef | Call
Token = tuple[str, str]


def parse(text: str) -> Node:
    """A formula's tree; operators become calls named by their sign.

    Raises:
        FormulaError: with a sentence that says where it went wrong.

    """
    parser = _Parser(_tokens(text))
    tree = parser.expression(0)
    parser.expect_end()
    return tree


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise FormulaError(f"unexpected character at position {position}")
        tokens.append((match.lastgroup, match.group(match.lastgroup)))
        position = match.end()
    return tokens


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m.group(1), m.group(1)), text, flags=re.DOTALL)


class _Parser:
    """Recursive descent; one level of precedence per recursion of `expression`."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def _peek(self) -> Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _take(self) -> Token:
        token = self._peek()
        self._at += 1
        return token

    def _accept(self, operator: str) -> bool:
        if self._peek() == ("op", operator):
            self._at += 1
            return True
        return False

    def _expect(self, operator: str) -> None:
        if not self._accept(operator):
            raise FormulaError(f"expected {operator!r} before {self._peek()[1]!r}")

    def expect_end(self) -> None:
        if self._peek()[0] != "end":
            raise FormulaError(f"unexpected {self._peek()[1]!r}")

    def expression(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        left = self.expression(level + 1)
        while self._peek()[0] == "op" and self._peek()[1] in _LEVELS[level]:
            operator = self._take()[1]
            left = Call(operator, (left, self.expression(level + 1)))
        return left

    def _unary(self) -> Node:
        if self._accept("-"):
            return Call("NEGATE", (self._unary(),))
        return self._atom()

    def _atom(self) -> Node:
        kind, text = self._take()
        if kind == "number":
            return Literal(float(text) if "." in text else int(text))
        if kind == "string":
            return Literal(_unescape(text[1:-1]))
        if kind == "field":
            return FieldRef(_unescape(text))
        if kind == "name":
            return self._named(text)
        if (kind, text) == ("op", "("):
            inner = self.expression(0)
            self._expect(")")
            return inner
        raise FormulaError(f"unexpected {text or 'end of the formula'!r}")

    def _named(self, name: str) -> Node:
        if not self._accept("("):
            return FieldRef(name)
        args: list[Node] = []
        if not self._accept(")"):
            args.append(self.expression(0))
            while self._accept(","):
                args.append(self.expression(0))
            self._expect(")")
        return Call(name.upper(), tuple(args))

"""What a formula means: operators and functions over one record."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import quote

from pipelines.sandbox.airtable.formulas.formula_syntax import Call, FieldRef, FormulaError, Literal, Node
from pipelines.sandbox.airtable.state.ids import to_iso

Value = Any
"""None (blank), bool, int, float, str, datetime, or a list of them."""


class Scope(Protocol):
    """One record as a formula sees it. `field` raises FormulaError for an unknown name."""

    @property
    def record_id(self) -> str: ...
    @property
    def created(self) -> datetime: ...
    @property
    def modified(self) -> datetime: ...
    def field(self, name: str) -> Value: ...


def evaluate(node: Node, scope: Scope) -> Value:
    """The value of a tree for one record; a division by zero and the like is blank."""
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, FieldRef):
        return scope.field(node.name)
    if node.name in _LAZY:
        return _LAZY[node.name](node.args, scope)
    args = [evaluate(arg, scope) for arg in node.args]
    if node.name in _OF_RECORD:
        return _OF_RECORD[node.name](scope)
    function = _FUNCTIONS.get(node.name)
    if function is None:
        raise FormulaError(f"Unknown function names: {node.name}")
    try:
        return function(*args)
    except TypeError as exc:
        raise FormulaError(f"Invalid arguments for {node.name}") from exc
    except (ValueError, ZeroDivisionError, OverflowError):
        return None


def names_in(node: Node) -> set[str]:
    """Every field that a formula mentions."""
    if isinstance(node, FieldRef):
        return {node.name}
    if isinstance(node, Call):
        return {name for arg in node.args for name in names_in(arg)}
    return set()


def functions_in(node: Node) -> set[str]:
    """Every function and operator that a formula calls."""
    if not isinstance(node, Call):
        return set()
    return {node.name}.union(*(functions_in(arg) for arg in node.args))


def known_functions() -> set[str]:
    return {*_LAZY, *_OF_RECORD, *_FUNCTIONS}


def truthy(value: Value) -> bool:
    """Blank, zero, the empty text and an empty list are false."""
    return bool(value)


def to_text(value: Value) -> str:
    if value is None or value is False:
        return ""
    if isinstance(value, bool):
        return "1"
    if isinstance(value, datetime):
        return to_iso(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return ", ".join(to_text(item) for item in value)
    return str(value)


def to_number(value: Value) -> float:
    """A number, or ValueError. Blank counts as 0."""
    if value is None:
        return 0
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, list) and len(value) == 1:
        return to_number(value[0])
    if isinstance(value, datetime):
        return value.timestamp()
    return float(to_text(value))


def to_moment(value: Value) -> datetime | None:
    """A point in time from a date cell or from text; naive text is UTC."""
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, datetime.min.time(), UTC)
    if not value:
        return None
    moment = datetime.fromisoformat(to_text(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _equal(left: Value, right: Value) -> bool:
    if _is_blank(left) or _is_blank(right):
        return _blank_equals(left, right)
    if isinstance(left, datetime) or isinstance(right, datetime):
        return to_moment(left) == to_moment(right)
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return left == right
    return to_text(left) == to_text(right)


def _is_blank(value: Value) -> bool:
    return value is None or value is False or value in ("", [])


def _blank_equals(left: Value, right: Value) -> bool:
    """Blank equals blank in every spelling, and equals 0 unless it is spelt as the empty text."""
    if _is_blank(left) and _is_blank(right):
        return True
    blank, other = (left, right) if _is_blank(left) else (right, left)
    return blank != "" and isinstance(other, (int, float)) and other == 0


def _compare(test: Callable[[Any, Any], bool]) -> Callable[[Value, Value], bool]:
    def compare(left: Value, right: Value) -> bool:
        if isinstance(left, datetime) or isinstance(right, datetime):
            a, b = to_moment(left), to_moment(right)
            return a is not None and b is not None and test(a, b)
        if isinstance(left, str) and isinstance(right, str):
            return test(left, right)
        return test(to_number(left), to_number(right))

    return compare


def _if(args: tuple[Node, ...], scope: Scope) -> Value:
    if not 2 <= len(args) <= 3:  # noqa: PLR2004 - condition, then, else
        raise FormulaError("Invalid arguments for IF")
    branch = args[1] if truthy(evaluate(args[0], scope)) else (args[2] if args[2:] else None)
    return evaluate(branch, scope) if branch is not None else None


def _switch(args: tuple[Node, ...], scope: Scope) -> Value:
    subject, rest = evaluate(args[0], scope), args[1:]
    for pattern, result in zip(rest[::2], rest[1::2], strict=False):
        if _equal(subject, evaluate(pattern, scope)):
            return evaluate(result, scope)
    return evaluate(rest[-1], scope) if len(rest) % 2 else None


def _find(needle: Value, hay: Value, start: Value = 1) -> int:
    return to_text(hay).find(to_text(needle), max(int(to_number(start)) - 1, 0)) + 1


def _search(needle: Value, hay: Value, start: Value = 1) -> int | None:
    return _find(to_text(needle).lower(), to_text(hay).lower(), start) or None


def _mid(text: Value, start: Value, count: Value) -> str:
    at = max(int(to_number(start)) - 1, 0)
    return to_text(text)[at : at + int(to_number(count))]


def _round(value: Value, digits: Value = 0) -> float:
    return round(to_number(value), int(to_number(digits)))


def _divide(left: Value, right: Value) -> float:
    return to_number(left) / to_number(right)


def _flat(values: tuple[Value, ...]) -> list[Value]:
    flat: list[Value] = []
    for value in values:
        flat.extend(value if isinstance(value, list) else [value])
    return [v for v in flat if v not in (None, "")]


def _numbers(values: tuple[Value, ...]) -> list[float]:
    return [v for v in _flat(values) if isinstance(v, (int, float))]


_UNITS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def _date_add(moment: Value, count: Value, unit: Value) -> datetime | None:
    start, name = to_moment(moment), to_text(unit).lower().rstrip("s")
    if start is None:
        return None
    if name in _UNITS:
        return start + _UNITS[name] * to_number(count)
    months = start.month - 1 + _MONTHS[name] * int(to_number(count)) if name in _MONTHS else None
    if months is None:
        raise FormulaError(f"Invalid arguments for DATEADD: {unit}")
    year, month = start.year + months // 12, months % 12 + 1
    last_day = (datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC) - timedelta(days=1)).day
    return start.replace(year=year, month=month, day=min(start.day, last_day))


def _date_diff(later: Value, earlier: Value, unit: Value = "seconds") -> float | None:
    a, b, name = to_moment(later), to_moment(earlier), to_text(unit).lower().rstrip("s")
    if a is None or b is None:
        return None
    return int((a - b) / _UNITS.get(name, _UNITS["second"]))


def _is_before(left: Value, right: Value) -> bool:
    a, b = to_moment(left), to_moment(right)
    return a is not None and b is not None and a < b


def _is_same(left: Value, right: Value, unit: Value = "") -> bool:
    a, b = to_moment(left), to_moment(right)
    if a is None or b is None:
        return False
    width = {"year": 4, "month": 7, "day": 10, "hour": 13, "minute": 16}.get(to_text(unit).rstrip("s"), 24)
    return to_iso(a)[:width] == to_iso(b)[:width]


def _format_moment(value: Value, pattern: Value = "") -> str:
    moment = to_moment(value)
    if moment is None:
        return ""
    table = {"YYYY": "%Y", "MM": "%m", "DD": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
    style = re.sub("YYYY|MM|DD|HH|mm|ss", lambda m: table[m.group()], to_text(pattern))
    return moment.strftime(style) if style else to_iso(moment)


_LAZY: dict[str, Callable[[tuple[Node, ...], Scope], Value]] = {
    "IF": _if,
    "SWITCH": _switch,
    "AND": lambda args, scope: all(truthy(evaluate(a, scope)) for a in args),
    "OR": lambda args, scope: any(truthy(evaluate(a, scope)) for a in args),
}
_OF_RECORD: dict[str, Callable[[Scope], Value]] = {
    "RECORD_ID": lambda scope: scope.record_id,
    "CREATED_TIME": lambda scope: scope.created,
    "LAST_MODIFIED_TIME": lambda scope: scope.modified,
}
_FUNCTIONS: dict[str, Callable[..., Value]] = {
    "=": _equal,
    "!=": lambda a, b: not _equal(a, b),
    "<>": lambda a, b: not _equal(a, b),
    "<": _compare(operator.lt),
    "<=": _compare(operator.le),
    ">": _compare(operator.gt),
    ">=": _compare(operator.ge),
    "&": lambda a, b: to_text(a) + to_text(b),
    "+": lambda a, b: to_number(a) + to_number(b),
    "-": lambda a, b: to_number(a) - to_number(b),
    "*": lambda a, b: to_number(a) * to_number(b),
    "/": _divide,
    "NEGATE": lambda a: -to_number(a),
    "NOT": lambda a: not truthy(a),
    "XOR": lambda *args: sum(map(truthy, args)) % 2 == 1,
    "TRUE": lambda: True,
    "FALSE": lambda: False,
    "BLANK": lambda: None,
    "FIND": _find,
    "SEARCH": _search,
    "LEN": lambda a: len(to_text(a)),
    "LOWER": lambda a: to_text(a).lower(),
    "UPPER": lambda a: to_text(a).upper(),
    "TRIM": lambda a: to_text(a).strip(),
    "T": lambda a: a if isinstance(a, str) else "",
    "LEFT": lambda a, n=1: to_text(a)[: int(to_number(n))],
    "RIGHT": lambda a, n=1: to_text(a)[-int(to_number(n)) :] if to_number(n) else "",
    "MID": _mid,
    "CONCATENATE": lambda *args: "".join(map(to_text, args)),
    "SUBSTITUTE": lambda a, old, new: to_text(a).replace(to_text(old), to_text(new)),
    "REGEX_MATCH": lambda a, pattern: re.search(to_text(pattern), to_text(a)) is not None,
    "ENCODE_URL_COMPONENT": lambda a: quote(to_text(a), safe=""),
    "VALUE": to_number,
    "INT": lambda a: int(to_number(a) // 1),
    "ABS": lambda a: abs(to_number(a)),
    "ROUND": _round,
    "MAX": lambda *args: max(_numbers(args), default=0),
    "MIN": lambda *args: min(_numbers(args), default=0),
    "SUM": lambda *args: sum(_numbers(args)),
    "COUNT": lambda *args: len(_numbers(args)),
    "COUNTA": lambda *args: len(_flat(args)),
    "ARRAYJOIN": lambda a, sep=", ": to_text(sep).join(map(to_text, a if isinstance(a, list) else [a])),
    "NOW": lambda: datetime.now(UTC),
    "TODAY": lambda: datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0),
    "DATETIME_PARSE": lambda a, *_: to_moment(a),
    "DATETIME_FORMAT": _format_moment,
    "DATESTR": lambda a: _format_moment(a, "YYYY-MM-DD"),
    "DATEADD": _date_add,
    "DATETIME_DIFF": _date_diff,
    "IS_BEFORE": _is_before,
    "IS_AFTER": lambda a, b: _is_before(b, a),
    "IS_SAME": _is_same,
}

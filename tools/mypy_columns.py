"""A mypy plugin: what is said about the columns of a row is checked against its record.

`tx.runs.change(id, {"status": …}, detial="…")` is typed `**changes: Any`, because one protocol serves all tables and
Python cannot derive keyword arguments from a type parameter. Here each call is checked as if the columns of its record
stood in the signature: names and values of keywords, names in the dictionaries of `when`, `before` and `after`, and the
column of `order`. The same holds for every function of ours that takes a record and `**changes` to it, and for those
that make one of the domain's types and take `**changes` to what is usual, as the builders of tests do. What is told to
the history (`**detail`) is checked against `EventDetail`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import cast

from mypy.checker import TypeChecker
from mypy.nodes import (
    ARG_NAMED,
    ARG_NAMED_OPT,
    ARG_POS,
    ARG_STAR2,
    CallExpr,
    DictExpr,
    Expression,
    NameExpr,
    StrExpr,
    TypeInfo,
    Var,
)
from mypy.plugin import CheckerPluginInterface, FunctionSigContext, MethodSigContext, Plugin
from mypy.types import CallableType, FunctionLike, Instance, NoneType, Type, UnionType, get_proper_type

RECORDS = "pipelines.domain.records."
ROWS = ("pipelines.ports.database.Rows.", "pipelines.database.rows.SqlRows.")
OURS = ("pipelines.", "webapp.", "worker.", "tools.", "tests.")
MADE = ("pipelines.domain.", "pipelines.ports.")
CHANGES, DETAIL = "changes", "detail"
HISTORY = "pipelines.domain.state.history"
COMPARED = frozenset({"find", "count", "remove_some"})
"""Their keywords are conditions: a value, or a collection for one of its values."""
Context = FunctionSigContext | MethodSigContext


class Columns(Plugin):
    """Hooks on the methods of `Rows`, and on our functions with `**changes`."""

    def get_method_signature_hook(self, fullname: str) -> Callable[[MethodSigContext], FunctionLike] | None:
        if fullname.startswith(ROWS):
            return partial(_of_rows, fullname.rpartition(".")[2])
        return self.get_function_signature_hook(fullname)

    def get_function_signature_hook(self, fullname: str) -> Callable[[Context], FunctionLike] | None:
        return _of_function if fullname.startswith(OURS) else None


def _of_rows(method: str, ctx: MethodSigContext) -> FunctionLike:
    table = get_proper_type(ctx.type)
    record = _type_of(table.args[0], RECORDS) if isinstance(table, Instance) and table.args else None
    return _checked(ctx, record, compared=method in COMPARED) if record else ctx.default_signature


def _of_function(ctx: Context) -> FunctionLike:
    signature = ctx.default_signature
    if not isinstance(signature, CallableType) or signature.arg_kinds[-1:] != [ARG_STAR2]:
        return signature
    if signature.arg_names[-1] == DETAIL:
        found = cast("TypeChecker", ctx.api).modules[HISTORY].names["EventDetail"].node
        return _checked(ctx, found, conditions=False) if isinstance(found, TypeInfo) else signature
    if signature.arg_names[-1] != CHANGES:
        return signature
    records = [found for each in signature.arg_types if (found := _type_of(each, RECORDS))]
    made = _type_of(signature.ret_type, MADE)
    if len(records) == 1:
        return _checked(ctx, records[0])
    return _checked(ctx, made, conditions=False) if made and not records else signature


def _type_of(hint: Type, where: str | tuple[str, ...]) -> TypeInfo | None:
    proper = get_proper_type(hint)
    return proper.type if isinstance(proper, Instance) and proper.type.fullname.startswith(where) else None


def _checked(ctx: Context, record: TypeInfo, *, compared: bool = False, conditions: bool = True) -> FunctionLike:
    """Complains of names that are no columns; the signature with the columns in the place of its `**` argument."""
    signature, call = ctx.default_signature, ctx.context
    if not isinstance(signature, CallableType) or not isinstance(call, CallExpr):
        return signature
    columns = dict(_columns(record))
    for name, expression in _named(ctx, signature, conditions=conditions):
        if name not in columns:
            ctx.api.fail(f'"{record.name}" has no column "{name}"', expression)
    if ARG_STAR2 not in signature.arg_kinds or ARG_STAR2 in call.arg_kinds:
        return signature
    own = [name for name in signature.arg_names if name]
    wanted = {name: hint for name, hint in columns.items() if name not in own}
    hints = [_condition(ctx.api, hint) if compared else hint for hint in wanted.values()]
    return signature.copy_modified(
        arg_names=[*signature.arg_names[:-1], *wanted],
        arg_kinds=[*signature.arg_kinds[:-1], *[ARG_NAMED_OPT] * len(wanted)],
        arg_types=[*signature.arg_types[:-1], *hints],
    )


def _columns(record: TypeInfo) -> Iterator[tuple[str, Type]]:
    for info in record.mro:
        for name, symbol in info.names.items():
            node = symbol.node
            if isinstance(node, Var) and node.type is not None and not name.startswith("_"):
                yield name, node.type


def _named(ctx: Context, signature: CallableType, *, conditions: bool) -> Iterator[tuple[str, Expression]]:
    """Every place of a call that names a column, with the name; where it names a dictionary that was written down in
    the same function, the keys of that.
    """
    call = cast("CallExpr", ctx.context)
    for name, kind, argument in zip(call.arg_names, call.arg_kinds, call.args, strict=True):
        if kind == ARG_NAMED and name not in signature.arg_names and name is not None:
            yield name, argument
        elif kind == ARG_STAR2 or (kind == ARG_POS and conditions):
            keys = _keys(argument) if isinstance(argument, DictExpr) else _keys_of_name(ctx, argument)
            own = signature.arg_names if kind == ARG_STAR2 else ()
            yield from ((key, argument) for key in keys.difference(name for name in own if name))
        elif conditions and isinstance(argument, DictExpr):
            yield from ((key, argument) for key in _keys(argument))
        elif name == "order" and isinstance(argument, StrExpr):
            yield argument.value.lstrip("-"), argument


def _keys(expression: DictExpr) -> set[str]:
    return {key.value for key, _ in expression.items if isinstance(key, StrExpr)}


def _keys_of_name(ctx: Context, expression: Expression) -> set[str]:
    """Mypy keeps no value of a variable: the source has it."""
    if not isinstance(expression, NameExpr):
        return set()
    around = [
        function
        for function in _functions(cast("TypeChecker", ctx.api).path)
        if function.lineno <= expression.line <= (function.end_lineno or 0)
    ]
    return {key for function in around for key in _written(function, expression.name)}


@cache
def _functions(path: str) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(ast.parse(Path(path).read_text("utf-8"))) if isinstance(node, ast.FunctionDef)]


def _written(function: ast.FunctionDef, name: str) -> Iterator[str]:
    """The keys of all dictionaries that a function assigns to a name."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            yield from (key for part in _dictionaries(node.value) for key in part)


def _dictionaries(value: ast.expr) -> Iterator[list[str]]:
    if isinstance(value, ast.Dict):
        yield [key.value for key in value.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
    elif isinstance(value, ast.BinOp):
        yield from (*_dictionaries(value.left), *_dictionaries(value.right))
    elif isinstance(value, ast.IfExp):
        yield from (*_dictionaries(value.body), *_dictionaries(value.orelse))


def _condition(api: CheckerPluginInterface, hint: Type) -> Type:
    """None asks for NULL in any column, and whoever calls may have a status as its text."""
    many = api.named_generic_type("typing.Collection", [_plain(api, hint)])
    return UnionType.make_union([_plain(api, hint), NoneType(), many])


def _plain(api: CheckerPluginInterface, hint: Type) -> Type:
    proper = get_proper_type(hint)
    if isinstance(proper, Instance) and any(base.fullname == "enum.StrEnum" for base in proper.type.mro):
        return api.named_generic_type("builtins.str", [])
    return hint


def plugin(version: str) -> type[Plugin]:  # noqa: ARG001 - mypy's entry point
    """Mypy asks for this."""
    return Columns

"""No module takes part in an import circle, no folder is a crowd, and no function is long."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("rooms")

ROOT = Path(__file__).parents[2]
ROOTS = ("pipelines", "webapp", "worker", "tools")
MOST = 12
LONGEST = 60
CROWDS = {
    "pipelines/providers": "a catalogue of equals: one module per provider",
    "pipelines/database/migrations/versions": "one module per migration, in order of time",
}


def modules_of(tree: Path) -> dict[str, Path]:
    """Every module by its dotted name; a package is its `__init__.py`."""
    paths = [path for root in ROOTS for path in sorted((tree / root).rglob("*.py"))]
    return {_name(path.relative_to(tree)): path for path in paths}


def _name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a module, read once for all tests."""
    return tuple(ast.walk(ast.parse(path.read_text())))


def imports_of(name: str, path: Path, known: Mapping[str, Path]) -> set[str]:
    """What a module imports of ours, wherever in it and for whatever reason: in functions and for types as well."""
    found = {target for node in nodes_of(path) for target in _targets(node, known)}
    return found - {name}


def _targets(node: ast.AST, known: Mapping[str, Path]) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names if alias.name in known)
        case ast.ImportFrom(module=str(source), names=names, level=0):
            for alias in names:
                inner = f"{source}.{alias.name}"
                yield from (target for target in [inner if inner in known else source] if target in known)
        case ast.ImportFrom():
            raise AssertionError("relative imports are not used here: this test could not see where they lead")


def circle_in(tree: Path) -> list[str]:
    """The members of one import circle, each importing the next; empty when there is none."""
    known = modules_of(tree)
    arrows = {name: imports_of(name, path, known) for name, path in known.items()}
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        # `graphlib` names each predecessor first; an arrow leads from the importer to what it imports.
        members: list[str] = error.args[1]
        return members[::-1]
    return []


def test_no_module_takes_part_in_an_import_circle() -> None:
    assert circle_in(ROOT) == []


@pytest.mark.parametrize(
    "back",
    ["import worker.a\n", "def f():\n    from worker import a\n", "if TYPE_CHECKING:\n    from worker.a import X\n"],
)
def test_a_circle_is_found_wherever_the_import_stands(tmp_path: Path, back: str) -> None:
    for name, text in {"__init__": "", "a": "from worker.b import y\n", "b": back}.items():
        (tmp_path / "worker").mkdir(exist_ok=True)
        (tmp_path / "worker" / f"{name}.py").write_text(text)
    assert set(circle_in(tmp_path)) == {"worker.a", "worker.b"}


def test_no_folder_is_a_crowd() -> None:
    paths = [path.relative_to(ROOT) for path in modules_of(ROOT).values() if path.name != "__init__.py"]
    counts = Counter(path.parent.as_posix() for path in paths)
    assert {folder: count for folder, count in counts.items() if count > MOST and folder not in CROWDS} == {}


def test_every_excuse_is_for_a_folder_that_exists() -> None:
    assert [folder for folder in CROWDS if not (ROOT / folder).is_dir()] == []


def test_no_function_is_long() -> None:
    """Migrations aside: what a table once was is one list, and nobody changes it any more."""
    paths = [path for path in modules_of(ROOT).values() if "migrations" not in path.parts]
    lengths = {
        f"{path.relative_to(ROOT)}: {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path in paths
        for node in nodes_of(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}

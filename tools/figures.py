"""The figures of the house, by reading the code: `make figures AGAINST=COMMIT` prints two trees side by side.

Lines and functions are those of what ships: `pipelines`, `webapp` and `worker` without emulated vendors, fakes and
migrations. A room is a package, those included; its arrows are the imports between its modules and sub-rooms, its
floors the longest chain of arrows, and a circle is a group whose members import one another. A single-use helper is
private and mentioned once beside its definition.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ("pipelines", "webapp", "worker")
NOT_SHIPPED = frozenset({"sandbox", "testing", "migrations"})
INNER = ("pipelines/domain/", "pipelines/ports/", "pipelines/stages/")
"""Where values have domain types: JSON is decoded before it gets there."""
SHORT = 5
NONE = "–"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One file of the code that ships."""

    path: str
    source: str

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of its syntax tree."""
        return list(ast.walk(ast.parse(self.source)))

    @cached_property
    def functions(self) -> list[Function]:
        """Its functions and methods, nested ones too."""
        return [node for node in self.nodes if isinstance(node, Function)]

    @property
    def name(self) -> str:
        """As it is imported."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def is_package(self) -> bool:
        """Whether it stands for its folder."""
        return self.path.endswith("__init__.py")

    @property
    def lines(self) -> int:
        """As an editor counts them."""
        return self.source.count("\n")

    @property
    def code_lines(self) -> int:
        """Without blank lines, comments and docstrings."""
        texts = [
            node.value for node in self.nodes if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        ]
        said = {line for text in texts for line in range(text.lineno, (text.end_lineno or text.lineno) + 1)}
        rows = enumerate(self.source.splitlines(), 1)
        return sum(bool(row.strip()) and not row.lstrip().startswith("#") and n not in said for n, row in rows)


@dataclass(frozen=True)
class Room:
    """How the children of one package hang together."""

    children: int
    arrows: int
    floors: int
    circles: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        shown = f"{self.children:>3} {self.arrows:>4} {self.floors:>3}"
        return f"{shown} {len(self.circles):>2}"


def length(node: Function) -> int:
    """Lines from `def` to the end."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def modules_of(tree: Path) -> list[Module]:
    """All modules of the product, in a tree of any layout."""
    paths = [path.relative_to(tree) for room in SHIPPED for path in sorted((tree / room).rglob("*.py"))]
    return [Module(str(path), (tree / path).read_text("utf-8")) for path in paths if "migrations" not in path.parts]


def ships(module: Module) -> bool:
    """Whether it serves or works in a deployment."""
    return not NOT_SHIPPED.intersection(module.path.split("/"))


def spread(values: Sequence[int]) -> str:
    """Median, ninth tenth, most."""
    return f"{median(values):.0f} / {sorted(values)[ceil(0.9 * len(values)) - 1]} / {max(values)}"


def single_use(modules: Sequence[Module]) -> list[Function]:
    """Private, undecorated functions that their module mentions once."""
    found: list[Function] = []
    for module in modules:
        named = Counter(node.id for node in module.nodes if isinstance(node, ast.Name))
        named.update(node.attr for node in module.nodes if isinstance(node, ast.Attribute))
        found += [f for f in module.functions if _is_private(f) and not f.decorator_list and named[f.name] == 1]
    return found


def _is_private(node: Function) -> bool:
    return node.name.startswith("_") and not node.name.startswith("__")


def any_names(module: Module) -> int:
    """How often `Any` stands for a type."""
    return sum(isinstance(node, ast.Name) and node.id == "Any" for node in module.nodes)


def any_mappings(module: Module) -> int:
    """`dict[str, Any]` and its relatives."""
    parts = [
        node.slice for node in module.nodes if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple)
    ]
    return sum([ast.unparse(part) for part in pair.elts] == ["str", "Any"] for pair in parts)


def keyed_gets(module: Module) -> int:
    """`.get("…")`: a key that no type checker knows."""
    calls = (node for node in module.nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute))
    return sum(
        isinstance(call.func, ast.Attribute) and call.func.attr == "get" and _first_is_text(call) for call in calls
    )


def _first_is_text(call: ast.Call) -> bool:
    return bool(call.args) and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)


def broad_excepts(module: Module) -> int:
    """Handlers of everything."""
    handlers = (node for node in module.nodes if isinstance(node, ast.ExceptHandler))
    return sum(h.type is None or ast.unparse(h.type) in {"Exception", "BaseException"} for h in handlers)


def test_names(tree: Path) -> list[str]:
    """Names of tests, longest first."""
    sources = (path.read_text("utf-8") for path in (tree / "tests").rglob("test_*.py"))
    nodes = (node for source in sources for node in ast.walk(ast.parse(source)))
    names = {node.name for node in nodes if isinstance(node, Function) and node.name.startswith("test_")}
    return sorted(names, key=lambda name: (-len(name), name))


def rooms_of(modules: Sequence[Module]) -> dict[str, Room]:
    """Every package with more than one child."""
    imports = _imports(modules)
    packages = {module.name for module in modules if module.is_package}
    found = {package: _room(package, [m.name for m in modules], imports) for package in sorted(packages)}
    return {package: room for package, room in found.items() if room.children > 1}


def _imports(modules: Sequence[Module]) -> dict[str, set[str]]:
    """For each module the modules that it imports; a name that a package passes on counts as the module it is from."""
    known = {module.name: module for module in modules}
    passed_on = {
        f"{module.name}.{alias.asname or alias.name}": f"{node.module}.{alias.name}"
        for module in modules
        if module.is_package
        for node in module.nodes
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    return {module.name: set(_targets(module, known, passed_on)) - {module.name} for module in modules}


def _targets(module: Module, known: Mapping[str, Module], passed_on: Mapping[str, str]) -> Iterator[str]:
    for node in module.nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (_origin(node.module, alias.name, known, passed_on) for alias in node.names)


def _origin(source: str, name: str, known: Mapping[str, Module], passed_on: Mapping[str, str]) -> str:
    target = f"{source}.{name}"
    while target not in known and target in passed_on:
        target = passed_on[target]
    return target if target in known else target.rpartition(".")[0]


def _room(package: str, names: Sequence[str], imports: Mapping[str, set[str]]) -> Room:
    arrows: dict[str, set[str]] = {child: set() for name in names if (child := _child(package, name))}
    for name in names:
        if start := _child(package, name):
            arrows[start] |= {end for target in imports[name] if (end := _child(package, target)) and end != start}
    groups = _circles(arrows)
    return Room(len(arrows), sum(map(len, arrows.values())), _floors(arrows, groups), tuple(g for g in groups if g[1:]))


def _child(package: str, name: str) -> str:
    """The child of the package that a module is or is in; nothing for the package itself and for others."""
    return name.removeprefix(f"{package}.").partition(".")[0] if name.startswith(f"{package}.") else ""


def _circles(arrows: Mapping[str, set[str]]) -> list[tuple[str, ...]]:
    """Groups of children that reach one another."""
    reached = {start: _reached(start, arrows) for start in arrows}
    groups = {tuple(sorted({a, *(b for b in reached[a] if a in reached[b])})) for a in arrows}
    return sorted(groups)


def _reached(start: str, arrows: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        new = arrows[waiting.pop()] - seen
        seen |= new
        waiting += new
    return seen


def _floors(arrows: Mapping[str, set[str]], groups: Sequence[tuple[str, ...]]) -> int:
    """The longest chain, a circle being one floor."""
    group_of = {child: group for group in groups for child in group}
    heights: dict[tuple[str, ...], int] = {}

    def height(group: tuple[str, ...]) -> int:
        if group not in heights:
            below = {group_of[end] for child in group for end in arrows[child]} - {group}
            heights[group] = 1 + max(map(height, below), default=0)
        return heights[group]

    return max(map(height, groups))


def figures(tree: Path) -> dict[str, str]:
    """Every figure of a tree, by what it says."""
    everything = modules_of(tree)
    modules = [module for module in everything if ships(module)]
    functions = [function for module in modules for function in module.functions]
    helpers = single_use(modules)
    inner = [module for module in modules if module.path.startswith(INNER)]
    code = sum(module.code_lines for module in modules)
    rooms = rooms_of(everything)
    files = Counter(str(Path(module.path).parent) for module in everything if not module.is_package)
    broad = sum(map(broad_excepts, modules))
    names = test_names(tree)
    return {
        "lines that ship (of code)": f"{sum(module.lines for module in modules)} ({code})",
        "modules": str(len(modules)),
        "module lines: median / p90 / max": spread([module.lines for module in modules]),
        "functions": str(len(functions)),
        "function lines: median / p90 / max": spread([length(function) for function in functions]),
        "single-use private helpers": f"{len(helpers)} ({len(helpers) / len(functions):.0%} of functions)",
        f"… of {SHORT} lines or less": str(sum(length(helper) <= SHORT for helper in helpers)),
        "rooms": str(len(files)),
        "files per room: median / p90 / max": spread(list(files.values())),
        "circles in rooms (their modules)": _circles_of(rooms.values()),
        "Any in domain, ports, stages": str(sum(map(any_names, inner))),
        "… of them dict[str, Any]": str(sum(map(any_mappings, inner))),
        '.get("…") in domain, ports, stages': str(sum(map(keyed_gets, inner))),
        "broad excepts per 1,000 lines": f"{1000 * broad / code:.1f} ({broad})",
        "tests: longest names": ", ".join(str(len(name)) for name in names[:3]),
    } | {f"room {name}": str(room) for name, room in rooms.items()}


def _circles_of(rooms: Iterable[Room]) -> str:
    circles = [circle for room in rooms for circle in room.circles]
    return f"{len(circles)} ({sum(map(len, circles))})"


def table(columns: Mapping[str, Mapping[str, str]]) -> str:
    """One row a figure, one column a tree, as Markdown."""
    labels = list(dict.fromkeys(label for column in columns.values() for label in column))
    plain = [label for label in labels if not label.startswith("room ")]
    rooms = sorted(label for label in labels if label.startswith("room "))
    head = f"| figure | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}\n"
    between = f"| **room: children, arrows, floors, circles** |{' |' * len(columns)}\n"
    return head + _rows(plain, columns) + between + _rows(rooms, columns)


def _rows(labels: Sequence[str], columns: Mapping[str, Mapping[str, str]]) -> str:
    rows = (
        [label.removeprefix("room "), *(column.get(label, NONE) for column in columns.values())] for label in labels
    )
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


@contextmanager
def checked_out(commit: str, repository: Path = ROOT) -> Iterator[Path]:
    """The tree of a commit, in a folder of its own for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="reelgrid-figures-") as folder:
        tree = Path(folder) / "tree"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", tree, commit], cwd=repository, check=True)
        try:
            yield tree
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=repository, check=True)


def main(arguments: list[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tools.figures", description="The figures of the house, by tree.")
    parser.add_argument("--against", metavar="COMMIT", help="another tree, shown before this one")
    parser.add_argument("--suite", metavar="TIME", help="how long the test suite takes now, as you measured it")
    parser.add_argument("--suite-before", metavar="TIME", default=NONE, help="and how long it took in the other tree")
    parser.add_argument("--names", action="store_true", help="also the members of circles and the longest test names")
    asked = parser.parse_args(arguments)
    columns: dict[str, dict[str, str]] = {}
    if asked.against:
        with checked_out(asked.against) as tree:
            columns[asked.against] = figures(tree) | ({"suite time": asked.suite_before} if asked.suite else {})
    columns["now"] = figures(ROOT) | ({"suite time": asked.suite} if asked.suite else {})
    print(table(columns), end="")
    if asked.names:
        rooms = rooms_of(modules_of(ROOT))
        print(*(f"circle in {name}: {', '.join(g)}" for name, room in rooms.items() for g in room.circles), sep="\n")
        print(*test_names(ROOT)[:10], sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])

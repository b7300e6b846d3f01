"""The settings people read about are the settings the code reads."""

from __future__ import annotations

import ast
import importlib
import io
import re
from pathlib import Path

from dotenv import dotenv_values

from pipelines.providers import all_variables, load_catalogue
from pipelines.providers.base import Adapter
from pipelines.providers.registry import adapter_modules
from pipelines.settings import load_settings
from tools.docs.settings import env_example

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("pipelines", "webapp", "worker")
SANDBOX = ROOT / "pipelines" / "sandbox"
"""A program of its own, with its own few switches; nothing that ships imports it."""


def test_every_variable_is_described_in_one_sentence() -> None:
    for row in all_variables(load_catalogue()):
        assert re.fullmatch(r"[A-Z].*\.", row.description), row.name
        assert "\n" not in row.description, row.name


def test_the_example_uncommented_gives_the_defaults(tmp_path: Path) -> None:
    text = re.sub(r"^# ([A-Z0-9_]+=)", r"\1", env_example(), flags=re.MULTILINE)
    given = {name: value or "" for name, value in dotenv_values(stream=io.StringIO(text)).items()}
    assert {row.name for row in all_variables(load_catalogue())} == set(given)
    told, unset = load_settings(given, tmp_path), load_settings({}, tmp_path)
    assert told.model_copy(update={"others": {}}) == unset
    for module in adapter_modules(load_catalogue()).values():
        adapter: type[Adapter] = importlib.import_module(module).Provider
        assert adapter.own_of(told) == adapter.own_of(unset)


def test_one_module_reads_the_process_environment() -> None:
    readers = {
        str(path.relative_to(ROOT))
        for room in PRODUCT
        for path in (ROOT / room).rglob("*.py")
        if SANDBOX not in path.parents
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"} and _is_os(node.value)
    }
    assert readers == {"pipelines/environment.py"}


def _is_os(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "os"

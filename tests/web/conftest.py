"""The application as an operator runs it: open on this machine, or out in the world with a key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.routing import Rule

from tests.web.web_fixtures import WebHarness


@pytest.fixture(scope="session", autouse=True)
def _each_address_is_compiled_once() -> Iterator[None]:
    """Most of what an application takes to be made is code that werkzeug compiles for each address. Here one is made
    for each test, and its addresses are always the same.
    """
    compiled: dict[tuple[object, ...], Callable[..., Any]] = {}
    compile_anew = Rule._compile_builder  # the method takes what it needs of a rule from `self`

    def compile_once(rule: Rule, append_unknown: bool = True) -> Callable[..., Any]:
        key = (rule.rule, str(rule.defaults), tuple(rule._trace), append_unknown)
        if key not in compiled:
            compiled[key] = compile_anew(rule, append_unknown)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", compile_once)
        yield


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[WebHarness]:
    """Out in the world: keys are needed, links are https, and Airtable does not answer."""
    with WebHarness(tmp_path) as made:
        yield made


@pytest.fixture
def airtable(tmp_path: Path) -> Iterator[WebHarness]:
    """Out in the world, with an emulated Airtable."""
    with WebHarness(tmp_path, airtable=True) as made:
        yield made


@pytest.fixture
def home(tmp_path: Path) -> Iterator[WebHarness]:
    """On this machine only, without keys."""
    with WebHarness(tmp_path, {}) as made:
        yield made

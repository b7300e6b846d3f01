"""What every test shares: real servers on loopback, no network beyond it, and an ERROR log that fails the test."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from werkzeug.routing import Rule

from pipelines.database import SqlStore
from pipelines.testing import empty_database, made_for_tests
from tools.postgres import BINARIES, Postgres, throw_away

# How long an example takes says something about the machine, not about the product. In CI the examples are the same in
# every run: a commit that passed passes again; new examples are looked for wherever else the suite runs.
settings.register_profile("house", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("house")


def pytest_collection_finish() -> None:
    """What was loaded to know the tests stays to the end: looking through it for garbage again and again takes longer
    than many a test.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def needs(tool: str, *, found: bool) -> None:
    """Skip where a tool is missing on a laptop; fail in CI, which installs everything."""
    if not found:
        if os.environ.get("CI"):
            pytest.fail(f"{tool} is missing, and CI installs it")
        pytest.skip(f"{tool} is not on this machine")


@pytest.fixture(scope="session", autouse=True)
def _each_address_is_compiled_once() -> Iterator[None]:
    """Most of what an application takes to be made is code that werkzeug compiles for each address. Tests make many
    applications, of the product and of the sandbox, whose addresses are always the same.
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


@pytest.fixture(autouse=True)
def _no_error_logs(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """An ERROR in the log of a passing test is a failure, unless the test says that it provokes one."""
    yield
    if request.node.get_closest_marker("logs_errors"):
        return
    errors = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert not errors, f"logged as ERROR: {errors}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    needs("PostgreSQL", found=bool(BINARIES))
    with throw_away() as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'truth.db'}"
    cluster: Postgres = request.getfixturevalue("postgres")
    return cluster.fresh_url()


@pytest.fixture(scope="session")
def migrated_postgres(postgres: Postgres) -> str:
    """The name of a database of the present schema, to be copied."""
    store = SqlStore(url := postgres.fresh_url())
    store.migrate()
    store.engine.dispose()
    return url.rpartition("/")[2]


@pytest.fixture(params=["sqlite", "postgres"])
def present_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of the present schema without rows, once of each kind."""
    if request.param == "sqlite":
        path = tmp_path / "truth.db"
        path.write_bytes(empty_database())
        return f"sqlite:///{path}"
    cluster: Postgres = request.getfixturevalue("postgres")
    return cluster.fresh_url(request.getfixturevalue("migrated_postgres"))


@pytest.fixture
def store(present_url: str) -> Iterator[SqlStore]:
    """As `present_url`, for tests that prove no durability."""
    store = SqlStore(present_url)
    made_for_tests(store)
    yield store
    store.engine.dispose()

"""Back up while somebody writes, lose everything, bring it back: on both databases, by the commands of the how-to."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipelines.database import SqlStore
from pipelines.database.backup import WHY, back_up, restore
from pipelines.domain.errors import NotAllowed
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.limits import EVERYWHERE
from pipelines.domain.records import Run
from pipelines.settings import load_settings
from tools.postgres import Postgres
from tools.stack import ROOT
from webapp.cli import create_app

NOW = 1_795_521_600.0
PAGE = ROOT / "docs" / "how-to" / "back-up-and-restore.md"


def another(url: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """An empty database of the same kind."""
    if url.startswith("sqlite"):
        return f"sqlite:///{tmp_path / 'new' / 'truth.db'}"
    cluster: Postgres = request.getfixturevalue("postgres")
    return cluster.fresh_url()


def add(store: SqlStore, name: str) -> None:
    with store.write() as tx:
        tx.runs.add(Run(id=name, status=RunStatus.QUEUED, source="rest", created_at=NOW))


@pytest.fixture
def filled(present_url: str) -> SqlStore:
    store = SqlStore(present_url)
    for number in range(50):
        add(store, f"run_{number:03}")
    return store


def test_what_was_committed_before_is_in_it_whoever_writes_meanwhile(
    filled: SqlStore, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A copy of SQLite's file alone would lack the newest commits."""
    over = threading.Event()

    def write() -> None:
        number = 100
        while not over.is_set():
            add(filled, f"run_{number:03}")
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    size = back_up(filled.url, tmp_path / "saved")
    over.set()
    writer.join()
    filled.engine.dispose()
    assert size == (tmp_path / "saved").stat().st_size > 0
    url = another(filled.url, tmp_path, request)
    restore(tmp_path / "saved", url, NOW)
    back = SqlStore(url)
    with back.read() as tx:
        found = [run.id for run in tx.runs.find()]
        switch = tx.stop_switches.get(EVERYWHERE)
    assert found[:50] == [f"run_{number:03}" for number in range(50)]
    assert switch is not None
    assert (switch.on, switch.reason) == (True, WHY), "what was paid since is not known: nothing may be bought"
    add(back, "run_of_today")
    back.engine.dispose()


def test_nothing_that_is_there_is_written_over(filled: SqlStore, tmp_path: Path) -> None:
    back_up(filled.url, tmp_path / "saved")
    with pytest.raises(NotAllowed, match="there already"):
        back_up(filled.url, tmp_path / "saved")
    with pytest.raises(NotAllowed, match=r"there already|already has tables"):
        restore(tmp_path / "saved", filled.url, NOW)
    filled.engine.dispose()


def test_a_file_that_is_no_backup_of_that_database_is_refused(filled: SqlStore, tmp_path: Path) -> None:
    filled.engine.dispose()
    (tmp_path / "letter").write_text("Dear customer")
    with pytest.raises(NotAllowed, match="no backup of a"):
        restore(tmp_path / "letter", filled.url, NOW)


def test_a_damaged_backup_is_refused(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'truth.db'}")
    store.migrate()
    back_up(store.url, tmp_path / "saved")
    store.engine.dispose()
    raw = bytearray((tmp_path / "saved").read_bytes())
    raw[5000:40_000] = bytes(35_000)
    (tmp_path / "saved").write_bytes(raw)
    with pytest.raises((NotAllowed, sqlite3.DatabaseError)):
        restore(tmp_path / "saved", f"sqlite:///{tmp_path / 'new.db'}", NOW)
    assert not (tmp_path / "new.db").exists()


@pytest.mark.slow
def test_the_commands_of_the_how_to_do_what_it_says(tmp_path: Path) -> None:
    """They are read from the page and run as they stand there."""
    (block,) = re.findall(r"```sh drill\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    environ = {"VAR_DIR": str(tmp_path / "var"), "PYTHONPATH": str(ROOT), "FLASK_APP": "webapp.cli:create_app()"}

    def flask(line: str) -> subprocess.CompletedProcess[str]:
        words = shlex.split(line.partition("#")[0])
        assert words[0] == "flask"
        command = [sys.executable, "-m", *words]
        return subprocess.run(
            command, cwd=tmp_path, env=environ, check=True, capture_output=True, text=True, timeout=120
        )

    for line in block.strip().splitlines():
        flask(line)
    runner = create_app(
        settings=load_settings(environ | {"DATABASE_URL": "sqlite:///restored.db"}, tmp_path)
    ).test_cli_runner()
    assert json.loads(runner.invoke(args=["stop", "status", "--json"]).output)["on"] is True
    (block,) = re.findall(r"```sh after\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    for line in block.strip().splitlines():
        done = runner.invoke(args=shlex.split(line)[1:])
        assert done.exit_code == 0, (line, done.output)
    assert json.loads(runner.invoke(args=["stop", "status", "--json"]).output)["on"] is False

"""What every test shares: real servers on loopback, no network beyond it, and an ERROR log that fails the test."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says something about the machine, not about the product.
settings.register_profile("house", deadline=None)
settings.load_profile("house")

POSTGRES_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:]


def needs(tool: str, *, found: bool) -> None:
    """Skip where a tool is missing on a laptop; fail in CI, which installs everything."""
    if not found:
        if os.environ.get("CI"):
            pytest.fail(f"{tool} is missing, and CI installs it")
        pytest.skip(f"{tool} is not on this machine")


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(autouse=True)
def _no_error_logs(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """An ERROR in the log of a passing test is a failure, unless the test says that it provokes one."""
    yield
    if request.node.get_closest_marker("logs_errors"):
        return
    errors = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert not errors, f"logged as ERROR: {errors}"


class Postgres:
    """A throw-away PostgreSQL cluster on a loopback port."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port

    def run(self, *command: str) -> None:
        """Run one of PostgreSQL's own commands as a user it accepts (never root)."""
        prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        program = str(POSTGRES_BINARIES[0] / command[0])
        subprocess.run([*prefix, program, *command[1:]], check=True, capture_output=True, cwd="/")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -c fsync=off -c max_connections=200"
        log = str(self.folder / "log")
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-l", log, "-o", options, "-w", "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it; `immediate` is as rough as a crash."""
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-m", mode, "-w", "stop")

    def fresh_url(self) -> str:
        """The address of a new, empty database."""
        name = f"t{uuid.uuid4().hex[:12]}"
        self.run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", name)
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    needs("PostgreSQL", found=bool(POSTGRES_BINARIES))
    folder = Path("/tmp") / f"pg-{uuid.uuid4().hex[:8]}"  # a socket's path may have 107 characters at most
    folder.mkdir(mode=0o777)
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    cluster = Postgres(folder, free_port())
    cluster.run("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
    cluster.start()
    yield cluster
    cluster.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'truth.db'}"
    cluster: Postgres = request.getfixturevalue("postgres")
    return cluster.fresh_url()

"""A throw-away PostgreSQL server on a loopback port, for the tests and tools that need a real one."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.stack import free_port

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:]
"""Where this machine has PostgreSQL's programs; empty when it has none."""


HERE = "127.0.0.1"


def somebody() -> dict[str, Any]:
    """What `subprocess` needs to start a program that refuses to be root's: as postgres, where we are root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


class Postgres:
    """A cluster in a folder of its own, at an address of this machine."""

    def __init__(self, folder: Path, port: int, host: str = HERE) -> None:
        self.folder, self.port, self.host = folder, port, host

    def run(self, *command: str) -> None:
        """Run one of PostgreSQL's own commands as a user it accepts (never root)."""
        program = str(BINARIES[0] / command[0])
        subprocess.run([program, *command[1:]], check=True, capture_output=True, cwd="/", **somebody())

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses={self.host} -k {self.folder} -c fsync=off -c max_connections=200"
        log = str(self.folder / "log")
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-l", log, "-o", options, "-w", "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it; `immediate` is as rough as a crash."""
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-m", mode, "-w", "stop")

    def url(self, name: str) -> str:
        """The address of a database."""
        return f"postgresql+psycopg://postgres@{self.host}:{self.port}/{name}"

    def create(self, name: str, *, like: str = "template1") -> None:
        """A new database, a copy of another."""
        self.run("createdb", "-h", self.host, "-p", str(self.port), "-U", "postgres", "-T", like, name)

    def drop(self, name: str) -> None:
        """Remove a database, if it is there."""
        where = ("-h", self.host, "-p", str(self.port), "-U", "postgres")
        self.run("dropdb", *where, "--if-exists", "--force", name)

    def fresh_url(self, template: str = "template1") -> str:
        """The address of a new database: an empty one, or a copy of another that nobody is connected to."""
        name = f"t{uuid.uuid4().hex[:12]}"
        self.create(name, like=template)
        return self.url(name)


@contextmanager
def throw_away(host: str = HERE) -> Iterator[Postgres]:
    """A running cluster that is gone afterwards; at another address than the loopback's, its network may come in."""
    folder = Path("/tmp") / f"pg-{uuid.uuid4().hex[:8]}"  # a socket's path may have 107 characters at most
    try:
        with kept(folder, stop="immediate", host=host) as cluster:
            yield cluster
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def kept(folder: Path, *, stop: str = "fast", host: str = HERE) -> Iterator[Postgres]:
    """A running cluster that stays in its folder, for the next time."""
    folder.mkdir(mode=0o777, exist_ok=True)
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    cluster = Postgres(folder, free_port(), host)
    if not (folder / "data" / "PG_VERSION").exists():
        cluster.run("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
    if host != HERE:
        with (folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {host}/24 trust\n")
    (folder / "data" / "postmaster.pid").unlink(missing_ok=True)
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop(stop)

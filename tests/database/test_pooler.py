"""Behind a pooler that hands out connections by the transaction: nothing is prepared there, and nobody can listen."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import make_url

from pipelines.database import SqlStore
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.records import Run
from pipelines.ports import Commits
from pipelines.wakeups import RedisWakeups
from tests.conftest import needs
from tools.chaos.outages import own_redis, own_redis_at
from tools.postgres import Postgres, somebody
from tools.stack import Stack, free_port, until

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CONFIG = """
[databases]
* = host=127.0.0.1 port={port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
auth_type = any
pool_mode = transaction
unix_socket_dir =
"""


@pytest.fixture
def pooler(postgres: Postgres, tmp_path: Path) -> Iterator[int]:
    """A real PgBouncer that hands out connections by the transaction; its port."""
    needs("pgbouncer", found=PGBOUNCER is not None)
    port = free_port()
    path = tmp_path / "pgbouncer.ini"
    path.write_text(CONFIG.format(port=postgres.port, listen=port))
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    process = subprocess.Popen([str(PGBOUNCER), str(path)], stderr=subprocess.DEVNULL, **somebody())
    try:
        until(lambda: _is_open(port), "PgBouncer")
        yield port
    finally:
        process.terminate()
        process.wait()


def _is_open(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port)):
        return True


def through(pooler: int, around: str) -> str:
    """The address of the same database by the pooler."""
    return make_url(around).set(port=pooler, query={"pgbouncer": "true"}).render_as_string(hide_password=False)


@pytest.mark.parametrize("direct", [False, True])
def test_behind_a_pooler_the_schema_comes_up_and_rows_go_in(postgres: Postgres, pooler: int, *, direct: bool) -> None:
    """With and without a way around it for the migration."""
    around = postgres.fresh_url()
    url = through(pooler, around)
    stores = [SqlStore(url, direct_url=around if direct else None) for _ in range(3)]
    threads = [threading.Thread(target=store.migrate) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        with store.write() as tx:
            tx.serialise("films")
            assert tx.runs.find() == []
        store.engine.dispose()


@pytest.fixture
def address(postgres: Postgres, migrated_postgres: str, pooler: int) -> str:
    """A database of the present schema, reached by nothing but the pooler."""
    return through(pooler, postgres.fresh_url(migrated_postgres))


def a_run(number: int) -> Run:
    return Run(id=f"run_{number}", status=RunStatus.QUEUED, source="rest", next_at=1.0)


def commit(store: SqlStore, number: int) -> None:
    with store.write() as tx:
        tx.runs.add(a_run(number))


def await_hearing(commits: Commits) -> None:
    """Whoever cannot hear yet is woken again and again."""
    until(lambda: not commits.wait(0.3), "word to come through")


def commit_in_a_fork(address: str, redis: str) -> None:
    """As a horse does, which ends without asking anybody."""
    pid = os.fork()
    if pid == 0:
        try:
            store = SqlStore(address, wakeups=RedisWakeups(redis))
            commit(store, 1)
            store.flush()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


@pytest.mark.parametrize("how", ["beside", "fork", "at once"])
def test_what_others_commit_is_heard_through_redis(address: str, tmp_path: Path, how: str) -> None:
    with own_redis(tmp_path) as (redis, _die):
        store = SqlStore(address, wakeups=RedisWakeups(redis))
        other = SqlStore(address, pooled=False, wakeups=RedisWakeups(redis, threads=how != "at once"))
        with store.commits() as commits:
            await_hearing(commits)
            if how == "fork":
                commit_in_a_fork(address, redis)
            else:
                commit(other, 1)
            assert commits.wait(200), "all the time would be waited for what nobody has told"
            woken = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
            assert not commits.wait(1.0)
            assert resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - woken < 16, "the processor is left alone"
        store.disconnect()


def test_without_redis_sql_is_looked_at_more_often_and_nobody_waits_for_it(address: str, tmp_path: Path) -> None:
    with own_redis(tmp_path) as (redis, die):
        store, other = (SqlStore(address, wakeups=RedisWakeups(redis)) for _ in range(2))
        with store.commits() as commits:
            await_hearing(commits)
            Redis.from_url(redis).client_pause(600_000)
            assert all(commits.wait(60) for _ in range(9)), "a broker that is silent is as good as none"
            die()
            assert all(commits.wait(60) for _ in range(9))
            commit(other, 1)
            with own_redis_at(redis, tmp_path):
                await_hearing(commits)
                commit(other, 2)
                assert commits.wait(200), "it is back, and heard again"
        for one in (store, other):
            one.disconnect()


@pytest.mark.slow
def test_a_film_is_made_behind_a_pooler_alone(postgres: Postgres, pooler: int, tmp_path: Path) -> None:
    with own_redis(tmp_path) as (redis, _die):
        settings = {"DATABASE_URL": through(pooler, postgres.fresh_url()), "REDIS_URL": redis}
        with Stack(tmp_path / "var", extra=settings) as stack:
            order = {"master_prompt": "A kite", "scene_count": 1, "clip_seconds": 1, "resolution": "480p"}
            run = stack.post("/api/process-master-prompt", order | {"model": "local/animatic"}).json()["run_id"]
            assert stack.wait_run(run)["status"] == "done"
            assert Redis.from_url(redis).pubsub_numsub("reelgrid_due") == [(b"reelgrid_due", 1)]
            assert "instead" not in (stack.var / "worker.log").read_text()

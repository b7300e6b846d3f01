"""The web process as the Procfile starts it: bodies of any framing, quiet logs, many waiting readers."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from pipelines.database import SqlStore
from tests.web.web_fixtures import WebHarness
from tools.stack import free_port, until

ROOT = Path(__file__).parents[2]
DEADLINE_S = 100.0
AWAY = "postgresql://reelgrid:hunter2secret@127.0.0.1:1/reelgrid"
pytestmark = pytest.mark.xdist_group("server")


@dataclass
class Server:
    url: str
    port: int
    log: Path
    process: subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """gunicorn with few threads, on an empty database."""
    with serving(tmp_path_factory.mktemp("server")) as made:
        yield made


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[Server]:
    port, log = free_port(), folder / "log"
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PORT": str(port), "VAR_DIR": str(folder / "var")}
    environ |= {"THREADS": "8", **settings}
    command = [sys.executable, "-m", "gunicorn", "--config", "python:webapp.server", "webapp:create_app()"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=out, stderr=out)
    made = Server(f"http://127.0.0.1:{port}", port, log, process)
    try:
        wait_for(made)
        yield made
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def wait_for(server: Server) -> None:
    def answers() -> bool:
        assert server.process.poll() is None, server.log.read_text()
        return httpx.get(f"{server.url}/health", timeout=10).status_code == 200

    until(answers, "the server to answer", DEADLINE_S)


def pieces(size: int) -> Iterator[bytes]:
    """A body whose length is not announced."""
    yield b'{"master_prompt": "'
    yield b"x" * size
    yield b'"}'


@pytest.mark.parametrize("size", [70_000, 3_000_000])
def test_a_body_that_is_too_large_is_413_however_it_comes(server: Server, size: int) -> None:
    """Announced or in chunks; the client reads the answer, not a broken pipe."""
    url, kind = f"{server.url}/api/process-master-prompt", {"Content-Type": "application/json"}
    chunked = httpx.post(url, content=pieces(size), headers=kind, timeout=50)
    whole = httpx.post(url, content=b"".join(pieces(size)), headers=kind, timeout=60.0)
    for answer in (chunked, whole):
        assert answer.status_code == 413
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert "64 KiB" in answer.json()["detail"]


def test_a_small_body_in_chunks_is_read_whole(server: Server) -> None:
    """Some clients always send chunks."""
    url, kind = f"{server.url}/api/process-master-prompt", {"Content-Type": "application/json"}
    assert httpx.post(url, content=pieces(1000), headers=kind, timeout=50).status_code == 202
    assert httpx.post(url, content=iter([b'{"master_', b'prompt": 5}']), headers=kind, timeout=50).status_code == 422


def test_triggers_are_answered_while_many_wait(server: Server) -> None:
    """More readers wait for a change than there are threads; a trigger is answered all the same."""
    body = {"master_prompt": "A fox"}
    run_id = httpx.post(f"{server.url}/api/process-master-prompt", json=body, timeout=50).json()["run_id"]
    with ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(httpx.get, f"{server.url}/api/runs/{run_id}?wait=60", timeout=90) for _ in range(12)]
        answers = [httpx.post(f"{server.url}/api/process-master-prompt", json=body, timeout=50) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [202] * 5
        until(lambda: sum(not future.done() for future in waiting) <= 4, "all but a few readers to be answered", 50.0)
        httpx.post(f"{server.url}/api/runs/{run_id}/cancel", timeout=50)
        assert {future.result().status_code for future in waiting} == {200}


def test_no_link_stands_in_the_log(server: Server) -> None:
    """Signed links and permanent ones are as good as keys."""
    token = "A" * 43
    for path in (f"/v/{token}", f"/media/{token}", f"/runs/run_x?t={token}", f"/api/webhook/sora/{token}"):
        httpx.get(f"{server.url}{path}", timeout=50)
    httpx.get(f"{server.url}/health?last=1", timeout=50)
    deadline = time.monotonic() + DEADLINE_S
    while server.log.read_text().count("GET /runs/run_x") < 1:
        assert time.monotonic() < deadline, server.log.read_text()
    assert token not in server.log.read_text()


def test_every_line_of_the_web_process_is_an_object_with_its_ids(server: Server) -> None:
    """Also gunicorn's own, from its first: a host takes lines of text for errors."""
    headers = {"X-Railway-Request-Id": "req-1.2", "Authorization": "Bearer wrong"}
    httpx.get(f"{server.url}/api/runs/run_y", headers=headers, timeout=50)
    httpx.get(f"{server.url}/health", headers={"X-Request-Id": "no {id}"}, timeout=50)

    def lines() -> list[dict[str, object]]:
        return [json.loads(line) for line in server.log.read_text().splitlines()]

    until(lambda: any("/api/runs/run_y" in str(line["message"]) for line in lines()), "the line", DEADLINE_S)
    (told,) = (line for line in lines() if "/api/runs/run_y" in str(line["message"]))
    assert (told["level"], told["logger"]) == ("INFO", "gunicorn.access")
    assert (told["request_id"], told["run_id"]) == ("req-1.2", "run_y")
    assert "no {id}" not in server.log.read_text()


def test_half_a_request_does_no_harm(server: Server) -> None:
    """A client that dies in the middle of its body leaves nothing behind."""
    with socket.create_connection(("127.0.0.1", server.port)) as half:
        half.sendall(b"POST /api/process-record HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{")
    assert httpx.get(f"{server.url}/health", timeout=50).status_code == 200


@pytest.mark.parametrize(
    ("settings", "written", "named"),
    [
        ({"PUBLIC_URL": "https://films.example.com", "PORT": "x"}, "", ("SECRET_KEY", "API_KEYS", "PORT")),
        ({}, "THREADS=one\nLOG_LEVEL=loud\n", ("THREADS", "LOG_LEVEL")),
        # Found out only where the application is loaded: nobody tries again and again.
        ({"PUBLIC_URL": "https://films.example.com"}, "", ("SECRET_KEY", "API_KEYS")),
        ({"CATALOGUE": "missing.toml"}, "", ("CATALOGUE",)),
    ],
)
def test_settings_that_cannot_be_used_are_listed_and_nothing_is_started(
    tmp_path: Path, settings: dict[str, str], written: str, named: tuple[str, ...]
) -> None:
    (tmp_path / ".env").write_text(written)
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PORT": str(free_port()), **settings}
    command = [sys.executable, "-m", "gunicorn", "--config", "python:webapp.server", "webapp:create_app()"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    for name in named:
        assert name in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "url"),
    [
        ("gunicorn --config python:webapp.server webapp:create_app()", AWAY),
        ("worker", AWAY),
        ("worker", "sqlite:////proc/nowhere/films.db"),
        ("flask doctor", AWAY),
        ("flask runs list --json", AWAY),
    ],
)
def test_without_its_database_a_process_ends_with_one_sentence(tmp_path: Path, command: str, url: str) -> None:
    """Whoever runs it starts it again, or reads which setting it is."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "FLASK_APP": "webapp.cli:create_app()"}
    environ |= {"VAR_DIR": str(tmp_path / "var"), "PORT": str(free_port()), "DATABASE_URL": url}
    done = subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if "DATABASE_URL leads to no usable database: " in line]
    assert (done.returncode != 0, len(said)) == (True, 1)
    assert said[0].endswith(". Set it right, or start that server, then try again.")
    for unwanted in ("Traceback", "hunter2secret", "No such command"):
        assert unwanted not in done.stdout + done.stderr


def test_where_public_url_is_loopback_only_loopback_is_bound_unless_everything_is_asked_for(
    server: Server, tmp_path: Path
) -> None:
    """A container's loopback is nobody else's, so its port has to be bound everywhere; a laptop's has not."""
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.2:{server.port}/health", timeout=50)
    with serving(tmp_path, LISTEN_ON="all") as everywhere:
        assert httpx.get(f"http://127.0.0.2:{everywhere.port}/health", timeout=50).status_code == 200


def test_the_answers_are_json_that_people_can_read(server: Server) -> None:
    """Letters stay letters, and fields keep their order."""
    answer = httpx.post(
        f"{server.url}/api/process-master-prompt", json={"master_prompt": "Füchse", "title": "Füchse"}, timeout=50
    )
    text = httpx.get(answer.json()["status_url"].replace("127.0.0.1", "127.0.0.1"), timeout=50).text
    assert "Füchse" in text
    assert next(iter(json.loads(text))) == "run_id"


def test_the_application_keeps_no_connection_for_the_process_that_forks(harness: WebHarness) -> None:
    """gunicorn makes it once, and forks: a connection that parent and child both have is broken by either."""
    assert isinstance(harness.store, SqlStore)
    assert harness.store.engine.pool.status() == SqlStore(harness.store.url).engine.pool.status()


@pytest.mark.slow
def test_a_process_that_is_killed_is_replaced_by_one_that_answers_and_counts_anew(
    database_url: str, tmp_path: Path
) -> None:
    """On either database: it is forked from the same application, whose first process served until it died."""
    with serving(tmp_path, DATABASE_URL=database_url) as server:
        for _ in range(2):
            _cancelled_run(server)
        until(lambda: _cancellations(server) == 2.0, "two runs to be counted", DEADLINE_S)
        first = _serving_pid(server)
        os.kill(first, signal.SIGKILL)
        until(lambda: _serving_pid(server) not in (0, first), "another process", DEADLINE_S)
        wait_for(server)
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(httpx.get, f"{server.url}/api/runs", timeout=50) for _ in range(40)]
            assert {one.result().status_code for one in asked} == {200}
        _cancelled_run(server)
        until(lambda: _cancellations(server) > 0.0, "a run to be counted", DEADLINE_S)
        assert _cancellations(server) == 1.0
        assert "Traceback" not in server.log.read_text()


def _serving_pid(server: Server) -> int:
    """Of the one process that gunicorn has forked; 0 while there is none."""
    forked = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return int(forked[0]) if forked else 0


def _cancelled_run(server: Server) -> None:
    made = httpx.post(f"{server.url}/api/process-master-prompt", json={"master_prompt": "A fox"}, timeout=50).json()
    assert httpx.post(f"{server.url}/api/runs/{made['run_id']}/cancel", timeout=50).status_code == 200


def _cancellations(server: Server) -> float:
    told = httpx.get(f"{server.url}/metrics", timeout=50).text
    found = re.search(r'^reelgrid_runs_ended_total\{status="cancelled"\} (\S+)$', told, re.MULTILINE)
    return float(found.group(1)) if found else 0.0

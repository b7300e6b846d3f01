"""Following a run: events as they come, waiting for the end, answers that did not change; and downloads beside them."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.order import Order
from pipelines.domain.records import AccountStatus, Event, Run
from pipelines.stages.views.documents import StreamedEvent, StreamedRun
from pipelines.stages.views.run_view import RunMark
from tests.web.two_accounts import Customer, customer
from tests.web.web_fixtures import BEARER, OUTSIDE, WebHarness, as_described
from webapp import concurrency
from webapp.api.following import watch
from webapp.api.legacy.answers import PolledRun

ROOT = Path(__file__).resolve().parents[2]
RUN = "run_f"


def a_run(status: RunStatus = RunStatus.GENERATING, **changes: Any) -> Run:
    return Run(id=RUN, status=status, source="rest", order=Order(title="A fox"), **changes)


def happened(harness: WebHarness, name: str, run_id: str = RUN) -> None:
    """As a worker commits it: an event and a new version."""
    with harness.store.write() as tx:
        run = tx.runs.get(run_id)
        assert run
        tx.events.add(Event(at=1.0, entity="run", entity_id=run_id, run_id=run_id, name=name, actor="worker"))
        tx.runs.change(run_id, version=run.version + 1)


def ended(harness: WebHarness, run_id: str = RUN) -> None:
    harness.change("runs", run_id, status=RunStatus.DONE)
    happened(harness, "status", run_id)


@dataclass
class Told:
    """What a stream said, taken apart as an EventSource does."""

    text: str
    ids: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    runs: list[StreamedRun] = field(default_factory=list)

    def __post_init__(self) -> None:
        for block in self.text.split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if lines.get("event") == "run":
                self.runs.append(as_described(StreamedRun, json.loads(lines["data"])))
            elif "data" in lines:
                self.ids.append(int(lines["id"]))
                self.names.append(as_described(StreamedEvent, json.loads(lines["data"]))["name"])


def events(harness: WebHarness, last: int | None = None) -> Any:
    return harness.get(f"/api/runs/{RUN}/events", headers={} if last is None else {"Last-Event-ID": str(last)})


def all_waiting(harness: WebHarness) -> list[concurrency.Slot | None]:
    with harness.app.app_context():
        slots = concurrency.slots()
    return [slots.wait() for _ in range(slots.waiting_most)]


def test_events_go_on_after_the_last_one_without_a_gap(harness: WebHarness) -> None:
    """And when all was told the client is sent away for good. From the archive, which has other ids, all is told to who
    comes new.
    """
    harness.put(a_run(RunStatus.DONE))
    for name in ("first", "second", "third"):
        happened(harness, name)
    answer = events(harness)
    assert answer.mimetype == "text/event-stream"
    assert answer.headers["X-Accel-Buffering"] == "no"
    told = Told(answer.get_data(as_text=True))
    assert told.names == ["first", "second", "third"]
    assert [(run["status"], run["title"]) for run in told.runs] == [("done", "A fox")]
    assert told.text.startswith("retry: 3000\n\n")
    rest = Told(events(harness, told.ids[0]).get_data(as_text=True))
    assert (rest.ids, rest.names) == (told.ids[1:], ["second", "third"])
    assert events(harness, told.ids[-1]).status_code == 204
    with harness.store.write() as tx:
        tx.archive([RUN])
    assert events(harness, told.ids[-1]).status_code == 204
    assert Told(events(harness).get_data(as_text=True)).names == told.names
    happened(harness, "fourth")
    assert Told(events(harness).get_data(as_text=True)).names == [*told.names, "fourth"]
    assert harness.get(f"/api/runs/{RUN}/events", headers={"Last-Event-ID": "x"}).status_code == 422
    assert harness.get("/api/runs/run_unknown/events").status_code == 404


def test_a_held_stream_tells_what_happens_and_ends_with_the_run(harness: WebHarness) -> None:
    harness.put(a_run())
    happened(harness, "first")
    answer = events(harness)
    pieces = answer.iter_encoded()
    assert next(pieces) == b"retry: 3000\n\n"
    assert Told(next(pieces).decode()).names == ["first"]
    ended(harness)
    rest = Told(b"".join(pieces).decode())
    assert (rest.names, rest.runs[-1]["status"]) == (["status"], "done")
    with harness.app.app_context():
        slots, watching = concurrency.slots(), watch.watch()
    answer.close()
    assert len([slot for slot in iter(slots.wait, None) if slot]) == slots.waiting_most
    thread = watching._thread
    if thread:
        thread.join(timeout=30)
    assert not watching.awake


def test_without_a_free_slot_everybody_is_told_at_once_and_comes_again(harness: WebHarness) -> None:
    harness.put(a_run())
    happened(harness, "first")
    taken = all_waiting(harness)
    assert all(taken)
    assert Told(events(harness).get_data(as_text=True)).names == ["first"]
    polled = harness.get(f"/api/runs/{RUN}?poll=true")
    assert (polled.json["state"], polled.headers["Retry-After"]) == ("processing", "3")
    with harness.app.app_context():
        assert not watch.watch().awake


def test_one_poll_serves_all_who_wait(harness: WebHarness) -> None:
    """The database is not asked more often because more wait; nobody is woken by what another waits for."""
    polls: list[tuple[str, ...]] = []
    marks = {"run_a": RunMark("1", stopped=False), "run_b": RunMark("1", stopped=False)}

    def poll(run_ids: Any) -> dict[str, RunMark]:
        polls.append(tuple(run_ids))
        return {run_id: marks[run_id] for run_id in run_ids}

    watching = watch.Watch(poll)
    found: list[bool] = []
    threads = [
        threading.Thread(target=lambda: found.append(watching.wait_for_change("run_a", "1", 60.0)), daemon=True)
        for _ in range(20)
    ]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    assert not watching.wait_for_change("run_b", "1", 1.0)
    marks["run_a"] = RunMark("2", stopped=False)
    for thread in threads:
        thread.join(timeout=60)
    assert found == [True] * 20
    assert len(polls) <= (time.monotonic() - began) / watch.POLL_INTERVAL_S + 2


def test_poll_answers_at_the_end_in_legacy_words(harness: WebHarness) -> None:
    """A space now and then keeps proxies from cutting it off, and is no part of the JSON."""
    harness.put(a_run())
    with harness.app.app_context():
        watching = watch.watch()

    def meanwhile() -> None:
        while not watching.awake:
            threading.Event().wait(0.01)
        happened(harness, "first")

    thread = threading.Thread(target=meanwhile, daemon=True)
    thread.start()
    answer = harness.get(f"/api/runs/{RUN}?poll=true")
    pieces = answer.iter_encoded()
    assert next(pieces) == b" "
    thread.join()
    harness.finished("run_other")
    ended(harness)
    view = as_described(PolledRun, json.loads(b"".join(pieces)))
    assert (view["state"], view["task_id"], view["resultUrls"], view["failMsg"]) == ("success", RUN, [], None)
    film = harness.get("/api/runs/run_other?poll=true").json
    assert film["result"].startswith("https://films.example.com/v/")
    assert film["resultUrls"] == [film["result"]]
    harness.change("runs", RUN, status=RunStatus.FAILED, error="Refused.")
    failed = harness.get(f"/api/runs/{RUN}?poll=1").json
    assert (failed["state"], failed["failMsg"]) == ("fail", "Refused.")
    assert "state" not in harness.get(f"/api/runs/{RUN}").json


def test_an_answer_that_did_not_change_is_not_sent_again(harness: WebHarness) -> None:
    """Until its links would be others; and `wait` starts from it."""
    harness.put(a_run())
    harness.clock.stop()
    first = harness.get(f"/api/runs/{RUN}")
    same = harness.get(f"/api/runs/{RUN}", headers={"If-None-Match": first.headers["ETag"]})
    assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", first.headers["ETag"])
    happened(harness, "first")
    waited = harness.get(f"/api/runs/{RUN}?wait=60", headers={"If-None-Match": first.headers["ETag"]})
    assert (waited.status_code, waited.headers["ETag"] == first.headers["ETag"]) == (200, False)
    later = {"If-None-Match": waited.headers["ETag"]}
    assert harness.get(f"/api/runs/{RUN}", headers=later).status_code == 304
    harness.clock.shift = 7200.0
    assert harness.get(f"/api/runs/{RUN}", headers=later).status_code == 200


def test_a_stream_is_only_for_whose_run_it_is(harness: WebHarness) -> None:
    first, second = customer(harness, "first"), customer(harness, "second")
    harness.put(a_run(RunStatus.DONE, account_id=first.account_id))
    happened(harness, "first")
    path = f"/api/runs/{RUN}/events"
    assert harness.client.get(path, headers=first.headers).status_code == 200
    assert harness.client.get(path, headers=second.headers).status_code == 404
    assert harness.client.get(path).status_code == 401


def end_key(harness: WebHarness, who: Customer, how: str) -> None:
    if how == "closed":
        harness.change("accounts", who.account_id, status=AccountStatus.CLOSED)
    else:
        harness.change("keys", who.key_id, **{"revoked": {"revoked_at": 1.0}, "expired": {"expires_at": 1.0}}[how])


@pytest.mark.parametrize("how", ["revoked", "expired", "closed"])
def test_a_stream_ends_with_the_key_that_asked_for_it(harness: WebHarness, how: str) -> None:
    """Nothing that happens afterwards is told, and who comes again is refused."""
    who = customer(harness, "first")
    harness.put(a_run(account_id=who.account_id))
    happened(harness, "first")
    held = harness.client.get(f"/api/runs/{RUN}/events", headers=who.headers)
    pieces = held.iter_encoded()
    told = Told((next(pieces) + next(pieces)).decode())
    assert told.names == ["first"]
    happened(harness, "second")
    told = Told(next(pieces).decode())
    assert told.names == ["second"]
    end_key(harness, who, how)
    happened(harness, "third")
    assert b"".join(pieces) == b""
    again = harness.client.get(held.request.path, headers={**who.headers, "Last-Event-ID": str(told.ids[-1])})
    assert (again.status_code, again.mimetype) == (401, "application/problem+json")


@pytest.mark.parametrize(("waits", "status"), [("poll=true", 200), ("wait=60", 401)])
def test_who_waits_is_told_nothing_after_the_end_of_the_key(harness: WebHarness, waits: str, status: int) -> None:
    """An answer that has begun ends with the problem document."""
    who = customer(harness, "first")
    harness.put(a_run(account_id=who.account_id))
    with harness.app.app_context():
        watching = watch.watch()

    def meanwhile() -> None:
        while not watching.awake:
            threading.Event().wait(0.01)
        end_key(harness, who, "revoked")
        ended(harness)

    thread = threading.Thread(target=meanwhile, daemon=True)
    thread.start()
    answer = harness.client.get(f"/api/runs/{RUN}?{waits}", headers=who.headers)
    refused = json.loads(answer.data)
    thread.join()
    assert (answer.status_code, refused["status"], "run_id" in refused) == (status, 401, False)


def test_downloads_take_places_too(harness: WebHarness) -> None:
    """Two of one link by one reader, and with those who wait three quarters of the threads; small files take none."""
    cut = harness.finished(film=b"\0" * 100_000)
    path = f"/v/{cut.token}"
    half_read = [harness.client.get(path) for _ in range(2)]
    assert [answer.status_code for answer in half_read] == [200, 200]
    third = harness.client.get(path)
    assert (third.status_code, third.headers["Retry-After"]) == (503, "3")
    assert harness.client.head(path).status_code == 200
    assert harness.client.get(path, headers={"Range": "bytes=0-99"}).status_code == 206
    other = harness.client.get(path, environ_overrides={"REMOTE_ADDR": "203.0.113.9"})
    assert other.status_code == 200
    for answer in (*half_read, other):
        assert len(answer.data) == 100_000
    with harness.app.app_context():
        slots = concurrency.slots()
    waiting = all_waiting(harness)
    downloads = [slots.download(f"link-{n}", None) for n in range(harness.settings.threads // 4)]
    assert len(waiting) + len(downloads) == harness.settings.threads * 3 // 4
    assert harness.client.get(path).status_code == 503
    downloads[0].release()
    downloads[0].release()
    never_read = harness.client.get(path)
    assert never_read.status_code == 200
    assert harness.client.get(path).status_code == 503
    never_read.close()
    assert harness.client.get(path).status_code == 200


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[WebHarness, str]]:
    """gunicorn with the default threads, on the database of the harness."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {**OUTSIDE, "PORT": str(port), "VAR_DIR": str(tmp_path / "var"), "LOG_LEVEL": "WARNING"}
    with WebHarness(tmp_path, environ) as harness:
        command = [sys.executable, "-m", "gunicorn", "--config", "python:webapp.server", "webapp:create_app()"]
        database = {"DATABASE_URL": f"sqlite:///{tmp_path}/var/reelgrid.db", "PATH": os.environ["PATH"]}
        process = subprocess.Popen(command, cwd=ROOT, env={**environ, **database, "PYTHONPATH": str(ROOT)})
        try:
            yield harness, f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=60)


async def follow(client: httpx.AsyncClient, url: str) -> list[int]:
    """As an EventSource does: again after 3 s with the last id, until it is sent away."""
    ids: list[int] = []
    while True:
        headers = {**BEARER, **({"Last-Event-ID": str(ids[-1])} if ids else {})}
        async with client.stream("GET", url, headers=headers) as answer:
            if answer.status_code == 204:
                return ids
            assert answer.status_code == 200
            ids += Told((await answer.aread()).decode()).ids
        await asyncio.sleep(3)


async def beside(client: httpx.AsyncClient, url: str, seen: list[float], over: asyncio.Event) -> None:
    while not over.is_set():
        began = time.monotonic()
        assert (await client.get(f"{url}/health")).status_code == 200
        seen.append(time.monotonic() - began)
        await asyncio.sleep(0.2)


@pytest.mark.slow
def test_two_hundred_streams_leave_room_for_others_and_all_see_the_end(served: tuple[WebHarness, str]) -> None:
    harness, url = served
    harness.put(a_run())
    happened(harness, "first")

    async def all_of_them() -> tuple[list[list[int]], list[float]]:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        seen: list[float] = []
        over = asyncio.Event()
        async with httpx.AsyncClient(limits=limits, timeout=60) as client:
            await up(client, url)
            pings = asyncio.create_task(beside(client, url, seen, over))
            streams = [asyncio.create_task(follow(client, f"{url}/api/runs/{RUN}/events")) for _ in range(200)]
            for name in ("second", "third"):
                await asyncio.sleep(2)
                await asyncio.to_thread(happened, harness, name)
            await asyncio.to_thread(ended, harness)
            found = await asyncio.gather(*streams)
            over.set()
            await pings
        return found, seen

    found, seen = asyncio.run(all_of_them())
    with harness.store.read() as tx:
        every = [event.id for event in tx.events.find(run_id=RUN, order="id")]
    assert len(every) == 4
    assert found == [every] * 200
    assert len(seen) >= 5


async def up(client: httpx.AsyncClient, url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if (await client.get(f"{url}/health")).status_code == 200:
                return
        except httpx.TransportError:
            await asyncio.sleep(0.1)
    raise AssertionError("gunicorn does not answer")

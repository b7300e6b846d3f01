"""A worker service that is gone is seen: by the metrics, by /ready and by `flask doctor`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.domain.lifecycle import GenerationStatus, RunStatus
from pipelines.domain.records import OutboxEntry, Process, Run
from pipelines.ports import Stored
from pipelines.stages.files import keep
from tests.web.web_fixtures import BEARER, OUTSIDE, WebHarness


def beat(harness: WebHarness, *kinds: str, ago: float = 1.0) -> None:
    """Processes of a worker service that beat for the last time so long ago."""
    now = harness.clock.now()
    with harness.store.write() as tx:
        for kind in kinds:
            row = Process(id=f"{kind}-x", kind=kind, host="x", pid=7, started_at=now - 100, beat_at=now - ago)
            assert tx.processes.add(row)


def metrics(harness: WebHarness) -> dict[str, float]:
    lines = harness.client.get("/metrics", headers=BEARER).get_data(as_text=True).splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def doctor(harness: WebHarness) -> dict[str, object]:
    told = harness.app.test_cli_runner().invoke(args=["doctor", "--json"])
    (found,) = (check for check in json.loads(told.stdout) if check["name"] == "worker")
    return dict(found)


def ready(harness: WebHarness) -> bool:
    answer = harness.client.get("/ready")
    assert answer.status_code == 200, "what is asked of the web process is answered, whoever else is away"
    return bool(answer.get_json()["checks"]["worker"])


def test_a_worker_service_that_beats_is_there(harness: WebHarness) -> None:
    beat(harness, "pump", "steps0", "media0")
    found = metrics(harness)
    assert found['reelgrid_processes{kind="pump"}'] == 1
    assert found['reelgrid_processes{kind="steps0"}'] == 1
    assert 0 <= found["reelgrid_pump_last_beat_seconds"] < 15
    assert ready(harness)
    assert doctor(harness)["sentence"] == "3 processes: media0, pump, steps0"


@pytest.mark.parametrize("ago", [20.0, 3_600.0])
def test_one_that_was_killed_is_seen_although_its_rows_are_there(harness: WebHarness, ago: float) -> None:
    beat(harness, "pump", "steps0", ago=ago)
    found = metrics(harness)
    assert found['reelgrid_processes{kind="pump"}'] == 0
    assert ago <= found["reelgrid_pump_last_beat_seconds"] < ago + 60
    assert not ready(harness)
    told = doctor(harness)
    assert not told["ok"]
    assert str(told["sentence"]).startswith("none is running; the last one was heard of ")


def test_without_any_the_alarm_has_something_to_look_at(harness: WebHarness) -> None:
    found = metrics(harness)
    assert found['reelgrid_processes{kind="pump"}'] == 0
    assert found["reelgrid_pump_last_beat_seconds"] == float("inf")
    assert doctor(harness)["sentence"] == "none is running"


def test_workers_without_a_pump_are_not_enough(harness: WebHarness) -> None:
    """They work on what they are sent, and nobody sends."""
    beat(harness, "steps0")
    assert not doctor(harness)["ok"]
    assert not ready(harness)


def test_the_age_of_the_oldest_in_each_moving_status_is_told(harness: WebHarness) -> None:
    now = harness.clock.now()
    harness.put(
        Run(id="run_1", status=RunStatus.GENERATING, source="rest", updated_at=now - 120),
        Run(id="run_2", status=RunStatus.QUEUED, source="rest", updated_at=now - 500, next_at=now + 3600),
        harness.scene("run_1"),
        harness.generation("run_1", updated_at=now - 90),
    )
    found = metrics(harness)
    assert found['reelgrid_oldest_moving_run_seconds{status="generating"}'] >= 120
    assert found['reelgrid_oldest_moving_run_seconds{status="queued"}'] == 0, "it waits for its time"
    assert found['reelgrid_oldest_open_generation_seconds{status="running"}'] >= 90


def unlike(name: str) -> dict[str, str]:
    """What two requests never share."""
    return {"idem_key": name, "callback_token": name, "provider_id": name}


def test_of_what_is_over_the_last_day_is_counted_and_all_of_what_goes_on(harness: WebHarness) -> None:
    now = harness.clock.now()
    ended = [now - 3_600, now - 7 * 86_400]
    harness.put(
        *(Run(id=f"run_{at}", status=RunStatus.DONE, source="rest", finished_at=at, updated_at=at) for at in ended),
        Run(id="run_old", status=RunStatus.NEEDS_ATTENTION, source="rest", updated_at=ended[1]),
        *(
            harness.generation(
                f"run_{at}", id=f"gen_{at}", status=GenerationStatus.FETCHED, updated_at=at, **unlike(str(at))
            )
            for at in ended
        ),
    )
    with harness.store.write() as tx:
        tx.outbox.add(OutboxEntry(id="out_1", base_id="app", table="Videos", next_at=now))
        tx.outbox.add(OutboxEntry(id="out_2", base_id="app", table="Videos"))
    found = metrics(harness)
    assert found['reelgrid_runs{status="done"}'] == 1
    assert found['reelgrid_runs{status="needs_attention"}'] == 1
    assert found['reelgrid_generations{status="fetched"}'] == 1
    assert found["reelgrid_outbox_rows"] == 1


def test_what_is_stored_is_told_by_kind_beside_the_limit(tmp_path: Path) -> None:
    """And an order of the API that comes while storage is full is answered so."""
    with WebHarness(tmp_path, {**OUTSIDE, "STORAGE_LIMIT_GB": "0.000001"}) as harness:
        order = {"master_prompt": "A boat", "model": "local/animatic"}
        assert harness.client.post("/api/process-master-prompt", json=order, headers=BEARER).status_code == 202
        with harness.store.write() as tx:
            keep.note(tx, None, Stored(key="clips/aa/x.mp4", sha256="", size=5_000), harness.clock.now())
        found = metrics(harness)
        assert found['reelgrid_storage_bytes{kind="clip"}'] == 5_000
        assert found["reelgrid_storage_limit_bytes"] == pytest.approx(1074, abs=1)
        answer = harness.client.post("/api/process-master-prompt", json=order, headers=BEARER)
        assert answer.status_code == 507
        assert "storage is full" in answer.get_json()["detail"]
        told = harness.app.test_cli_runner().invoke(args=["doctor", "--json"])
        (room,) = (check for check in json.loads(told.stdout) if check["name"] == "room in storage")
        assert "new films are refused" in room["sentence"]


def test_what_storage_costs_a_month_is_told_where_its_price_is_known(tmp_path: Path) -> None:
    with WebHarness(tmp_path, {**OUTSIDE, "STORAGE_USD_PER_GB": "0.015"}) as harness:
        with harness.store.write() as tx:
            keep.note(tx, None, Stored(key="clips/aa/x.mp4", sha256="", size=200 * 1024**3), harness.clock.now())
        assert metrics(harness)["reelgrid_storage_month_usd"] == 3.0
        commands = harness.app.test_cli_runner()
        assert json.loads(commands.invoke(args=["storage", "usage", "--json"]).stdout)["month_usd"] == 3.0
        assert "A month of all of it costs $3.00." in commands.invoke(args=["storage", "usage"]).output
        assert "200.0 GB are stored; a month of it costs $3.00" in commands.invoke(args=["doctor"]).output

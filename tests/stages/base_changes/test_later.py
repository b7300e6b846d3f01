"""Rows with `Scheduled For` in the future: they wait for it however they are started, and say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.domain.lifecycle import RunStatus
from pipelines.ports import AirtableChange
from pipelines.stages.base_changes import webhook_push
from pipelines.stages.scheduler.maintenance import Maintenance
from pipelines.testing import MemoryWebhooks
from pipelines.testing.airtable import BASE
from tests.stages.people_fixtures import only_run, pushed, told
from tests.stages.stage_fixtures import StageHarness

NINE, NINE_AT = "2026-11-25T09:00:00.000Z", 1_795_597_200.0


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    """Nobody lets time pass by looking for what is due."""
    harness = pushed(tmp_path)
    harness.clock.pass_by(NINE_AT - harness.clock.now() - 20 * 3600)
    return harness


def test_generate_with_a_later_time_waits_for_it_says_so_and_starts_by_itself(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat", Generate=True, **{"Scheduled For": NINE})
    told(harness, "Videos", record, ticked=("Generate",))
    webhook_push.record_ping(harness.services, BASE, "ping-nine")
    harness.settle(patience_s=3600)
    cells = harness.cells(record)
    assert (cells["Status"], "Generate" in cells) == ("Queued", False)
    assert cells["Status Detail"] == (
        "Waiting until 25 Nov 2026, 09:00 UTC, as Scheduled For says. Empty it to start at once."
    )
    harness.airtable.calls.clear()
    for _ in range(6):
        Maintenance(harness.services).tick()
        harness.clock.pass_by(2 * 3600)
        harness.settle(patience_s=3600)
    assert (harness.airtable.calls, harness.bought) == ([], []), "waiting costs no calls"
    harness.clock.pass_by(NINE_AT - harness.clock.now() - 1)
    run = harness.until(only_run(harness), "done")
    assert 0 <= (run.started_at or 0.0) - NINE_AT < 2
    assert harness.calls("row") == 1, "the row is read once, when its time has come"


def test_the_time_can_be_moved_and_emptied_while_it_waits(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat", Generate=True, **{"Scheduled For": NINE})
    told(harness, "Videos", record, ticked=("Generate",))
    webhook_push.record_ping(harness.services, BASE, "ping-nine")
    harness.settle(patience_s=3600)
    later = replace_time(harness, record, "2026-11-25T11:30:00.000Z")
    assert harness.run(only_run(harness)).next_at == later
    assert "11:30 UTC" in harness.cells(record)["Status Detail"]
    replace_time(harness, record, None)
    assert harness.run(only_run(harness)).status is RunStatus.DONE


def replace_time(harness: StageHarness, record: str, text: str | None) -> float | None:
    """A person changes `Scheduled For`, and Airtable pings."""
    harness.airtable.edit("Videos", record, **{"Scheduled For": text})
    at = None if text is None else NINE_AT + 2.5 * 3600
    hooks = harness.services.base_tools.webhooks
    assert isinstance(hooks, MemoryWebhooks)
    names = frozenset({"Scheduled For"})
    hooks.changed.append(AirtableChange(table="Videos", record_id=record, changed=names, scheduled_for=at))
    webhook_push.record_ping(harness.services, BASE, f"ping-{text}")
    harness.settle(patience_s=3600)
    return at


def test_a_request_for_a_row_with_a_later_time_waits_too_and_can_be_cancelled(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat", **{"Scheduled For": NINE})
    run = harness.trigger(record)
    harness.settle(patience_s=3600)
    assert "Waiting until 25 Nov 2026" in harness.cells(record)["Status Detail"]
    harness.airtable.edit("Videos", record, Cancel=True)
    changed_soon(harness, record, "Cancel")
    assert (harness.run(run).status, harness.bought) == (RunStatus.CANCELLED, [])


def changed_soon(harness: StageHarness, record: str, tick: str) -> None:
    told(harness, "Videos", record, ticked=(tick,))
    webhook_push.record_ping(harness.services, BASE, f"ping-{tick}-{harness.clock.now()}")
    harness.settle(patience_s=3600)


def test_a_ready_row_with_a_later_time_says_so_once(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat", Status="Ready", **{"Scheduled For": NINE})
    for number in range(2):
        told(harness, "Videos", record, "Status")
        webhook_push.record_ping(harness.services, BASE, f"ping-{number}")
        harness.settle(patience_s=3600)
    cells = harness.cells(record)
    assert (cells["Status"], cells["Status Detail"][:26]) == ("Ready", "Waiting until 25 Nov 2026,")
    assert harness.calls("write") == 1
    harness.clock.pass_by(NINE_AT - harness.clock.now())
    harness.settle(patience_s=3600)
    assert harness.cells(record)["Status"] == "Done"

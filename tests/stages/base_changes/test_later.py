"""Rows with `Scheduled For` in the future: they wait for it however they are started, and say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.domain.lifecycle import RunStatus
from pipelines.ports import AirtableChange
from pipelines.stages.base_changes import webhook_push
from pipelines.stages.scheduler.maintenance import Maintenance
from pipelines.testing import MemoryWebhooks
from tests.stages.people_fixtures import only_run, pushed, told
from tests.stages.stage_fixtures import BASE, StageHarness

NINE, NINE_AT = "2026-11-25T09:00:00.000Z", 1_795_597_200.0


@pytest.fixture
def world(tmp_path: Path) -> StageHarness:
    """Nobody lets time pass by looking for what is due."""
    world = pushed(tmp_path)
    world.clock.pass_by(NINE_AT - world.clock.now() - 20 * 3600)
    return world


def test_generate_with_a_later_time_waits_for_it_says_so_and_starts_by_itself(world: StageHarness) -> None:
    record = world.row(Prompt="A cat", Generate=True, **{"Scheduled For": NINE})
    told(world, "Videos", record, ticked=("Generate",))
    webhook_push.pinged(world.services, BASE, "ping-nine")
    world.settle(patience_s=3600)
    cells = world.cells(record)
    assert (cells["Status"], "Generate" in cells) == ("Queued", False)
    assert cells["Status Detail"] == (
        "Waiting until 25 Nov 2026, 09:00 UTC, as Scheduled For says. Empty it to start at once."
    )
    world.airtable.calls.clear()
    for _ in range(6):
        Maintenance(world.services).tick()
        world.clock.pass_by(2 * 3600)
        world.settle(patience_s=3600)
    assert (world.airtable.calls, world.bought) == ([], []), "waiting costs no calls"
    world.clock.pass_by(NINE_AT - world.clock.now() - 1)
    run = world.until(only_run(world), "done")
    assert 0 <= (run.started_at or 0.0) - NINE_AT < 2
    assert world.calls("row") == 1, "the row is read once, when its time has come"


def test_the_time_can_be_moved_and_emptied_while_it_waits(world: StageHarness) -> None:
    record = world.row(Prompt="A cat", Generate=True, **{"Scheduled For": NINE})
    told(world, "Videos", record, ticked=("Generate",))
    webhook_push.pinged(world.services, BASE, "ping-nine")
    world.settle(patience_s=3600)
    later = replace_time(world, record, "2026-11-25T11:30:00.000Z")
    assert world.run(only_run(world)).next_at == later
    assert "11:30 UTC" in world.cells(record)["Status Detail"]
    replace_time(world, record, None)
    assert world.run(only_run(world)).status is RunStatus.DONE


def replace_time(world: StageHarness, record: str, text: str | None) -> float | None:
    """A person changes `Scheduled For`, and Airtable pings."""
    world.airtable.edit("Videos", record, **{"Scheduled For": text})
    at = None if text is None else NINE_AT + 2.5 * 3600
    hooks = world.services.base_tools.webhooks
    assert isinstance(hooks, MemoryWebhooks)
    names = frozenset({"Scheduled For"})
    hooks.changed.append(AirtableChange(table="Videos", record_id=record, changed=names, scheduled_for=at))
    webhook_push.pinged(world.services, BASE, f"ping-{text}")
    world.settle(patience_s=3600)
    return at


def test_a_request_for_a_row_with_a_later_time_waits_too_and_can_be_cancelled(world: StageHarness) -> None:
    record = world.row(Prompt="A cat", **{"Scheduled For": NINE})
    run = world.trigger(record)
    world.settle(patience_s=3600)
    assert "Waiting until 25 Nov 2026" in world.cells(record)["Status Detail"]
    world.airtable.edit("Videos", record, Cancel=True)
    changed_soon(world, record, "Cancel")
    assert (world.run(run).status, world.bought) == (RunStatus.CANCELLED, [])


def changed_soon(world: StageHarness, record: str, tick: str) -> None:
    told(world, "Videos", record, ticked=(tick,))
    webhook_push.pinged(world.services, BASE, f"ping-{tick}-{world.clock.now()}")
    world.settle(patience_s=3600)


def test_a_ready_row_with_a_later_time_says_so_once(world: StageHarness) -> None:
    record = world.row(Prompt="A cat", Status="Ready", **{"Scheduled For": NINE})
    for number in range(2):
        told(world, "Videos", record, "Status")
        webhook_push.pinged(world.services, BASE, f"ping-{number}")
        world.settle(patience_s=3600)
    cells = world.cells(record)
    assert (cells["Status"], cells["Status Detail"][:26]) == ("Ready", "Waiting until 25 Nov 2026,")
    assert world.calls("write") == 1
    world.clock.pass_by(NINE_AT - world.clock.now())
    world.settle(patience_s=3600)
    assert world.cells(record)["Status"] == "Done"

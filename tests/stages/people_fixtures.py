"""A house in which people change cells of the base, and Airtable pings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.airtable.rows.fields import airtable_scene
from pipelines.domain.orders.airtable_fields import AirtableTable
from pipelines.ports import AirtableChange
from pipelines.stages.base_changes import checkboxes, webhook_push
from pipelines.testing import MemoryWebhooks
from tests.stages.stage_fixtures import BASE, StageHarness


def pushed(tmp_path: Path) -> StageHarness:
    """A house that Airtable pings, before anything happens."""
    world = StageHarness.build(tmp_path)
    webhook_push.turn_on(world.services, BASE)
    world.settle(patience_s=60)
    world.airtable.calls.clear()
    return world


def only_run(world: StageHarness) -> str:
    with world.services.store.read() as tx:
        (run,) = tx.runs.find()
    return run.id


def look(world: StageHarness) -> None:
    checkboxes.look(world.services, BASE)
    world.settle()


def changed(world: StageHarness, table: str, record: str, *names: str, ticked: tuple[str, ...] = ()) -> None:
    """People changed these cells, and Airtable pings."""
    told(world, table, record, *names, ticked=ticked)
    hooks = world.services.base_tools.webhooks
    assert webhook_push.pinged(world.services, BASE, f"ping-{hooks.cursor}-{len(hooks.changed)}-{world.clock.now()}")
    world.settle()


def told(world: StageHarness, table: str, record: str, *names: str, ticked: tuple[str, ...] = ()) -> None:
    """What the next reading of changes will say."""
    fields: Mapping[str, Any] = world.airtable.cells(record, table)
    status = fields.get("Status")
    hooks = world.services.base_tools.webhooks
    assert isinstance(hooks, MemoryWebhooks)
    change = AirtableChange(
        table=table,
        record_id=record,
        ticks=frozenset(ticked),
        status=status,
        changed=frozenset((*names, *ticked)),
        fields=fields,
        scene=airtable_scene(record, fields) if table == AirtableTable.SCENES else None,
    )
    hooks.changed.append(change)

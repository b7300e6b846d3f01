"""A house in which people change cells of the base, and Airtable pings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.airtable.fields import board_scene
from pipelines.domain.board_fields import BoardTable
from pipelines.ports import BoardChange
from pipelines.stages import ping, push, ticks
from pipelines.testing import MemoryWebhooks
from tests.unit.stage_house import BASE, World


def pushed(tmp_path: Path) -> World:
    """A house that Airtable pings, before anything happens."""
    world = World.build(tmp_path)
    push.turn_on(world.services, BASE)
    world.settle(patience_s=60)
    world.board.calls.clear()
    return world


def only_run(world: World) -> str:
    with world.services.store.read() as tx:
        (run,) = tx.runs.find()
    return run.id


def look(world: World) -> None:
    ticks.look(world.services, BASE)
    world.settle()


def changed(world: World, table: str, record: str, *names: str, ticked: tuple[str, ...] = ()) -> None:
    """People changed these cells, and Airtable pings."""
    told(world, table, record, *names, ticked=ticked)
    hooks = world.services.base_tools.webhooks
    assert ping.pinged(world.services, BASE, f"ping-{hooks.cursor}-{len(hooks.changed)}-{world.clock.now()}")
    world.settle()


def told(world: World, table: str, record: str, *names: str, ticked: tuple[str, ...] = ()) -> None:
    """What the next reading of changes will say."""
    fields: Mapping[str, Any] = world.board.cells(record, table)
    status = fields.get("Status")
    hooks = world.services.base_tools.webhooks
    assert isinstance(hooks, MemoryWebhooks)
    change = BoardChange(
        table=table,
        record_id=record,
        ticks=frozenset(ticked),
        status=status,
        changed=frozenset((*names, *ticked)),
        fields=fields,
        scene=board_scene(record, fields) if table == BoardTable.SCENES else None,
    )
    hooks.changed.append(change)

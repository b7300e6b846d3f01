"""A house in which people change cells of the base, and Airtable pings."""

from __future__ import annotations

from pathlib import Path

from pipelines.airtable.rows.fields import airtable_scene
from pipelines.domain.airtable.fields import AirtableTable
from pipelines.ports import AirtableChange
from pipelines.stages.base_changes import checkboxes, webhook_push
from pipelines.testing.airtable import BASE
from tests.stages.stage_fixtures import StageHarness


def pushed(tmp_path: Path) -> StageHarness:
    """A house that Airtable pings, before anything happens."""
    harness = StageHarness.build(tmp_path)
    webhook_push.turn_on(harness.services, BASE)
    harness.settle(patience_s=60)
    harness.airtable.calls.clear()
    return harness


def only_run(harness: StageHarness) -> str:
    with harness.services.store.read() as tx:
        (run,) = tx.runs.find()
    return run.id


def look(harness: StageHarness) -> None:
    checkboxes.poll_checkboxes(harness.services, BASE)
    harness.settle()


def changed(
    harness: StageHarness,
    table: str,
    record: str,
    *names: str,
    ticked: tuple[str, ...] = (),
    patience_s: float = 7200.0,
) -> None:
    """People changed these cells, and Airtable pings."""
    told(harness, table, record, *names, ticked=ticked)
    hooks = harness.webhooks
    assert webhook_push.record_ping(
        harness.services, BASE, f"ping-{hooks.cursor}-{len(hooks.changed)}-{harness.clock.now()}"
    )
    harness.settle(patience_s=patience_s)


def told(harness: StageHarness, table: str, record: str, *names: str, ticked: tuple[str, ...] = ()) -> None:
    """What the next reading of changes will say."""
    fields = dict(harness.airtable.cells(record, table))
    status = fields.get("Status")
    change = AirtableChange(
        table=table,
        record_id=record,
        ticks=frozenset(ticked),
        status=status,
        changed=frozenset((*names, *ticked)),
        fields=fields,
        scene=airtable_scene(record, fields) if table == AirtableTable.SCENES else None,
    )
    harness.webhooks.changed.append(change)

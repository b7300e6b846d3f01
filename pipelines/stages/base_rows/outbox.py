"""What the rows of the base should say. Stages state it in their own transaction; `delivery.flush` sends it."""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.domain.airtable.fields import AirtableTable, SceneField, VersionField
from pipelines.domain.airtable.values import Cell
from pipelines.domain.records import OutboxEntry
from pipelines.ports import Tx

SOON_S, MOMENT_S = 2.5, 0.8
"""What a person waits for is said this soon: time for the step that follows to add what it knows to the same call."""
COALESCE_S = 8.0
SETTINGS_PAUSE_S = 960.0

KEY_FIELDS: Mapping[str, str] = {
    AirtableTable.SCENES: SceneField.SCENE_KEY.value,
    AirtableTable.VERSIONS: VersionField.VERSION_KEY.value,
}
"""The field that an upsert of rows of our own merges on."""

SHOWN = "shown"
"""In what was sent to a row of `Scenes`: the names of those cells that the base has a column for, so that they stand
there until a person empties them. It is no name of a field."""
STORED = "store:"
"""An attachment is wanted by its storage key; the link is signed when it is sent."""


def entry_of(
    tx: Tx, base_id: str, table: str, record_id: str | None, merge_key: str | None = None, *, lock: bool = False
) -> OutboxEntry | None:
    """What one row of the base should say, if anything was ever said."""
    _, found = _entry(tx, base_id, table, record_id, merge_key, lock=lock)
    return found


def put(
    tx: Tx,
    now: float,
    *,
    base_id: str,
    table: str,
    fields: Mapping[str, Cell],
    run_id: str | None = None,
    record_id: str | None = None,
    merge_key: str | None = None,
    urgent: bool = False,
    within_s: float = 0.0,
) -> None:
    """Merge `fields` into what one row should say: due within some seconds, or when it was due anyway. A row of
    `Videos` that waits for no time of its own is told with the next thing that is urgent.
    """
    fields = {str(name): value for name, value in fields.items()}
    entry_id, old = _entry(tx, base_id, table, record_id, merge_key, lock=True)
    flushes = old.flushes if old is not None and run_id in (None, old.run_id) else 0
    due = _due(now, table, old, urgent=urgent, within_s=within_s)
    if old is None:
        merge = {KEY_FIELDS[table]: merge_key} if merge_key and not record_id else {}
        row = OutboxEntry(
            id=entry_id,
            base_id=base_id,
            table=table,
            record_id=record_id,
            merge=merge,
            run_id=run_id,
            fields=fields,
            next_at=due,
            urgent=urgent,
        )
        if tx.outbox.add(row):
            return
        # Another process said something about this row at the same moment: what we say is added to it.
        old = tx.outbox.get(entry_id, lock=True) or row
    # A row that is gone may be back when another run is started for it.
    gone = old.gone and run_id in (None, old.run_id)
    if due is None:
        due = old.next_at
    elif old.next_at is not None and old.lease_token is None:
        # What is being written at this moment was due; what is said meanwhile has its own time.
        due = min(due, old.next_at)
    tx.outbox.change(
        entry_id,
        gone=gone,
        fields={**old.fields, **fields},
        run_id=run_id or old.run_id,
        flushes=flushes,
        next_at=None if gone else due,
        urgent=urgent or old.urgent,
        version=old.version + 1,
    )


def say(
    tx: Tx,
    now: float,
    base_id: str,
    record_id: str,
    fields: Mapping[str, Cell],
    *,
    run_id: str | None = None,
    within_s: float = 0.0,
) -> None:
    """Say something in a row of `Videos` right away, or within a moment."""
    videos = AirtableTable.VIDEOS
    put(
        tx,
        now,
        base_id=base_id,
        table=videos,
        record_id=record_id,
        fields=fields,
        run_id=run_id,
        urgent=True,
        within_s=within_s,
    )


def _due(now: float, table: str, old: OutboxEntry | None, *, urgent: bool, within_s: float) -> float | None:
    """When something is to be said; None for what has no time of its own."""
    if urgent or table == AirtableTable.SCENES:
        return now + within_s
    if table == AirtableTable.SETTINGS:
        return now + SETTINGS_PAUSE_S
    if table == AirtableTable.VIDEOS and old is not None:
        return None
    return now + COALESCE_S


def is_unsaid(tx: Tx, base_id: str, record_id: str, name: str, table: str = AirtableTable.VIDEOS) -> bool:
    """Whether a cell shows something else than it should because our word for it is still on its way."""
    found = entry_of(tx, base_id, table, record_id)
    if found is None or found.gone or found.next_at is None or name not in found.fields:
        return False
    return name not in found.sent or found.sent[name] != found.fields[name]


def _entry(
    tx: Tx, base_id: str, table: str, record_id: str | None, merge_key: str | None, *, lock: bool
) -> tuple[str, OutboxEntry | None]:
    """One outbox row for each row of the base, whether it was known by key first or by id: its id, and what is there.
    A row of `Videos` has no key.
    """
    own = f"{base_id}/{table}/{record_id or merge_key}"
    if record_id and table != AirtableTable.VIDEOS:
        known = tx.outbox.find(base_id=base_id, table=table, record_id=record_id, limit=1)
        own = known[0].id if known else own
    return own, tx.outbox.get(own, lock=lock)

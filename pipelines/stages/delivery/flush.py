"""Sending the outbox: rows of SQL that say what Airtable should show, in batches, urgent ones first."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TypedDict

from pipelines.domain.airtable.fields import ACTION_BOXES, AirtableTable, VideoField
from pipelines.domain.airtable.values import OTHERS, CellFile, attachments, files_in
from pipelines.domain.errors import ReelgridError
from pipelines.domain.keys import new_token
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.progress.pacing import next_progress_s
from pipelines.domain.records import Kind, OutboxEntry, Run
from pipelines.domain.state.open_json import JsonObject
from pipelines.ports import Tx, Written, log_context, trace
from pipelines.stages.base_rows import action_links, airtable_calls, base_outages, fetches, run_row
from pipelines.stages.base_rows.outbox import COALESCE_S, SHOWN, STORED
from pipelines.stages.delivery import deliver, keep_old_films, verify_attachments
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, Actor, record

logger = logging.getLogger(__name__)

BATCH = 10
ALONG_S = 120.0
"""What is due within this time is sent along, and needs no call of its own then."""
LEASE_S = 90.0
MOMENT_S = 0.001
"""What comes due within this time is due."""
LINK_S = 26 * 3600.0
"""Airtable fetches within minutes; a link that lives a day survives its worst day."""
LONGEST_PAUSE_S = 600.0
REFUSALS = 6


def flush_due(services: Services) -> int:
    """Send what is due, base by base; returns how many rows were sent."""
    now = services.clock.now()
    if not services.store.due(Kind.OUTBOX, now + MOMENT_S, 1):
        return 0
    with services.store.read() as tx:
        due = tx.outbox.find(order="next_at", limit=200, before={"next_at": now + MOMENT_S}, gone=False)
    sent = 0
    for base_id in dict.fromkeys(entry.base_id for entry in due):
        with log_context.about(base_id=base_id):
            sent += _flush_base(services, base_id)
    return sent


def _flush_base(services: Services, base_id: str) -> int:
    """Table by table: what Airtable has answered is known to us before the next call is made."""
    batches, sent = _take(services, base_id), 0
    while batches:
        batch = batches.pop(0)
        try:
            entries = keep_old_films.with_kept_films(
                services, base_id, [_resolved(services, entry) for entry, _ in batch]
            )
            links = _traces(services, [entry for entry, _ in batch])
            with trace.span("airtable flush", {"reelgrid.rows": len(batch)}, kind="client", links=links):
                answers = services.airtable.flush(base_id, entries)
        except ReelgridError as error:
            _put_back(services, [*batch, *chain.from_iterable(batches)], error)
            break
        runs = ",".join(sorted({entry.run_id or "" for entry, _ in batch}))
        services.points.reach("outbox.written", base=base_id, runs=runs)
        _commit(services, batch, {answer.entry_id: answer for answer in answers})
        services.points.reach("outbox.confirmed", base=base_id, runs=runs)
        sent += len(answers)
    return sent


def _traces(services: Services, entries: Sequence[OutboxEntry]) -> list[str | None]:
    """Of the runs whose rows are written."""
    if not trace.is_on():
        return []
    with services.store.read() as tx:
        return [run.traceparent for run in tx.runs.find(id=sorted({entry.run_id or "" for entry in entries}))]


def _take(services: Services, base_id: str) -> list[list[tuple[OutboxEntry, str]]]:
    """Claim the due rows of a base, and with them the others of the same tables that are due before long: they fit
    into the same calls. One batch for each table.
    """
    now = services.clock.now()
    with services.store.write() as tx:
        ranked = _to_send(tx, base_id, now)
        tables = dict.fromkeys(entry.table for entry in ranked)
        batches = [[entry for entry in ranked if entry.table == table][:BATCH] for table in tables]
        _lock(tx, list(chain.from_iterable(batches)))
        taken = [[_claim(services, tx, entry.id, now) for entry in batch] for batch in batches]
    mine = [[(entry, entry.lease_token or "") for entry in batch if entry is not None] for batch in taken]
    return [batch for batch in mine if batch]


def _to_send(tx: Tx, base_id: str, now: float) -> list[OutboxEntry]:
    """What is due, and what waits and may go along; the urgent first."""
    due = tx.outbox.find(order="next_at", limit=100, before={"next_at": now + MOMENT_S}, base_id=base_id, gone=False)
    waiting = tx.outbox.find(
        order="next_at",
        limit=100,
        after={"next_at": now},
        before={"next_at": now + ALONG_S},
        base_id=base_id,
        gone=False,
        table={entry.table for entry in due},
    )
    # What was refused a moment ago keeps its own pause.
    waiting = [entry for entry in waiting if not entry.attempts]
    every = {entry.id: entry for entry in (*due, *waiting)}.values()
    return sorted(every, key=lambda entry: (not entry.urgent, entry.next_at or 0))


def _claim(services: Services, tx: Tx, entry_id: str, now: float) -> OutboxEntry | None:
    """The row under our lease, as urgent as it was; None where another process has it. Once something urgent is on its
    way, the mark tells whether what is said meanwhile is urgent too.
    """
    entry = tx.outbox.get(entry_id, lock=True)
    if entry is None or entry.next_at is None or (entry.lease_token is not None and entry.lease_until >= now):
        return None
    lease = {"lease_owner": services.owner, "lease_token": new_token(), "lease_until": now + LEASE_S}
    # One that waits is due now: it goes along.
    due = {"next_at": min(entry.next_at, now), "urgent": False}
    claimed = tx.outbox.renew(entry.id, None, **_refreshed(services, tx, entry), **due, **lease)
    return replace(claimed, urgent=entry.urgent) if claimed is not None else None


class _Refreshed(TypedDict, total=False):
    fields: JsonObject
    sent: JsonObject
    version: int


def _refreshed(services: Services, tx: Tx, entry: OutboxEntry) -> _Refreshed:
    """The row of a film that is being made says how far it is now, not how far it was when it came due."""
    run = tx.runs.get(entry.run_id) if entry.run_id and entry.table == AirtableTable.VIDEOS else None
    if run is None or run.status is not RunStatus.GENERATING or entry.fields.get(VideoField.RUN_ID) != run.id:
        return {}
    fields = {**entry.fields, **run_row.cells(services, tx, run)}
    # Said also when nothing has moved: `Last Update` shows that somebody looks after the film.
    sent = {name: value for name, value in entry.sent.items() if name != VideoField.PROGRESS}
    return {"fields": fields, "sent": sent, "version": entry.version + 1}


def _resolved(services: Services, entry: OutboxEntry) -> OutboxEntry:
    """Stored files and decisions become signed links at the last moment; a cell that Airtable has is not sent again."""
    fields = {
        name: value for name, value in entry.fields.items() if not files_in(value) or entry.sent.get(name) != value
    }
    sent = {name: value for name, value in entry.sent.items() if name in fields and not files_in(value)}
    asked = fields.pop(VideoField.DECIDE, None)
    if asked != sent.pop(VideoField.DECIDE, None):
        fields[VideoField.DECIDE] = asked and action_links.with_links(services, entry.run_id or "", str(asked))
    return replace(
        entry, fields={name: _linked(services, entry.id, value) for name, value in fields.items()}, sent=sent
    )


def _linked(services: Services, entry_id: str, value: object) -> object:
    files = files_in(value)
    if not files or not isinstance(value, list):
        return value
    return [
        *attachments([_link(services, entry_id, file) for file in files]),
        *(item for item in value if item == OTHERS),
    ]


def _link(services: Services, entry_id: str, file: CellFile) -> CellFile:
    if not file.url.startswith(STORED):
        return file
    key = file.url.removeprefix(STORED).rpartition("#")[0]
    return replace(file, url=services.links.media(key, file.filename, LINK_S, fetches.fetch_id_of(entry_id, file.url)))


def _put_back(services: Services, batch: list[tuple[OutboxEntry, str]], error: ReelgridError) -> None:
    """Nothing was written: everything waits. Where the base is shut, deliveries are parked (`deliver`)."""
    now = services.clock.now()
    logger.warning("Airtable: %s", error.operator)
    for entry, token in batch:
        pause = error.retry_after if error.retry_after is not None else _pause(entry.attempts)
        services.store.release("outbox", entry.id, token, next_at=now + pause, attempts=entry.attempts + 1)
    with services.store.write() as tx:
        _lock(tx, [entry for entry, _ in batch])
        base_outages.record_result(tx, batch[0][0].base_id, error, now)
        for entry, _ in batch:
            tx.outbox.change(entry.id, error=error.operator, **({"urgent": True} if entry.urgent else {}))
            if entry.run_id and base_outages.current_outage(tx, entry.base_id):
                run = tx.runs.get(entry.run_id)
                if run is not None and run.status is RunStatus.DELIVERING:
                    tx.runs.change(entry.run_id, {"status": run.status, "lease_token": None}, next_at=now)


def _lock(tx: Tx, entries: Sequence[OutboxEntry]) -> None:
    """Runs before what their rows should say, as in every stage, so that no two transactions wait for each other."""
    tx.runs.find(id={entry.run_id for entry in entries if entry.run_id}, lock=True)
    tx.outbox.find(id={entry.id for entry in entries}, lock=True)


def _pause(attempts: int) -> float:
    return min(LONGEST_PAUSE_S, 2.0 * 2.0 ** min(attempts, 10))


def _commit(services: Services, batch: list[tuple[OutboxEntry, str]], answers: Mapping[str, Written]) -> None:
    now = services.clock.now()
    with services.store.write() as tx:
        _lock(tx, [entry for entry, _ in batch])
        base_outages.record_result(tx, batch[0][0].base_id, None, now)
        for entry, token in batch:
            answer = answers.get(entry.id)
            current = tx.outbox.get(entry.id, lock=True)
            if current is None or current.lease_token != token:
                continue
            if answer is None:
                tx.outbox.change(entry.id, next_at=now + _pause(0), urgent=entry.urgent or current.urgent, **FREE)
            elif not answer.ok and not answer.gone:
                # Airtable takes nothing of this row: tried a few times more, then left until something new is to be
                # said.
                over = entry.attempts + 1 >= REFUSALS
                again = None if over else now + _pause(entry.attempts)
                tx.outbox.change(entry.id, attempts=entry.attempts + 1, error=answer.error, next_at=again, **FREE)
            else:
                _confirmed(tx, now, entry, current, answer)


def _confirmed(tx: Tx, now: float, entry: OutboxEntry, current: OutboxEntry, answer: Written) -> None:
    changed = current.version != entry.version
    run = tx.runs.get(entry.run_id) if entry.run_id else None
    sent = {**current.sent, **{name: entry.fields[name] for name in answer.sent if name in entry.fields}}
    if entry.table == AirtableTable.SCENES:
        sent[SHOWN] = sorted({*current.sent.get(SHOWN, ()), *answer.sent} - answer.no_column)
    # A box is unticked once: said for ever, it would undo a person's next tick; kept as sent, it is never said again.
    once = {name for name, value in entry.fields.items() if value is False and name in ACTION_BOXES}
    tx.outbox.change(
        entry.id,
        fields={name: value for name, value in current.fields.items() if changed or name not in once},
        sent={name: value for name, value in sent.items() if name not in once},
        record_id=answer.record_id or current.record_id,
        gone=answer.gone,
        error=answer.error,
        attempts=0,
        flushes=current.flushes + 1,
        urgent=current.urgent and changed,
        next_at=None if answer.gone else _next_at(tx, now, current, run, changed=changed),
        **FREE,
    )
    if answer.record_id and entry.table == AirtableTable.SCENES and entry.run_id:
        key = next(iter(entry.merge.values()), "")
        for scene in tx.scenes.find(run_id=entry.run_id, key=key, airtable_record_id=None):
            tx.scenes.change(scene.id, airtable_record_id=answer.record_id)
    if entry.run_id and entry.table == AirtableTable.VIDEOS and answer.gone:
        deliver.note_gone(tx, entry.run_id, now)
    elif entry.run_id and entry.table == AirtableTable.VIDEOS:
        if VideoField.FINAL_VIDEO in answer.sent:
            record(tx, Actor("outbox", now), "run", entry.run_id, entry.run_id, "attached")
        deliver.resume(tx, entry.run_id, now)
        verify_attachments.confirm(tx, entry.run_id, answer.fields)


def _next_at(tx: Tx, now: float, current: OutboxEntry, run: Run | None, *, changed: bool) -> float | None:
    """When the row is to be written again: at once for what became urgent meanwhile, and the row of a film that is
    being made when its next word about progress is due.
    """
    due = max(now, current.next_at or now)
    if changed and (current.urgent or due > now):
        return due
    if current.table == AirtableTable.VIDEOS and run is not None and run.status is RunStatus.GENERATING:
        pause = next_progress_s(now - airtable_calls.generating_since(tx, run), airtable_calls.left(tx, run))
        return None if pause is None else now + pause
    return now + COALESCE_S if changed else None

"""The row of a base in `Settings`: what it has spent today, and whether it may spend more."""

from __future__ import annotations

from typing import TypedDict

from pipelines.domain.airtable.fields import AirtableTable, SettingsField
from pipelines.domain.airtable.values import settings_fields
from pipelines.domain.times import utc_day
from pipelines.ports import Tx
from pipelines.stages.base_rows import outbox
from pipelines.stages.spending import caps, ledger, stop_switch

RUNNING = "Running."


class _OfRow(TypedDict, total=False):
    record_id: str


def show(tx: Tx, now: float, base_id: str, *, record_id: str | None = None, at_once: bool = False) -> None:
    """What the base has spent today, and whether it may spend more, in the row of `Settings` that was found when it was
    read last. Written seldom, but at once when a run has ended (`at_once`) or when what may be done has changed.
    """
    own: _OfRow = {"record_id": record_id} if record_id else {}
    known = tx.outbox.find(base_id=base_id, table=AirtableTable.SETTINGS, gone=False, limit=1, **own)
    row = record_id or (known[0].record_id if known else None)
    if row is None:
        return
    spent = ledger.spent_in_base(tx, base_id, utc_day(now))
    status = _status_of_base(tx, now, base_id)
    fields = settings_fields(spent_today_micro=spent, status=status)
    news = (known[0].fields.get(SettingsField.STATUS) if known else RUNNING) != status
    told = bool(known) and known[0].fields == fields and known[0].next_at is None
    if not told:
        outbox.put(
            tx,
            now,
            base_id=base_id,
            table=AirtableTable.SETTINGS,
            record_id=row,
            fields=fields,
            urgent=news or at_once,
            within_s=0.0 if news else outbox.SOON_S,
        )


def _status_of_base(tx: Tx, now: float, base_id: str) -> str:
    base = tx.bases.get(base_id)
    stopped = stop_switch.reason_if_on(tx, base_id, base.account_id if base else None)
    if stopped:
        return f"Spending is stopped: {stopped}."
    return caps.used_up(tx, base_id, utc_day(now)) or RUNNING

"""Whether a base refuses our writes for longer than a pause: its quota is used up, or our token is not taken."""

from __future__ import annotations

from pipelines.domain.errors import AirtableDenied, AirtableQuota, NotConfigured, ReelgridError
from pipelines.domain.limits import BaseOutage
from pipelines.ports import Tx


def record_result(tx: Tx, base_id: str, error: ReelgridError | None, now: float) -> None:
    """Remember how the last call went; an error that passes soon says nothing."""
    if error is not None and not isinstance(error, AirtableQuota | AirtableDenied | NotConfigured):
        return
    outage = tx.base_outages.get(base_id)
    if error is None:
        if outage is not None and outage.on:
            tx.base_outages.change(base_id, on=False, at=now)
        return
    by_itself = isinstance(error, AirtableQuota)
    if outage is None:
        tx.base_outages.add(BaseOutage(id=base_id, on=True, at=now, sentence=error.marketer, by_itself=by_itself))
    elif not outage.on or outage.sentence != error.marketer:
        tx.base_outages.change(base_id, on=True, at=now, sentence=error.marketer, by_itself=by_itself)


def current_outage(tx: Tx, base_id: str) -> BaseOutage | None:
    """Why nothing can be written there now; None when all is well."""
    outage = tx.base_outages.get(base_id)
    return outage if outage is not None and outage.on else None

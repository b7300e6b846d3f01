"""Airtable says that something changed in a base: whoever reads changes has work to do. Nothing more is believed."""

from __future__ import annotations

from pipelines.domain.records import InboxItem
from pipelines.stages.kernel.services import Services

PROVIDER = "airtable"


def pinged(services: Services, base_id: str, delivery_id: str) -> bool:
    """Record a verified ping once and make its base due; False for a repeat or a base that is not connected."""
    now = services.clock.now()
    with services.store.write() as tx:
        if tx.bases.get(base_id, lock=True) is None:
            return False
        if not tx.inbox.add(InboxItem(id=f"{PROVIDER}:{delivery_id}", at=now, provider=PROVIDER)):
            return False
        return tx.bases.change(base_id, next_at=now)

"""Orders that somebody keeps for later: forms as they were filled in. Nothing is ordered, and nothing is set aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipelines.domain.errors import InvalidOrder, NotFound, Problem
from pipelines.domain.records import SavedOrder
from pipelines.ports import Tx
from pipelines.stages.kernel.services import Services

DAYS_SAVED = 90
"""So long one is kept after it was last saved."""
MOST = 50
"""So many are kept for each account, and for the operator."""


def save(services: Services, saved_id: str, title: str, fields: Mapping[str, tuple[str, ...]]) -> None:
    """Keep a form under its id, instead of what was kept there. Raises InvalidOrder where too many are."""
    now = services.clock.now()
    with services.store.write() as tx:
        if _own(tx, saved_id) is not None:
            tx.saved_orders.change(saved_id, title=title, fields=fields, saved_at=now)
            return
        if tx.saved_orders.count(account_id=tx.account_id) >= MOST:
            raise InvalidOrder([Problem("title", f"There are {MOST} drafts already. Remove one, then save this one.")])
        tx.saved_orders.add(SavedOrder(id=saved_id, account_id=tx.account_id, title=title, fields=fields, saved_at=now))


def newest(services: Services) -> Sequence[SavedOrder]:
    """What is kept for whoever asks, the newest first."""
    with services.store.read() as tx:
        return tx.saved_orders.find(account_id=tx.account_id, order="-saved_at", limit=MOST)


def opened(services: Services, saved_id: str) -> SavedOrder:
    """One of them. Raises NotFound."""
    with services.store.read() as tx:
        found = _own(tx, saved_id)
    if found is None:
        raise NotFound(f"saved order {saved_id}", marketer="This draft is not there any more.")
    return found


def remove(services: Services, saved_id: str) -> None:
    """Keep it no longer. Twice is once."""
    with services.store.write() as tx:
        if _own(tx, saved_id) is not None:
            tx.saved_orders.remove(saved_id)


def _own(tx: Tx, saved_id: str) -> SavedOrder | None:
    """The operator looks at what belongs to no account."""
    found = tx.saved_orders.get(saved_id)
    return found if found is not None and found.account_id == tx.account_id else None

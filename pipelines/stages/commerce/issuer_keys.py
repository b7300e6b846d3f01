"""The keys by which an external issuer signs its tokens, kept in SQL: the web process reads them there and waits for
nobody. The pump fetches them, once an hour, and soon when a token names a key that is not among them.
"""

from __future__ import annotations

import logging

from pipelines.domain.errors import ReelgridError
from pipelines.domain.records import IssuerKeys
from pipelines.ports import Tx
from pipelines.stages.kernel.services import Services

FRESH_S = 3600.0
PAUSE_S = 60.0
"""Between two tries, whatever anybody sends."""

logger = logging.getLogger(__name__)


def of(tx: Tx, issuer: str) -> IssuerKeys | None:
    """What is known of an issuer's keys; None until they were fetched once."""
    known = tx.issuer_keys.get(issuer)
    return known if known is not None and known.fetched_at else None


def request_refresh(services: Services, issuer: str) -> None:
    """A token names a key that we do not know. Noted once until somebody has looked: a storm writes one row."""
    with services.store.read() as tx:
        known = tx.issuer_keys.get(issuer)
    if known is None or known.wanted:
        return
    with services.store.write() as tx:
        tx.issuer_keys.change(issuer, {"wanted": False}, wanted=True)


def refresh(services: Services) -> bool:
    """Fetch them if it is time; whether it was tried. What is known stays when the issuer does not answer."""
    if services.issuer is None:
        return False
    now, name = services.clock.now(), services.issuer.name
    with services.store.write() as tx:
        tx.issuer_keys.add(IssuerKeys(id=name))
        known = tx.issuer_keys.get(name) or IssuerKeys(id=name)
        due = known.wanted or not known.fetched_at or now - known.fetched_at >= FRESH_S
        # Whoever is first takes the turn: two pumps ask once.
        if not due or now - known.tried_at < PAUSE_S:
            return False
        if not tx.issuer_keys.change(name, {"tried_at": known.tried_at}, tried_at=now, wanted=False):
            return False
    try:
        keys = services.issuer.keys()
    except ReelgridError as error:
        logger.warning("the keys of %s cannot be fetched: %s", name, error.operator)
        return True
    with services.store.write() as tx:
        tx.issuer_keys.change(name, keys=dict(keys), fetched_at=now)
    return True

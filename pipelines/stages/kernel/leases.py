"""A lease is short, so that a death is noticed soon; whoever works for longer prolongs it while it lives."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.domain.errors import ReelgridError
from pipelines.stages.kernel.services import Services

logger = logging.getLogger(__name__)

LEASE_S = 60.0
RENEW_S = 15.0


@contextmanager
def renewed(services: Services, kind: str, id: str, token: str) -> Iterator[None]:
    """Prolong the lease from a thread while the block works. A step that lost it commits nothing anyway."""
    over = threading.Event()
    thread = threading.Thread(
        target=_keep_renewing, args=(services, kind, id, token, over), name=f"lease-{id}", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _keep_renewing(services: Services, kind: str, id: str, token: str, over: threading.Event) -> None:
    while not over.wait(RENEW_S):
        try:
            if not services.store.renew(kind, id, token, services.clock.now() + LEASE_S):
                return
        except ReelgridError as error:
            logger.warning("the lease of %s cannot be renewed now: %s", id, error.operator)

"""Webhooks after a rotation of SECRET_KEY: what only a former one opens, and sealing it anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pipelines.domain.customers.notices import Endpoint, NoticeStatus
from pipelines.domain.lifecycle import ACTIVE
from pipelines.domain.state.sealed_address import SealedAddress
from pipelines.ports import Rows, Tx
from pipelines.security import sealing
from webapp.context import secret, services

Found = tuple[Rows[Any], str, dict[str, Any]]
"""The table, the row's id, and what changes of it."""


def sealed_before() -> int:
    """How many endpoints, runs and messages keep something that only a former SECRET_KEY opens. Raises NotConfigured
    for what none opens.
    """
    with services().store.read() as tx:
        return sum(1 for _ in _found(tx))


def seal_again() -> int:
    """Seal all of it with today's SECRET_KEY; how many rows."""
    with services().store.write() as tx:
        found = list(_found(tx))
        for rows, row_id, changes in found:
            rows.change(row_id, **changes)
    return len(found)


def _found(tx: Tx) -> Iterator[Found]:
    """Addresses of orders are needed while something may still be sent there."""
    for endpoint in tx.endpoints.find():
        if changes := _of_endpoint(endpoint):
            yield tx.endpoints, endpoint.id, changes
    for run in tx.runs.find(status=tuple(ACTIVE)):
        if run.webhook is not None and not _is_current(run.webhook.sealed):
            yield tx.runs, run.id, {"webhook": _anew(run.webhook)}
    for batch in tx.batches.find(finished_at=None):
        if batch.webhook is not None and not _is_current(batch.webhook.sealed):
            yield tx.batches, batch.id, {"webhook": _anew(batch.webhook)}
    for notice in tx.notices.find(endpoint_id=None, status=NoticeStatus.WAITING):
        if notice.address is not None and not _is_current(notice.address.sealed):
            yield tx.notices, notice.id, {"address": _anew(notice.address)}


def _of_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    secrets = {"sealed_secret": endpoint.sealed_secret, "sealed_retired": endpoint.sealed_retired}
    changes: dict[str, Any] = {
        name: _again(sealed) for name, sealed in secrets.items() if sealed and not _is_current(sealed)
    }
    if not _is_current(endpoint.address.sealed):
        changes["address"] = _anew(endpoint.address)
    return changes


def _is_current(sealed: str) -> bool:
    return sealing.is_current(secret(), sealed)


def _again(sealed: str) -> str:
    return sealing.seal(secret(), sealing.unseal(secret(), sealed))


def _anew(address: SealedAddress) -> SealedAddress:
    return replace(address, sealed=_again(address.sealed))

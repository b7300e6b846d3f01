"""Notices for whoever wants to be told: added in the transaction in which it happens, or not at all."""

from __future__ import annotations

from dataclasses import replace

from pipelines.domain.customers.notices import (
    FINAL,
    OF_STATUS,
    Endpoint,
    Facts,
    FilmLink,
    Notice,
    NoticeStatus,
    NoticeType,
)
from pipelines.domain.keys import new_id
from pipelines.domain.lifecycle import STOPPED, RunStatus
from pipelines.domain.records import Run
from pipelines.domain.state.sealed_address import SealedAddress
from pipelines.ports import Tx

PROGRESS_EVERY_S = 10.0
LONGEST_ERROR = 2000
_GOING_ON = tuple(set(RunStatus) - STOPPED)


def tell_status(tx: Tx, now: float, run: Run) -> None:
    """A run has come to a status."""
    if run.status in OF_STATUS:
        tell_of_run(tx, now, run, OF_STATUS[run.status])


def tell_progress(tx: Tx, now: float, run: Run) -> None:
    """One more clip is here: for those who asked for it, at most every ten seconds."""
    for endpoint in _wanting(tx, run.account_id, NoticeType.RUN_PROGRESS):
        recent = {"created_at": now - PROGRESS_EVERY_S}
        kind = NoticeType.RUN_PROGRESS
        if not tx.notices.find(limit=1, after=recent, run_id=run.id, target=endpoint.id, type=kind):
            scenes = tx.scenes.find(run_id=run.id)
            done = sum(scene.clip_id is not None for scene in scenes) / max(1, len(scenes))
            facts = replace(_facts(tx, now, run), progress=round(done, 3))
            # By the moment: several clips may arrive within one version of the run.
            _add(tx, endpoint, f"{NoticeType.RUN_PROGRESS}:{run.id}:{now!r}", NoticeType.RUN_PROGRESS, facts)


def tell_of_run(tx: Tx, now: float, run: Run, kind: NoticeType) -> None:
    """The account's endpoints that want it, and the run's own address when it has come to an end."""
    endpoints = _wanting(tx, run.account_id, kind)
    own = run.webhook if kind in FINAL else None
    if not endpoints and own is None:
        return
    facts, event = _facts(tx, now, run), f"{kind}:{run.id}:{run.version}"
    for endpoint in endpoints:
        _add(tx, endpoint, event, kind, facts)
    if own is not None:
        _add_own(tx, own, _notice(kind, event, "", facts, run.account_id))


def tell_batch(tx: Tx, now: float, run: Run) -> None:
    """The last run of a batch has stopped: it is told once, whatever becomes of its runs later."""
    if run.batch_id is None or run.status not in STOPPED:
        return
    # Locked, so that of two last ones the second sees that the first has stopped.
    batch = tx.batches.get(run.batch_id, lock=True)
    if batch is None or batch.finished_at is not None or tx.runs.count(batch_id=batch.id, status=_GOING_ON):
        return
    tx.batches.change(batch.id, {"finished_at": None}, finished_at=now)
    counts = {status.value: tx.runs.count(batch_id=batch.id, status=status) for status in sorted(STOPPED)}
    facts = Facts(at=now, batch_id=batch.id, counts=counts, metadata=batch.metadata)
    kind, event = NoticeType.BATCH_DONE, f"{NoticeType.BATCH_DONE}:{batch.id}"
    for endpoint in _wanting(tx, batch.account_id, kind):
        _add(tx, endpoint, event, kind, facts)
    if batch.webhook is not None:
        _add_own(tx, batch.webhook, _notice(kind, event, "", facts, batch.account_id))


def tell_credits(
    tx: Tx,
    now: float,
    account_id: str,
    kind: NoticeType,
    about: str,
    *,
    amount_micro: int,
    available_micro: int,
    expires_at: float | None = None,
) -> None:
    """Of credits that came, are nearly used up, or will expire; `about` names what it is told of, once."""
    facts = Facts(at=now, amount_micro=amount_micro, available_micro=available_micro, expires_at=expires_at)
    for endpoint in _wanting(tx, account_id, kind):
        _add(tx, endpoint, f"{kind}:{about}", kind, facts)


def tell_test(tx: Tx, now: float, endpoint: Endpoint) -> Notice:
    """Somebody wants to see whether anything arrives."""
    facts = Facts(at=now, endpoint_id=endpoint.id)
    event = f"{NoticeType.ENDPOINT_TEST}:{new_id('test')}"
    return _add(tx, endpoint, event, NoticeType.ENDPOINT_TEST, facts)


def tell_disabled(tx: Tx, now: float, endpoint: Endpoint, why: str) -> None:
    """One endpoint is switched off: the others of the account are told."""
    facts = Facts(at=now, endpoint_id=endpoint.id, why=why)
    event = f"{NoticeType.ENDPOINT_DISABLED}:{endpoint.id}:{now!r}"
    for other in _wanting(tx, endpoint.account_id, NoticeType.ENDPOINT_DISABLED):
        if other.id != endpoint.id:
            _add(tx, other, event, NoticeType.ENDPOINT_DISABLED, facts)


def _wanting(tx: Tx, account_id: str | None, kind: NoticeType) -> list[Endpoint]:
    return [one for one in tx.endpoints.find(account_id=account_id) if kind in one.events]


def _add(tx: Tx, endpoint: Endpoint, event: str, kind: NoticeType, facts: Facts) -> Notice:
    """Of one that is off it is kept what it would have heard: it can be had later."""
    notice = replace(_notice(kind, event, endpoint.id, facts, endpoint.account_id), endpoint_id=endpoint.id)
    if endpoint.off is not None:
        notice = replace(notice, status=NoticeStatus.DROPPED, next_at=None, finished_at=facts.at)
    tx.notices.add(notice)
    return notice


def _add_own(tx: Tx, address: SealedAddress, notice: Notice) -> None:
    """To the address of an order or of a batch."""
    tx.notices.add(replace(notice, address=address, target=f"{notice.account_id or 'operator'} {address.origin}"))


def _notice(kind: NoticeType, event: str, target: str, facts: Facts, account_id: str | None) -> Notice:
    return Notice(
        id=new_id("msg"),
        account_id=account_id,
        run_id=facts.run_id,
        type=kind,
        event=event,
        target=target,
        facts=facts,
        created_at=facts.at,
        next_at=facts.at,
    )


def _facts(tx: Tx, now: float, run: Run) -> Facts:
    films: tuple[FilmLink, ...] = ()
    if run.status is RunStatus.DONE:
        cuts = tx.cuts.find(run_id=run.id, take=run.take, animatic=False, revoked_at=None)
        films = tuple(
            FilmLink(format=cut.format, token=cut.token, hook=cut.hook, language=cut.language)
            for cut in cuts
            if cut.key
        )
    return Facts(
        at=now,
        run_id=run.id,
        status=run.status.value,
        version=run.version,
        title=run.order.title if run.order else None,
        custom_id=run.custom_id,
        batch_id=run.batch_id,
        metadata=run.metadata or {},
        price_micro=run.price_micro,
        films=films,
        error=run.error[:LONGEST_ERROR] if run.error else None,
    )

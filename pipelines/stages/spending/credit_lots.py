"""Lots of credits: how they come in, in what order they are spent, and how they end. What runs do with them stands in
`credit_book`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipelines.domain.customers.notices import NoticeType
from pipelines.domain.errors import NotAllowed, NotFound
from pipelines.domain.keys import new_id
from pipelines.domain.money import CREDIT_PATHS, CreditAccount, CreditPosting
from pipelines.domain.records import Checkpoint, Clip, CreditEntry, Generation, Lot, LotKind, Run
from pipelines.domain.times import utc_day
from pipelines.ports import Tx
from pipelines.stages.kernel import announcements

RETURNED_S = 7 * 86_400.0
"""So long what is given back may be spent, at least."""
AT_ONCE = 200
EXPIRING, EXPIRING_S = "credits-expiring", 7 * 86_400.0
"""The checkpoint of what was told to expire, and how long before."""
_P = CreditPosting


@dataclass(frozen=True, slots=True)
class Funds:
    """What an account has, in micro-dollars, and the lots that can be spent, in the order in which they are."""

    lots: tuple[Lot, ...]
    reserved_micro: int

    @property
    def available_micro(self) -> int:
        return sum(lot.available_micro for lot in self.lots)


def funds(tx: Tx, account_id: str, now: float) -> Funds:
    """What the account can spend now, and what its runs have set aside."""
    set_aside = tx.reservations.find(account_id=account_id, after={"reserved_micro": 0})
    return Funds(tuple(spendable(tx, account_id, now)), sum(part.reserved_micro for part in set_aside))


def spendable(tx: Tx, account_id: str, now: float) -> list[Lot]:
    """First what expires first."""
    lots = tx.lots.find(account_id=account_id, after={"available_micro": 0})
    return sorted((lot for lot in lots if lot.expires_at is None or lot.expires_at > now), key=turn_of)


def turn_of(lot: Lot) -> tuple[bool, float, float, str]:
    """Lots are spent in the order of this: what ends first, then what came first."""
    return lot.expires_at is None, lot.expires_at or 0.0, lot.created_at, lot.id


def lock(tx: Tx, account_id: str) -> None:
    """Nobody else moves credits of the account until this transaction ends."""
    tx.serialise(f"credits:{account_id}")


def post(
    tx: Tx,
    now: float,
    posting: CreditPosting,
    amount: int,
    lot_id: str,
    run: Run | None = None,
    gen: Generation | None = None,
) -> None:
    """Both sides of a posting, and what it changes of the lot. The account is locked. Only rounding can be taken back,
    with less than nothing.
    """
    lot = tx.lots.get(lot_id, lock=True)
    if amount == 0 or (amount < 0 and posting is not _P.ROUND) or lot is None:
        return
    source, target = CREDIT_PATHS[posting]
    given = CreditEntry(
        at=now,
        day=utc_day(now),
        posting_id=new_id("crd"),
        posting=posting,
        account=source,
        amount=-amount,
        lot_id=lot.id,
        account_id=lot.account_id,
    )
    if run is not None:
        given = replace(given, run_id=run.id, key_id=run.key_id, base_id=run.base_id, record_id=run.record_id)
        given = replace(given, project_id=run.project_id)
    if gen is not None:
        given = replace(given, generation_id=gen.id, model=gen.model, seconds=gen.request.seconds)
    tx.credits.add(given)
    tx.credits.add(replace(given, account=target, amount=amount))
    kept = {f"{entry}_micro": signed for entry, signed in ((source, -amount), (target, amount))}
    kept.pop(f"{CreditAccount.ISSUED}_micro", None)
    tx.lots.change(lot.id, **{name: getattr(lot, name) + signed for name, signed in kept.items()})


def grant(
    tx: Tx,
    now: float,
    account_id: str,
    amount: int,
    *,
    kind: LotKind,
    source: str,
    expires_at: float | None,
    from_lot: str | None = None,
    payment: str | None = None,
) -> Lot:
    """Give credits. The same source again is the same lot, and gives nothing more. Raises NotFound, and NotAllowed for
    a source that stands for another account's.
    """
    if tx.accounts.get(account_id) is None:
        raise NotFound(f"account {account_id}", marketer=f"There is no account {account_id}.")
    lock(tx, account_id)
    lot = Lot(
        id=new_id("lot"),
        account_id=account_id,
        kind=kind,
        source=source,
        from_lot=from_lot,
        payment=payment,
        granted_micro=amount,
        created_at=now,
        expires_at=expires_at,
        expiry_due_at=expires_at,
    )
    if not tx.lots.add(lot):
        known = tx.lots.find(source=source, limit=1)
        if not known or known[0].account_id != account_id:
            raise NotAllowed(marketer=f"{source} was given to another account already.")
        return known[0]
    tx.accounts.change(account_id, pays_in_credits=True)
    post(tx, now, _P.GRANT, amount, lot.id)
    if from_lot is None:
        _tell(tx, now, NoticeType.CREDITS_GRANTED, lot, amount)
    return tx.lots.get(lot.id) or lot


def _tell(tx: Tx, now: float, kind: NoticeType, lot: Lot, amount: int) -> None:
    available = sum(one.available_micro for one in spendable(tx, lot.account_id, now))
    announcements.tell_credits(
        tx,
        now,
        lot.account_id,
        kind,
        lot.id,
        amount_micro=amount,
        available_micro=available,
        expires_at=lot.expires_at,
    )


def reissue(tx: Tx, now: float, lot: Lot, amount: int, source: str, expires_at: float | None) -> Lot:
    """Give credits that came out of a lot once more, as a lot of their own."""
    kind = LotKind.RETURNED
    return grant(tx, now, lot.account_id, amount, kind=kind, source=source, expires_at=expires_at, from_lot=lot.id)


def refund(tx: Tx, now: float, clip: Clip) -> list[Lot]:
    """A delivered clip was no use: what was charged for it is given back, until its lots would have expired and for a
    week at least. Twice is once. Raises NotAllowed where nothing was charged.
    """
    charged = (
        tx.credits.find(generation_id=clip.generation_id, account=CreditAccount.USED) if clip.generation_id else []
    )
    amounts: dict[str, int] = {}
    for entry in charged:
        amounts[entry.lot_id] = amounts.get(entry.lot_id, 0) + entry.amount
    if not amounts:
        raise NotAllowed(marketer=f"No credits were charged for clip {clip.id}, so there is nothing to give back.")
    lots = [lot for lot in tx.lots.find(id=tuple(amounts)) if lot.account_id]
    return [
        reissue(tx, now, lot, amounts[lot.id], f"refund:{clip.generation_id}:{lot.id}", _at_least_a_week(lot, now))
        for lot in lots
    ]


def _at_least_a_week(lot: Lot, now: float) -> float | None:
    return None if lot.expires_at is None else max(lot.expires_at, now + RETURNED_S)


def revoke(tx: Tx, now: float, lot: Lot, amount: int) -> int:
    """Take back what of a lot is available, up to `amount` in all; how much of it is set aside or used up. What has
    expired was nobody's gain.
    """
    lock(tx, lot.account_id)
    current = tx.lots.get(lot.id, lock=True) or lot
    wanted = max(0, amount - current.revoked_micro)
    taken = min(wanted, current.available_micro)
    post(tx, now, _P.REVOKE, taken, lot.id)
    return min(wanted - taken, current.reserved_micro + current.used_micro)


def expire(tx: Tx, now: float, lot_id: str) -> None:
    """A lot's time is over: what is available of it is gone; what is set aside stays with its run."""
    found = tx.lots.get(lot_id)
    if found is None:
        return
    lock(tx, found.account_id)
    lot = tx.lots.get(lot_id, lock=True) or found
    if lot.expiry_due_at is not None and lot.expiry_due_at <= now:
        post(tx, now, _P.EXPIRE, lot.available_micro, lot.id)
        tx.lots.change(lot.id, expiry_due_at=None)


def will_expire(tx: Tx, now: float, limit: int = 1) -> list[Lot]:
    """What will expire in a week and was not told yet, the first to end first."""
    told = tx.checkpoints.get(EXPIRING)
    after, before = {"expiry_due_at": told.at if told else now}, {"expiry_due_at": now + EXPIRING_S}
    return tx.lots.find(after=after, before=before, order="expiry_due_at", limit=limit)


def tell_expiring(tx: Tx, now: float) -> None:
    """Each lot is told of once. One that is shorter than a week may be told of as soon as it is there."""
    if not tx.checkpoints.get(EXPIRING, lock=True):
        tx.checkpoints.add(Checkpoint(id=EXPIRING, at=now))
    found = will_expire(tx, now, AT_ONCE)
    last = found[-1].expiry_due_at if found else None
    if last is None:
        return
    # With all of the last moment: the next look goes on after it.
    lots = {lot.id: lot for lot in [*found, *tx.lots.find(expiry_due_at=last)]}
    for lot in lots.values():
        if lot.available_micro > 0:
            _tell(tx, now, NoticeType.CREDITS_EXPIRING, lot, lot.available_micro)
    tx.checkpoints.change(EXPIRING, at=last)


def due_to_expire(tx: Tx, now: float) -> list[str]:
    """Lots whose time is over, the first to end first."""
    return [lot.id for lot in tx.lots.find(before={"expiry_due_at": now}, order="expiry_due_at", limit=AT_ONCE)]

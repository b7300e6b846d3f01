"""The second book: what customers have paid for. Beside the ledger, which says what the operator pays.

    issued ──grant──▶ available ──reserve──▶ reserved ──capture──▶ used
                          │   ◀──release──────┘ │
                          ├──expire──▶ expired ◀┘ return
                          └──revoke──▶ revoked

Every entry names a lot. What is kept of each lot and of each run's reservation is changed in the transaction that
posts, so that nothing here costs more as the book grows: lots that are used up are not looked at again.

Order of locks: the row of the run, `credits:<account>`, and, when the transaction ends, the balances of the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pipelines.domain.customers.notices import NoticeType
from pipelines.domain.errors import InsufficientCredits, NotAllowed, NotFound, OverBudget
from pipelines.domain.keys import new_id
from pipelines.domain.lifecycle import HOLDING, OPEN, RunStatus
from pipelines.domain.money import CREDIT_PATHS, CreditAccount, CreditPosting, show, show_enough
from pipelines.domain.planning.price_list import PriceList, whole
from pipelines.domain.records import Base, Checkpoint, Clip, CreditEntry, Generation, Lot, LotKind, Reservation, Run
from pipelines.domain.times import utc_day
from pipelines.ports import Tx
from pipelines.stages.kernel import announcements

RETURNED_S = 7 * 86_400.0
"""So long what is given back may be spent, at least."""
AT_ONCE = 200
AUDIT = "credits-audit"
"""The checkpoint of the audit."""
BEHIND_S = 600.0
EXPIRING, EXPIRING_S = "credits-expiring", 7 * 86_400.0
"""The checkpoint of what was told to expire, and how long before."""
_P = CreditPosting


def pays_in_credits(tx: Tx, prices: PriceList, account_id: str | None) -> bool:
    """Whether an account pays in credits: where there is a price list, or since its first lot. The operator never."""
    if account_id is None:
        return False
    account = tx.accounts.get(account_id)
    return prices.published or (account is not None and account.pays_in_credits)


def had_credits(tx: Tx, account_id: str | None) -> bool:
    """Whether an account has ever been given credits."""
    account = tx.accounts.get(account_id) if account_id else None
    return account is not None and account.pays_in_credits


def is_sold(tx: Tx, run: Run) -> bool:
    """Whether a run is paid in credits: its account and its people learn its Price, and nothing of its Cost."""
    return run.price_micro is not None or had_credits(tx, run.account_id)


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
    return Funds(tuple(_spendable(tx, account_id, now)), sum(part.reserved_micro for part in set_aside))


def _spendable(tx: Tx, account_id: str, now: float) -> list[Lot]:
    """First what expires first."""
    lots = tx.lots.find(account_id=account_id, after={"available_micro": 0})
    return sorted((lot for lot in lots if lot.expires_at is None or lot.expires_at > now), key=_turn)


def _turn(lot: Lot) -> tuple[bool, float, float, str]:
    return lot.expires_at is None, lot.expires_at or 0.0, lot.created_at, lot.id


def _lock(tx: Tx, account_id: str) -> None:
    tx.serialise(f"credits:{account_id}")


def _post(
    tx: Tx,
    now: float,
    posting: CreditPosting,
    amount: int,
    lot_id: str,
    run: Run | None = None,
    gen: Generation | None = None,
) -> None:
    """Both sides of a posting, and what it changes of the lot. The account is locked."""
    lot = tx.lots.get(lot_id, lock=True)
    if amount <= 0 or lot is None:
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


def _move(
    tx: Tx, now: float, posting: CreditPosting, amount: int, part: Reservation, run: Run, gen: Generation | None = None
) -> None:
    """A posting out of, or into, what a run has set aside of a lot."""
    if amount <= 0:
        return
    _post(tx, now, posting, amount, part.lot_id, run, gen)
    kept = tx.reservations.get(part.id, lock=True) or part
    reserved = kept.reserved_micro + (amount if posting is _P.RESERVE else -amount)
    used = kept.used_micro + (amount if posting in (_P.CAPTURE, _P.ROUND) else 0)
    rounding = kept.rounding_micro + (amount if posting is _P.ROUND else 0)
    tx.reservations.change(part.id, reserved_micro=reserved, used_micro=used, rounding_micro=rounding)


@dataclass(frozen=True, slots=True)
class Terms:
    """What an account would be charged for an order, and why it could not be now."""

    price_micro: int
    credits: int
    refusal: InsufficientCredits | None = None


def terms(tx: Tx, now: float, prices: PriceList, account_id: str | None, amount: int) -> Terms | None:
    """Of an order that comes to `amount` before it is rounded up; None where nothing is charged. Sets nothing aside."""
    if account_id is None or not pays_in_credits(tx, prices, account_id):
        return None
    price = prices.whole(amount)
    return Terms(
        price, price // prices.credit_micro, _refusal(price, funds(tx, account_id, now).available_micro, prices)
    )


def must_reach(tx: Tx, now: float, prices: PriceList, account_id: str | None, amount: int) -> None:
    """Raises InsufficientCredits where an account that pays in credits has not so much for several orders together."""
    found = terms(tx, now, prices, account_id, amount)
    if found is not None and found.refusal is not None:
        raise found.refusal


def terms_of(tx: Tx, now: float, prices: PriceList, run: Run, amount: int) -> Terms | None:
    """The same of what a run would still be delivered: what it has set aside need not be found again."""
    found = terms(tx, now, prices, run.account_id, amount)
    if found is None or run.account_id is None:
        return None
    parts = tx.reservations.find(run_id=run.id)
    total = prices.whole(_exact(parts) + amount)
    missing = total - sum(part.used_micro + part.reserved_micro for part in parts)
    return replace(found, refusal=_refusal(missing, funds(tx, run.account_id, now).available_micro, prices))


def _refusal(amount: int, available: int, prices: PriceList) -> InsufficientCredits | None:
    if amount <= available:
        return None
    return InsufficientCredits(required_micro=amount, available_micro=available, credit_micro=prices.credit_micro)


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
    _lock(tx, account_id)
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
    _post(tx, now, _P.GRANT, amount, lot.id)
    if from_lot is None:
        _tell(tx, now, NoticeType.CREDITS_GRANTED, lot, amount)
    return tx.lots.get(lot.id) or lot


def _tell(tx: Tx, now: float, kind: NoticeType, lot: Lot, amount: int) -> None:
    available = sum(one.available_micro for one in _spendable(tx, lot.account_id, now))
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


def reserve(tx: Tx, now: float, run: Run, due: int, prices: PriceList) -> int | None:
    """Set aside what is missing for `due` micro-dollars that are still to be delivered, or give back what is too much:
    all or nothing, out of several lots where one does not reach. The Price of the whole run, in whole credits; None
    where nothing is charged. Raises InsufficientCredits.
    """
    if run.account_id is None or not pays_in_credits(tx, prices, run.account_id):
        return None
    _lock(tx, run.account_id)
    parts = tx.reservations.find(run_id=run.id)
    price = whole(_exact(parts) + due, prices.credit_micro)
    wish = run.order.max_cost_micro if run.order else None
    if wish is not None and price > wish:
        raise OverBudget(marketer=over_max_cost(price, wish))
    if run.price_micro is not None and run.ceiling_micro is not None and price > run.ceiling_micro:
        raise OverBudget(
            marketer=f"This comes to {show(price)} now, more than the {show(run.ceiling_micro)} that were agreed to. "
            "Decide again in the row, for what it costs now."
        )
    missing = price - sum(part.used_micro + part.reserved_micro for part in parts)
    if missing < 0:
        _give_back(tx, now, run, parts, -missing)
    elif missing > 0:
        left = _take(tx, now, run, missing, prices)
        if left < price:
            low, about = NoticeType.CREDITS_LOW, f"{run.id}:{now!r}"
            announcements.tell_credits(tx, now, run.account_id, low, about, amount_micro=price, available_micro=left)
        must_fit_day_budget(tx, now, run)
    return price


def total(tx: Tx, run: Run, due: int) -> int:
    """What a run comes to when `due` is delivered, too, in whole credits."""
    return rounded(tx, run, _exact(tx.reservations.find(run_id=run.id)) + due)


def rounded(tx: Tx, run: Run, amount: int) -> int:
    """An amount in whole credits, as they were when the run reserved."""
    parts = tx.reservations.find(run_id=run.id, limit=1)
    return whole(amount, parts[0].credit_micro) if parts else amount


def set_aside(tx: Tx, run_id: str) -> int:
    """What a run has set aside."""
    return sum(part.reserved_micro for part in tx.reservations.find(run_id=run_id))


def over_max_cost(price: int, wish: int) -> str:
    """What a marketer reads whose order is above the Max Cost that it names."""
    return (
        f"This needs {show_enough(price)}, but Max Cost leaves {show(wish)}. Raise Max Cost, or ask for fewer or "
        f"shorter scenes. At least {show_enough(price)} would do."
    )


def must_fit_day_budget(tx: Tx, now: float, run: Run) -> None:
    """Raises OverBudget when what was charged today in the run's base, and what its moving runs have set aside, is
    above the Day Budget that its people have set.
    """
    base = tx.bases.get(run.base_id) if run.base_id else None
    if base is None or base.airtable_cap_micro is None:
        return
    moving = [one.id for one in tx.runs.find(base_id=base.id, status=tuple(HOLDING))]
    held = sum(part.reserved_micro for part in tx.reservations.find(run_id=moving)) if moving else 0
    used = charged_in_base(tx, base.id, utc_day(now)) + held
    if used > base.airtable_cap_micro:
        raise OverBudget(
            marketer=f"With this, {show_enough(used)} would be spent or set aside today, but this base's Day Budget is "
            f"{show(base.airtable_cap_micro)}. Raise Day Budget in the Settings table, or go on tomorrow (UTC)."
        )


def charged_in_base(tx: Tx, base_id: str, day: str) -> int:
    """What was charged on a day for the runs of a base."""
    return sum(entry.amount for entry in tx.credits.find(base_id=base_id, day=day, account=CreditAccount.USED))


def used_up(tx: Tx, base: Base, day: str) -> str | None:
    """The sentence that a base's Day Budget leaves nothing; None while it leaves something, or where there is none."""
    charged = charged_in_base(tx, base.id, day)
    if base.airtable_cap_micro is None or charged < base.airtable_cap_micro:
        return None
    limit = show(base.airtable_cap_micro)
    return (
        f"Today's Day Budget of {limit} is used up: {show(charged)} is spent. Raise it here, or go on tomorrow (UTC)."
    )


def charged(tx: Tx, run_id: str) -> dict[str | None, int]:
    """What the account of a run was charged in it, by generation; without one, for words and rounding."""
    amounts: dict[str | None, int] = {}
    for entry in tx.credits.find(run_id=run_id, account=CreditAccount.USED):
        amounts[entry.generation_id] = amounts.get(entry.generation_id, 0) + entry.amount
    return amounts


def quoted(run: Run) -> int | None:
    """What a run comes to at most, as its people know it."""
    return run.quote_micro if run.price_micro is None else run.price_micro


def _exact(parts: Sequence[Reservation]) -> int:
    """What was used, before it was rounded up."""
    return sum(part.used_micro - part.rounding_micro for part in parts)


def _take(tx: Tx, now: float, run: Run, amount: int, prices: PriceList) -> int:
    """What is left then."""
    lots = _spendable(tx, run.account_id or "", now)
    available = sum(lot.available_micro for lot in lots)
    if (refusal := _refusal(amount, available, prices)) is not None:
        raise refusal
    left = available - amount
    for lot in lots:
        part = min(amount, lot.available_micro)
        if part > 0:
            row = Reservation(
                id=f"{run.id}:{lot.id}",
                run_id=run.id,
                lot_id=lot.id,
                account_id=lot.account_id,
                credit_micro=prices.credit_micro,
            )
            tx.reservations.add(row)
            _move(tx, now, _P.RESERVE, part, row, run)
            amount -= part
    return left


def capture(tx: Tx, now: float, run: Run, amount: int, gen: Generation | None = None) -> None:
    """What was ordered has been delivered: `amount` is used, out of what the run has set aside. Without a generation it
    is for words.
    """
    left = amount
    for part, _ in _in_turn(tx, run.id):
        taken = min(left, part.reserved_micro)
        _move(tx, now, _P.CAPTURE, taken, part, run, gen)
        left -= taken


def _in_turn(tx: Tx, run_id: str) -> Iterator[tuple[Reservation, Lot]]:
    """What a run has set aside, in the order in which its lots are spent; their accounts are locked."""
    for account_id in sorted({part.account_id for part in tx.reservations.find(run_id=run_id)}):
        _lock(tx, account_id)
    parts = {part.lot_id: part for part in tx.reservations.find(run_id=run_id)}
    for lot in sorted(tx.lots.find(id=tuple(parts)) if parts else (), key=_turn):
        yield parts[lot.id], lot


def settle(tx: Tx, now: float, run_id: str) -> None:
    """A run that has stopped gives back what it needs no more: all but the Price of clips that may still come, and,
    where a person is asked, of those that are missing. What it used is rounded up to a whole credit, once.
    """
    parts = tx.reservations.find(run_id=run_id)
    run = tx.runs.get(run_id) if parts else None
    if run is None or run.status in HOLDING:
        return
    scenes = [scene for scene in tx.scenes.find(run_id=run_id) if scene.clip_id is None]
    if run.status is RunStatus.NEEDS_ATTENTION:
        if not tx.scenes.count(run_id=run_id):
            return
    else:
        coming = {gen.scene_id for gen in tx.generations.find(run_id=run_id, status=tuple(OPEN))}
        scenes = [scene for scene in scenes if scene.id in coming]
    _settle(tx, now, run, sum(scene.settings.charge_micro for scene in scenes))


def _settle(tx: Tx, now: float, run: Run, keep: int) -> None:
    parts = [part for part, _ in _in_turn(tx, run.id)]
    used, exact = sum(part.used_micro for part in parts), _exact(parts)
    target = max(0, whole(exact + keep, parts[0].credit_micro) - used)
    excess = sum(part.reserved_micro for part in parts) - target
    if excess > 0:
        _give_back(tx, now, run, parts, excess)
    if keep == 0:
        for part, _ in list(_in_turn(tx, run.id)):
            _move(tx, now, _P.ROUND, part.reserved_micro, part, run)


def _give_back(tx: Tx, now: float, run: Run, parts: Sequence[Reservation], amount: int) -> None:
    """Into the same lots, the last to be spent first. For one that has expired meanwhile a new one is given."""
    lots = {lot.id: lot for lot in tx.lots.find(id=tuple(part.lot_id for part in parts))}
    for part in sorted(parts, key=lambda one: _turn(lots[one.lot_id]), reverse=True):
        lot, back = lots[part.lot_id], min(amount, part.reserved_micro)
        amount -= back
        if lot.expires_at is None or lot.expires_at > now or back <= 0:
            _move(tx, now, _P.RELEASE, back, part, run)
            continue
        _move(tx, now, _P.RETURN, back, part, run)
        _return(tx, now, lot, back, f"returned:{new_id('ret')}", now + RETURNED_S)


def _return(tx: Tx, now: float, lot: Lot, amount: int, source: str, expires_at: float | None) -> Lot:
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
        _return(tx, now, lot, amounts[lot.id], f"refund:{clip.generation_id}:{lot.id}", _at_least_a_week(lot, now))
        for lot in lots
    ]


def _at_least_a_week(lot: Lot, now: float) -> float | None:
    return None if lot.expires_at is None else max(lot.expires_at, now + RETURNED_S)


def revoke(tx: Tx, now: float, lot: Lot, amount: int) -> int:
    """Take back what of a lot is available, up to `amount` in all; how much of it is set aside or used up. What has
    expired was nobody's gain.
    """
    _lock(tx, lot.account_id)
    current = tx.lots.get(lot.id, lock=True) or lot
    wanted = max(0, amount - current.revoked_micro)
    taken = min(wanted, current.available_micro)
    _post(tx, now, _P.REVOKE, taken, lot.id)
    return min(wanted - taken, current.reserved_micro + current.used_micro)


def expire(tx: Tx, now: float, lot_id: str) -> None:
    """A lot's time is over: what is available of it is gone; what is set aside stays with its run."""
    found = tx.lots.get(lot_id)
    if found is None:
        return
    _lock(tx, found.account_id)
    lot = tx.lots.get(lot_id, lock=True) or found
    if lot.expiry_due_at is not None and lot.expiry_due_at <= now:
        _post(tx, now, _P.EXPIRE, lot.available_micro, lot.id)
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


@dataclass(frozen=True, slots=True)
class CreditAudit:
    """What the book says; from `reached` the next audit goes on if there are no problems."""

    problems: tuple[str, ...]
    reached: Checkpoint


def audit(tx: Tx, *, everything: bool = False) -> CreditAudit:
    """Check the book against itself and against what is kept of it: what was posted since the checkpoint, or all."""
    since = (None if everything else tx.checkpoints.get(AUDIT)) or Checkpoint(id=AUDIT)
    problems = [
        f"{one.what}: kept is {one.kept}, the entries say {one.entries}" for one in tx.credit_discrepancies(since)
    ]
    newest = tx.credits.find(order="-id", limit=1)
    # What was posted a moment ago may not be committed yet.
    last = tx.credits.find(order="-id", limit=1, before={"at": newest[0].at - BEHIND_S}) if newest else []
    reached = Checkpoint(id=AUDIT, at=last[0].at, entry=last[0].id or 0) if last else since
    return CreditAudit(tuple(problems), reached)

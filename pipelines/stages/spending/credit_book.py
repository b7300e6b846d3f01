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
from pipelines.domain.errors import InsufficientCredits, OverBudget
from pipelines.domain.footage import Preview
from pipelines.domain.keys import new_id
from pipelines.domain.lifecycle import HOLDING, OPEN, RunStatus
from pipelines.domain.money import CreditAccount, CreditPosting, show, show_enough
from pipelines.domain.planning.price_list import PriceList, whole
from pipelines.domain.records import Base, Checkpoint, Generation, Lot, Reservation, Run
from pipelines.domain.times import utc_day
from pipelines.ports import Tx
from pipelines.stages.kernel import announcements
from pipelines.stages.spending import credit_lots

AUDIT = "credits-audit"
"""The checkpoint of the audit."""
BEHIND_S = 600.0
REFUSED = "credits_refused"
"""The event of credits that did not reach for a run under way, for the metrics; `entity_id` is its status."""
NOT_BEGUN = frozenset({RunStatus.QUEUED, RunStatus.WRITING})
"""A run whose row is read once more when it goes on."""
ASK_FOR_LESS = "Raise Max Cost, or ask for fewer or shorter scenes."
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


def _move(
    tx: Tx, now: float, posting: CreditPosting, amount: int, part: Reservation, run: Run, gen: Generation | None = None
) -> None:
    """A posting out of, or into, what a run has set aside of a lot. Less than nothing takes rounding back."""
    if amount == 0 or (amount < 0 and posting is not _P.ROUND):
        return
    credit_lots.post(tx, now, posting, amount, part.lot_id, run, gen)
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
        price,
        price // prices.credit_micro,
        _refusal(price, credit_lots.funds(tx, account_id, now).available_micro, prices),
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
    return replace(found, refusal=_refusal(missing, credit_lots.funds(tx, run.account_id, now).available_micro, prices))


def _refusal(amount: int, available: int, prices: PriceList) -> InsufficientCredits | None:
    if amount <= available:
        return None
    return InsufficientCredits(required_micro=amount, available_micro=available, credit_micro=prices.credit_micro)


def reserve(tx: Tx, now: float, run: Run, due: int, prices: PriceList) -> int | None:
    """Set aside what is missing for `due` micro-dollars that are still to be delivered, or give back what is too much:
    all or nothing, out of several lots where one does not reach. The Price of the whole run, in whole credits; None
    where nothing is charged. Raises InsufficientCredits.
    """
    if run.account_id is None or not pays_in_credits(tx, prices, run.account_id):
        return None
    credit_lots.lock(tx, run.account_id)
    parts = tx.reservations.find(run_id=run.id)
    price = whole(_exact(parts) + due, prices.credit_micro)
    wish = run.order.max_cost_micro if run.order else None
    if wish is not None and price > wish:
        raise OverBudget(marketer=over_max_cost(price, wish, more_room(run)))
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


def over_max_cost(price: int, wish: int, advice: str = ASK_FOR_LESS) -> str:
    """What a marketer reads whose order is above the Max Cost that it names."""
    return (
        f"This needs {show_enough(price)}, but Max Cost leaves {show(wish)}. {advice} "
        f"At least {show_enough(price)} would do."
    )


def more_room(run: Run) -> str:
    """What helps a run that has reached its Max Cost. With scenes, only a tick in the base reads it anew."""
    if run.record_id is None:
        return "Order the film again with a higher Max Cost: what stays as it is is not bought twice."
    if run.status in NOT_BEGUN:
        return ASK_FOR_LESS
    if run.status is RunStatus.NEEDS_APPROVAL:
        return "Raise Max Cost in the row, then tick Approve there."
    if run.status is RunStatus.DONE:
        # Generate would begin a new run, without what was changed in the scene.
        return "Raise Max Cost in the row, then tick Regenerate in the row of the scene."
    return "Raise Max Cost in the row, then tick Generate there, or Regenerate in the row of the scene."


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
    lots = credit_lots.spendable(tx, run.account_id or "", now)
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
    is for words. What the run was rounded up by when it stopped before pays first: else an order were rounded up more
    than once, or its next clip not counted whole.
    """
    if run.account_id is None:
        return
    left, parts = amount, [part for part, _ in _in_turn(tx, run.id)]
    for part in parts:
        back = min(left, part.rounding_micro)
        _move(tx, now, _P.ROUND, -back, part, run)
        _move(tx, now, _P.CAPTURE, back, part, run, gen)
        left -= back
    for part in parts:
        taken = min(left, part.reserved_micro)
        _move(tx, now, _P.CAPTURE, taken, part, run, gen)
        left -= taken


def _in_turn(tx: Tx, run_id: str) -> Iterator[tuple[Reservation, Lot]]:
    """What a run has set aside, in the order in which its lots are spent; their accounts are locked."""
    for account_id in sorted({part.account_id for part in tx.reservations.find(run_id=run_id)}):
        credit_lots.lock(tx, account_id)
    parts = {part.lot_id: part for part in tx.reservations.find(run_id=run_id)}
    for lot in sorted(tx.lots.find(id=tuple(parts)) if parts else (), key=credit_lots.turn_of):
        yield parts[lot.id], lot


def settle(tx: Tx, now: float, run_id: str) -> None:
    """A run that has stopped gives back what it needs no more: all but the Price of clips that may still come, and,
    where a person is asked, of those that are missing. What it used is rounded up to a whole credit, once.
    """
    run = tx.runs.get(run_id)
    if run is None or run.account_id is None or run.status in HOLDING or not tx.reservations.find(run_id=run_id):
        return
    scenes = [scene for scene in tx.scenes.find(run_id=run_id) if scene.clip_id is None]
    if run.status is RunStatus.NEEDS_ATTENTION:
        if not tx.scenes.count(run_id=run_id):
            return
    else:
        coming = {gen.scene_id for gen in tx.generations.find(run_id=run_id, status=tuple(OPEN))}
        scenes = [scene for scene in scenes if scene.id in coming]
    _settle(tx, now, run, sum(scene.settings.charge_micro for scene in scenes) + open_drafts(tx, run))


def open_drafts(tx: Tx, run: Run) -> int:
    """What the account of a run is charged for drafts that are still being made."""
    if run.order is None or run.order.preview is not Preview.DRAFT:
        return 0
    return sum(gen.request.draft_charge_micro for gen in tx.generations.find(run_id=run.id, status=tuple(OPEN)))


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
    for part in sorted(parts, key=lambda one: credit_lots.turn_of(lots[one.lot_id]), reverse=True):
        lot, back = lots[part.lot_id], min(amount, part.reserved_micro)
        amount -= back
        if lot.expires_at is None or lot.expires_at > now or back <= 0:
            _move(tx, now, _P.RELEASE, back, part, run)
            continue
        _move(tx, now, _P.RETURN, back, part, run)
        credit_lots.reissue(tx, now, lot, back, f"returned:{new_id('ret')}", now + credit_lots.RETURNED_S)


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

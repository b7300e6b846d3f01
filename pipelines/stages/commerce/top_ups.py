"""Credits bought with a Payment Link of Stripe. What Stripe says is verified before it comes here (webapp.webhooks).

A session grants once, however many events speak of it, and only when it is paid. What cannot be given to anybody is
said to the operator. Money that goes back takes what is available of its lot along; what is used up by then suspends
the account.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from pipelines.domain.money import MICRO, show
from pipelines.domain.records import AccountStatus, InboxItem, Lot, LotKind
from pipelines.ports import Tx
from pipelines.stages.commerce.payments import ENTITY
from pipelines.stages.files import revocations
from pipelines.stages.files.revocations import Revoked
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor, record
from pipelines.stages.spending import credit_lots

logger = logging.getLogger(__name__)

STRIPE = "stripe"
UNMATCHED = "unmatched"
"""The event of money that came in and could not be given to an account."""
CENT_MICRO = MICRO // 100
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutSession:
    """What an event tells of a Checkout session."""

    session: str
    account_id: str | None
    payment: str | None
    paid: bool
    cents: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversal:
    """What an event tells of money that went back, or is disputed: so many cents in all, of so many that were paid if
    it says that (with tax, or less a discount).
    """

    payment: str
    cents: int
    of_cents: int | None = None


def receive(services: Services, event_id: str, told: CheckoutSession | Reversal | None, days: int | None) -> bool:
    """Act on a verified event, once; whether it was new. `days`: how long bought credits are good; None is for ever."""
    now = services.clock.now()
    with services.store.write() as tx:
        if not tx.inbox.add(InboxItem(id=f"{STRIPE}:{event_id}", at=now, provider=STRIPE)):
            return False
        if told is None:
            return True
        if isinstance(told, Reversal):
            suspended = _reverse(tx, now, told)
        else:
            suspended = _grant(tx, now, told, days) if told.paid else None
    if suspended is not None:
        revocations.note(services, Revoked.ACCOUNT, suspended, status=AccountStatus.SUSPENDED)
    return True


def _grant(tx: Tx, now: float, bought: CheckoutSession, days: int | None) -> str | None:
    """The account, if the money has gone back already and it is suspended for that."""
    account = tx.accounts.get(bought.account_id) if bought.account_id else None
    if account is None or bought.currency != "usd" or bought.cents <= 0:
        _tell_operator(tx, now, bought)
        return None
    if not tx.lots.find(source=source_of(bought.session), limit=1):
        record(tx, Actor(STRIPE, now), ENTITY, bought.session, None, "paid")
    lot = credit_lots.grant(
        tx,
        now,
        account.id,
        bought.cents * CENT_MICRO,
        kind=LotKind.PAID,
        source=source_of(bought.session),
        expires_at=None if days is None else now + days * DAY_S,
        payment=bought.payment,
    )
    early = _remembered(tx, bought.payment) if bought.payment else None
    return None if early is None else _take_back(tx, now, lot, early)


def source_of(session: str) -> str:
    """The source of the lot that a Checkout session pays for."""
    return f"{STRIPE}:{session}"


def _tell_operator(tx: Tx, now: float, bought: CheckoutSession) -> None:
    """Nothing is guessed about whose money it is."""
    whose = f"account {bought.account_id}" if bought.account_id else "no account"
    sentence = (
        f"Stripe session {bought.session} paid {show(bought.cents * CENT_MICRO)[1:]} {bought.currency.upper()} for "
        f"{whose}: no credits were given."
    )
    logger.error("%s", sentence)
    record(tx, Actor(STRIPE, now), ENTITY, bought.session, None, UNMATCHED, sentence=sentence)


def _reverse(tx: Tx, now: float, told: Reversal) -> str | None:
    """The account that is suspended. Events come in any order: of a payment that is not known yet it is remembered
    until it is.
    """
    lots = tx.lots.find(payment=told.payment, limit=1)
    if lots:
        return _take_back(tx, now, lots[0], told)
    known = _remembered(tx, told.payment)
    if known is not None:
        tx.inbox.remove(_reversal_id(told.payment))
        told = replace(told, cents=max(told.cents, known.cents), of_cents=told.of_cents or known.of_cents)
    body = {"cents": told.cents, "of_cents": told.of_cents}
    tx.inbox.add(InboxItem(id=_reversal_id(told.payment), at=now, provider=STRIPE, body=body))
    return None


def _remembered(tx: Tx, payment: str) -> Reversal | None:
    kept = tx.inbox.get(_reversal_id(payment))
    return None if kept is None else Reversal(payment=payment, **kept.body)


def _reversal_id(payment: str) -> str:
    return f"{STRIPE}-reversal:{payment}"


def _take_back(tx: Tx, now: float, lot: Lot, told: Reversal) -> str | None:
    """The account, if what goes back is used up, and it is suspended for that now."""
    amount = told.cents * CENT_MICRO if told.of_cents is None else -(-lot.granted_micro * told.cents // told.of_cents)
    missing = credit_lots.revoke(tx, now, lot, amount)
    if missing <= 0:
        return None
    changed = tx.accounts.change(lot.account_id, {"status": AccountStatus.ACTIVE}, status=AccountStatus.SUSPENDED)
    sentence = f"{show(missing)} of a payment that went back are used up: account {lot.account_id} is suspended."
    logger.error("%s", sentence)
    record(tx, Actor(STRIPE, now), ENTITY, lot.payment or lot.id, None, "reversed", sentence=sentence)
    return lot.account_id if changed else None


def unmatched(tx: Tx, since: float) -> list[str]:
    """A sentence for every payment that nobody was given credits for until now."""
    events = tx.events.find(entity=ENTITY, name=UNMATCHED, run_id=None, after={"at": since})
    given = {lot.source for lot in tx.lots.find(source=tuple(source_of(event.entity_id) for event in events))}
    told = {event.entity_id: event.detail.sentence or "" for event in events}
    return [sentence for session, sentence in told.items() if source_of(session) not in given]

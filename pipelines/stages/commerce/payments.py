"""Payments for single calls: a row before the money moves, an account with its lot once it has, and the chain asked
when nobody said so. Whatever arrived ends as a lot: nothing is sent back, and nothing is lost.
"""

from __future__ import annotations

import logging
from typing import Any

from pipelines.domain.errors import NotAllowed, NotFound, ReelgridError
from pipelines.domain.keys import new_id
from pipelines.domain.records import CustomerAccount, LotKind, Payment, PaymentStatus
from pipelines.ports import Outcome, Settlement, Transfer, Tx
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, Actor, LostLease, record
from pipelines.stages.spending import credit_lots

logger = logging.getLogger(__name__)

X402 = "x402"
ENTITY = "payment"
"""What an event about money that came in is about."""
LATE_S = 600.0
"""So long after its authorization has ended a payment may still become visible."""
EARLY_S = 60.0
"""How far the clock of a chain may be behind ours. What was used before is somebody else's purchase."""
LOOK_AGAIN_S = 15.0
OPEN = (PaymentStatus.SETTLING, PaymentStatus.IN_DOUBT)


def book(tx: Tx, now: float, payment: Payment, transaction: str | None, days: int | None) -> Payment:
    """The money is there: the payment's own account, and a lot of exactly what was paid. Twice is once."""
    current = tx.payments.get(payment.id, lock=True) or payment
    if current.lot_id is not None:
        return current
    if tx.accounts.get(payment.account_id) is None:
        name = f"{X402} {payment.payer}"
        tx.accounts.add(CustomerAccount(id=payment.account_id, name=name, created_at=now))
    lot = credit_lots.grant(
        tx,
        now,
        payment.account_id,
        payment.amount_micro,
        kind=LotKind.PAID,
        source=f"{X402}:{payment.id}",
        expires_at=None if days is None else now + days * 86_400.0,
        payment=payment.reference,
    )
    _become(tx, Actor(X402, now), current, PaymentStatus.PAID, tx_hash=transaction, lot_id=lot.id, reason=None)
    return tx.payments.get(payment.id) or current


def refuse(services: Services, payment: Payment, reason: str | None) -> None:
    """The money has not moved. When it no longer can, the chain is looked at once more: who said so may be wrong."""
    with services.store.write() as tx:
        current = tx.payments.get(payment.id, lock=True)
        if current is not None and current.status in OPEN:
            later = payment.valid_before + LATE_S if services.payments.chain else None
            actor = Actor(X402, services.clock.now())
            _become(tx, actor, current, PaymentStatus.FAILED, reason=reason, next_at=later)


def ask_chain_soon(services: Services, payment: Payment, reason: str | None) -> None:
    """Nobody said whether the money has moved: the chain may know already."""
    with services.store.write() as tx:
        when = {"status": PaymentStatus.SETTLING}
        tx.payments.change(payment.id, when, reason=reason, next_at=services.clock.now())


def _become(tx: Tx, actor: Actor, payment: Payment, to: PaymentStatus, **changes: Any) -> None:
    values = {"next_at": None, "attempts": 0, **FREE, **changes}
    if not tx.payments.change(payment.id, actor.fence(payment.status), status=to, **values):
        raise LostLease(payment.id)
    record(tx, actor, ENTITY, payment.id, None, "status", payment.status, to)


def advance(services: Services, actor: Actor, payment: Payment) -> None:
    """Nobody told what became of a payment: see what the chain says. Raises Unavailable."""
    if payment.status not in (*OPEN, PaymentStatus.FAILED):
        return
    if services.payments.chain is None:
        _doubt(services, actor, payment, "X402_RPC_URL names no server that knows the chain")
        return
    found = services.payments.chain.look(
        payer=payment.payer,
        nonce=payment.nonce,
        amount_micro=payment.amount_micro,
        since=payment.created_at - EARLY_S,
        until=payment.valid_before + LATE_S,
    )
    _conclude(services, actor, payment, found)


def _conclude(services: Services, actor: Actor, payment: Payment, found: Settlement) -> None:
    over = actor.now > payment.valid_before + LATE_S
    if found.outcome is Outcome.PAID:
        with services.store.write() as tx:
            current = tx.payments.get(payment.id, lock=True)
            if current is None or current.lease_token != actor.lease:
                raise LostLease(payment.id)
            book(tx, actor.now, payment, found.transaction, services.policy.credits_expire_days)
        services.points.reach("payment.found")
    elif found.outcome is Outcome.UNCLEAR:
        _doubt(services, actor, payment, found.reason or "")
    elif found.outcome is Outcome.REFUSED or over:
        with services.store.write() as tx:
            _become(tx, actor, payment, PaymentStatus.FAILED, reason=found.reason or "it was never used")
    else:
        later = actor.now + LOOK_AGAIN_S
        if payment.status is PaymentStatus.FAILED:
            later = payment.valid_before + LATE_S + 1.0
        with services.store.write() as tx:
            tx.payments.change(payment.id, actor.fence(payment.status), next_at=later, attempts=0, **FREE)


def _doubt(services: Services, actor: Actor, payment: Payment, reason: str) -> None:
    """A person decides. What was refused stays so."""
    to = PaymentStatus.IN_DOUBT if payment.status in OPEN else payment.status
    if to is PaymentStatus.IN_DOUBT:
        logger.error("payment %s is in doubt: %s. See: flask payments list", payment.id, reason)
    with services.store.write() as tx:
        _become(tx, actor, payment, to, reason=reason if to is PaymentStatus.IN_DOUBT else payment.reason)


def give_up(services: Services, actor: Actor, payment_id: str, error: ReelgridError) -> None:
    """The chain could not be asked for half an hour."""
    with services.store.read() as tx:
        payment = tx.payments.get(payment_id)
    if payment is not None and payment.status in (*OPEN, PaymentStatus.FAILED):
        _doubt(services, actor, payment, error.operator[:200])


def decide(services: Services, payment_id: str, transaction: str | None) -> Payment:
    """A person has looked: it arrived with this transaction, or (None) it never did. Raises NotFound, NotAllowed."""
    now = services.clock.now()
    with services.store.write() as tx:
        payment = tx.payments.get(payment_id, lock=True)
        if payment is None:
            raise NotFound(f"payment {payment_id}", marketer=f"There is no payment {payment_id}.")
        if payment.status not in OPEN:
            raise NotAllowed(marketer=f"Payment {payment_id} is {payment.status.value} already.")
        if transaction is not None:
            return book(tx, now, payment, transaction, services.policy.credits_expire_days)
        _become(tx, Actor("operator", now), payment, PaymentStatus.FAILED, reason="decided by the operator")
        return tx.payments.get(payment_id) or payment


def unknown(services: Services, since: float, until: float) -> tuple[Transfer, ...]:
    """What came in on the chain in that time, and has neither a payment nor a lot here: its order is lost with
    the database of before, and its payer is owed the money or a film. Raises Unavailable.
    """
    if services.payments.chain is None:
        return ()
    came = services.payments.chain.received(since - EARLY_S, until + LATE_S)
    with services.store.read() as tx:
        around = tx.payments.find(status=tuple(PaymentStatus), after={"created_at": since - LATE_S})
        lots = tx.lots.find(source=tuple(source_of(one.transaction) for one in came))
    known = {(payment.tx_hash or "").lower() for payment in around}
    settled = {lot.source for lot in lots}
    # Whoever waits for the chain to say so will be told by it.
    awaited = {(payment.payer.lower(), payment.amount_micro) for payment in around if payment.status in OPEN}
    return tuple(
        one
        for one in came
        if one.transaction not in known
        and source_of(one.transaction) not in settled
        and (one.payer, one.amount_micro) not in awaited
    )


def source_of(transaction: str) -> str:
    """The source of a lot that an operator gives for a payment on the chain."""
    return f"{X402}:{transaction}"


def new_payment(now: float, **changes: Any) -> Payment:
    """A row to be written before the money moves: whoever is killed then leaves it to the pump."""
    return Payment(
        id=new_id("pay"),
        status=PaymentStatus.SETTLING,
        account_id=new_id("acc"),
        run_id=new_id("run"),
        tried_at=now,
        created_at=now,
        **changes,
    )

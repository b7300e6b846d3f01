"""One call, bought by whoever has a wallet and no key: a payment is exactly one quoted request.

Everything that can be refused is refused before the money moves. Then: the payment's row, committed; the money, moved
once; and, in one transaction, the payment's account, its lot, the run and what that sets aside of the lot. Whatever
dies in between is found by the next equal request or by the pump.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipelines.domain.errors import (
    Busy,
    InvalidOrder,
    NotAllowed,
    OverBudget,
    PaidNotStarted,
    PaymentRefused,
    Problem,
    ReelgridError,
    Unavailable,
)
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.order import Order
from pipelines.domain.planning.plan import Plan
from pipelines.domain.records import ApiKey, Payment, PaymentStatus, Run
from pipelines.ports import Authorization, Outcome, Settlement, Tx
from pipelines.stages.commerce import payments
from pipelines.stages.files import usage
from pipelines.stages.generations import prompt_check
from pipelines.stages.generations.requests import not_set_up
from pipelines.stages.kernel.services import Services
from pipelines.stages.orders import accept
from pipelines.stages.orders.accept import Started, StartRequest
from pipelines.stages.orders.plan_run import plan_order, words_shown
from pipelines.stages.spending import caps, stop_switch

IN_FLIGHT_S = 20.0
"""Longer than moving the money may take: then another request may try."""
MARGIN_S = 10.0
"""An authorization that ends sooner is not taken: it could be used just after we had given it up."""
LONGEST_S = 3600.0
"""One that ends later is not taken either: as long as it could be used, the chain is asked whether it was."""
NOT_NOW = "Nothing is made here right now, so nothing was taken. Please try again later."
IN_DOUBT = (
    "Your payment was sent, and nobody has confirmed it yet. Please send the same request with the same "
    "PAYMENT-SIGNATURE again in half a minute: you will not pay twice."
)


@dataclass(frozen=True, slots=True)
class Quote:
    """What a request costs whoever pays for it alone."""

    plan: Plan
    price_micro: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The payment that came with a request, and what it was for."""

    authorization: Authorization
    asked: str
    request_key: str | None
    secret_name: bool
    access: ApiKey
    """The key that reaches this payment's run and lot."""


@dataclass(frozen=True, slots=True)
class Bought:
    """What the payment has become. `tells`: whoever asks is known to be who paid, and may have the key."""

    payment: Payment
    started: Started
    replayed: bool
    tells: bool


def quote(services: Services, order: Order) -> Quote:
    """Plan and price. Raises whatever the order, the deployment or its limits have against it: before the money."""
    plan = plan_order(services, order)
    prompt_check.must_not_be_listed(services, words_shown(order, order.scenes))
    price = services.prices.whole(plan.charge_micro)
    if price <= 0:
        raise InvalidOrder((Problem("model", "costs nothing here, so it cannot be paid for. Name another model."),))
    away = not_set_up(plan, services.providers.configured)
    if away:
        raise InvalidOrder(tuple(Problem("model", sentence) for sentence in away))
    accept.must_be_within_price(services, order, plan)
    now = services.clock.now()
    run = Run(id="run_quote", status=RunStatus.QUEUED, source="rest", account_id="acc_quote", price_micro=price)
    with services.store.read() as tx:
        stopped = stop_switch.reason_if_on(tx)
        if stopped is not None:
            raise Busy(f"stopped: {stopped}", marketer=NOT_NOW)
        usage.must_have_room(services, tx, None)
        refusal = caps.refusal(tx, now, run, plan.quote_micro, services.policy)
    if refusal is not None:
        raise OverBudget(marketer=refusal)
    return Quote(plan, price)


def earlier(services: Services, call: Call) -> Bought | None:
    """What this payment has bought before, whatever has changed since: prices, limits or the Stop switch. Raises
    NotAllowed where it was for something else.
    """
    with services.store.read() as tx:
        known = _known(tx, call)
        run = tx.runs.get(known.run_id) if known is not None and known.status is PaymentStatus.PAID else None
    if known is None or run is None:
        return None
    _must_be_the_same(known, call)
    started = Started(
        run_id=run.id, status=run.status, existing=True, quote_micro=run.quote_micro, price_micro=run.price_micro
    )
    return Bought(known, started, replayed=True, tells=_tells(known, call))


def buy(services: Services, request: StartRequest, found: Quote, call: Call) -> Bought:
    """Move the money once, and start what it was for. Raises PaymentRefused, NotAllowed for an authorization that is
    good for something else, Unavailable while nobody knows, and PaidNotStarted with what stood in the way after it was
    paid.
    """
    payment, first = _intend(services, found, call)
    start = _Start(replace(request, run_id=payment.run_id), found.plan, call, first or _tells(payment, call))
    if payment.status is PaymentStatus.PAID:
        return _start(services, start, payment, payment.tx_hash)
    services.points.reach("payment.intended")
    transaction = _settle(services, call.authorization, payment)
    services.points.reach("payment.settled")
    return _start(services, start, payment, transaction)


def _tells(payment: Payment, call: Call) -> bool:
    """What was signed is public once it is used; a name that nobody can guess is known to who paid alone."""
    return payment.secret_name and call.request_key == payment.request_key


def _intend(services: Services, found: Quote, call: Call) -> tuple[Payment, bool]:
    """The row, which the caller now has for itself, or which is paid already; whether it is new."""
    now = services.clock.now()
    with services.store.write() as tx:
        tx.serialise(f"{payments.X402}:{call.authorization.payer}")
        known = _known(tx, call)
        if known is not None:
            return _again(tx, now, call, known), False
        facilitator = services.payments.facilitator
        if facilitator is None or not facilitator.fits(call.authorization, found.price_micro):
            raise PaymentRefused("it is not for these terms")
        if call.authorization.valid_before < now + MARGIN_S:
            raise PaymentRefused("it has ended, or ends too soon")
        if call.authorization.valid_before > now + LONGEST_S:
            raise PaymentRefused("it could be used for longer than an hour")
        made = payments.new_payment(
            now,
            reference=call.authorization.reference,
            payer=call.authorization.payer,
            nonce=call.authorization.nonce,
            amount_micro=call.authorization.amount_micro,
            proof=call.authorization.proof,
            asked=call.asked,
            request_key=call.request_key,
            secret_name=call.secret_name,
            valid_before=call.authorization.valid_before,
            next_at=now + IN_FLIGHT_S,
        )
        if not tx.payments.add(made):
            raise NotAllowed(marketer="This payment is being made already. Please send the request again.")
        return made, True


def _known(tx: Tx, call: Call) -> Payment | None:
    """By the authorization; else by the name of the request, under which the client may have signed another."""
    same = tx.payments.find(reference=call.authorization.reference, limit=1)
    if same:
        return same[0]
    named = tx.payments.find(request_key=call.request_key) if call.request_key else []
    return next((one for one in named if one.status is not PaymentStatus.FAILED), None)


def _again(tx: Tx, now: float, call: Call, known: Payment) -> Payment:
    same = _must_be_the_same(known, call)
    if known.status is PaymentStatus.PAID:
        return known
    if known.status is PaymentStatus.FAILED:
        raise PaymentRefused(known.reason or "")
    if now - known.tried_at < IN_FLIGHT_S:
        raise NotAllowed(marketer="This payment is being made right now. Please send the same request again in 20 s.")
    if not same or now > known.valid_before:
        raise Unavailable(f"payment {known.id} is {known.status}", marketer=IN_DOUBT)
    changes = {"tried_at": now, "next_at": now + IN_FLIGHT_S}
    tx.payments.change(known.id, {"tried_at": known.tried_at}, status=PaymentStatus.SETTLING, **changes)
    return replace(known, tried_at=now, status=PaymentStatus.SETTLING)


def _must_be_the_same(known: Payment, call: Call) -> bool:
    """Whether the very authorization was sent again, rather than another under the same name. Raises NotAllowed."""
    same = known.reference == call.authorization.reference
    if known.asked != call.asked or (same and known.proof != call.authorization.proof):
        what = "payment" if same else "request name"
        raise NotAllowed(marketer=f"This {what} was used for another request. Please sign a new payment for this one.")
    return same


def _settle(services: Services, authorization: Authorization, payment: Payment) -> str:
    """Its transaction. Money cannot move twice by one authorization, so that asking again is safe."""
    if services.payments.facilitator is None:
        raise Unavailable("no facilitator")
    try:
        found = services.payments.facilitator.settle(authorization)
    except Unavailable as away:
        found = Settlement(outcome=Outcome.UNCLEAR, reason=away.operator)
    if found.outcome is Outcome.PAID and found.transaction is not None:
        return found.transaction
    if found.outcome is Outcome.REFUSED:
        payments.refuse(services, payment, found.reason)
        raise PaymentRefused(found.reason or "")
    payments.ask_chain_soon(services, payment, found.reason)
    raise Unavailable(f"payment {payment.id}: {found.reason}", marketer=IN_DOUBT)


@dataclass(frozen=True, slots=True)
class _Start:
    request: StartRequest
    plan: Plan
    call: Call
    tells: bool


def _start(services: Services, start: _Start, payment: Payment, transaction: str | None) -> Bought:
    own, now = replace(services, store=services.store.of(payment.account_id)), services.clock.now()
    try:
        with own.store.write() as tx:
            paid = _book(own, tx, now, start.call, payment, transaction)
            started = accept.begin(own, tx, start.request, start.plan, paid.key_id, now)
    except ReelgridError as refusal:
        # The money is there whatever stands in the way of the run: it must not be forgotten with it.
        with own.store.write() as tx:
            paid = _book(own, tx, now, start.call, payment, transaction)
        raise PaidNotStarted(refusal, paid.key_id if start.tells else None) from refusal
    services.points.reach("payment.started", run=started.run_id)
    return Bought(paid, started, started.existing, start.tells)


def _book(services: Services, tx: Tx, now: float, call: Call, payment: Payment, transaction: str | None) -> Payment:
    """With the key that opens the account; it ends when what was paid does."""
    paid = payments.book(tx, now, payment, transaction, services.policy.credits_expire_days)
    if paid.key_id is not None:
        return paid
    lot = tx.lots.get(paid.lot_id or "")
    tx.keys.add(
        replace(call.access, account_id=paid.account_id, created_at=now, expires_at=lot.expires_at if lot else None)
    )
    tx.payments.change(paid.id, key_id=call.access.id)
    return replace(paid, key_id=call.access.id)

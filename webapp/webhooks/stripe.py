"""Stripe's events about money: verified by hand, answered fast, and believed once."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from flask import Blueprint, Response, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.security import webhook_signatures
from pipelines.security.webhook_signatures import Unreadable
from pipelines.stages.commerce import top_ups
from pipelines.stages.commerce.top_ups import CheckoutSession, Reversal
from webapp.access.rules import Door, Owner, declares
from webapp.bodies import WEBHOOK_LIMIT, parse_object, read_bounded
from webapp.context import services, settings
from webapp.errors import not_here
from webapp.webhooks import networks

bp = Blueprint("stripe", __name__, url_prefix="/api/webhook")
SESSIONS = ("checkout.session.completed", "checkout.session.async_payment_succeeded")
_Id = Annotated[str, Field(min_length=1, max_length=255)]
_Cents = Annotated[int, Field(ge=0, le=1_000_000_000)]


class _Event(BaseModel):
    model_config = ConfigDict(extra="ignore")

    class _Data(BaseModel):
        object: dict[str, Any]

    id: _Id
    type: _Id
    data: _Data


class _Session(BaseModel):
    id: _Id
    client_reference_id: str | None = None
    payment_intent: _Id | None = None
    payment_status: Literal["paid", "unpaid", "no_payment_required"]
    amount_subtotal: _Cents
    currency: str

    def told(self) -> CheckoutSession:
        return CheckoutSession(
            session=self.id,
            account_id=self.client_reference_id,
            payment=self.payment_intent,
            paid=self.payment_status == "paid",
            cents=self.amount_subtotal,
            currency=self.currency.lower()[:3],
        )


class _Charge(BaseModel):
    payment_intent: _Id | None = None
    amount: _Cents | None = None
    amount_refunded: _Cents

    def told(self) -> Reversal | None:
        if self.payment_intent is None:
            return None
        return Reversal(payment=self.payment_intent, cents=self.amount_refunded, of_cents=self.amount or None)


class _Dispute(BaseModel):
    payment_intent: _Id | None = None
    amount: _Cents

    def told(self) -> Reversal | None:
        return Reversal(payment=self.payment_intent, cents=self.amount) if self.payment_intent else None


_OBJECTS: dict[str, type[_Session | _Charge | _Dispute]] = {
    **dict.fromkeys(SESSIONS, _Session),
    "charge.refunded": _Charge,
    "charge.dispute.created": _Dispute,
}
KINDS = tuple(_OBJECTS)
"""The types of events that move credits."""


@bp.post("/stripe")
@declares(Door.SIGNATURE, Owner.ADDRESS)
def receive() -> Response:
    """200 also for what is of no use to us and for a repeat, so that Stripe stops sending it."""
    raw, core, secret = read_bounded(WEBHOOK_LIMIT), services(), settings().stripe_webhook_secret
    if secret is None:
        raise not_here("callback")
    networks.must_be_of(top_ups.STRIPE)
    signature = request.headers.get("Stripe-Signature")
    webhook_signatures.verify_stripe(secret.get_secret_value(), signature=signature, body=raw, now=core.clock.now())
    event, told = read(parse_object(raw))
    top_ups.receive(core, event.id, told, settings().credits_expire_days)
    return Response('{"received":true}', 200, mimetype="application/json")


def read(body: dict[str, Any]) -> tuple[_Event, CheckoutSession | Reversal | None]:
    """What the event says, if it is one that moves credits. Raises Unreadable."""
    try:
        event = _Event.model_validate(body)
        kind = _OBJECTS.get(event.type)
        return event, kind.model_validate(event.data.object).told() if kind else None
    except ValidationError as error:
        raise Unreadable(f"a Stripe event of another form: {error.error_count()} fields") from error

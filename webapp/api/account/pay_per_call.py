"""What is answered to whoever has no key and may pay for one call: terms, then the run and a key for what was paid."""

from __future__ import annotations

import threading
from typing import Any

from flask import request
from pydantic import BaseModel

from pipelines.domain.errors import NotFound, PaidNotStarted, PaymentRefused, Problem
from pipelines.domain.keys import digest
from pipelines.domain.money import dollars, show
from pipelines.domain.orders.order import Order
from pipelines.domain.records import ApiKey
from pipelines.ports import Facilitator
from pipelines.security import api_keys
from pipelines.stages.kernel.services import Services
from pipelines.stages.orders import pay_per_call
from pipelines.stages.orders.accept import StartRequest
from pipelines.stages.orders.pay_per_call import Bought, Call, Quote
from webapp import idempotency
from webapp.access.auth import challenge
from webapp.api import answers
from webapp.api.operations import Reply
from webapp.concurrency import bounded
from webapp.context import secret, services
from webapp.errors import HttpProblem, from_domain

SIGNATURE, FORMER = "PAYMENT-SIGNATURE", "X-PAYMENT"
REQUIRED, RESPONSE = "PAYMENT-REQUIRED", "PAYMENT-RESPONSE"
SETTLE_S = 10.0
"""Of which the facilitator has eight; what goes on after that is finished all the same."""
AT_ONCE = 4
LEAST_SECRET = 16
"""Characters of a request's name that nobody can guess."""
RIGHTS = ("trigger", "read")
CROWDED = "Too many people pay right now; nothing was taken. Please send the same request again."
KEPT = "What you paid is kept as credits, which the access_token reaches."

_settling = threading.BoundedSemaphore(AT_ONCE)


def sell(body: BaseModel, order: Order, wanted: StartRequest) -> Reply:
    """402 with terms, until a payment comes along that fits them. Raises whatever is wrong with the order first."""
    core = services()
    if core.payments.facilitator is None:
        raise NotFound("payments for single calls")
    header = request.headers.get(SIGNATURE) or request.headers.get(FORMER)
    call = _call(core.payments.facilitator, header, body) if header else None
    known = pay_per_call.earlier(core, call) if call else None
    if known is not None:
        return _reply(core, core.payments.facilitator, known)
    found = pay_per_call.quote(core, order)
    if call is None:
        raise _terms(core.payments.facilitator, found, "")
    try:
        bought = bounded(lambda: _buy(core, wanted, found, call), SETTLE_S, pay_per_call.IN_DOUBT)
    except PaymentRefused as refused:
        raise _terms(core.payments.facilitator, found, refused.operator) from refused
    except PaidNotStarted as paid:
        raise _paid_not_started(paid, call) from paid
    return _reply(core, core.payments.facilitator, bought)


def _buy(core: Services, wanted: StartRequest, found: Quote, call: Call) -> Bought:
    """In a thread of its own: whoever asked may be gone when the money has moved."""
    if not _settling.acquire(blocking=False):
        raise HttpProblem(503, CROWDED, (), {"Retry-After": "5"})
    try:
        return pay_per_call.buy(core, wanted, found, call)
    finally:
        _settling.release()


def _call(facilitator: Facilitator, header: str, body: BaseModel) -> Call:
    signed = facilitator.read(header)
    name = idempotency.name_of_request() or signed.payment_id
    key = api_keys.derived_api_key(secret().newest, signed.reference)
    return Call(
        authorization=signed,
        asked=digest(request.path, body.model_dump(mode="json")),
        request_key=digest("x402", signed.payer, request.path, name) if name else None,
        secret_name=name is not None and len(name) >= LEAST_SECRET,
        access=ApiKey(id=key.id, name="x402", sha256=key.sha256, scopes=RIGHTS),
    )


def _terms(facilitator: Facilitator, found: Quote, reason: str) -> HttpProblem:
    url = f"{services().policy.public_url}{request.path}"
    detail = f"This costs {show(found.price_micro)}. Pay by x402, or send a key as Authorization: Bearer <key>."
    if reason:
        detail = f"The payment was not accepted, and nothing was taken: {reason}. {detail}"
    terms = facilitator.terms(found.price_micro, url, "One film, as ordered in the body.", reason or "Payment required")
    more: dict[str, Any] = {"code": "payment_required", "price_usd": dollars(found.price_micro)}
    return HttpProblem(402, detail, (Problem(SIGNATURE, detail),), {REQUIRED: terms, **challenge()}, more=more)


def _paid_not_started(paid: PaidNotStarted, call: Call) -> HttpProblem:
    problem = from_domain(paid.refusal)
    if paid.key_id is None:
        return problem
    token = access_token(call.authorization.reference, paid.key_id)
    more = {**problem.more, "access_token": token}
    return HttpProblem(problem.status, f"{problem.detail} {KEPT}", problem.problems, problem.headers, more=more)


def _reply(core: Services, facilitator: Facilitator, bought: Bought) -> Reply:
    payment, run = bought.payment, bought.started
    url = f"{core.policy.public_url}/api/runs/{run.run_id}"
    body = answers.Bought(
        run_id=run.run_id,
        status=run.status.value,
        existing=run.existing,
        status_url=url,
        # Whoever only repeats what stands on the chain learns no more than that there is a run.
        page_url=core.links.page(run_id=run.run_id) if bought.tells else None,
        price_usd=dollars(payment.amount_micro),
        access_token=access_token(payment.reference, payment.key_id) if bought.tells else None,
    )
    headers = {"Location": url, RESPONSE: facilitator.receipt(payment.tx_hash or "", payment.payer)}
    if bought.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Reply(body, 202, headers)


def access_token(reference: str, key_id: str | None) -> str | None:
    """The key of a payment, in the clear: it is kept as a hash and worked out again. None if it is of a SECRET_KEY
    that is not known any more.
    """
    derived = (api_keys.derived_api_key(one, reference) for one in secret().all)
    return next((key.key for key in derived if key.id == key_id), None)

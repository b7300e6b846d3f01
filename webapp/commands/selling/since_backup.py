"""After a restore: the money that came in, or went back, since the backup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.domain.errors import ReelgridError
from pipelines.ports import Transfer
from pipelines.stages.commerce import payments, top_ups
from pipelines.stages.generations.restored import LOOK_S
from pipelines.stages.kernel.services import Services
from pipelines.stages.recovery.after_restore import SLACK_S
from webapp.context import settings
from webapp.webhooks import stripe

OLDEST_S = 30 * 86_400.0
"""As long as Stripe keeps its events; on the chain, a month is some 650 questions."""
WITHOUT_KEY = (
    "payments at Stripe are not looked for. Set STRIPE_API_KEY to a restricted key that may read events, or send the "
    "events of since then again on Stripe's page of the webhook."
)


@dataclass(frozen=True, slots=True)
class Money:
    """What was found of it."""

    booked: int
    """Events of Stripe that nobody here remembered, and that count now."""
    unknown: tuple[Transfer, ...]
    """Payments for single calls that nothing here knows."""
    not_looked_for: tuple[str, ...]
    """What could not be asked, in sentences."""


def lost_money(core: Services, known_until: float, restored_at: float) -> Money:
    """Book what Stripe tells again, once however often this is done, and list what came in on the chain. After a week
    nothing is asked any more: that an event was booked is not remembered for longer, and a person may have decided
    about an account meanwhile.
    """
    if core.clock.now() > restored_at + LOOK_S:
        return Money(0, (), ())
    since = max(known_until, core.clock.now() - OLDEST_S)
    problems, booked, unknown = list[str](), 0, tuple[Transfer, ...]()
    try:
        if core.payments.events is not None:
            booked, unreadable = _book(core, core.payments.events.between(since - SLACK_S, restored_at, stripe.KINDS))
            problems += unreadable
    except ReelgridError as error:
        problems.append(error.operator)
    if core.payments.events is None and settings().stripe_webhook_secret is not None:
        problems.append(WITHOUT_KEY)
    try:
        unknown = payments.unknown(core, since, restored_at)
    except ReelgridError as error:
        problems.append(error.operator)
    if core.payments.chain is None and core.payments.facilitator is not None:
        problems.append("payments by x402 are not looked for: X402_RPC_URL names no server that knows the chain.")
    return Money(booked, unknown, tuple(problems))


def _book(core: Services, bodies: Sequence[dict[str, Any]]) -> tuple[int, list[str]]:
    """As if each event came through the webhook: what is known already changes nothing, and one that cannot be
    booked holds up no other.
    """
    booked, unreadable = 0, list[str]()
    for body in bodies:
        try:
            event, told = stripe.read(body)
            booked += top_ups.receive(core, event.id, told, settings().credits_expire_days)
        except ReelgridError as error:
            unreadable.append(f"Stripe's event {body.get('id')}: {error.operator}")
    return booked, unreadable

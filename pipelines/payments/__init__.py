"""Payments for single calls over x402: the protocol and its facilitator, and the chain read without a library. And what
Stripe remembers of payments that a restored database has forgotten.

The only room that imports `x402`, and only once somebody asks to pay where the operator takes payments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.ports import PaymentEvents, Payments
from pipelines.settings import Settings, SettingsError

if TYPE_CHECKING:
    from pipelines.payments.cdp import CdpKey


def build_payments(settings: Settings) -> Payments:
    """What STRIPE_API_KEY, X402_PAY_TO and X402_RPC_URL set up; connects to nothing."""
    events = _events(settings)
    if settings.x402_pay_to is None:
        return Payments(events=events)
    from pipelines.payments.chain import JsonRpcChain
    from pipelines.payments.facilitator import X402Facilitator

    trusted = settings.trusted_origins["x402"]
    chain = None
    if settings.x402_rpc_url is not None:
        chain = JsonRpcChain(settings.x402_rpc_url, settings.token, settings.x402_pay_to, trusted)
    key = _key(settings)
    facilitator = X402Facilitator(settings.x402_facilitator, settings.token, settings.x402_pay_to, trusted, key)
    return Payments(facilitator=facilitator, chain=chain, events=events)


def _events(settings: Settings) -> PaymentEvents | None:
    if settings.stripe_api_key is None:
        return None
    from pipelines.payments.stripe_events import StripeEvents

    key = settings.stripe_api_key.get_secret_value()
    return StripeEvents(settings.stripe_base_url, key, settings.trusted_origins["stripe"])


def _key(settings: Settings) -> CdpKey | None:
    """Raises SettingsError for what is no key, before the first customer pays."""
    from pipelines.payments.cdp import CdpKey

    if settings.cdp_api_key_id is None or settings.cdp_api_key_secret is None:
        return None
    try:
        return CdpKey.of(settings.cdp_api_key_id, settings.cdp_api_key_secret.get_secret_value())
    except ValueError as error:
        raise SettingsError([("CDP_API_KEY_SECRET", "is no key of Coinbase's platform: copy all of it.")]) from error

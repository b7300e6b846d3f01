"""Signatures of inbound webhooks, one error for each way in which one can be wrong; and of those that we send.

Text from outside is refused with one of our own errors, whatever it looks like; nothing else is ever raised for
it. Comparisons take constant time and are made on bytes. Time is handed in as `now`, in Unix seconds.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence

from pipelines.domain.errors import Blame, NotConfigured, Permanent
from pipelines.security.secret_keys import SecretKeys
from pipelines.settings import webhook_key

TOLERANCE_S = 300.0
"""How far a webhook's timestamp may be from now, either way (Standard Webhooks 1.0.0; OpenRouter)."""

_SECRET, _SECRET_BYTES = "whsec_", 32
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_MESSAGE_ID = re.compile(r"[!-~]{1,256}", re.ASCII)


class BadWebhook(Permanent):
    """A webhook that is not believed. The sender is told nothing more than that."""

    blame = Blame.PROVIDER
    default = "The signature of this webhook is not valid."


class MissingSignature(BadWebhook):
    """A header that the signature needs is absent or has no usable form."""


class Stale(BadWebhook):
    """The timestamp is too far from now: a late delivery, a replay or a wrong clock."""


class WrongSignature(BadWebhook):
    """No live secret produces this signature."""


class Unreadable(BadWebhook):
    """It contradicts itself, or says nothing that can be used."""


def verify_standard_webhook(
    live: Sequence[str],
    *,
    message_id: str | None,
    timestamp: str | None,
    signature: str | None,
    body: bytes,
    now: float,
) -> None:
    """Believe a Standard Webhooks message (OpenAI, Gemini, Replicate) or raise a `BadWebhook`.

    `live` holds every secret in use, each with its `whsec_`; the rest are the headers webhook-id,
    webhook-timestamp and webhook-signature. Replays inside the tolerance are for the caller to find by id.
    """
    if not message_id or not _MESSAGE_ID.fullmatch(message_id):
        raise MissingSignature("webhook-id is missing or unusable")
    _check_timestamp(timestamp, now)
    signed = f"{message_id}.{timestamp}.".encode() + body
    given = [entry.removeprefix("v1,") for entry in (signature or "").split(" ") if entry.startswith("v1,")]
    _check_signature(given, (_b64(_mac(_key(secret), signed)) for secret in live))


def sign_standard_webhook(live: Sequence[str], *, message_id: str, timestamp: int, body: bytes) -> str:
    """The header webhook-signature of a message of ours: one signature with each secret in use."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return " ".join(f"v1,{_b64(_mac(_key(secret), signed))}" for secret in live)


def new_webhook_secret() -> str:
    """A secret of 256 random bits for a receiver."""
    return _SECRET + _b64(secrets.token_bytes(_SECRET_BYTES))


def account_webhook_secrets(keys: SecretKeys, account_id: str | None) -> tuple[str, ...]:
    """What signs the messages to an order's `webhook_url`, the newest first: it follows from SECRET_KEY and the
    account, and is kept nowhere. While SECRET_KEY is being rotated the former one signs as well. Without an account:
    the operator's.
    """
    purpose = f"reelgrid:webhook-secret:v1:{account_id or ''}".encode()
    return tuple(_SECRET + _b64(_derived(key, purpose)) for key in keys.all)


def start_secret(secret_key: str, key_sha256: str) -> str:
    """What signs messages that order with the rights of a key. It ends with the key, and tells nothing of it."""
    return _SECRET + _b64(_derived(secret_key, f"reelgrid:webhook-start:v1:{key_sha256}".encode()))


def _derived(secret_key: str, purpose: bytes) -> bytes:
    # Loaded by those who send: most processes never do.
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derivation = HKDF(algorithm=hashes.SHA256(), length=_SECRET_BYTES, salt=None, info=purpose)
    return derivation.derive(secret_key.encode())


def verify_airtable(mac_secret: str, *, mac: str | None, body: bytes) -> None:
    """Believe an Airtable ping or raise a `BadWebhook`. `mac` is X-Airtable-Content-MAC, the secret base64.

    The MAC covers no header: the age and order are in the body, and for the caller to check.
    """
    try:
        key = base64.b64decode(mac_secret, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotConfigured("the MAC secret of an Airtable webhook is not base64") from error
    name, _, given = (mac or "").partition("=")
    if name != "hmac-sha256":
        raise MissingSignature("X-Airtable-Content-MAC is missing or unusable")
    _check_signature([given], [_mac(key, body).hex()])


def verify_kie(hmac_key: str, *, task_id: str, timestamp: str | None, signature: str | None, now: float) -> None:
    """Believe a kie.ai callback or raise a `BadWebhook`.

    The headers are X-Webhook-Timestamp and X-Webhook-Signature. The body is **not** signed: take nothing from it
    but `task_id`, and ask kie.ai for that task.
    """
    _check_timestamp(timestamp, now)
    signed = f"{task_id}.{timestamp}".encode("utf-8", "surrogatepass")
    _check_signature([signature or ""], [_b64(_mac(hmac_key.encode(), signed))])


def verify_openrouter(live: Sequence[str], *, signature: str | None, body: bytes, now: float) -> None:
    """Believe an OpenRouter callback or raise a `BadWebhook`. `signature` is X-OpenRouter-Signature, `t=…,v1=…`."""
    _check_dated("X-OpenRouter-Signature", ",", live, signature=signature, body=body, now=now)


def verify_stripe(secret: str, *, signature: str | None, body: bytes, now: float) -> None:
    """Believe a Stripe event or raise a `BadWebhook`. `signature` is Stripe-Signature, `t=…,v1=…`, with one v1 for each
    secret while it is rotated. The secret is used as it is, with its `whsec_`. An event that is too early is refused
    like one that is too late, which Stripe's own library takes.
    """
    _check_dated("Stripe-Signature", ".", [secret], signature=signature, body=body, now=now)


def _check_dated(
    header: str, separator: str, secrets: Sequence[str], *, signature: str | None, body: bytes, now: float
) -> None:
    """A header `t=…,v1=…`, whose v1 signs its t, the separator and the body."""
    fields = [entry.partition("=") for entry in (signature or "").split(",")]
    timestamps = [value for name, _, value in fields if name.strip() == "t"]
    if len(timestamps) != 1:
        raise MissingSignature(f"{header} is missing or unusable")
    _check_timestamp(timestamps[0], now)
    signed = f"{timestamps[0]}{separator}".encode() + body
    given = [value for name, _, value in fields if name.strip() == "v1"]
    _check_signature(given, (_mac(secret.encode(), signed).hex() for secret in secrets))


def _check_timestamp(timestamp: str | None, now: float) -> None:
    """Plain digits only: libraries would also take fractions, signs and underscores."""
    if not timestamp or not _TIMESTAMP.fullmatch(timestamp):
        raise MissingSignature("the timestamp is missing or unusable")
    if abs(now - int(timestamp)) > TOLERANCE_S:
        raise Stale("the timestamp is too far from now")


def _check_signature(given: Sequence[str], expected: Iterable[str]) -> None:
    """At least one of the given signatures must be one of the expected; all pairs are compared."""
    if not any(given):
        raise MissingSignature("the signature is missing or unusable")
    offered = [text.encode("utf-8", "surrogatepass") for text in given]
    matches = [hmac.compare_digest(text, right.encode()) for right in expected for text in offered]
    if not any(matches):
        raise WrongSignature("the signature does not fit")


def _key(secret: str) -> bytes:
    try:
        return webhook_key(secret)
    except ValueError as error:
        raise NotConfigured(f"a webhook secret {error}") from error


def _mac(key: bytes, signed: bytes) -> bytes:
    return hmac.digest(key, signed, "sha256")


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()

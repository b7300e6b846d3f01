"""Signed links, keys, webhook signatures and secrets at rest.

Text from outside is refused with one of our own errors, whatever it looks like; nothing else is ever raised for
it. Comparisons take constant time and are made on bytes. Time is handed in as `now`, in Unix seconds.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from itsdangerous import BadData, BadSignature, URLSafeSerializer

from pipelines.domain.errors import Blame, NotConfigured, Permanent
from pipelines.settings import webhook_key

TOLERANCE_S = 300.0
"""How far a webhook's timestamp may be from now, either way (Standard Webhooks 1.0.0; OpenRouter)."""
KEY_PREFIX = "rg"
_TOKEN_BYTES = 32
_API_KEY = re.compile(rf"{KEY_PREFIX}_([0-9a-f]{{12}})_[A-Za-z0-9_-]{{43}}", re.ASCII)
_VIEW_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_MESSAGE_ID = re.compile(r"[!-~]{1,256}", re.ASCII)


class BadLink(Permanent):
    """A signed link that does not open."""

    blame = Blame.MARKETER
    default = "This link is not valid. Open the newest one from the row."


class Tampered(BadLink):
    """The signature does not fit: changed, made for something else, or signed with another key."""


class LinkExpired(BadLink):
    """The link was good until its time ran out."""

    default = "This link has expired. Open the newest one from the row."


class Malformed(BadLink):
    """Not a signed link at all, or one of another shape."""


class Outdated(BadLink):
    """A link to a row that does not say which base the row is in: rows of a duplicated base have the same ids."""

    default = (
        "This link is from an earlier version of Reelgrid. The row's next run puts a fresh one into Progress Page; "
        "until then use the row's button, or ask your operator for one: flask runs link, with the row's id."
    )


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


# --- Links ---------------------------------------------------------------------------------------------------


def sign_media(secret: str, key: str, expires_at: float) -> str:
    """A token for `/media/<token>` that opens the stored file `key` until `expires_at`."""
    return _serializer(secret, "media").dumps({"k": key, "e": int(expires_at)})


def read_media(secret: str, token: str, now: float) -> str:
    """The storage key a media token opens. Raises `Tampered`, `Expired` or `Malformed`."""
    return _opened(_serializer(secret, "media"), token, now)


def sign_page(secret: str, kind: str, subject: str, expires_at: float | None = None) -> str:
    """A token that opens the page of one `kind` (record, run) for one `subject`, for ever if no time is given. The
    subject of a record is its `row_subject`.
    """
    expiry = None if expires_at is None else int(expires_at)
    return _serializer(secret, f"page:{kind}").dumps({"k": subject, "e": expiry})


def read_page(secret: str, kind: str, token: str, now: float) -> str:
    """The subject a page token of this `kind` opens. Raises `Tampered`, `Expired` or `Malformed`."""
    return _opened(_serializer(secret, f"page:{kind}"), token, now)


def row_subject(base_id: str, record_id: str) -> str:
    """What the link of a row is signed for."""
    return f"{base_id}/{record_id}"


def read_row(subject: str) -> tuple[str, str]:
    """The base and record of a `row_subject`. Raises `Outdated` for the subject of a link that names no base."""
    base_id, slash, record_id = subject.partition("/")
    if not slash:
        raise Outdated("a link to a row names no base")
    return base_id, record_id


def new_view_token() -> str:
    """A permanent, unguessable token for `/v/<token>`: 32 random bytes, 43 characters."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def is_view_token(text: str) -> bool:
    """Whether the text has the shape of a view token, before anything is looked up."""
    return _VIEW_TOKEN.fullmatch(text) is not None


def _serializer(secret: str, purpose: str) -> URLSafeSerializer:
    return URLSafeSerializer(
        secret,
        salt=f"reelgrid:{purpose}",
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )


def _opened(serializer: URLSafeSerializer, token: str, now: float) -> str:
    try:
        payload: Any = serializer.loads(token)
    except BadSignature as error:
        raise (Tampered if "." in token else Malformed)("a link's signature does not fit") from error
    except (BadData, ValueError) as error:
        raise Malformed("a link cannot be read") from error
    match payload:
        case {"k": str(subject), "e": int() | None as expiry}:
            if expiry is not None and now >= expiry:
                raise LinkExpired("a link is past its time")
            return subject
        case _:
            raise Malformed("a link holds something else")


# --- API keys ------------------------------------------------------------------------------------------------


class ApiKey(NamedTuple):
    """A new key. Only `id` and `sha256` are kept; `key` is shown once."""

    id: str
    key: str
    sha256: str


def new_api_key() -> ApiKey:
    """A key `rg_<12 hex id>_<43 characters>` with 256 random bits."""
    identity = secrets.token_hex(6)
    key = f"{KEY_PREFIX}_{identity}_{secrets.token_urlsafe(_TOKEN_BYTES)}"
    return ApiKey(identity, key, hash_api_key(key))


def parse_api_key(text: str) -> str | None:
    """The id inside a key of ours, to look it up by; None for any other text."""
    found = _API_KEY.fullmatch(text)
    return found.group(1) if found else None


def hash_api_key(key: str) -> str:
    """SHA-256 of the whole key in hex. A fast hash is right for 256 random bits."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def api_key_matches(key: str, sha256: str | None) -> bool:
    """Whether `key` has this hash, in constant time; None (no such id) costs the same and is False."""
    expected = (sha256 or "0" * 64).encode()
    return hmac.compare_digest(hash_api_key(key).encode(), expected) and sha256 is not None


# --- Webhooks ------------------------------------------------------------------------------------------------


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


def sign_standard_webhook(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The webhook-signature of a message of ours. Raises `NotConfigured` for a secret without `whsec_`."""
    return f"v1,{_b64(_mac(_key(secret), f'{message_id}.{timestamp}.'.encode() + body))}"


def new_webhook_secret() -> str:
    """A secret for one receiver of our webhooks."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(_TOKEN_BYTES)).decode()}"


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
    fields = [entry.partition("=") for entry in (signature or "").split(",")]
    timestamps = [value for name, _, value in fields if name.strip() == "t"]
    if len(timestamps) != 1:
        raise MissingSignature("X-OpenRouter-Signature is missing or unusable")
    _check_timestamp(timestamps[0], now)
    signed = f"{timestamps[0]},".encode() + body
    given = [value for name, _, value in fields if name.strip() == "v1"]
    _check_signature(given, (_mac(secret.encode(), signed).hex() for secret in live))


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


# --- Secrets at rest -----------------------------------------------------------------------------------------


def seal(secret_key: str, plaintext: str) -> str:
    """Encrypt a secret that has to be kept in the database (an Airtable MAC secret, a receiver's secret)."""
    return _fernet(secret_key).encrypt_at_time(plaintext.encode(), 0).decode()


def unseal(secret_key: str, sealed: str) -> str:
    """The text behind `seal`. Raises `NotConfigured` when SECRET_KEY is another one or the text was changed."""
    try:
        return _fernet(secret_key).decrypt(sealed.encode("utf-8", "surrogatepass")).decode()
    except InvalidToken as error:
        raise NotConfigured("a stored secret cannot be opened: was SECRET_KEY changed?") from error


def _fernet(secret_key: str) -> Fernet:
    derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"reelgrid:secrets-at-rest:v1")
    return Fernet(base64.urlsafe_b64encode(derived.derive(secret_key.encode())))

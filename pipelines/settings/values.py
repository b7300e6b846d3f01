"""How single values are written in the environment: one parser each, refusing whatever is unclear.

A parser raises `ValueError` with a sentence that names the allowed values and never repeats what could be a
secret.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from urllib.parse import unquote, urlsplit

from pipelines.environment import Origin
from pipelines.settings.connection_urls import postgres_address, redis_address

MICRO = 1_000_000
MIN_SECRET_KEY = 16
_MODEL = re.compile(r"[a-z0-9][a-z0-9_-]*/\S+", re.ASCII)
_NUMBER = re.compile(r"\d{1,6}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_WALLET = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,62}", re.ASCII)
_MIN_WEBHOOK_BYTES, _MAX_WEBHOOK_BYTES = 24, 64


@dataclass(frozen=True, slots=True)
class BootstrapKey:
    """A key an operator put into the environment: its name, and the SHA-256 of the whole key in hex."""

    name: str
    sha256: str


SENDERS = (
    "airtable", "openai", "gemini", "sora", "omni", "veo", "kie", "openrouter", "minimax", "byteplus", "fal", "start",
    "video", "stripe",
)  # fmt: skip
"""Who calls, as the addresses of webhooks name them."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Where the webhooks of somebody may come from."""

    name: str
    network: ipaddress.IPv4Network | ipaddress.IPv6Network


def senders(text: str) -> tuple[Sender, ...]:
    """`name:network`, separated by commas; an address alone is a network of one."""
    found = []
    for entry in listed(text):
        name, _, network = entry.partition(":")
        try:
            found.append(Sender(_known_sender(name), ipaddress.ip_network(network)))
        except ValueError as error:
            raise ValueError(f"must be sender:network, such as kie:203.0.113.0/24; of {entry!r}: {error}") from None
    return tuple(found)


def _known_sender(name: str) -> str:
    """A misspelt one would protect nothing."""
    if name not in SENDERS:
        raise ValueError(f"the sender is one of {', '.join(SENDERS)}")
    return name


@dataclass(frozen=True, slots=True)
class StorageTarget:
    """Where media lives: `path` is the absolute directory for files, or the prefix inside `bucket` for S3."""

    path: str
    bucket: str | None = None


def http_url(text: str) -> str:
    """An http(s) address without credentials, query or fragment; a closing slash is dropped."""
    try:
        parts = urlsplit(text)
        Origin.of(text)
    except ValueError:
        raise ValueError("must be an address that starts with http:// or https://.") from None
    if parts.username or parts.password or parts.query or parts.fragment or re.search(r"\s", text):
        raise ValueError("must be a plain address without user, query, fragment or spaces.")
    return text.rstrip("/")


def wallet(text: str | None) -> str | None:
    """A wallet's address on a chain of Ethereum's kind."""
    if text is not None and not _WALLET.fullmatch(text):
        raise ValueError("must be the address of a wallet: 0x and 40 hex digits.")
    return text


def rpc_url(text: str | None) -> str | None:
    """An http(s) address, whose path or query may be its key."""
    if text is not None:
        try:
            Origin.of(text)
        except ValueError:
            raise ValueError("must be an address that starts with http:// or https://.") from None
    return text


def database_url(text: str) -> str:
    """A SQLAlchemy URL; hosts hand out `postgres://`, and our driver is psycopg 3."""
    if not text.startswith("sqlite:"):
        return postgres_address(text)
    if not text.removeprefix("sqlite:").startswith("///") or not text.removeprefix("sqlite:///"):
        raise ValueError("must be sqlite:///a/path.db or postgresql://user:password@host/database.")
    if "?" in text or "#" in text:
        raise ValueError("takes no options after a path: write sqlite:///a/path.db.")
    return text


def redis_url(text: str) -> str:
    """An address redis-py understands."""
    return redis_address(text)


def storage_target(text: str) -> StorageTarget:
    """`file:<directory>` or `s3://<bucket>/<prefix>`."""
    parts = urlsplit(text)
    if parts.scheme in {"file", "s3"} and (parts.query or parts.fragment):
        where = "AWS_REGION and AWS_ENDPOINT_URL" if parts.scheme == "s3" else "another directory without ? or #"
        raise ValueError(f"takes no options after ? or #: set {where} instead.")
    if parts.scheme == "file" and not parts.netloc and parts.path.strip("/"):
        return StorageTarget(parts.path)
    if parts.scheme == "s3" and _BUCKET.fullmatch(parts.netloc) and ".." not in parts.path:
        return StorageTarget(parts.path.strip("/"), parts.netloc)
    raise ValueError("must be file:<directory> or s3://<bucket>/<prefix>.")


def dollars(text: str) -> int:
    """Dollars as written by a person, in integer micro-dollars; fractions below a micro-dollar are dropped."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0 or amount >= MICRO:
        raise ValueError("must be an amount of dollars, 0 or more, such as 20 or 7.50.")
    return int(amount * MICRO)


def approval(text: str) -> int | None:
    """Micro-dollars from which a person approves: 0 for `always`, None for `never`."""
    if text in {"never", "always"}:
        return None if text == "never" else 0
    word, separator, amount = text.partition(":")
    if word == "above" and separator:
        try:
            return dollars(amount)
        except ValueError:
            pass
    raise ValueError("must be never, always or above:<dollars>, such as above:5.")


def keep_days(text: str) -> int | None:
    """Days to keep files, 1 or more; None for `forever`."""
    if text == "forever":
        return None
    if _NUMBER.fullmatch(text) and int(text) > 0:
        return int(text)
    raise ValueError("must be a number of days, 1 or more, or forever.")


def model_name(text: str) -> str:
    """`provider/<the provider's own slug>`."""
    if not _MODEL.fullmatch(text):
        raise ValueError("must name a model as provider/slug, such as local/animatic.")
    return text


def listed(text: str) -> tuple[str, ...]:
    """The entries of a comma-separated list; empty ones are dropped."""
    return tuple(entry for part in text.split(",") if (entry := part.strip()))


def bootstrap_keys(text: str) -> tuple[BootstrapKey, ...]:
    """`name:<sha256 hex of the key>` or bare hashes, separated by commas."""
    keys = []
    for position, entry in enumerate(listed(text), start=1):
        name, _, digest = entry.rpartition(":")
        if not _HASH.fullmatch(digest.lower()):
            raise ValueError(
                f"must list name:<sha256 hex of the key>, separated by commas; entry {position} is not 64 hex digits. "
                "Put the key's hash here, never the key."
            )
        keys.append(BootstrapKey(name or f"key{position}", digest.lower()))
    return tuple(keys)


def webhook_key(secret: str) -> bytes:
    """The bytes behind a Standard Webhooks secret.

    The prefix is required: without it the vendors' libraries disagree on what the text means. Lengths are those
    of the Standard Webhooks specification 1.0.0. Raises `ValueError`.
    """
    if not secret.startswith("whsec_"):
        raise ValueError("must start with whsec_.")
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("must be base64 after whsec_.") from None
    if not _MIN_WEBHOOK_BYTES <= len(key) <= _MAX_WEBHOOK_BYTES:
        raise ValueError("must hold 24 to 64 bytes after whsec_.")
    return key


def otlp_headers(text: str) -> dict[str, str]:
    """Headers as OpenTelemetry writes them: name=value, values with their special characters escaped."""
    pairs = [entry.partition("=") for entry in listed(text)]
    if not all(name.strip() and mark for name, mark, _ in pairs):
        raise ValueError("must be name=value, or several separated by commas.")
    return {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs}


def former_secret_keys(text: str) -> str:
    """One former SECRET_KEY or several: a short one would let others sign."""
    if any(len(key) < MIN_SECRET_KEY for key in listed(text)):
        raise ValueError(
            f"must be one key, or several separated by commas, each of at least {MIN_SECRET_KEY} characters."
        )
    return text


def webhook_secrets(text: str) -> str:
    """One Standard Webhooks secret, or several separated by commas while rotating."""
    for secret in listed(text):
        webhook_key(secret)
    return text


def origins(text: str) -> frozenset[Origin]:
    """The servers of a comma-separated list of addresses."""
    return frozenset(Origin.of(http_url(entry)) for entry in listed(text))

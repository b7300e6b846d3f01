"""Keys of programs and people: made once, kept as a hash, compared in constant time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from typing import NamedTuple

KEY_PREFIX = "rg"


_TOKEN_BYTES = 32


_API_KEY = re.compile(rf"{KEY_PREFIX}_([0-9a-f]{{12}})_[A-Za-z0-9_-]{{43}}", re.ASCII)


class ApiKey(NamedTuple):
    """A new key. Only `id` and `sha256` are kept; `key` is shown once."""

    id: str
    key: str
    sha256: str


def new_api_key(id: str | None = None) -> ApiKey:
    """A key `rg_<12 hex id>_<43 characters>` with 256 random bits; under an id that is there, where one is given."""
    identity = id or secrets.token_hex(6)
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


def derived_api_key(secret: str, subject: str) -> ApiKey:
    """The key of a thing that has exactly one: the same whenever it is asked for, and known to nobody else."""
    digest = hashlib.blake2b(f"access:{subject}".encode(), key=hashlib.sha256(secret.encode()).digest()).digest()
    text = base64.urlsafe_b64encode(digest[6:38]).rstrip(b"=").decode()
    key = f"{KEY_PREFIX}_{digest[:6].hex()}_{text}"
    return ApiKey(digest[:6].hex(), key, hash_api_key(key))

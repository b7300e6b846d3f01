"""Secrets at rest, sealed with a key derived from `SECRET_KEY`."""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pipelines.domain.errors import NotConfigured


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

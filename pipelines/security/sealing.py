"""Secrets at rest, sealed with a key derived from `SECRET_KEY`. What does it is loaded with the first secret: it is
some 4 MB in each process, and most have no secret to keep.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from pipelines.domain.errors import NotConfigured
from pipelines.security.secret_keys import SecretKeys

if TYPE_CHECKING:
    from cryptography.fernet import Fernet


def seal(keys: SecretKeys, plaintext: str) -> str:
    """Encrypt a secret that has to be kept in the database (an Airtable MAC secret, a receiver's secret)."""
    return _fernet(keys.newest).encrypt_at_time(plaintext.encode(), 0).decode()


def unseal(keys: SecretKeys, sealed: str) -> str:
    """The text behind `seal`. Raises `NotConfigured` when none of the keys sealed it so."""
    from cryptography.fernet import InvalidToken, MultiFernet

    try:
        return MultiFernet([_fernet(key) for key in keys.all]).decrypt(sealed.encode("utf-8", "surrogatepass")).decode()
    except InvalidToken as error:
        raise NotConfigured("a stored secret cannot be opened: was SECRET_KEY changed?") from error


def is_current(keys: SecretKeys, sealed: str) -> bool:
    """Whether a secret is sealed with the newest key, so that it opens without the former ones."""
    from cryptography.fernet import InvalidToken

    try:
        _fernet(keys.newest).decrypt(sealed.encode("utf-8", "surrogatepass"))
    except InvalidToken:
        return False
    return True


def _fernet(secret_key: str) -> Fernet:
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"reelgrid:secrets-at-rest:v1")
    return Fernet(base64.urlsafe_b64encode(derived.derive(secret_key.encode())))

"""Who we are to the facilitator of Coinbase's developer platform: a token for each request, signed with the key that
was made there (Ed25519, or an EC key of earlier times).
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

SEED, WITH_PUBLIC_HALF = 32, 64
VALID_S = 120


@dataclass(frozen=True, slots=True)
class CdpKey:
    """A key of the platform, by the name that it has there."""

    name: str
    secret: Ed25519PrivateKey | EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def of(cls, name: str, text: str) -> CdpKey:
        """As the platform shows it once: base64, or PEM, whose line breaks may be written out as in a settings file.
        Raises ValueError.
        """
        if "BEGIN" in text:
            found = load_pem_private_key(text.replace("\\n", "\n").encode(), password=None)
            if not isinstance(found, EllipticCurvePrivateKey | Ed25519PrivateKey):
                raise ValueError("is a key of another kind than the platform makes.")
            return cls(name, found)
        raw = base64.b64decode(text, validate=True)
        if len(raw) not in (SEED, WITH_PUBLIC_HALF):
            raise ValueError("is no key of the platform.")
        return cls(name, Ed25519PrivateKey.from_private_bytes(raw[:SEED]))

    def headers(self, method: str, url: str) -> Mapping[str, str]:
        """For one request, and soon for none."""
        parts, now = urlsplit(url), int(time.time())
        claims = {
            "sub": self.name,
            "iss": "cdp",
            "aud": ["cdp_service"],
            "nbf": now,
            "exp": now + VALID_S,
            "uris": [f"{method} {parts.netloc}{parts.path}"],
        }
        algorithm = "EdDSA" if isinstance(self.secret, Ed25519PrivateKey) else "ES256"
        head = {"kid": self.name, "nonce": secrets.token_hex(16)}
        return {"Authorization": f"Bearer {jwt.encode(claims, self.secret, algorithm=algorithm, headers=head)}"}

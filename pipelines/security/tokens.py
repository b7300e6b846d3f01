"""Tokens of an external issuer (JSON Web Tokens): the signature by its published keys, then every claim that counts.

The algorithm is that of the key, never the one that the token names. Time is handed in as `now`, in Unix seconds: the
library's own looks at the clock, and takes times that are no whole numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.domain.errors import Blame, Permanent

MAX_TOKEN = 8192
LEEWAY_S = 30
LONGEST_S = 24 * 3600
"""A token that lives longer is no token but a key, and those are ours."""
_KINDS = frozenset({"jwt", "at+jwt"})
_ALGORITHMS = frozenset(f"{family}{size}" for family in ("RS", "PS", "ES") for size in (256, 384, 512)) | {"EdDSA"}
_REQUIRED = ("exp", "iat", "iss", "aud", "sub")
SCOPE = "reelgrid:"


class BadToken(Permanent):
    """A token that is not believed. The caller is told nothing more than that."""

    blame = Blame.NOBODY
    default = "This token is not valid."


class UnknownKey(BadToken):
    """It names a key that the issuer had not published when we last looked."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a believed token says."""

    issuer: str
    subject: str
    account: str
    scopes: frozenset[str]
    until: float


def looks_like_token(text: str) -> bool:
    """Three parts between dots: no key of ours has one."""
    return text.count(".") == 2  # noqa: PLR2004


def read(text: str, keys: Mapping[str, Any], *, issuer: str, audience: str, account_claim: str, now: float) -> Token:
    """Believe a token or raise a `BadToken`. `keys` is the issuer's JWKS."""
    import jwt

    if len(text) > MAX_TOKEN:
        raise BadToken("a token is too long")
    try:
        header = jwt.get_unverified_header(text)
        key = _key(keys, header)
        options: Any = {"require": list(_REQUIRED), "verify_exp": False, "verify_iat": False, "verify_nbf": False}
        claims = jwt.decode(
            text, key, algorithms=[key.algorithm_name], audience=audience, issuer=issuer, options=options
        )
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadToken(f"a token is not believed: {type(error).__name__}") from error
    if str(header.get("typ", "")).lower() not in _KINDS:
        raise BadToken("a token is of another kind")
    until = _until(claims, now)
    account = claims.get(account_claim)
    if not (isinstance(account, str) and 0 < len(account) <= 255):  # noqa: PLR2004
        raise BadToken(f"a token says no {account_claim}")
    return Token(issuer, str(claims["sub"]), account, _scopes(claims), until)


def _key(keys: Mapping[str, Any], header: Mapping[str, Any]) -> Any:
    """The key that the token names, or the only one. Raises UnknownKey, and ValueError for one that signs nothing."""
    import jwt

    listed = keys.get("keys")
    published = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    signing = [one for one in published if one.get("kty") in {"RSA", "EC", "OKP"} and one.get("use", "sig") == "sig"]
    named = header.get("kid")
    found = [one for one in signing if one.get("kid") == named] if named is not None else signing
    if named is not None and not found:
        raise UnknownKey("a token names a key that is not published")
    if len(found) != 1:
        raise BadToken("a token names no key")
    key = jwt.PyJWK.from_dict(dict(found[0]))
    if key.algorithm_name not in _ALGORITHMS:
        raise BadToken("a published key has an algorithm that is not for tokens")
    return key


def _until(claims: Mapping[str, Any], now: float) -> float:
    """When it ends. Raises BadToken for one that has ended, has not begun, or lives too long."""
    begins, ends, not_before = claims["iat"], claims["exp"], claims.get("nbf", 0)
    if any(type(at) is not int for at in (begins, ends, not_before)):
        raise BadToken("a token's times are no whole numbers")
    if ends - begins > LONGEST_S:
        raise BadToken("a token lives longer than a day")
    if ends <= now - LEEWAY_S or max(begins, not_before) > now + LEEWAY_S:
        raise BadToken("a token has ended or has not begun")
    return float(ends)


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """What it may here: `scope`, `scp` or `permissions`, words that begin with `reelgrid:`."""
    said = next((claims[name] for name in ("scope", "scp", "permissions") if claims.get(name)), "")
    words = said.split() if isinstance(said, str) else said if isinstance(said, list) else []
    return frozenset(word.removeprefix(SCOPE) for word in words if isinstance(word, str) and word.startswith(SCOPE))

"""Who is asking: keys of programs, tokens of an identity provider, a session for people who signed in with a key."""

from __future__ import annotations

import hmac
from dataclasses import replace
from math import ceil
from typing import cast

from flask import Flask, current_app, g, request, session

from pipelines.domain.records import AccountStatus, ApiKey
from pipelines.security import api_keys, tokens
from pipelines.stages.commerce import accounts, issuer_keys
from pipelines.stages.kernel.transitions import BY_TOKEN
from webapp.access.login_throttle import LoginThrottle
from webapp.context import Actor, services, settings
from webapp.errors import GUESSES, RATE_LIMITED, HttpProblem

ALL = frozenset({"trigger", "read", "manage", "admin"})
OPERATORS = frozenset({"admin"})
"""Rights that no account's key has."""
SECOND_HEADER = "X-API-Key"
MARK = 16
MAX_KEY = 512
TOUCH_S = 600.0
"""`last used` is written at most this often."""
ENV = "env-"
THROTTLE = "reelgrid.guesses"
NEEDS_KEY = "Send a key as Authorization: Bearer <key>."
NOT_VALID = "This key is not valid. It may have ended or been revoked: ask whoever gave it to you for another."
NO_KEYS = "Tokens cannot be verified yet. Please try again in a few seconds."
NO_ACCOUNT = "This token is valid, but its account is not known here. Ask whoever runs this service for one."
TOO_MANY = "Too many wrong keys came from your address. Please try again in {} s."


def register(app: Flask) -> None:
    """Count wrong keys by address."""
    app.extensions[THROTTLE] = LoginThrottle()


def challenge() -> dict[str, str]:
    """What a 401 says of how to be let in: a client of an identity provider finds it by that."""
    chosen, said = settings(), 'Bearer realm="reelgrid"'
    if chosen.jwt_issuer is not None:
        said += f', resource_metadata="{chosen.public_url.rstrip("/")}/.well-known/oauth-protected-resource"'
    return {"WWW-Authenticate": said}


def bearer() -> Actor | None:
    """Whoever the Authorization header names, or X-API-Key; None without one. Raises 401 for a wrong key, 429 for too
    many. Both at once must be of one account, and what only one of them may, they may not.
    """
    header, second = request.headers.get("Authorization"), request.headers.get(SECOND_HEADER)
    shown = [] if second is None else [known(second.strip())]
    if header is not None:
        scheme, _, key = header.partition(" ")
        shown.append(_borne(key.strip()) if scheme.lower() == "bearer" else None)
    found = [one for one in shown if one is not None]
    if len(found) < len(shown) or len({one.account_id for one in found}) > 1:
        raise HttpProblem(401, NOT_VALID, (), challenge())
    if not found:
        return None
    scopes = frozenset(scope for scope in ALL if all(one.may(scope) for one in found))
    until = min((one.until for one in found if one.until is not None), default=None)
    return found[0] if len(found) == 1 else replace(found[0], scopes=scopes, until=until)


def _borne(text: str) -> Actor | None:
    """The owner of a key, or whoever a token speaks for: a key has no dots in it."""
    issuer = settings().jwt_issuer
    return known(text) if issuer is None or not tokens.looks_like_token(text) else _of_token(text, issuer)


def _of_token(text: str, issuer: str) -> Actor | None:
    """Whoever a token of the identity provider speaks for; None for one that is not believed. Raises 503 before its
    keys are known, and 403 for an account that nobody made. The web process never asks the provider itself.
    """
    core, chosen = services(), settings()
    with core.store.read() as tx:
        published = issuer_keys.of(tx, issuer)
    if published is None:
        raise HttpProblem(503, NO_KEYS, (), {"Retry-After": "5"})
    about = {"issuer": issuer, "audience": chosen.jwt_audience or chosen.public_url}
    try:
        token = tokens.read(text, published.keys, **about, account_claim=chosen.jwt_account_claim, now=core.clock.now())
    except tokens.UnknownKey:
        issuer_keys.request_refresh(core, issuer)
        return None
    except tokens.BadToken:
        return None
    account = accounts.of_subject(core, issuer, token.account, signup=chosen.jwt_signup == "yes")
    if account is None:
        raise HttpProblem(403, NO_ACCOUNT)
    if account.status is AccountStatus.CLOSED:
        return None
    return Actor(BY_TOKEN, token.scopes & (ALL - OPERATORS), None, account.id, token.until)


def known(key: str) -> Actor | None:
    """The owner of a key; None for a wrong one. Raises 429 when too many wrong ones came from the same address."""
    guesses, now = cast("LoginThrottle", current_app.extensions[THROTTLE]), services().clock.now()
    wait = guesses.wait(key, request.remote_addr, now)
    if wait:
        headers = {"Retry-After": str(ceil(wait))}
        raise HttpProblem(429, TOO_MANY.format(ceil(wait)), (), headers, RATE_LIMITED, (GUESSES,))
    found = _owner(key)
    if found is None:
        guesses.was_wrong(request.remote_addr, now)
    else:
        guesses.was_right(key)
    return found


def _owner(key: str) -> Actor | None:
    """One of API_KEYS, or one of the table that is live."""
    if not 0 < len(key) <= MAX_KEY:
        return None
    for entry in settings().bootstrap_keys:
        if api_keys.api_key_matches(key, entry.sha256):
            return Actor(entry.name, ALL, f"{ENV}{entry.name}")
    row = _row(api_keys.parse_api_key(key) or "")
    # Compared in any case, so that it takes as long whether the id is known or not.
    matches = [api_keys.api_key_matches(key, sha256) for sha256 in (_hashes(row) if row else (None,))]
    if row is None or not any(matches):
        return None
    now = services().clock.now()
    if now - (row.last_used_at or 0.0) > TOUCH_S:
        with services().store.write() as tx:
            tx.keys.change(row.id, last_used_at=now)
    return _actor(row, newest=matches[0])


def _actor(row: ApiKey, *, newest: bool = True) -> Actor:
    """An account's key never has the operator's rights, whatever its row says. One that was replaced ends sooner."""
    scopes = frozenset(row.scopes) - (frozenset() if row.account_id is None else OPERATORS)
    ends = (row.expires_at, None if newest else row.retired_until)
    until = min((at for at in ends if at is not None), default=None)
    return Actor(row.name, scopes, row.id, row.account_id, until)


def _row(id: str) -> ApiKey | None:
    """A key that is neither revoked nor expired, and whose account is not closed."""
    with services().store.read() as tx:
        row = tx.keys.get(id) if id else None
        account = tx.accounts.get(row.account_id) if row and row.account_id else None
    if row is None or row.revoked_at is not None:
        return None
    if row.expires_at is not None and row.expires_at <= services().clock.now():
        return None
    closed = account is None or account.status is AccountStatus.CLOSED
    return None if row.account_id is not None and closed else row


def _hashes(row: ApiKey) -> tuple[str, ...]:
    """Of the key, and of the one before while it still counts."""
    if row.retired_sha256 and (row.retired_until or 0.0) > services().clock.now():
        return (row.sha256, row.retired_sha256)
    return (row.sha256,)


def named(key_id: str) -> tuple[Actor | None, tuple[str, ...]]:
    """Whoever a live key stands for, and its hashes, for what proves to know the key in another way; the newest first.
    Nobody, and no hash, for any other id.
    """
    for entry in settings().bootstrap_keys:
        if key_id == f"{ENV}{entry.name}":
            return Actor(entry.name, ALL, key_id), (entry.sha256,)
    row = _row(key_id)
    return (_actor(row), _hashes(row)) if row else (None, ())


def sign_in(key: str) -> bool:
    """Remember in the session whose key this is; never the key itself."""
    found = known(key.strip())
    if found is None or found.key_id is None:
        return False
    session.clear()
    session["key"], session["mark"] = found.key_id, api_keys.hash_api_key(key.strip())[:MARK]
    return True


def sign_out() -> None:
    """Forget the key."""
    session.clear()


def signed_in() -> Actor | None:
    """Whoever signed in here, while the key is live."""
    key_id = session.get("key")
    if not isinstance(key_id, str):
        return None
    if key_id.startswith(ENV):
        name = key_id.removeprefix(ENV)
        known_here = any(_is_sessions(entry.sha256) for entry in settings().bootstrap_keys if entry.name == name)
        return Actor(name, ALL, key_id) if known_here else None
    row = _row(key_id)
    matches = [_is_sessions(sha256) for sha256 in (_hashes(row) if row else ())]
    return _actor(row, newest=matches[0]) if row and any(matches) else None


def _is_sessions(sha256: str) -> bool:
    """Whether it is the hash of the very key that was shown: another one under the same name is another key."""
    return hmac.compare_digest(sha256[:MARK].encode(), str(session.get("mark")).encode())


def must_have_key() -> None:
    """Only what is ordered whole can be paid for by the call. Raises 401."""
    if g.actor is None:
        raise HttpProblem(401, NEEDS_KEY, (), challenge())

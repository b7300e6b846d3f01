"""Who is asking: bearer keys for programs, a session for people who signed in with a key."""

from __future__ import annotations

import hmac
from math import ceil
from typing import cast

from flask import Flask, current_app, request, session

from pipelines.domain.records import ApiKey
from pipelines.security import api_keys
from webapp.access.login_throttle import LoginThrottle
from webapp.context import Actor, services, settings
from webapp.errors import HttpProblem

ALL = frozenset({"trigger", "read", "admin"})
MAX_KEY = 512
TOUCH_S = 600.0
"""`last used` is written at most this often."""
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="reelgrid"'}
ENV = "env-"
THROTTLE = "reelgrid.guesses"
TOO_MANY = "Too many wrong keys came from your address. Please try again in {} s."


def register(app: Flask) -> None:
    """Count wrong keys by address."""
    app.extensions[THROTTLE] = LoginThrottle()


def bearer() -> Actor | None:
    """Whoever the Authorization header names; None without one. Raises 401 for a wrong key, 429 for too many."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, key = header.partition(" ")
    found = known(key.strip()) if scheme.lower() == "bearer" else None
    if found is None:
        raise HttpProblem(401, "This key is not valid.", (), CHALLENGE)
    return found


def known(key: str) -> Actor | None:
    """The owner of a key; None for a wrong one. Raises 429 when too many wrong ones came from the same address."""
    guesses, now = cast("LoginThrottle", current_app.extensions[THROTTLE]), services().clock.now()
    wait = guesses.wait(key, request.remote_addr, now)
    if wait:
        raise HttpProblem(429, TOO_MANY.format(ceil(wait)), (), {"Retry-After": str(ceil(wait))})
    found = _owner(key)
    if found is None:
        guesses.was_wrong(request.remote_addr, now)
    else:
        guesses.was_right(key)
    return found


def _owner(key: str) -> Actor | None:
    """One of API_KEYS, or one of the table that is not revoked."""
    if not 0 < len(key) <= MAX_KEY:
        return None
    for entry in settings().bootstrap_keys:
        if api_keys.api_key_matches(key, entry.sha256):
            return Actor(entry.name, ALL, f"{ENV}{entry.name}")
    row = _row(api_keys.parse_api_key(key) or "")
    if not api_keys.api_key_matches(key, row.sha256 if row else None) or row is None:
        return None
    _touch(row)
    return Actor(row.name, frozenset(row.scopes), row.id)


def _row(id: str) -> ApiKey | None:
    with services().store.read() as tx:
        row = tx.keys.get(id) if id else None
    return row if row is not None and row.revoked_at is None else None


def _touch(row: ApiKey) -> None:
    now = services().clock.now()
    if now - (row.last_used_at or 0.0) > TOUCH_S:
        with services().store.write() as tx:
            tx.keys.change(row.id, last_used_at=now)


def sign_in(key: str) -> bool:
    """Remember in the session whose key this is; never the key itself."""
    found = known(key.strip())
    if found is None or found.key_id is None:
        return False
    session.clear()
    session["key"], session["mark"] = found.key_id, _mark(found.key_id)
    return True


def sign_out() -> None:
    """Forget the key."""
    session.clear()


def signed_in() -> Actor | None:
    """Whoever signed in here, while the key is live."""
    key_id = session.get("key")
    if not isinstance(key_id, str):
        return None
    mark = _mark(key_id)
    if mark is None or not hmac.compare_digest(mark.encode(), str(session.get("mark")).encode()):
        return None
    if key_id.startswith(ENV):
        return Actor(key_id.removeprefix(ENV), ALL, key_id)
    row = _row(key_id)
    return Actor(row.name, frozenset(row.scopes), row.id) if row else None


def _mark(key_id: str) -> str | None:
    """A piece of the key's hash: another key under the same name is another key."""
    if key_id.startswith(ENV):
        found = [k.sha256 for k in settings().bootstrap_keys if k.name == key_id.removeprefix(ENV)]
        return found[0][:16] if found else None
    row = _row(key_id)
    return row.sha256[:16] if row else None

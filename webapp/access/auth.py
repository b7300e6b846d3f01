"""Who may do what: bearer keys for programs, a session or a signed link for people, open only on loopback.

Open means: PUBLIC_URL is loopback, nobody ever made a key, and the request itself comes from this machine for
this machine. That last part keeps out other hosts, and web pages that point their own name at 127.0.0.1.
"""

from __future__ import annotations

import hmac
from math import ceil
from typing import cast
from urllib.parse import urlsplit

from flask import Flask, current_app, g, request, session

from pipelines.domain.records import ApiKey
from pipelines.security import api_keys, links
from pipelines.settings import Origin
from webapp.access.login_throttle import LoginThrottle
from webapp.context import Actor, actor, secret, services, settings
from webapp.errors import HttpProblem

ALL = frozenset({"trigger", "read", "admin"})
MAX_KEY = 512
TOUCH_S = 600.0
"""`last used` is written at most this often."""
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="reelgrid"'}
_OURS = frozenset({"same-origin", "none"})
ENV = "env-"
THROTTLE = "reelgrid.guesses"
TOO_MANY = "Too many wrong keys came from your address. Please try again in {} s."


def register(app: Flask) -> None:
    """Ask who it is before anything else, so that 401 comes before 404."""
    app.extensions[THROTTLE] = LoginThrottle()
    app.before_request(_identify)


def _identify() -> None:
    g.actor = None
    path = request.path
    if path.startswith("/api/webhook/") or not (path.startswith("/api/") or path == "/metrics"):
        return
    g.actor = bearer() or opened()
    if g.actor is None:
        raise HttpProblem(401, "Send a key as Authorization: Bearer <key>.", (), _CHALLENGE)
    if g.actor.name == "open":
        refuse_foreign_pages()


def require(scope: str) -> None:
    """Raise 403 unless whoever is asking has the scope."""
    if not actor().may(scope):
        raise HttpProblem(403, f"This key lacks the scope {scope!r}.")


def bearer() -> Actor | None:
    """Whoever the Authorization header names; None without one. Raises 401 for a wrong key, 429 for too many."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, key = header.partition(" ")
    found = known(key.strip()) if scheme.lower() == "bearer" else None
    if found is None:
        raise HttpProblem(401, "This key is not valid.", (), _CHALLENGE)
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


def opened() -> Actor | None:
    """Everybody's rights where the deployment is open, else None."""
    if not is_open() or not _from_here():
        return None
    return Actor("open", ALL)


def is_open() -> bool:
    """Whether no key is needed on this machine."""
    if not settings().loopback or settings().bootstrap_keys:
        return False
    with services().store.read() as tx:
        return tx.keys.count() == 0


def _from_here() -> bool:
    original = request.environ.get("werkzeug.proxy_fix.orig", {})
    peers = {request.remote_addr, original.get("REMOTE_ADDR", request.remote_addr)}
    return _local(request.host) and all(_local(_bracketed(peer)) for peer in peers if peer)


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _local(host: str) -> bool:
    try:
        return Origin.of(f"http://{host}").loopback
    except ValueError:
        return False


def refuse_foreign_pages() -> None:
    """A browser on another site's behalf may not act here: it says so itself. Raises 403."""
    if request.method in {"GET", "HEAD", "OPTIONS"}:
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if (site and site not in _OURS) or (origin and not _our_origin(origin)):
        raise HttpProblem(403, "Another site may not act here.")


def _our_origin(origin: str) -> bool:
    host = urlsplit(origin).netloc
    return host in {request.host, urlsplit(settings().public_url).netloc}


# --- People --------------------------------------------------------------------------------------------------


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


def base_of_link(record_id: str) -> str | None:
    """The base that the signed link of this request (`?t=`) names for a row; None without such a link."""
    try:
        subject = links.read_page(secret(), "record", request.args.get("t", ""), services().clock.now())
        base_id, named = links.read_row(subject)
    except links.BadLink:
        return None
    return base_id if named == record_id else None


def linked(opens: dict[str, str | None]) -> Actor | None:
    """Whoever holds a signed link (`?t=`) to one of these subjects, by kind. Raises 403 or 410 for a bad link."""
    token = request.args.get("t")
    if not token:
        return None
    refusal: links.BadLink = links.Malformed("a link opens another page")
    for kind, subject in opens.items():
        try:
            opened_subject = links.read_page(secret(), kind, token, services().clock.now())
            if kind == "record":
                links.read_row(opened_subject)
        except links.BadLink as error:
            refusal = error if isinstance(error, links.LinkExpired | links.Outdated) else refusal
            continue
        if subject is not None and opened_subject == subject:
            return Actor("link", frozenset({"trigger"}))
    raise refusal


def page(opens: dict[str, str | None] | None = None, scope: str = "read") -> Actor:
    """Let a person in: by signed link, session, or because we are open. Raises 401 (sign in), 403 or 410."""
    g.actor = signed_in() or linked(opens or {}) or opened()
    if g.actor is None:
        raise HttpProblem(401, "Sign in to see this page.")
    require(scope)
    return actor()

"""What a request needs at hand: the services of the core, and who is asking."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

from flask import current_app, g

from pipelines.security.secret_keys import SecretKeys
from pipelines.settings import Settings
from pipelines.stages.kernel.services import Services

OPEN = "open"
"""The name of whoever needs no key, because the deployment is open."""
SERVICES, SETTINGS, KEYS = "reelgrid.services", "reelgrid.settings", "reelgrid.secret_keys"


def services() -> Services:
    """What this request may use: for an account, with a store in which there is only what belongs to it."""
    core = cast("Services", current_app.extensions[SERVICES])
    asking: Actor | None = g.get("actor")
    if asking is None or asking.account_id is None:
        return core
    return replace(core, store=core.store.of(asking.account_id))


def settings() -> Settings:
    """What the operator chose."""
    return cast("Settings", current_app.extensions[SETTINGS])


def top_up_url() -> str | None:
    """Where whoever asks can buy credits; None where nobody can."""
    link, who = settings().stripe_payment_link, g.get("actor")
    if link is None or who is None or who.account_id is None:
        return None
    return f"{link}{'&' if '?' in link else '?'}client_reference_id={who.account_id}"


def secret() -> SecretKeys:
    """What links and sessions are signed with."""
    return cast("SecretKeys", current_app.extensions[KEYS])


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking. `key_id` is None when the deployment is open, or when a signed link opened the page. What belongs
    to another than `account_id` is not there for an actor who has one; the operator has none.
    """

    name: str
    scopes: frozenset[str]
    key_id: str | None = None
    account_id: str | None = None
    until: float | None = None
    """When the key that was shown ends, which may be before its row does."""

    def may(self, scope: str) -> bool:
        """Whether a scope is granted; `admin` grants all, `trigger` also reading."""
        if "admin" in self.scopes or scope in self.scopes:
            return True
        return scope == "read" and "trigger" in self.scopes


def actor() -> Actor:
    """Whoever the doors let in."""
    return cast("Actor", g.actor)

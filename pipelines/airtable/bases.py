"""The connected bases: which token opens which base, its budget, and what we remember of it (ports.Base).

The base of `AIRTABLE_BASE_ID` is opened by `AIRTABLE_API_KEY`; others are connected by command, with a token of
their own or the common one. Tokens are kept sealed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pipelines.domain.errors import NotConfigured
from pipelines.domain.records import Base
from pipelines.domain.state.base import BaseState
from pipelines.ports import Clock, Store, Tx
from pipelines.security.sealing import is_current, seal, unseal
from pipelines.security.secret_keys import SecretKeys

_BASE_ID = re.compile(r"app[A-Za-z0-9]{14}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Defaults:
    """The settings that concern all bases."""

    secret_keys: SecretKeys
    token: str | None = None
    base_id: str | None = None


class Bases:
    """Rows of `bases`, with their secrets opened."""

    def __init__(self, store: Store, clock: Clock, defaults: Defaults) -> None:
        self._store, self._clock, self._defaults = store, clock, defaults

    def connect(
        self, base_id: str, *, token: str | None = None, name: str = "", day_cap_micro: int | None = None
    ) -> Base:
        """Connect a base, or change its token, name and budget (None and "" keep them). Raises NotConfigured."""
        if not _BASE_ID.fullmatch(base_id):
            raise NotConfigured(f"{base_id!r} is no base id: it starts with app and has 17 characters")
        sealed = seal(self._defaults.secret_keys, token) if token else None
        wishes = {"name": name or None, "sealed_token": sealed, "day_cap_micro": day_cap_micro}
        with self._store.write() as tx:
            self._ensure(tx, base_id)
            if changes := {key: value for key, value in wishes.items() if value is not None}:
                tx.bases.change(base_id, **changes)
            return self._found(tx, base_id)

    def disconnect(self, base_id: str) -> bool:
        """Forget a base and its token; its runs stay."""
        with self._store.write() as tx:
            return tx.bases.remove(base_id)

    def all(self) -> list[Base]:
        """Every connected base, the default one included."""
        with self._store.read() as tx:
            found = tx.bases.find()
        default = self._defaults.base_id
        if default and default not in {base.id for base in found}:
            found = [Base(id=default), *found]
        return found

    def named(self, base_id: str | None) -> str | None:
        """The base, unless it is the one that is meant when none is named."""
        return None if base_id == self._defaults.base_id else base_id

    def token(self, base_id: str) -> str:
        """The token that opens a base: its own, else the common one. Raises NotConfigured."""
        with self._store.read() as tx:
            base = tx.bases.get(base_id)
        if base is not None and base.sealed_token:
            return unseal(self._defaults.secret_keys, base.sealed_token)
        if self._defaults.token:
            return self._defaults.token
        raise NotConfigured(
            f"no Airtable token for {base_id}: set AIRTABLE_API_KEY or connect the base with a token of its own",
            marketer="Reelgrid has no access to this base. Ask your operator to run: flask airtable doctor",
        )

    def state(self, base_id: str) -> BaseState:
        """What we remember of a base: ids of its tables and fields, the webhook and its cursor."""
        with self._store.read() as tx:
            base = tx.bases.get(base_id)
        return base.state if base else BaseState()

    def remember(self, base_id: str, change: Callable[[BaseState], BaseState]) -> BaseState:
        """Replace the state by `change(state)`, alone. A base that is not connected is never added by this."""
        with self._store.write() as tx:
            tx.serialise(f"base:{base_id}")
            if base_id == self._defaults.base_id:
                self._ensure(tx, base_id)
            base = tx.bases.get(base_id, lock=True)
            state = change(base.state if base else BaseState())
            if base is not None:
                tx.bases.change(base_id, state=state)
            return state

    def seal(self, secret: str) -> str:
        """A secret for the state."""
        return seal(self._defaults.secret_keys, secret)

    def unseal(self, sealed: str) -> str:
        """The secret again. Raises NotConfigured after a change of SECRET_KEY."""
        return unseal(self._defaults.secret_keys, sealed)

    def sealed_before(self) -> list[str]:
        """The bases that keep something which only a former SECRET_KEY opens."""
        with self._store.read() as tx:
            return [base.id for base in tx.bases.find() if self._resealed(base)]

    def seal_again(self) -> list[str]:
        """Seal what they keep with today's SECRET_KEY; which they were. Raises NotConfigured for what none opens."""
        found = self.sealed_before()
        for base_id in found:
            with self._store.write() as tx:
                base = tx.bases.get(base_id, lock=True)
                if base is not None and (changes := self._resealed(base)):
                    tx.bases.change(base_id, **changes)
        return found

    def _resealed(self, base: Base) -> dict[str, Any]:
        """What changes of a base so that today's SECRET_KEY opens all of it."""
        keys, hook = self._defaults.secret_keys, base.state.webhook
        changes: dict[str, Any] = {}
        if base.sealed_token and not is_current(keys, base.sealed_token):
            changes["sealed_token"] = seal(keys, unseal(keys, base.sealed_token))
        if hook is not None and hook.secret and not is_current(keys, hook.secret):
            fresh = replace(hook, secret=seal(keys, unseal(keys, hook.secret)))
            changes["state"] = replace(base.state, webhook=fresh)
        return changes

    def _ensure(self, tx: Tx, base_id: str) -> None:
        tx.bases.add(Base(id=base_id, created_at=self._clock.now()))

    @staticmethod
    def _found(tx: Tx, base_id: str) -> Base:
        base = tx.bases.get(base_id)
        if base is None:
            raise NotConfigured(f"{base_id} was disconnected at this moment")
        return base

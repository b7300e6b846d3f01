"""Who is asking, and the keys of an account: made, rotated and revoked by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipelines.domain.errors import Problem
from pipelines.domain.money import to_micro
from pipelines.domain.records import ApiKey
from pipelines.domain.times import iso
from pipelines.stages.commerce import accounts
from pipelines.stages.orders import account_turn
from pipelines.stages.spending import credit_book, credit_lots
from webapp.access import keys
from webapp.access.keys import NewKey
from webapp.access.rules import Owner
from webapp.api import estimates
from webapp.api.account import models
from webapp.api.account.models import KeyOrder, KeyRotation, NoBody
from webapp.api.operate import page
from webapp.api.operations import Reply, operation
from webapp.api.queries import PageQuery
from webapp.context import actor, services, top_up_url
from webapp.errors import HttpProblem

DAY_S = 86_400.0
_MANAGES: dict[str, Any] = {"owner": Owner.ACCOUNT, "scope": "manage", "tag": "Account"}
_PROBLEMS = (400, 401, 403, 404, 409, 413, 415, 422, 429)


@operation(
    "GET",
    "/api/account",
    summary="Who is asking",
    owner=Owner.ACCOUNT,
    scope="read",
    tag="Account",
    answers={200: models.AccountView},
    problems=(401, 403, 429),
)
def account() -> Reply:
    """The account, the rights of the key that asks, and what may be spent."""
    who = actor()
    with services().store.read() as tx:
        mine = accounts.found(tx, who.account_id) if who.account_id else None
        sold = credit_book.pays_in_credits(tx, services().prices, who.account_id)
        going_on = account_turn.load(tx, who.account_id, services().policy) if who.account_id else None
        funds = credit_lots.funds(tx, who.account_id, services().clock.now()) if who.account_id and sold else None
    key = _own_key()
    limits = models.AccountLimits(
        run_cap_usd=estimates.usd(mine.run_cap_micro) if mine else None,
        day_cap_usd=estimates.usd(mine.day_cap_micro) if mine else None,
        key_day_cap_usd=estimates.usd(key.day_cap_micro) if key else None,
        runs_in_flight=going_on.in_flight_most if going_on else None,
        backlog=going_on.waiting_most if going_on else None,
    )
    return Reply(
        models.AccountView(
            account_id=who.account_id,
            name=mine.name if mine else "operator",
            status=mine.status if mine else "active",
            created_at=iso(mine.created_at) if mine else None,
            key_id=who.key_id,
            scopes=[scope for scope in keys.SCOPES if who.may(scope)],
            limits=limits,
            runs_in_flight=going_on.in_flight if going_on else None,
            runs_waiting=going_on.waiting if going_on else None,
            credits=None if funds is None else funds.available_micro // services().prices.credit_micro,
            top_up_url=top_up_url(),
        )
    )


@operation(
    "GET",
    "/api/keys",
    summary="List keys",
    query=PageQuery,
    answers={200: models.KeyList},
    problems=(401, 403, 422, 429),
    **_MANAGES,
)
def list_keys(query: PageQuery) -> Reply:
    """Those of the account, without the keys themselves; for the operator those of everybody."""
    with services().store.read() as tx:
        some, next_cursor = page(tx.keys.find(order="created_at"), query)
    return Reply(models.KeyList(keys=[models.KeyView(**view(row)) for row in some], next_cursor=next_cursor))


@operation(
    "POST",
    "/api/keys",
    summary="Make a key",
    bodies=(KeyOrder,),
    answers={201: models.NewKeyView},
    problems=_PROBLEMS,
    shows_secret=True,
    **_MANAGES,
)
def create_key(body: KeyOrder) -> Reply:
    """Shown once. It has no right that the key which asks lacks, and lives no longer. A key with a daily limit makes
    none: together they could spend more. 409 while 100 keys of the account work: revoke one first.
    """
    mine, until = _own_key(), actor().until
    wanted = None if body.expires_in_days is None else services().clock.now() + body.expires_in_days * DAY_S
    expires_at = min((at for at in (wanted, until) if at is not None), default=None)
    _within_own_rights(body.scopes)
    if mine is not None and mine.day_cap_micro is not None:
        raise HttpProblem(403, "A key with a daily limit makes no other keys. Use one without a limit.")
    made = keys.create(
        body.name,
        body.scopes,
        account_id=actor().account_id,
        day_cap_micro=None if body.day_cap_usd is None else to_micro(body.day_cap_usd),
        expires_at=expires_at,
        bounded=True,
    )
    return _shown(made, 201)


@operation(
    "POST",
    "/api/keys/{key_id}/rotate",
    summary="Put another key in the place of one",
    bodies=(KeyRotation,),
    answers={200: models.NewKeyView},
    problems=_PROBLEMS,
    shows_secret=True,
    **_MANAGES,
)
def rotate_key(key_id: str, body: KeyRotation) -> Reply:
    """The same id, rights and limits; the previous key goes on working for `hours`, so that nothing stops meanwhile.
    409 while two work already, 403 for a key that may more or lives longer than the one that asks.
    """
    with services().store.read() as tx:
        row = keys.live(tx.keys.get(key_id), key_id, services().clock.now())
    _within_own_rights(row.scopes)
    _within_own_limits(row)
    return _shown(keys.rotate(key_id, body.hours))


@operation(
    "POST",
    "/api/keys/{key_id}/revoke",
    summary="Revoke a key",
    bodies=(NoBody,),
    answers={200: models.KeyView},
    problems=_PROBLEMS,
    **_MANAGES,
)
def revoke_key(key_id: str, body: NoBody) -> Reply:  # noqa: ARG001 - a body may be sent, and says nothing
    """It stops working now and for ever, with the one before it if that still works."""
    return Reply(models.KeyView(**view(keys.revoke(key_id))))


def view(row: ApiKey) -> dict[str, Any]:
    """A key as the API and the command line show it."""
    until = row.retired_until
    return {
        "key_id": row.id,
        "name": row.name,
        "account_id": row.account_id,
        "scopes": list(row.scopes),
        "day_cap_usd": estimates.usd(row.day_cap_micro),
        "created_at": iso(row.created_at),
        "expires_at": iso(row.expires_at),
        "last_used_at": iso(row.last_used_at),
        "revoked_at": iso(row.revoked_at),
        "old_key_until": iso(until) if until and until > services().clock.now() else None,
    }


def _own_key() -> ApiKey | None:
    """The row of the key that asks; None for one of API_KEYS, or without a key."""
    with services().store.read() as tx:
        return tx.keys.get(actor().key_id or "")


def _within_own_rights(scopes: Sequence[str]) -> None:
    """Raises 403 for a right that whoever asks has not, or that no account has."""
    allowed = keys.SCOPES if actor().account_id is None else keys.OF_ACCOUNTS
    missing = [scope for scope in scopes if scope not in allowed or not actor().may(scope)]
    if missing:
        problem = Problem("scopes", f"may not be more than your own; you lack {', '.join(missing)}.")
        raise HttpProblem(403, f"scopes {problem.message}", (problem,))


def _within_own_limits(row: ApiKey) -> None:
    """Raises 403 for a key that lives longer than the one that was shown, or that its daily limit does not count."""
    mine, until = _own_key(), actor().until
    if until is not None and (row.expires_at is None or row.expires_at > until):
        raise HttpProblem(403, "The key you use ends before that one. Use one that lives at least as long.")
    if mine is not None and mine.day_cap_micro is not None and mine.id != row.id:
        raise HttpProblem(403, "A key with a daily limit rotates no other keys. Use one without a limit.")


def _shown(made: NewKey, status: int = 200) -> Reply:
    return Reply(models.NewKeyView(**view(made.row), key=made.text), status)

"""Keys made, rotated and revoked; only within what whoever asks may see."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pipelines.domain.errors import Busy, NotAllowed, NotFound, TooMany
from pipelines.domain.records import ApiKey
from pipelines.ports import Tx
from pipelines.security import api_keys
from pipelines.stages.files import revocations
from pipelines.stages.files.revocations import Revoked
from pipelines.stages.spending import rate_limits
from webapp.context import actor, services
from webapp.errors import HttpProblem

HOUR_S = 3600.0
OF_ACCOUNTS = ("trigger", "read", "manage")
"""Rights that an account's key may have."""
SCOPES = (*OF_ACCOUNTS, "admin")
STILL_TWO = (
    "The previous key still works, and there are never more than two. Rotate again when it has ended, or with hours 0 "
    "to end both now."
)

MOST_LIVE, EVERY_S = 100, 60.0
"""So many keys of an account, or of the operator, may work before the API makes no more, and so many are made at once
after a rest; then one every so many seconds, so that what is over stays little, too.
"""
TOO_MANY = (
    f"{MOST_LIVE} keys work already, and no more are made: revoke one that nobody uses, on the page Account or by "
    "/api/keys/{key_id}/revoke."
)
TOO_FAST = "Keys are made too fast. None was made now: use one that you have, or try again after a while."

OTHERS_RUN = (
    "This key has a daily limit, and what it orders now would count for the key that began this film. Decide with that "
    "one, or with a key that has no daily limit."
)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key and its row. `text` is shown once: only its hash is kept."""

    row: ApiKey
    text: str


def create(
    name: str,
    scopes: Collection[str],
    *,
    account_id: str | None = None,
    day_cap_micro: int | None = None,
    expires_at: float | None = None,
    bounded: bool = False,
) -> NewKey:
    """A new key. `bounded`: only while there are not too many, and not too fast. Raises NotAllowed and TooMany."""
    core, made = services(), api_keys.new_api_key()
    row = ApiKey(
        id=made.id,
        name=name,
        sha256=made.sha256,
        scopes=tuple(scope for scope in SCOPES if scope in scopes),
        account_id=account_id,
        day_cap_micro=day_cap_micro,
        created_at=core.clock.now(),
        expires_at=expires_at,
    )
    with core.store.write() as tx:
        if bounded:
            _must_have_room(tx, account_id, row.created_at)
        tx.keys.add(row)
    return NewKey(row, made.key)


def _must_have_room(tx: Tx, account_id: str | None, now: float) -> None:
    """Whoever makes a key of the same account waits until this transaction ends. Raises NotAllowed and TooMany."""
    try:
        rate_limits.acquire(tx, f"keys:{account_id or 'operator'}", now, EVERY_S, MOST_LIVE)
    except Busy as busy:
        raise TooMany(busy.operator, marketer=TOO_FAST, retry_after=busy.retry_after, limit="keys") from busy
    for_ever = tx.keys.count(account_id=account_id, revoked_at=None, expires_at=None)
    for_now = tx.keys.count(account_id=account_id, revoked_at=None, after={"expires_at": now})
    if for_ever + for_now >= MOST_LIVE:
        raise NotAllowed(marketer=TOO_MANY)


def rotate(key_id: str, hours: float) -> NewKey:
    """Another key under the same id, so with the same rights, limits and history; the one of now lives on for so many
    hours. Never more than two live: while an older one does, only `hours=0`, which ends both, is taken. Raises
    NotFound, NotAllowed.
    """
    core = services()
    now = core.clock.now()
    with core.store.write() as tx:
        row = live(tx.keys.get(key_id, lock=True), key_id, now)
        if hours and (row.retired_until or now) > now:
            raise NotAllowed(marketer=STILL_TWO)
        made = api_keys.new_api_key(row.id)
        hashes = {"sha256": made.sha256, "retired_sha256": row.sha256, "retired_until": now + hours * HOUR_S}
        tx.keys.change(row.id, **hashes)
        row = tx.keys.get(row.id) or row
    revocations.note(core, Revoked.KEY, key_id, **hashes)
    return NewKey(row, made.key)


def revoke(key_id: str) -> ApiKey:
    """Stop a key from working, now and for ever. Raises NotFound for one that does not work."""
    core = services()
    now = core.clock.now()
    with core.store.write() as tx:
        row = live(tx.keys.get(key_id, lock=True), key_id, now)
        tx.keys.change(row.id, revoked_at=now)
        row = tx.keys.get(row.id) or row
    revocations.note(core, Revoked.KEY, key_id, revoked_at=now)
    return row


def must_count(run_id: str) -> None:
    """What a run spends counts for the key that began it, so one with a daily limit spends on its own runs only. Raises
    403.
    """
    with services().store.read() as tx:
        mine, run = tx.keys.get(actor().key_id or ""), tx.runs.get(run_id)
    if mine is not None and mine.day_cap_micro is not None and run is not None and run.key_id != mine.id:
        raise HttpProblem(403, OTHERS_RUN)


def live(row: ApiKey | None, key_id: str, now: float) -> ApiKey:
    """The key, if it works. Raises NotFound."""
    if row is None or not works(row, now):
        raise NotFound(f"key {key_id}", marketer=f"There is no live key {key_id}.")
    return row


def works(row: ApiKey, now: float) -> bool:
    """Whether it was neither revoked nor is over."""
    return row.revoked_at is None and (row.expires_at is None or row.expires_at > now)

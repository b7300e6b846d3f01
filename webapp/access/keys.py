"""Keys made, rotated and revoked; only within what whoever asks may see."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pipelines.domain.errors import NotAllowed, NotFound
from pipelines.domain.records import ApiKey
from pipelines.security import api_keys
from pipelines.stages.files import revocations
from pipelines.stages.files.revocations import Revoked
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
) -> NewKey:
    """A new key."""
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
        tx.keys.add(row)
    return NewKey(row, made.key)


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

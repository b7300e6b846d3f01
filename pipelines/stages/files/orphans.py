"""Objects and rows that do not belong together, both ways. It reads everything, and is for a person to start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pipelines.domain.lifecycle import TERMINAL, RunStatus
from pipelines.domain.stored_files import REVOKED, FileKind, kind_of
from pipelines.ports import Stored, Tx
from pipelines.stages.files import keep
from pipelines.stages.kernel.services import Services

YOUNG_S = 86_400.0
"""No step takes a day: what is older and has no row will not get one."""
_PINNED = frozenset({FileKind.CARD, FileKind.INPUT})
"""Kept by their last use, and not because another row names them."""


@dataclass(slots=True)
class Orphans:
    """What was found. `strange` are objects of others below our prefix, which are never deleted."""

    missing: list[str] = field(default_factory=list)
    """Rows of files that are not in storage."""
    unknown: list[Stored] = field(default_factory=list)
    """Objects without a row."""
    unused: list[Stored] = field(default_factory=list)
    """Objects with a row that no clip, film or piece of work refers to any more."""
    strange: list[Stored] = field(default_factory=list)
    young: int = 0
    """Objects without a row that may still get one."""


def find(services: Services) -> Orphans:
    """One listing of storage against one look at the rows."""
    listed = {stored.key: stored for stored in services.media.list_prefix("")}
    with services.store.read() as tx:
        rows = {row.id: row.kind for row in tx.files.find()}
        named, before = set(_named(tx)), oldest_open(tx, services.clock.now() - YOUNG_S)
    found = Orphans(missing=sorted(key for key in {*rows, *named} if key not in listed))
    for key, stored in listed.items():
        if key in named or rows.get(key) in _PINNED or key.startswith(f"{REVOKED}/"):
            continue
        if kind_of(key) is None:
            found.strange.append(stored)
        elif stored.modified_at >= before:
            found.young += 1
        else:
            (found.unused if key in rows else found.unknown).append(stored)
    return found


def check(services: Services) -> tuple[int, list[str]]:
    """How many files we know, and which are not there. Sizes that were not known are looked up meanwhile."""
    with services.store.read() as tx:
        sizes = {**dict.fromkeys(_named(tx), 0), **{row.id: row.size for row in tx.files.find()}}
    missing = []
    for key, size in sizes.items():
        stored = services.media.stat(key)
        if stored is None:
            missing.append(key)
        elif size == 0 and stored.size:
            keep.measure(services, stored)
    return len(sizes), missing


def delete(services: Services, found: Orphans) -> int:
    """Delete the objects that nothing refers to, and the rows of what is not there; how many."""
    with services.store.read() as tx:
        rows = {row.id for row in tx.files.find(id=found.missing)}
    return keep.remove(services, [*(stored.key for stored in (*found.unknown, *found.unused)), *sorted(rows)])


def oldest_open(tx: Tx, before: float) -> float:
    """That moment, or the start of the oldest run that is not over, whichever was earlier: what a run uses was used
    since it began.
    """
    unfinished = tuple(set(RunStatus) - TERMINAL)
    oldest = tx.runs.find(order="created_at", limit=1, status=unfinished)
    return min([before, *(run.created_at for run in oldest)])


def _named(tx: Tx) -> Iterator[str]:
    """Every key that a clip or a film that is kept refers to."""
    for clip in tx.clips.find(deleted_at=None):
        yield clip.key
        yield from clip.prepared.values()
    for cut in tx.cuts.find(deleted_at=None):
        yield from (key for key in (cut.key, cut.poster_key, *cut.extras.values()) if key)

"""Putting files into storage and taking them out again, so that every object is a row and is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from pipelines.domain.records import Run
from pipelines.domain.stored_files import FileKind, FileTotal, StoredFile, kind_of
from pipelines.ports import Stored, Tx
from pipelines.stages.kernel.services import Services

TOUCH_S = 86_400.0
"""When a file was used last is written once a day."""


def keep(
    services: Services,
    run_id: str,
    path: Path,
    key: str,
    content_type: str,
    filename: str | None = None,
    also: Callable[[Tx], object] = lambda _tx: None,
) -> Stored:
    """Store a file of a run, and `also` commit what follows from that. Dying in between leaves an object without a row,
    which `orphans` finds.
    """
    stored = services.media.put_file(path, key, content_type, filename)
    with services.store.write() as tx:
        note(tx, tx.runs.get(run_id), stored, services.clock.now())
        also(tx)
    return stored


def use(services: Services, run_id: str, keys: Iterable[str]) -> None:
    """A run uses these: they are kept for it. What has no row yet, such as a file that was just brought, gets one."""
    now = services.clock.now()
    with services.store.write() as tx:
        run = tx.runs.get(run_id)
        unknown = [key for key in dict.fromkeys(keys) if not _touch(tx, key, now)]
    found = [stored for key in unknown if (stored := services.media.stat(key)) is not None]
    if found:
        with services.store.write() as tx:
            for stored in found:
                note(tx, run, stored, now)


def _touch(tx: Tx, key: str, now: float) -> bool:
    """Whether it has a row; the newest use stands in it."""
    row = tx.files.get(key)
    if row is not None and row.last_used_at < now - TOUCH_S:
        tx.files.change(key, last_used_at=now)
    return row is not None


def note(tx: Tx, run: Run | None, stored: Stored, now: float) -> None:
    """Give an object its row, and count it; one that has a row was used again."""
    row = StoredFile(
        id=stored.key,
        kind=kind_of(stored.key) or FileKind.EXTRA,
        size=stored.size,
        sha256=stored.sha256,
        run_id=run.id if run else None,
        account_id=run.account_id if run else None,
        base_id=run.base_id if run else None,
        key_id=run.key_id if run else None,
        created_at=now,
        last_used_at=now,
    )
    if tx.files.add(row):
        _count(tx, row, files=1, size=row.size)
    else:
        _touch(tx, stored.key, now)


def measure(services: Services, stored: Stored) -> None:
    """The size of a file that was entered without it."""
    with services.store.write() as tx:
        row = tx.files.get(stored.key, lock=True)
        if row is not None and tx.files.change(stored.key, {"size": row.size}, size=stored.size):
            _count(tx, row, files=0, size=stored.size - row.size)


def remove(services: Services, keys: Iterable[str]) -> int:
    """Delete objects, then their rows: dying in between leaves rows, which are removed by the next attempt."""
    removed = 0
    for key in keys:
        services.media.delete(key)
        with services.store.write() as tx:
            row = tx.files.get(key, lock=True)
            if row is not None and tx.files.remove(key):
                _count(tx, row, files=-1, size=-row.size)
        removed += 1
    return removed


def _count(tx: Tx, row: StoredFile, *, files: int, size: int) -> None:
    """What is taken away is so under the lock of the total, which is never below nothing."""
    name = "|".join((row.kind, row.account_id or "", row.base_id or "", row.key_id or ""))
    if min(files, size) >= 0 and tx.file_totals.change(name, None, {"files": files, "size": size}):
        return
    tx.file_totals.add(
        FileTotal(id=name, kind=row.kind, account_id=row.account_id, base_id=row.base_id, key_id=row.key_id)
    )
    total = tx.file_totals.get(name, lock=True)
    if total is not None:
        tx.file_totals.change(name, files=max(0, total.files + files), size=max(0, total.size + size))

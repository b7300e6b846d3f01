"""Erasing what a row ordered and all that was made of it, with the books intact."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Any

from pipelines.domain.data_kinds import PERSONAL
from pipelines.domain.errors import NotAllowed, NotFound
from pipelines.domain.lifecycle import ACTIVE, IN_DOUBT, OPEN, OPEN_PURCHASE, TERMINAL, RunStatus
from pipelines.domain.orders.order import Order
from pipelines.domain.records import Clip, Cut, Event, Leased, Purchase, Run, SearchVector, Share
from pipelines.ports import Rows, Tx
from pipelines.stages.files import keep, revocations
from pipelines.stages.files.revocations import Revoked
from pipelines.stages.kernel.services import Services


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased, or would be."""

    runs: tuple[str, ...]
    rows: int
    files: tuple[str, ...]
    kept: tuple[str, ...]
    """Files that something else still uses."""


def erase(services: Services, base_id: str, record_id: str, *, dry_run: bool = False, actor: str = "") -> Erased:
    """Blank what people wrote for a row, revoke its links and delete its files. What was paid stays in the books.

    Raises NotFound where no run is known, and NotAllowed while one of them is not over.
    """
    now = services.clock.now()
    with services.store.write() as tx:
        runs = tx.runs.find(base_id=base_id, record_id=record_id)
        _must_be_over(tx, record_id, runs)
        ids = tuple(run.id for run in runs)
        ours, used = set(_files_of(tx, runs)), _used_elsewhere(tx, ids)
        found = [(table, row) for table in PERSONAL for row in _rows(tx, table, ids)]
        if not dry_run:
            for table, row in found:
                _blank(tx, table, row, now, used)
            for run_id in ids:
                tx.events.add(Event(at=now, entity="run", entity_id=run_id, run_id=run_id, name="erased", actor=actor))
    files = tuple(sorted(ours - used))
    if not dry_run:
        keep.remove(services, files)
        revocations.note(services, Revoked.ROW, record_id, base_id=base_id)
    return Erased(ids, len(found), files, tuple(sorted(ours & used)))


def _must_be_over(tx: Tx, record_id: str, runs: Sequence[Run]) -> None:
    if not runs:
        raise NotFound(f"record {record_id}", marketer=f"No run of {record_id} is known in this base.")
    ids = [run.id for run in runs]
    # What is being asked for has money set aside, which its row alone can give back.
    clips = tx.generations.find(run_id=ids, status=tuple(OPEN | IN_DOUBT))
    spoken = tx.purchases.find(run_id=ids, status=tuple(OPEN_PURCHASE))
    moving = [run.id for run in runs if run.status in ACTIVE]
    moving += [gen.run_id for gen in clips] + [line.run_id for line in spoken]
    if moving:
        raise NotAllowed(marketer=f"{moving[0]} is not over: cancel it, or wait until it is, then erase.")


def _rows(tx: Tx, table: str, run_ids: Sequence[str]) -> list[Any]:
    rows: Rows[Any] = getattr(tx, table)
    return rows.find(id=list(run_ids)) if table == "runs" else rows.find(run_id=list(run_ids))


def _blank(tx: Tx, table: str, row: Any, now: float, used: set[str]) -> None:
    """Nothing of it is worked on any more, and no link leads to it."""
    rows: Rows[Any] = getattr(tx, table)
    if isinstance(row, Purchase | SearchVector):
        # Nothing is left of it: what it cost stands in the books, and its name is one of its words.
        rows.remove(row.id)
        return
    hints = typing.get_type_hints(type(row))
    blank = {name: _empty(hints[name]) for name in PERSONAL[table]}
    if isinstance(row, Leased):
        blank["next_at"] = None
    if isinstance(row, Cut | Share):
        blank["revoked_at"] = row.revoked_at or now
    if isinstance(row, Cut | Clip) and row.key not in used:
        blank["deleted_at"] = row.deleted_at or now
    rows.change(row.id, **blank)


def _empty(hint: Any) -> Any:
    """The emptiest value that a column takes: None, or what a value of its type is without anything said."""
    if typing.get_origin(hint) in (UnionType, typing.Union):
        return None
    origin = typing.get_origin(hint) or hint
    if origin is Mapping:
        return {}
    return origin()


def _files_of(tx: Tx, runs: Sequence[Run]) -> Iterator[str]:
    """Every file that belongs to these runs."""
    ids = [run.id for run in runs]
    yield from (row.id for row in tx.files.find(run_id=ids))
    for clip in tx.clips.find(run_id=ids):
        yield from (clip.key, *clip.prepared.values())
    for cut in tx.cuts.find(run_id=ids):
        yield from (key for key in (cut.key, cut.poster_key, *cut.extras.values()) if key)
    yield from _inputs(tx, runs)


def _inputs(tx: Tx, runs: Sequence[Run]) -> Iterator[str]:
    """The pictures, logos and music that these runs were ordered with."""
    for run in runs:
        yield from _inputs_of(run.order) if run.order else ()
        for scene in tx.scenes.find(run_id=run.id):
            yield from (key for key in (*scene.pictures, *scene.settings.cast) if "://" not in key)


def _inputs_of(order: Order) -> Iterator[str]:
    font = order.brand.font if order.brand else None
    named = (*order.references, order.first_frame, order.last_frame, order.logo, order.music, font)
    for key in (*named, *(key for scene in order.scenes for key in scene.references)):
        if key and "://" not in key:
            yield key


def _used_elsewhere(tx: Tx, run_ids: Sequence[str]) -> set[str]:
    """What other runs have of these runs' files: clips that they reuse, equal content, inputs of those not over."""
    ours = set(run_ids)
    used: set[str] = set()
    for clip in tx.clips.find(run_id=list(run_ids), deleted_at=None):
        others = {scene.run_id for scene in tx.scenes.find(clip_id=clip.id)} - ours
        twins = {row.run_id for row in tx.clips.find(sha256=clip.sha256, deleted_at=None)} - ours
        if others or twins:
            used |= {clip.key, *clip.prepared.values()}
    spoken = {bought.file for bought in tx.purchases.find(run_id=list(run_ids)) if bought.file}
    used |= {scene.sound for scene in tx.scenes.find(sound=list(spoken)) if scene.sound and scene.run_id not in ours}
    open_runs = [run for run in tx.runs.find(status=tuple(set(RunStatus) - TERMINAL)) if run.id not in ours]
    translated = (scene.translations.values() for run in open_runs for scene in tx.scenes.find(run_id=run.id))
    used |= {one.sound for words in translated for one in words if one.sound}
    return used | set(_inputs(tx, open_runs))

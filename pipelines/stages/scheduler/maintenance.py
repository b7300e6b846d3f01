"""What the pump does besides: notices dead processes and stepped clocks, reads switches, keeps storage small."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pipelines.domain.airtable.fields import AirtableTable, SettingsField
from pipelines.domain.lifecycle import IN_FLIGHT, MOVING, TERMINAL, GenerationStatus, RunStatus
from pipelines.domain.money import to_micro
from pipelines.domain.records import Clip, Cut, Generation, Run
from pipelines.domain.stored_files import FileKind
from pipelines.domain.times import utc_day
from pipelines.ports import Rows, Tx
from pipelines.stages.base_changes import webhook_push
from pipelines.stages.base_rows import base_settings, settings_row
from pipelines.stages.commerce import issuer_keys
from pipelines.stages.files import keep, orphans, usage
from pipelines.stages.kernel import scratch
from pipelines.stages.kernel.services import Services
from pipelines.stages.orders import schedule
from pipelines.stages.scheduler import retention
from pipelines.stages.scheduler.heartbeats import Heartbeats
from pipelines.stages.spending import audit, credit_lots, ledger

logger = logging.getLogger(__name__)

STEP_S = 2.0
"""A wall clock that falls behind the monotonic one by more than this was set back."""
SETTINGS_S, ISSUER_S, BASES_S, DAY_S, TIDY_S = 5.0, 5.0, 60.0, 60.0, 3600.0
PUSHED_SETTINGS_S = 240.0
"""Where Airtable pings us we hear of a change in Settings at once; this is for the ping that is lost."""
AT_ONCE, ROUNDS = 200, 20
"""Files that are given up in one transaction, and so many transactions an hour."""
FEW = 8
_HEAVY_RUNS = {RunStatus.STITCHING, RunStatus.NEEDS_APPROVAL}


class ByWeight(NamedTuple):
    """Rows whose step takes a moment, and rows whose step encodes or joins; `last` of the first are clips at their
    provider that are all that a film still waits for.
    """

    light: list[str]
    heavy: list[str]
    last: list[str]


def split_by_weight(services: Services, kind: str, ids: Sequence[str], *, left_s: float = 0.0) -> ByWeight:
    """Rows of one kind, in their order. Runs whose clips are coming are left for `left_s` to whoever woke them, and are
    of no weight then.
    """
    if kind in ("clips", "cuts") or not ids:
        return ByWeight([], list(ids), [])
    if kind not in ("runs", "generations"):
        return ByWeight(list(ids), [], [])
    last = set[str]()
    with services.store.read() as tx:
        if kind == "runs":
            runs = tx.runs.find(id=list(ids))
            left = _left(tx, runs, services.clock.now() - left_s) if left_s else set()
            found = {run.id: is_heavy(run) for run in runs if run.id not in left}
        else:
            # What is at a provider is not stepped but polled.
            gens = [gen for gen in tx.generations.find(id=list(ids)) if gen.status not in IN_FLIGHT]
            found = {gen.id: gen.status is GenerationStatus.SUCCEEDED and gen.provider == "local" for gen in gens}
            last = _last_clips(tx, gens)
    light = [row for row in ids if found.get(row) is False]
    return ByWeight(light, [row for row in ids if found.get(row)], [row for row in light if row in last])


def is_heavy(run: Run) -> bool:
    """Whether its step encodes or joins."""
    return run.status in _HEAVY_RUNS


def _left(tx: Tx, runs: Sequence[Run], woken: float) -> set[str]:
    """Those that were woken after `woken` and have clips: whoever brought one, or made it ready, goes on with it."""
    coming = (RunStatus.GENERATING, RunStatus.STITCHING)
    fresh = [run.id for run in runs if run.status in coming and (run.next_at or 0) > woken]
    return {clip.run_id for clip in tx.clips.find(run_id=fresh)} if fresh else set()


def _last_clips(tx: Tx, gens: Sequence[Generation]) -> set[str]:
    """Those of these generations for whose scene, and no other of its run, a clip is missing. What had to be tried
    again may take long; of many that are there, a few are looked at: there is more to do than to hurry then.
    """
    there = [gen for gen in gens if gen.status is GenerationStatus.SUCCEEDED and not gen.attempts]
    there = sorted(there, key=lambda gen: gen.next_at or 0)[:FEW]
    if not there:
        return set()
    missing: dict[str, list[str]] = {}
    for scene in tx.scenes.find(run_id=sorted({gen.run_id for gen in there}), clip_id=None):
        missing.setdefault(scene.run_id, []).append(scene.id)
    return {gen.id for gen in there if missing.get(gen.run_id) == [gen.scene_id] and not gen.request.draft}


class Maintenance:
    """Remembers between ticks what only this process can know: beats seen, clocks compared, when it last looked."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._heartbeats = Heartbeats(services.owner)
        self._clock: tuple[float, float] | None = None
        self._looked: dict[str, float] = {}
        self._day = ""

    def tick(self) -> None:
        """One round; each duty at its own pace."""
        self._release_dead_workers()
        self._detect_clock_step()
        self._every("settings", SETTINGS_S, self._read_switches)
        self._every("bases", BASES_S, lambda: webhook_push.schedule_polls(self._services))
        self._every("issuer", ISSUER_S, lambda: issuer_keys.refresh(self._services))
        self._every("day", DAY_S, self._tell_new_day)
        self._every("expire", BASES_S, lambda: expire_credits(self._services))
        self._every("tidy", TIDY_S, lambda: clean_up(self._services))
        self._every("forget", TIDY_S, lambda: retention.forget(self._services))
        self._every("room", TIDY_S, lambda: usage.warn(self._services))
        self._every("recount", TIDY_S, lambda: recount(self._services))
        self._every("archive", TIDY_S, lambda: retention.archive(self._services))
        self._every("scratch", TIDY_S, lambda: scratch.sweep(self._services, time.time()))

    def _every(self, name: str, seconds: float, duty: Callable[[], object]) -> None:
        now = time.monotonic()
        if now - self._looked.get(name, now - seconds) >= seconds:
            self._looked[name] = now
            duty()

    def _detect_clock_step(self) -> None:
        """Compared from when the database has been asked for the first time: it may have told another time."""
        wall, steady = self._services.clock.now(), time.monotonic()
        former, self._clock = self._clock or (wall, steady), (wall, steady)
        step = (wall - former[0]) - (steady - former[1])
        if step < -STEP_S and self._services.store.shift_time(-step, wall):
            logger.warning("the clock was set back by %.0f s; due times follow", -step)

    def _release_dead_workers(self) -> None:
        with self._services.store.read() as tx:
            beats = {process.id: process.beat for process in tx.processes.find()}
        for name in self._heartbeats.dead(beats, time.monotonic()):
            self._release_worker(name)

    def _release_worker(self, name: str) -> None:
        freed = self._services.store.release_owner(name, certain=False)
        self._services.points.reach("dead.freed", owner=name)
        with self._services.store.write() as tx:
            tx.processes.remove(name)
        logger.warning("%s is dead; %d leases are free", name, freed)

    def _tell_new_day(self) -> None:
        """At midnight (UTC) nothing is spent yet: the bases say so although nothing moves there."""
        now = self._services.clock.now()
        if self._day == utc_day(now):
            return
        self._day = utc_day(now)
        with self._services.store.write() as tx:
            for entry in tx.outbox.find(table=AirtableTable.SETTINGS, gone=False):
                said = to_micro(entry.fields.get(SettingsField.SPENT_TODAY) or 0)
                if said > ledger.spent_in_base(tx, entry.base_id, self._day):
                    settings_row.show(tx, now, entry.base_id, at_once=True)

    def _read_switches(self) -> None:
        """Of bases where a run is moving: elsewhere nothing can be spent. `base_settings` keeps the pace."""
        with self._services.store.read() as tx:
            now = self._services.clock.now()
            runs = [run for run in tx.runs.find(status=tuple(MOVING)) if not schedule.waits(tx, run, now)]
            known = {run.base_id: tx.bases.get(run.base_id) for run in runs if run.base_id}
        for base_id, base in known.items():
            age = now - (base.settings_read_at or 0.0) if base else PUSHED_SETTINGS_S
            if not 0 <= age < PUSHED_SETTINGS_S or not webhook_push.is_on(self._services, base_id):
                base_settings.refresh(self._services, base_id)


def recount(services: Services) -> None:
    """What was quoted and not counted by a former version, while a deployment rolls over."""
    with services.store.write() as tx:
        short = audit.recount_quoted(tx, services.clock.now())
    if short:
        logger.warning("%d totals of days were written by a former version and are whole again", short)


def expire_credits(services: Services) -> int:
    """What nobody spent in time is gone, and what will be is told; how many lots are gone."""
    now = services.clock.now()
    with services.store.read() as tx:
        due, soon = credit_lots.due_to_expire(tx, now), credit_lots.will_expire(tx, now)
    if soon:
        with services.store.write() as tx:
            credit_lots.tell_expiring(tx, now)
    for lot_id in due:
        with services.store.write() as tx:
            credit_lots.expire(tx, now, lot_id)
    return len(due)


def clean_up(services: Services) -> int:
    """Delete what has outlived its retention: clips, cuts and inputs of finished runs; returns how many files."""
    now, policy = services.clock.now(), services.policy
    deleted = 0
    if policy.keep_clips_s is not None:
        deleted += _forget(services, "clips", now - policy.keep_clips_s)
        deleted += _forget_unused(services, now - policy.keep_clips_s)
    if policy.keep_cuts_s is not None:
        deleted += _forget(services, "cuts", now - policy.keep_cuts_s)
    return deleted


def _forget(services: Services, kind: str, before: float) -> int:
    """In small transactions, the oldest first; what is still needed is passed over."""
    deleted, since = 0, 0.0
    for _ in range(ROUNDS):
        with services.store.write() as tx:
            table: Rows[Clip] | Rows[Cut] = tx.clips if kind == "clips" else tx.cuts
            old = table.find(
                order="created_at",
                limit=AT_ONCE,
                after={"created_at": since},
                before={"created_at": before},
                deleted_at=None,
            )
            files = _give_up(table, [row for row in old if _is_over(tx, row)], services.clock.now())
        deleted += keep.remove(services, files)
        if len(old) < AT_ONCE:
            break
        since = old[-1].created_at
    return deleted


def _give_up(table: Rows[Clip] | Rows[Cut], over: Sequence[Clip | Cut], now: float) -> list[str]:
    """First the row says that it is gone; the files that nobody else needs are to go then."""
    for row in over:
        table.change(row.id, deleted_at=now)
    free = [row for row in over if row.key and not table.count(key=row.key, deleted_at=None)]
    return list(dict.fromkeys(key for row in free for key in _files_of(row)))


def _forget_unused(services: Services, before: float) -> int:
    """Cards and what was brought in belong to no single run: they are kept while a run that is not over may need them,
    and then counted from their last use.
    """
    with services.store.read() as tx:
        unused = {"last_used_at": orphans.oldest_open(tx, before)}
        kinds = (FileKind.CARD, FileKind.INPUT)
        old = tx.files.find(kind=kinds, before=unused, order="last_used_at", limit=AT_ONCE)
    return keep.remove(services, [row.id for row in old])


def _is_over(tx: Tx, row: Clip | Cut) -> bool:
    """Neither its own run nor one that reuses it has anything to do with it any more."""
    users = {row.run_id}
    if isinstance(row, Clip):
        users |= {scene.run_id for scene in tx.scenes.find(clip_id=row.id)}
    return all(run.status in TERMINAL for run in tx.runs.find(id=sorted(users)))


def _files_of(row: Clip | Cut) -> list[str]:
    """The file and all that was made from it: pieces and last frame, or poster, captions and provenance."""
    made = row.prepared if isinstance(row, Clip) else {**row.extras, "poster": row.poster_key}
    return [key for key in (row.key, *made.values()) if key]

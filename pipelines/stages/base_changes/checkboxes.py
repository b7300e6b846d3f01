"""Acting on boxes that people tick in the base, however we learn of them: push, a trigger, or the slow poll."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipelines.domain.airtable.fields import AirtableTable, SceneField, VersionField, VideoField
from pipelines.domain.airtable.values import Cell, Cells, shorten
from pipelines.domain.errors import InvalidOrder, NotAllowed, Permanent, ReelgridError, Retryable, TooMany
from pipelines.domain.lifecycle import MOVING, RunStatus
from pipelines.domain.orders.field_labels import for_scene_row
from pipelines.domain.records import Run, Scene
from pipelines.ports import AirtableRow, AirtableScene, AirtableVersion
from pipelines.stages.base_changes import queue_sweep, scene_changes
from pipelines.stages.base_rows import outbox
from pipelines.stages.decisions import control, regenerate
from pipelines.stages.delivery import restore
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import ROW, found_run
from pipelines.stages.orders import accept, schedule

logger = logging.getLogger(__name__)


def poll_checkboxes(services: Services, base_id: str, *, is_new: bool = False) -> queue_sweep.Due:
    """The slow poll: read what is ticked or ready, and act on it; the runs that it was about, and when the next row is
    due. In a base where nothing was made yet (`is_new`) no scene can be made again and no version restored.
    """
    rows = services.airtable.waiting(base_id, services.clock.now() + queue_sweep.HORIZON_S)
    scenes = [] if is_new else services.airtable.ticked(base_id, {AirtableTable.SCENES})[1]
    runs = act_on(services, base_id, rows, scenes) + ([] if is_new else restore_all(services, base_id))
    due = queue_sweep.start_of(services, base_id, rows)
    return replace(due, runs=tuple(dict.fromkeys((*runs, *due.runs))))


def act_on(services: Services, base_id: str, rows: Sequence[AirtableRow], scenes: Sequence[AirtableScene]) -> list[str]:
    """Each box once: it is cleared by what acts on it. Returns the runs that were started or told something."""
    with services.store.read() as tx:
        ticked = [
            (row, tick)
            for row in rows
            for tick in sorted(row.ticks)
            if not outbox.is_unsaid(tx, base_id, row.record_id, tick)
        ]
        wanted = [
            scene
            for scene in scenes
            if scene.regenerate
            and not outbox.is_unsaid(tx, base_id, scene.record_id, SceneField.REGENERATE, AirtableTable.SCENES)
        ]
    runs = [act(services, base_id, row, tick) for row, tick in ticked]
    runs += _regenerate_all(services, base_id, wanted)
    return [run for run in dict.fromkeys(runs) if run is not None]


def act(services: Services, base_id: str, row: AirtableRow, tick: str) -> str | None:
    """What a ticked box of `Videos` asks for. What is not possible right now is said in the row; None then."""
    said: Cells = {tick: False}
    run = None
    try:
        run = _ACTIONS[tick](services, base_id, row)
    except (Permanent, TooMany) as error:
        logger.info("%s of %s: %s", tick, row.record_id, error.operator)
        said[VideoField.STATUS_DETAIL.value] = error.marketer
    say(services, base_id, row.record_id, said, within_s=outbox.SOON_S if run and tick == _APPROVE else outbox.MOMENT_S)
    return run


def say(services: Services, base_id: str, record_id: str, fields: Mapping[str, Cell], *, within_s: float = 0.0) -> None:
    """Write into a row of `Videos` right away, or within a moment."""
    with services.store.write() as tx:
        outbox.say(tx, services.clock.now(), base_id, record_id, fields, within_s=within_s)


def last_run(services: Services, base_id: str, record_id: str) -> Run:
    """The record's newest run. Raises NotAllowed when it never had one."""
    with services.store.read() as tx:
        runs = tx.runs.find(base_id=base_id, record_id=record_id, order="-number", limit=1)
    if not runs:
        raise NotAllowed(marketer="Nothing was started for this row yet: tick Generate first.")
    return runs[0]


def _generate(services: Services, base_id: str, row: AirtableRow) -> str:
    request = accept.StartRequest(
        source="record",
        base_id=base_id,
        table=accept.VIDEOS,
        record_id=row.record_id,
        not_before=row.scheduled_for,
        row=row,
        look=False,
    )
    started = accept.start(services, request)
    if started.existing:
        schedule.reschedule(services, started.run_id, row.scheduled_for)
        control.go_on(services, started.run_id, ROW, row)
    return started.run_id


def _approve(services: Services, base_id: str, row: AirtableRow) -> str:
    run = last_run(services, base_id, row.record_id)
    # Ticked once more than needed: what was approved is approved.
    if run.status is RunStatus.NEEDS_APPROVAL or run.approval != "given":
        control.approve(services, run.id, ROW, row=row)
    return run.id


def _cancel(services: Services, base_id: str, row: AirtableRow) -> str:
    return control.cancel(services, last_run(services, base_id, row.record_id).id, ROW).id


_APPROVE = VideoField.APPROVE.value
_ACTIONS: dict[str, Callable[[Services, str, AirtableRow], str]] = {
    VideoField.GENERATE.value: _generate,
    VideoField.APPROVE.value: _approve,
    VideoField.CANCEL.value: _cancel,
}


@dataclass(frozen=True, slots=True)
class _VideoRows:
    """Rows of videos as they are at this moment, which nobody has read for a box in the row of a scene: each is read
    once, however many scenes of its film are ticked.
    """

    services: Services
    base_id: str
    read: dict[str, AirtableRow | ReelgridError] = field(default_factory=dict)

    def of_run(self, run_id: str) -> AirtableRow | None:
        """None for a run without a row. Raises, each time, what reading it has raised."""
        with self.services.store.read() as tx:
            run = found_run(tx, run_id)
        if run.record_id is None:
            return None
        if run.record_id not in self.read:
            try:
                row = self.services.airtable.row(self.base_id, run.table or AirtableTable.VIDEOS, run.record_id)
                self.read[run.record_id] = row
            except ReelgridError as error:
                self.read[run.record_id] = error
        found = self.read[run.record_id]
        if isinstance(found, ReelgridError):
            raise found
        return found


def _regenerate_all(services: Services, base_id: str, rows: Sequence[AirtableScene]) -> list[str | None]:
    """What cannot be done right now keeps its tick and stops no other; then it is raised."""
    videos, runs = _VideoRows(services, base_id), []
    later: Retryable | None = None
    for row in rows:
        try:
            runs.append(_regenerate(services, base_id, row, videos))
        except Retryable as error:
            later = later or error
    if later is not None:
        raise later
    return runs


def _regenerate(services: Services, base_id: str, row: AirtableScene, videos: _VideoRows) -> str | None:
    """One new clip for the scene of the row, as the row says now."""
    note: Cells = {SceneField.REGENERATE.value: False}
    found = scene_of(services, base_id, row.record_id, row.key)
    try:
        if found is None:
            raise NotAllowed(marketer="This scene was never made: tick Generate in its row of Videos.")
        changes, cells = scene_changes.changes_of(services, base_id, row, found)
        video = videos.of_run(found.run_id)
        regenerate.regenerate(services, found.run_id, found.number, changes, ROW, row=cells, video=video)
    except InvalidOrder as error:
        note[SceneField.ERROR.value] = shorten(InvalidOrder(for_scene_row(error.problems)).marketer)
    except (Permanent, TooMany) as error:
        note[SceneField.ERROR.value] = error.marketer
    now, table = services.clock.now(), AirtableTable.SCENES
    with services.store.write() as tx:
        outbox.put(tx, now, base_id=base_id, table=table, record_id=row.record_id, fields=note, urgent=True)
    return found.run_id if found else None


def scene_of(services: Services, base_id: str, record_id: str, key: str | None) -> Scene | None:
    """The newest scene that a row of `Scenes` shows. A base that was duplicated has the same ids and keys as the one
    it was made from.
    """
    with services.store.read() as tx:
        found = tx.scenes.find(key=key, order="-updated_at") if key else []
        found += tx.scenes.find(airtable_record_id=record_id, order="-updated_at")
        here = {run.id for run in tx.runs.find(id=sorted({scene.run_id for scene in found}), base_id=base_id)}
    return next((scene for scene in found if scene.run_id in here), None)


def restore_all(services: Services, base_id: str) -> list[str]:
    """Put every version whose `Restore` is ticked back into its row; the runs whose films are back."""
    versions = [version for version in services.airtable.restores(base_id) if version.restore]
    runs = [_restore(services, base_id, version) for version in versions]
    return [run for run in runs if run is not None]


def _restore(services: Services, base_id: str, version: AirtableVersion) -> str | None:
    """The films of an earlier run, from our own storage, in the cells of the row; nothing is made anew."""
    record_id, now = version.video_id, services.clock.now()
    with services.store.write() as tx:
        fields = {VersionField.RESTORE.value: False}
        table = AirtableTable.VERSIONS
        outbox.put(tx, now, base_id=base_id, table=table, record_id=version.record_id, fields=fields, urgent=True)
    if record_id is None:
        return None
    try:
        run = _restorable(services, base_id, record_id, version.run)
        restore.show_in_row(services, run)
    except NotAllowed as error:
        say(services, base_id, record_id, {VideoField.STATUS_DETAIL.value: error.marketer})
        return None
    return run.id


def _restorable(services: Services, base_id: str, record_id: str, number: int | None) -> Run:
    newest = last_run(services, base_id, record_id)
    if newest.status in MOVING:
        raise NotAllowed(marketer=f"Wait until run {newest.number} has ended, then restore.")
    with services.store.read() as tx:
        runs = tx.runs.find(base_id=base_id, record_id=record_id, number=number or 0)
    if not runs:
        raise restore.not_kept(number or 0)
    return runs[0]

"""Putting the film into the row, and making sure that Airtable really has it before anybody says done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.domain.board_fields import BoardTable, VideoField
from pipelines.domain.errors import BoardQuota, ReelgridError
from pipelines.domain.lifecycle import CutStatus, RunStatus, SceneStatus
from pipelines.domain.run import Cut, Run, Want
from pipelines.ports import Tx
from pipelines.stages import ledger, outbox, pieces, rescue
from pipelines.stages.moves import FREE, Actor, move_cut, move_run, record, touch_run
from pipelines.stages.services import Services

CHECKS_S = (2.0, 6.0, 20.0, 60.0)
"""Airtable fetches attachments some seconds after the write; these are the pauses before each look."""
WAIT_FOR_FLUSH_S = 5.0
TRIES = 3
UPLOAD_LIMIT = 5 * 1024 * 1024


def advance(services: Services, actor: Actor, run: Run) -> None:
    """One look at how far the delivery is."""
    if run.record_id is None or run.base_id is None:
        _finish(services, actor, run)
        return
    with services.store.read() as tx:
        cuts = _cuts(tx, run)
        want = tx.wants.get(f"{run.base_id}/{BoardTable.VIDEOS}/{run.record_id}")
        parked = quota_exhausted(tx, run.base_id)
    if parked:
        detail = "Airtable's monthly quota is used up: the film is on the progress page and arrives here later."
        _finish(services, actor, run, detail=detail)
    elif want is not None and want.gone:
        _finish(services, actor, run, detail="The row was deleted meanwhile; the film is on the progress page.")
    elif want is not None and not _sent(want):
        _wait_for_flush(services, actor, run, cuts, want)
    elif not services.policy.airtable_reaches_us:
        _upload(services, actor, run, cuts)
    else:
        _verify(services, actor, run, cuts)


def quota_exhausted(tx: Tx, base_id: str) -> bool:
    """Whether Airtable's monthly quota stopped our writes to this base."""
    lane = tx.lanes.get(f"airtable:{base_id}")
    return lane is not None and bool(lane.detail.get("quota"))


def _cuts(tx: Tx, run: Run) -> list[Cut]:
    return tx.cuts.find(run_id=run.id, take=run.take, animatic=False, order="created_at")


def _sent(want: Want) -> bool:
    name = VideoField.FINAL_VIDEO.value
    return name in want.sent and want.sent[name] == want.fields.get(name)


def _wait_for_flush(services: Services, actor: Actor, run: Run, cuts: list[Cut], want: Want) -> None:
    """The pump writes the row; when Airtable refused the file itself, a fresh link is tried."""
    tries = int(cuts[0].attachment.get("tries", 0))
    if want.next_at is not None or want.lease_token:
        with services.store.write() as tx:
            touch_run(tx, actor, run, next_at=services.clock.now() + WAIT_FOR_FLUSH_S, **FREE)
    elif tries + 1 < TRIES:
        _send_again(services, actor, run, cuts, tries + 1)
    else:
        _give_up_attaching(services, actor, run)


def _verify(services: Services, actor: Actor, run: Run, cuts: list[Cut]) -> None:
    """Re-read the cells: every film must be there with its size before the run is done."""
    fields = [VideoField.FINAL_VIDEO.value, VideoField.POSTER.value]
    table = BoardTable.VIDEOS
    cells = services.board.attachments(run.base_id or "", table, run.record_id or "", fields)
    found = {cut.id: arrived(cut, cells.get(VideoField.FINAL_VIDEO.value, [])) for cut in cuts}
    if all(found.values()):
        services.points.reach("deliver.verified", run=run.id)
        _finish(services, actor, run, found=found)
        return
    checks = int(cuts[0].attachment.get("checks", 0)) + 1
    tries = int(cuts[0].attachment.get("tries", 0))
    if checks < len(CHECKS_S):
        _note(services, actor, run, cuts, {"checks": checks, "tries": tries}, CHECKS_S[checks])
    elif tries + 1 < TRIES:
        _send_again(services, actor, run, cuts, tries + 1)
    else:
        _give_up_attaching(services, actor, run)


def arrived(cut: Cut, cell: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The attachment that is this cut, fully ingested: its size is known and right, and its type is a video's."""
    for item in cell:
        right_size = item.get("size") == cut.size
        if right_size and item.get("id") and str(item.get("type", "")).startswith("video/"):
            return item
    return None


def _note(
    services: Services, actor: Actor, run: Run, cuts: list[Cut], attachment: dict[str, Any], pause: float
) -> None:
    with services.store.write() as tx:
        for cut in cuts:
            tx.cuts.change(cut.id, attachment={**cut.attachment, **attachment})
        touch_run(tx, actor, run, next_at=services.clock.now() + pause, **FREE)


def _send_again(services: Services, actor: Actor, run: Run, cuts: list[Cut], tries: int) -> None:
    """Airtable refuses a link that failed before: a fresh one is made for each try."""
    with services.store.write() as tx:
        for cut in cuts:
            tx.cuts.change(cut.id, attachment={"checks": 0, "tries": tries})
        run = touch_run(tx, actor, run, next_at=services.clock.now() + CHECKS_S[0], **FREE)
        record(tx, actor, "run", run.id, run.id, "attached_again", tries=tries)
        outbox.show_films(services, tx, run, cuts, tries=tries)


def _give_up_attaching(services: Services, actor: Actor, run: Run) -> None:
    error = (
        "Airtable could not fetch the film although it is ready: open it with Video URL. Ask your operator to run "
        "flask airtable doctor, then retry."
    )
    with services.store.write() as tx:
        run = move_run(tx, actor, run, RunStatus.NEEDS_ATTENTION, error=error, finished_at=actor.now)
        ledger.release(tx, actor.now, run)
        outbox.show_run(services, tx, run)


def _upload(services: Services, actor: Actor, run: Run, cuts: list[Cut]) -> None:
    """Airtable cannot reach this machine: small films are uploaded, the others have their link."""
    notes = []
    for cut in cuts:
        if cut.attachment.get("id"):
            continue
        if (cut.size or 0) > UPLOAD_LIMIT:
            notes.append("Airtable cannot reach this computer and the film is over 5 MB: open it with Video URL.")
            continue
        path = pieces.local(services, cut.key or "")
        field, name = VideoField.FINAL_VIDEO.value, cut.filename or "film.mp4"
        cells = services.board.attachments(run.base_id or "", BoardTable.VIDEOS, run.record_id or "", [field])
        item = arrived(cut, cells.get(field, []))
        if item is None:
            item = services.board.upload(run.base_id or "", run.record_id or "", field, path, name)
        with services.store.write() as tx:
            tx.cuts.change(cut.id, attachment={"id": item.get("id"), "uploaded": True})
    _finish(services, actor, run, detail=" ".join(dict.fromkeys(notes)) or None)


def _finish(
    services: Services,
    actor: Actor,
    run: Run,
    *,
    found: Mapping[str, Mapping[str, Any] | None] | None = None,
    detail: str | None = None,
) -> None:
    """Everything that was promised is there: give back what is left, and say so, with what a person should look at."""
    with services.store.write() as tx:
        for cut in _cuts(tx, run):
            item = (found or {}).get(cut.id)
            attachment = {**cut.attachment, "id": item.get("id")} if item else cut.attachment
            if cut.status is not CutStatus.DELIVERED:
                move_cut(tx, actor, cut, CutStatus.DELIVERED, delivered_at=services.clock.now(), attachment=attachment)
        ledger.release(tx, services.clock.now(), run)
        doubts = _doubts(tx, run)
        to = RunStatus.NEEDS_ATTENTION if doubts else RunStatus.DONE
        sentence = detail or ("The film is ready." if not doubts else "The film is ready, with something to look at.")
        now = services.clock.now()
        run = move_run(tx, actor, run, to, detail=sentence, error=" ".join(doubts) or None, finished_at=now)
        outbox.show_scenes(services, tx, run, urgent=True)
        outbox.show_run(services, tx, run, urgent=True)


def _doubts(tx: Tx, run: Run) -> list[str]:
    """What is delivered but not as it should be: placeholders and faults that the look at the film found."""
    scenes = tx.scenes.find(run_id=run.id, order="number")
    doubts = []
    for scene in scenes:
        clip = tx.clips.get(scene.clip_id) if scene.clip_id else None
        if clip is not None and clip.placeholder:
            sentence = str(scene.rung.get("placeholder") or rescue.refusal_of(scene))
            doubts.append(f"Scene {scene.number} is a placeholder. {sentence}")
            tx.scenes.change(scene.id, status=SceneStatus.REFUSED, error=sentence)
    for cut in _cuts(tx, run):
        faults = cut.verdict.get("faults") or []
        if faults:
            doubts.append(f"The {cut.format} film was looked at: {'; '.join(faults)}.")
    return doubts


def give_up(services: Services, actor: Actor, run: Run, error: ReelgridError) -> None:
    """The row cannot be written: the film is safe, its link works, and a person looks."""
    if isinstance(error, BoardQuota):
        advance(services, actor, run)
        return
    why = f"The film is ready (open it on the progress page), but the row could not be written: {error.marketer}"
    with services.store.write() as tx:
        row = tx.runs.get(run.id, lock=True)
        if row is None:
            return
        row = move_run(tx, actor, row, RunStatus.NEEDS_ATTENTION, error=why, finished_at=actor.now)
        ledger.release(tx, actor.now, row)
        outbox.show_run(services, tx, row)

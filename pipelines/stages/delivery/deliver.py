"""Putting the film into the row, and making sure that Airtable really has it before anybody says done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipelines.domain.airtable.fields import AirtableTable, VideoField
from pipelines.domain.airtable.values import OTHERS, Cell, attachments
from pipelines.domain.errors import AirtableDenied, AirtableQuota, NotConfigured, RecordGone, ReelgridError
from pipelines.domain.lifecycle import CutStatus, RunStatus, SceneStatus
from pipelines.domain.orders.unused_settings import missing_captions, shown_text
from pipelines.domain.records import Cut, OutboxEntry, Run
from pipelines.ports import Tx
from pipelines.stages.base_rows import base_outages, film_row, run_row, scene_rows
from pipelines.stages.delivery import verify_attachments
from pipelines.stages.films.cuts import films_of
from pipelines.stages.films.signing import NOT_SIGNED
from pipelines.stages.kernel import scratch
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, Actor, record, touch_run, transition_cut, transition_run
from pipelines.stages.recovery import refusals
from pipelines.stages.spending import ledger

CHECKS_S = (2.0, 6.0, 20.0, 60.0)
"""Airtable fetches attachments some seconds after the write; these are the pauses before each look."""
LONGEST_FIRST_S, FETCHED_PER_S = 5.0, 5_000_000
FREE_LOOKS = 2
"""So often we look at what our own server saw before Airtable is asked."""
WAIT_FOR_FLUSH_S = 60.0
"""Whoever writes the row wakes the run; this is for a wake-up that was lost."""
TRIES = 3
UPLOAD_LIMIT = 5 * 1024 * 1024
READY = "The film is ready."
_FILMS, _POSTERS = VideoField.FINAL_VIDEO.value, VideoField.POSTER.value
_R = RunStatus


def advance(services: Services, actor: Actor, run: Run) -> None:
    """One look at how far the delivery is."""
    if run.record_id is None or run.base_id is None:
        _finish(services, actor, run)
        return
    with services.store.read() as tx:
        cuts = films_of(tx, run)
        entry = tx.outbox.get(f"{run.base_id}/{AirtableTable.VIDEOS}/{run.record_id}")
        shut = base_outages.current_outage(tx, run.base_id)
    if entry is not None and entry.gone:
        _finish(services, actor, run, detail=_GONE)
    elif shut is not None:
        _park(services, actor, run, shut.sentence, by_itself=shut.by_itself)
    elif entry is not None and not _sent(entry):
        _wait_for_flush(services, actor, run, cuts, entry)
    elif not services.policy.airtable_reaches_us:
        _upload(services, actor, run, cuts)
    else:
        _verify(services, actor, run, cuts)


_GONE = "The row was deleted meanwhile; the film is on the progress page."


def note_gone(tx: Tx, run_id: str, now: float) -> None:
    """Somebody deleted the row after it was given the film, before it was told so."""
    run = tx.runs.get(run_id, lock=True)
    if run is not None and run.status is _R.DONE:
        tx.runs.change(run_id, {"status": run.status}, detail=_GONE, version=run.version + 1)
    elif run is not None:
        resume(tx, run_id, now)


def _sent(entry: OutboxEntry) -> bool:
    """Airtable has taken what belongs to the film: the files' links, or the film's own link at least."""
    return all(
        name in entry.sent and entry.sent[name] == entry.fields[name] for name in _OF_FILM if name in entry.fields
    )


_OF_FILM = (_FILMS, VideoField.VIDEO_URL.value)


def _wait_for_flush(services: Services, actor: Actor, run: Run, cuts: list[Cut], entry: OutboxEntry) -> None:
    """The pump writes the row; when Airtable refused the file itself, a fresh link is tried."""
    if entry.next_at is not None or entry.lease_token:
        with services.store.write() as tx:
            tx.runs.get(run.id, lock=True)
            current = tx.outbox.get(entry.id)
            # Written while we looked: nobody wakes a run that is being worked on.
            pause = 1.0 if current is None or _sent(current) else WAIT_FOR_FLUSH_S
            touch_run(tx, actor, run, next_at=services.clock.now() + pause, **FREE)
    else:
        _send_again(services, actor, run, cuts)


def _verify(services: Services, actor: Actor, run: Run, cuts: list[Cut]) -> None:
    """Every film must be there before the run is done: Airtable was seen fetching it, or its cell shows its size."""
    if _was_fetched(services, run, cuts):
        services.points.reach("deliver.verified", run=run.id)
        _finish(services, actor, run, fetched=True)
        return
    waited = cuts[0].attachment.waited
    if waited < FREE_LOOKS:
        with services.store.write() as tx:
            _note(tx, cuts, waited=waited + 1)
            touch_run(tx, actor, run, next_at=services.clock.now() + CHECKS_S[0], **FREE)
        return
    cells = services.airtable.attachments(
        run.base_id or "", AirtableTable.VIDEOS, run.record_id or "", [_FILMS, _POSTERS]
    )
    if _FILMS not in cells:
        _finish(services, actor, run, detail=_NO_COLUMN)
        return
    film, poster = verify_attachments.compare_cells(cuts, cells)
    have = {**film.have, **poster.have}
    checks = cuts[0].attachment.checks + 1
    if film.whole and poster.whole:
        services.points.reach("deliver.verified", run=run.id)
        _finish(services, actor, run, have=have)
    elif film.lost or poster.lost or checks >= len(CHECKS_S):
        _send_again(services, actor, run, cuts, have=have, only_posters=film.whole)
    else:
        with services.store.write() as tx:
            _note(tx, cuts, checks=checks)
            touch_run(tx, actor, run, next_at=services.clock.now() + CHECKS_S[checks], **FREE)


def _was_fetched(services: Services, run: Run, cuts: Sequence[Cut]) -> bool:
    with services.store.read() as tx:
        entry = tx.outbox.get(f"{run.base_id}/{AirtableTable.VIDEOS}/{run.record_id}")
        return entry is not None and verify_attachments.was_fetched(tx, entry, [_FILMS, _POSTERS], cuts[0].created_at)


def _note(tx: Tx, cuts: Sequence[Cut], **facts: Any) -> None:
    """Remember of all films: `checks` and `tries` of this round, `links` given ever, whether one `waits`."""
    for cut in cuts:
        tx.cuts.change(cut.id, attachment=replace(cut.attachment, **facts))


def _send_again(
    services: Services,
    actor: Actor,
    run: Run,
    cuts: list[Cut],
    *,
    have: Mapping[str, str] | None = None,
    only_posters: bool = False,
) -> None:
    """Airtable refuses a link that failed before: a fresh one is made for each try of what it does not `have`; in the
    end a person is asked, but not about a poster.
    """
    tries = cuts[0].attachment.tries + 1
    links = cuts[0].attachment.links + 1
    if tries >= TRIES and only_posters:
        _finish(services, actor, run, have=have)
        return
    with services.store.write() as tx:
        if tries >= TRIES:
            _note(tx, cuts, checks=0, tries=0, links=links, waited=0)
            _stop(services, tx, actor, run, _NOT_FETCHED)
            return
        _note(tx, cuts, checks=0, tries=tries, links=links)
        run = touch_run(tx, actor, run, next_at=services.clock.now() + CHECKS_S[0], **FREE)
        record(tx, actor, "run", run.id, run.id, "attached_again", tries=tries)
        film_row.show(services, tx, run, films_of(tx, run), have=have or {})


_NO_COLUMN = (
    f"The film is ready: open it with Video URL. This base has no field “{_FILMS}” to put it into; your operator can "
    "add it with flask airtable setup."
)
_NOT_FETCHED = (
    "Airtable could not fetch the film although it is ready: open it with Video URL. Ask your operator to run "
    "flask airtable doctor, then retry."
)


def _stop(services: Services, tx: Tx, actor: Actor, run: Run, error: str) -> None:
    run = transition_run(tx, actor, run, _R.NEEDS_ATTENTION, error=error, detail="", finished_at=services.clock.now())
    ledger.release(tx, services.clock.now(), run)
    run_row.show(services, tx, run)


def _upload(services: Services, actor: Actor, run: Run, cuts: list[Cut]) -> None:
    """Airtable cannot reach this machine: small films are uploaded, the others have their link."""
    held = film_row.attached(cuts)
    small = [cut for cut in held if (cut.size or 0) <= UPLOAD_LIMIT]
    uploads = [_Upload(_FILMS, cut.key or "", cut.filename or "film.mp4") for cut in small]
    uploads += [_Upload(_POSTERS, cut.poster_key, film_row.poster_name(cut)) for cut in small if cut.poster_key]
    ids: dict[str, list[str]] = {_FILMS: [], _POSTERS: []}
    for one in uploads:
        path = scratch.local(services, one.key)
        file = services.airtable.upload(run.base_id or "", run.record_id or "", one.field, path, one.filename)
        ids[one.field].append(file.id or "")
    detail = None if len(small) == len(held) else f"{READY} {_TOO_LARGE}"
    # Uploading adds to what was there: naming only the new files lets the old ones go.
    cells = {name: attachments([], kept) for name, kept in ids.items() if kept}
    if _FILMS in cells and services.policy.keep_old_films:
        cells[_FILMS].append(OTHERS)
    _finish(services, actor, run, detail=detail, cells=cells)


@dataclass(frozen=True, slots=True)
class _Upload:
    """One file for one cell."""

    field: str
    key: str
    filename: str


_TOO_LARGE = "Airtable cannot reach this computer and the film is over 5 MB: open it with Video URL."


_LATER = (AirtableTable.VERSIONS.value, AirtableTable.SCENES.value)
"""Where files are that nobody waits for."""


def _finish(
    services: Services,
    actor: Actor,
    run: Run,
    *,
    have: Mapping[str, str] | None = None,
    fetched: bool = False,
    detail: str | None = None,
    cells: Mapping[str, Cell] | None = None,
) -> None:
    """Everything that was promised is there: give back what is left, and say so, with what a person should look at.
    `fetched`: the answer to these words shows the film in its cell, or it is looked after (arrivals.confirm).
    """
    now = services.clock.now()
    later = (*_LATER, AirtableTable.VIDEOS.value) if fetched else _LATER if have else ()
    with services.store.write() as tx:
        cuts = films_of(tx, run)
        for cut in cuts:
            known = (have or {}).get(film_row.film_name(cut))
            attachment = (
                verify_attachments.schedule_verification(cut, *later) if later and cut is cuts[0] else cut.attachment
            )
            tx.cuts.change(cut.id, attachment=replace(attachment, waits=False, id=known or attachment.id))
            if cut.status is not CutStatus.DELIVERED:
                transition_cut(tx, actor, cut, CutStatus.DELIVERED, delivered_at=now, next_at=now)
        doubts = _doubts(tx, run)
        to = _R.NEEDS_ATTENTION if doubts else _R.DONE
        sentence = detail or (READY if not doubts else "The film is ready, with something to look at.")
        unsigned = next((NOT_SIGNED for cut in cuts if cut.report and NOT_SIGNED in cut.report.notes), None)
        sentence = " ".join(filter(None, (sentence, _without_captions(tx, run), unsigned)))
        run = transition_run(tx, actor, run, to, detail=sentence, error=" ".join(doubts) or None, finished_at=now)
        ledger.release(tx, now, run)
        scene_rows.show_all(services, tx, run, urgent=True)
        run_row.show(services, tx, run, urgent=True, extra=cells)
    services.points.reach("deliver.finished", run=run.id)


def _without_captions(tx: Tx, run: Run) -> str | None:
    """What the row should say where captions were asked for and there was no text for any."""
    if run.order is None:
        return None
    scenes = tx.scenes.find(run_id=run.id, order="number")
    return missing_captions(run.order, [shown_text(run.order, scene.narration, scene.caption) for scene in scenes])


def _park(services: Services, actor: Actor, run: Run, sentence: str, *, by_itself: bool) -> None:
    """The base refuses us for longer than a pause: the film is safe, its link works, and it arrives when the base is
    open again (`resume`). What waits for a person says so.
    """
    now = services.clock.now()
    with services.store.write() as tx:
        _note(tx, films_of(tx, run), waits=True)
        record(tx, actor, "run", run.id, run.id, "parked", sentence=f"The row has to wait. {sentence}")
        if not by_itself or _doubts(tx, run):
            _stop(services, tx, actor, run, f"{_ON_PAGE} {sentence.rstrip('.')}. {_BY_ITSELF}")
            return
        detail = "Airtable's monthly quota is used up: the film is on the progress page and arrives in the row later."
        run = transition_run(tx, actor, run, _R.DONE, detail=detail, finished_at=now)
        ledger.release(tx, now, run)
        scene_rows.show_all(services, tx, run)
        # By the time that anybody reads it there, the quota is back.
        run_row.show(services, tx, run, extra={VideoField.STATUS_DETAIL.value: READY})


_BY_ITSELF = "It arrives here by itself after that."
_ON_PAGE = "The film is ready (open it on the progress page), but the row could not be written:"


def resume(tx: Tx, run_id: str, now: float) -> None:
    """The row was written. A delivery that waits for that looks soon whether Airtable has fetched the film; one that
    was parked is taken up again.
    """
    run = tx.runs.get(run_id, lock=True)
    if run is None:
        return
    if run.status in (_R.DONE, _R.NEEDS_ATTENTION):
        cuts = [cut for cut in films_of(tx, run) if cut.attachment.waits]
        if cuts:
            _note(tx, cuts, waits=False, checks=0)
            soon, detail = now + first_check_s(cuts), "Airtable is back; looking after the film."
            transition_run(tx, Actor("pump", now), run, _R.DELIVERING, next_at=soon, detail=detail, error=None)
    elif run.status is _R.DELIVERING and run.lease_token is None:
        soon = now + first_check_s(films_of(tx, run))
        tx.runs.change(run_id, {"status": run.status, "lease_token": None}, next_at=soon)


def first_check_s(cuts: Sequence[Cut]) -> float:
    """When Airtable has probably fetched the files: a look that comes too early is a call for nothing."""
    return min(LONGEST_FIRST_S, 1.0 + sum(cut.size or 0 for cut in cuts) / FETCHED_PER_S)


def _doubts(tx: Tx, run: Run) -> list[str]:
    """What is delivered but not as it should be: placeholders and faults that the look at the film found."""
    scenes = tx.scenes.find(run_id=run.id, order="number")
    clips = {clip.id: clip for clip in tx.clips.find(id={scene.clip_id for scene in scenes if scene.clip_id})}
    doubts = []
    for scene in scenes:
        clip = clips.get(scene.clip_id or "")
        if clip is not None and clip.placeholder:
            sentence = scene.attempt_level.placeholder or refusals.refusal_of(scene)
            doubts.append(f"Scene {scene.number} is a placeholder. {sentence}")
            tx.scenes.change(scene.id, status=SceneStatus.REFUSED, error=sentence)
    looked_at = [(cut.named, cut.verdict.faults) for cut in films_of(tx, run) if cut.verdict.faults]
    return doubts + [f"The {name} film was looked at: {'; '.join(faults)}." for name, faults in looked_at]


def give_up(services: Services, actor: Actor, run: Run, error: ReelgridError) -> None:
    """The row cannot be written or read: the film is safe, its link works, and it arrives when the base is back."""
    if isinstance(error, RecordGone):
        _finish(services, actor, run, detail=_GONE)
        return
    if isinstance(error, AirtableQuota | AirtableDenied | NotConfigured):
        with services.store.write() as tx:
            base_outages.record_result(tx, run.base_id or "", error, services.clock.now())
    _park(services, actor, run, error.marketer, by_itself=isinstance(error, AirtableQuota))

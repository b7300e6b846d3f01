"""Bringing a finished clip home before the provider's copy expires: download, look at it, store it, pay for it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipelines.domain.errors import (
    BadDelivery,
    Busy,
    Expired,
    NotConfigured,
    Permanent,
    ReelgridError,
    Retryable,
    Unavailable,
    UnplayableMedia,
)
from pipelines.domain.footage import Footage
from pipelines.domain.keys import new_id, storage_folder
from pipelines.domain.lifecycle import GenerationStatus, Reason, RunStatus, SceneStatus
from pipelines.domain.records import Clip, Generation, Run, Scene
from pipelines.domain.state.generation import GenerationRequest, GenerationResult
from pipelines.ports import Job, Tx
from pipelines.stages.base_rows import run_row, scene_rows
from pipelines.stages.files import keep
from pipelines.stages.generations import submit
from pipelines.stages.kernel import announcements, leases
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor, LostLease, record, transition_generation, transition_run
from pipelines.stages.spending import credit_book, ledger

_G = GenerationStatus
SHORTEST = 0.8
"""A clip that is shorter than this part of what was promised is not what was bought."""
CHUNK = 1024 * 1024
MEND_PAUSE_S = 60.0
STORAGE_PAUSE_S = 5.0
SOON_S = 900.0
"""What expires within this time is fetched before everything else."""
HURRY_S, HURRY_PAUSE_S, SHORTEST_PAUSE_S = 120.0, 5.0, 0.5
"""In the last two minutes it is tried again every few seconds, whatever went wrong."""
GONE_S = 120.0
"""A file that its provider does not have for so long in a row will not come any more, unless it still names a link."""
PAST_PATIENCE_S = 1.0
"""The same, where its time is over."""

logger = logging.getLogger(__name__)


def kept_until(services: Services, gen: Generation) -> float:
    """Until when the provider keeps the result: as it said itself, else as its model's card says."""
    return gen.expires_at or (gen.submitted_at or gen.created_at) + services.catalogue_model(gen.model).retention_s


def due_at(expires_at: float, now: float) -> float:
    """When a result is to be fetched: now, and what expires soon ahead of all that waits, the soonest first."""
    return min(now, expires_at - SOON_S)


def download_clip(services: Services, actor: Actor, gen: Generation) -> None:
    """From succeeded to fetched. Every part may be repeated: the file's key follows from its content."""
    request = gen.request
    path = services.work / "fetch" / f"{gen.id}-{(actor.lease or '')[:8]}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with leases.renewed(services, "generations", gen.id, actor.lease or ""), _in_time(services, gen):
            footage = _download(services, actor, gen, request, path)
        services.points.reach("fetch.downloaded", run=gen.run_id, generation=gen.id)
        clip = keep_clip(services, gen, path, footage)
        services.points.reach("fetch.stored", run=gen.run_id, generation=gen.id)
        _commit(services, replace(actor, now=services.clock.now()), gen, clip)
        services.points.reach("fetch.committed", run=gen.run_id, generation=gen.id)
    finally:
        path.unlink(missing_ok=True)


def _download(services: Services, actor: Actor, gen: Generation, request: GenerationRequest, path: Path) -> Footage:
    """The file, and what it is. What is no video of the promised length is not accepted: wherever else the provider
    has the clip is asked as well.
    """
    found: list[Footage] = []
    damage: list[BadDelivery] = []

    def accept(file: Path) -> None:
        try:
            found.append(probe(services, file, request))
        except BadDelivery as error:
            damage.append(error)
            raise

    try:
        services.providers.get(gen.provider).fetch(
            Job(id=gen.job_id, status=_G.SUCCEEDED, result=gen.result, cost_micro=gen.cost_micro), request, path, accept
        )
    except NotConfigured:
        raise
    except Permanent as error:
        raise (damage[0] if damage else _handle_missing(services, actor, gen, request, error)) from error
    except BadDelivery as error:
        # What is paid for is asked for as long as it may come: a page of HTML says nothing about the clip.
        raise (damage[0] if damage else Unavailable(error.operator, retry_after=error.retry_after)) from error
    return found[-1]


@contextmanager
def _in_time(services: Services, gen: Generation) -> Iterator[None]:
    """However long we are asked to wait, or would wait after many tries: we come back before the copy expires."""
    try:
        yield
    except Retryable as error:
        left = kept_until(services, gen) - services.clock.now()
        pause = error.retry_after if error.retry_after is not None else HURRY_PAUSE_S if left < HURRY_S else None
        if pause is not None and left > 0:
            error.retry_after = min(pause, max(SHORTEST_PAUSE_S, left / 2))
        raise


def _handle_missing(
    services: Services, actor: Actor, gen: Generation, request: GenerationRequest, error: Permanent
) -> ReelgridError:
    """Nothing is there: not yet (a job may be done before its file can be read), not under these links any more (they
    are asked for again), or for good. The error to raise.

    A provider that still keeps the clip and names a link to it has not said that it is gone, whatever its files answer:
    it is asked as long as one that does not answer.
    """
    now = services.clock.now()
    since, kept = gen.result.since(gen.result.gone_since, now), now < kept_until(services, gen)
    over = now - since >= (GONE_S if kept else PAST_PATIENCE_S)
    if over and not kept:
        return error
    seen = replace(gen.result, gone_since=since, looked_at=now)
    _note(services, actor, gen, result=seen)
    promised = False
    with suppress(Expired):
        job = services.providers.get(gen.provider).poll(gen.job_id, request)
        promised = _note_answer(services, actor, gen, seen, job)
    if over and not promised:
        return error
    return Unavailable(error.operator, retry_after=None if over else services.catalogue_model(gen.model).poll_s)


def _note_answer(services: Services, actor: Actor, gen: Generation, seen: GenerationResult, job: Job) -> bool:
    """Keep what the provider says of a job whose file was not there. Whether it says that there is, or will be, one."""
    fresh = replace(GenerationResult.of(job.result), gone_since=seen.gone_since, looked_at=seen.looked_at)
    expires_at = job.expires_at or gen.expires_at
    if job.status is _G.SUCCEEDED:
        _note(services, actor, gen, result=fresh, expires_at=expires_at)
        return bool(fresh.links)
    if job.status in (_G.SUBMITTED, _G.RUNNING):
        # It was called done too early: what is not made yet is not gone.
        known = fresh if fresh.links else seen
        _note(services, actor, gen, result=replace(known, gone_since=None), expires_at=expires_at)
        return True
    return False


def _note(services: Services, actor: Actor, gen: Generation, **changes: Any) -> None:
    """Keep what was learned about a result. Raises LostLease."""
    with services.store.write() as tx:
        if not tx.generations.change(gen.id, actor.fence(gen.status), **changes):
            raise LostLease(gen.id)


def probe(services: Services, path: Path, request: GenerationRequest) -> Footage:
    """Raises BadDelivery unless it is a playable video of about the promised length."""
    try:
        footage = services.editor.probe(path)
    except UnplayableMedia as error:
        raise BadDelivery(f"not playable: {error.operator}") from error
    if footage.duration_s < request.seconds * SHORTEST:
        raise BadDelivery(f"only {footage.duration_s:.2f} of {request.seconds:g} s arrived")
    return footage


def sha256_of(path: Path) -> str:
    """The file's SHA-256, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def keep_clip(services: Services, gen: Generation, path: Path, footage: Footage) -> Clip:
    """The clip in our storage. Raises Busy while that is away or refuses us: it says nothing about the clip, so it is
    not counted as a failure to fetch it.
    """
    with services.store.read() as tx:
        run = tx.runs.get(gen.run_id)
    folder = storage_folder("clips", run.account_id if run else None)
    sha = sha256_of(path)
    try:
        stored = keep.keep(services, gen.run_id, path, f"{folder}/{sha[:2]}/{sha}.mp4", "video/mp4")
    except Unavailable as error:
        words = "Our storage does not answer right now. Nothing is lost: the clip is kept as soon as it does."
        raise Busy(error.operator, marketer=words, retry_after=error.retry_after or STORAGE_PAUSE_S) from error
    return Clip(
        id=new_id("clip"),
        run_id=gen.run_id,
        scene_id=gen.scene_id,
        fingerprint=gen.fingerprint,
        sha256=sha,
        key=stored.key,
        size=stored.size,
        model=gen.model,
        generation_id=gen.id,
        footage=footage,
    )


def _commit(services: Services, actor: Actor, gen: Generation, clip: Clip) -> None:
    """Clip, cost, scene and the run's next look are one commit."""
    cost = gen.cost_micro if gen.cost_micro is not None else gen.reserve_micro
    with services.store.write() as tx:
        run = tx.runs.get(gen.run_id, lock=True)
        scene = tx.scenes.get(gen.scene_id)
        placeholder = bool(scene and scene.attempt_level.placeholder)
        due = None if gen.request.draft else actor.now
        tx.clips.add(replace(clip, cost_micro=cost, placeholder=placeholder, created_at=actor.now, next_at=due))
        # Further takes are brought home after the clip that was ordered.
        more = actor.now if gen.result.takes else None
        gen = transition_generation(tx, actor, gen, _G.FETCHED, cost_micro=cost, clip_id=clip.id, next_at=more)
        if run is None:
            return
        if scene is not None and _is_for(gen, scene) and not placeholder:
            credit_book.capture(tx, actor.now, run, scene.settings.charge_micro, gen)
        if gen.request.draft:
            credit_book.capture(tx, actor.now, run, gen.request.draft_charge_micro, gen)
        ledger.capture(tx, actor.now, run, gen, cost, gen.request.seconds)
        if scene is not None:
            _give_to_scene(services, tx, actor, run, scene, gen, clip)
        submit.wake_if_generating(tx, run, actor.now)


def _is_for(gen: Generation, scene: Scene) -> bool:
    return gen.request.card.take == scene.take and scene.clip_id is None


def _give_to_scene(
    services: Services, tx: Tx, actor: Actor, run: Run, scene: Scene, gen: Generation, clip: Clip
) -> None:
    """The clip becomes the scene's, unless the scene has one or has moved on to another take meanwhile."""
    if not _is_for(gen, scene):
        record(tx, actor, "clip", clip.id, run.id, "kept_aside", scene=scene.id)
        return
    tx.scenes.change(scene.id, clip_id=clip.id, status=SceneStatus.DONE, error=None, updated_at=actor.now)
    scene_rows.show(services, tx, run, tx.scenes.get(scene.id) or scene)
    announcements.tell_progress(tx, actor.now, run)
    _go_on_if_complete(services, tx, actor, run)


def _go_on_if_complete(services: Services, tx: Tx, actor: Actor, run: Run) -> None:
    """The doubt for which a person was asked has cleared up by itself, and nothing is left to buy."""
    if run.status is RunStatus.NEEDS_ATTENTION and not tx.scenes.count(run_id=run.id, clip_id=None):
        again = {"detail": "The missing clip turned up.", "error": None, "finished_at": None, "next_at": actor.now}
        run = transition_run(tx, replace(actor, lease=None), run, RunStatus.GENERATING, **again)
        run_row.show(services, tx, run, urgent=True)


def give_up(services: Services, actor: Actor, gen: Generation, error: ReelgridError) -> None:
    """It cannot be fetched. Where only our own settings are wrong, what is paid for waits for them to be put right."""
    if isinstance(error, NotConfigured) and actor.now < kept_until(services, gen):
        logger.error("generation %s is paid for and cannot be fetched: %s", gen.id, error.operator)
        token, again = actor.lease or "", actor.now + MEND_PAUSE_S
        services.store.release("generations", gen.id, token, next_at=again, attempts=gen.attempts)
        return
    with services.store.write() as tx:
        lose(tx, actor, gen, error)


def lose(tx: Tx, actor: Actor, gen: Generation, error: ReelgridError) -> None:
    """What was paid for cannot be had any more (expired, or never a video): counted as spent, and said."""
    run = tx.runs.get(gen.run_id, lock=True)
    cost = gen.cost_micro if gen.cost_micro is not None else gen.reserve_micro
    gen = transition_generation(tx, actor, gen, _G.FAILED, reason=Reason.EXPIRED, error=error.operator, cost_micro=cost)
    if run is None:
        return
    ledger.capture(tx, actor.now, run, gen, cost, 0.0)
    record(tx, actor, "generation", gen.id, run.id, "lost", error=error.operator)
    submit.wake_if_generating(tx, run, actor.now)

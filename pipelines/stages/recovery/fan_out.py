"""The paid part. Fans a run out into one generation per scene, and in again when every scene has its clip.

A generation's own steps live next door: `submit` buys, `reconcile` clears doubt, `poll` watches, `fetch` brings home.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pipelines.domain.errors import InvalidOrder, OverBudget, ReelgridError
from pipelines.domain.lifecycle import IN_DOUBT, OPEN, GenerationStatus, RunStatus, SceneStatus
from pipelines.domain.planning.hooks import first_film
from pipelines.domain.progress.run_progress import clips_sentence
from pipelines.domain.records import Clip, Generation, Run, Scene
from pipelines.ports import GenerationRequest, Tx, log_context
from pipelines.stages.base_rows import base_settings, run_row, scene_rows
from pipelines.stages.generations import drafts, fetch, poll, reconcile, reuse, submit, takes
from pipelines.stages.generations.requests import cached_clip, fingerprint, generation_of, request_for
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, Actor, record, touch_run, transition_run
from pipelines.stages.languages import translations
from pipelines.stages.orders import intake
from pipelines.stages.pictures import cast
from pipelines.stages.recovery import fallback, refusals
from pipelines.stages.spending import ledger

_G = GenerationStatus
CAST_PAUSE_S = 2.0
"""Whose picture arrives wakes the run that bought it; another that waits for the same one looks so often."""
PREPARING_S = 0.5
"""Whoever makes a clip ready wakes its run and goes on with it; so long the run leaves it to them."""


def _buy(services: Services, actor: Actor, gen: Generation) -> None:
    """Buy it, unless an equal clip is there, or its model is broken and another may take over."""
    if not reuse.is_served(services, actor, gen) and not fallback.step_aside(services, actor, gen):
        submit.buy(services, actor, gen)


STEPS: Mapping[GenerationStatus, Callable[[Services, Actor, Generation], None]] = {
    _G.PLANNED: _buy,
    _G.SUBMITTING: reconcile.clear_doubt,
    _G.UNKNOWN: reconcile.clear_doubt,
    _G.ABANDONED: poll.poll_late,
    _G.SUCCEEDED: fetch.download_clip,
    _G.FETCHED: takes.bring_next,
}


def advance(services: Services, actor: Actor, gen: Generation) -> None:
    """One step of one generation. What is at the provider is polled by the sweep, not here."""
    log_context.add(run_id=gen.run_id)
    if gen.result.called_back and gen.status in (_G.PLANNED, _G.ABANDONED):
        reconcile.confirm(services, actor, gen)
    elif gen.status in STEPS:
        STEPS[gen.status](services, actor, gen)
    else:
        services.store.release("generations", gen.id, actor.lease or "", next_at=gen.next_at, attempts=gen.attempts)


def give_up(services: Services, actor: Actor, generation_id: str, error: ReelgridError) -> None:
    """A step of a generation cannot succeed: it failed, or stays in doubt, and its run looks what follows."""
    with services.store.read() as tx:
        gen = tx.generations.get(generation_id)
    if gen is None:
        return
    if gen.status in IN_DOUBT:
        reconcile.leave_to_person(services, actor, gen)
    elif gen.status is _G.SUCCEEDED:
        fetch.give_up(services, actor, gen, error)
    elif gen.status is _G.FETCHED:
        takes.give_up(services, actor, gen, error)
    elif gen.status is _G.PLANNED:
        with services.store.write() as tx:
            submit.drop(tx, actor, gen, error)
    else:
        services.store.release("generations", gen.id, actor.lease or "", next_at=None, attempts=gen.attempts)


@dataclass(frozen=True, slots=True)
class _Found:
    """What the fan-out sees of one scene."""

    scene: Scene
    generations: list[Generation]

    @property
    def open(self) -> Generation | None:
        return next((gen for gen in self.generations if gen.status in OPEN), None)

    @property
    def of_this_take(self) -> list[Generation]:
        return [gen for gen in self.generations if gen.request.card.take == self.scene.take]


def fan_out(services: Services, actor: Actor, run: Run) -> None:
    """Plan what is not bought yet, and go on to stitching when nothing is missing."""
    missing = _missing(services, run)
    if any(found.open is None for found in missing):
        # A person's retry or new clip over HTTP asks nobody: the base's wishes are read here, before it is bought.
        base_settings.refresh(services, run.base_id)
        missing = _missing(services, run)
        if _bring_pictures(services, actor, run, [found.scene for found in missing]):
            missing = _missing(services, run)
    refusals.explain_refusals(services, actor, run, [(found.scene, found.generations) for found in missing])
    with services.store.write() as tx:
        run = touch_run(tx, actor, run)
        scenes = tx.scenes.find(run_id=run.id, order="number")
        translations.order_words(services, tx, actor, run, scenes)
        if cast.waits(tx, services, actor, run):
            touch_run(tx, actor, run, next_at=actor.now + CAST_PAUSE_S, detail=cast.WAITS, attempts=0, **FREE)
            return
        scenes = cast.give(services, tx, run, scenes)
        tried = _by_scene(tx, run)
        for scene in scenes:
            if scene.clip_id is None:
                _attend(services, tx, actor, run, _Found(scene, tried.get(scene.id, [])), len(first_film(scenes)))
        _fan_in(services, tx, actor, run)
    services.points.reach("scenes.planned", run=run.id)


def _bring_pictures(services: Services, actor: Actor, run: Run, scenes: Sequence[Scene]) -> bool:
    """Whether there were pictures that a person named by address for a scene that is made again: they are ours before
    it is bought. One that cannot be fetched is said at its scene, which is not bought then. Raises Unavailable and
    Busy.
    """
    waiting = [scene for scene in scenes if scene.status is SceneStatus.QUEUED and _named_by_address(scene)]
    for scene in waiting:
        try:
            brought = scene.with_pictures(intake.bring_pictures(services, _named_by_address(scene), run))
        except InvalidOrder as error:
            sentence = " ".join(problem.message for problem in error.problems)
            brought = replace(scene, status=SceneStatus.FAILED, error=f"Its picture cannot be used. {sentence}")
        with services.store.write() as tx:
            touch_run(tx, actor, run)
            tx.scenes.change(
                scene.id,
                references=brought.references,
                settings=brought.settings,
                status=brought.status,
                error=brought.error,
                updated_at=actor.now,
            )
            if brought.error:
                record(tx, actor, "scene", scene.id, run.id, "note", sentence=f"Scene {scene.number}: {brought.error}")
    return bool(waiting)


def _named_by_address(scene: Scene) -> list[str]:
    return [picture for picture in scene.pictures if "://" in picture]


def _by_scene(tx: Tx, run: Run) -> dict[str, list[Generation]]:
    """What was tried for each scene, the first try first."""
    tried: dict[str, list[Generation]] = {}
    for gen in tx.generations.find(run_id=run.id, order="attempt"):
        tried.setdefault(gen.scene_id, []).append(gen)
    return tried


def _missing(services: Services, run: Run) -> list[_Found]:
    with services.store.read() as tx:
        scenes = tx.scenes.find(run_id=run.id, clip_id=None, order="number")
        tried = _by_scene(tx, run) if scenes else {}
    return [_Found(scene, tried.get(scene.id, [])) for scene in scenes]


def _attend(services: Services, tx: Tx, actor: Actor, run: Run, found: _Found, total: int) -> None:
    if found.open is not None:
        return
    scene = found.scene
    first_frame = None
    if scene.continues and scene.number > 1:
        before = tx.scenes.find(run_id=run.id, number=scene.number - 1)[0]
        clip = tx.clips.get(before.clip_id) if before.clip_id else None
        first_frame = clip.last_frame if clip else None
        if first_frame is None:
            return
    scene = refusals.next_attempt(services, tx, actor, run, scene, found.of_this_take)
    if scene.status is SceneStatus.FAILED:
        return
    title = run.order.title if run.order else None
    mark = fingerprint(request_for(scene, total, title, first_frame=first_frame), scene.take, run.account_id)
    clip = cached_clip(tx, scene, mark)
    if clip is not None:
        _reuse(services, tx, actor, run, scene, clip, mark)
        return
    scene = refusals.around_broken(services, tx, actor, run, scene)
    # Another model may have lost the pictures of the cast.
    (scene,) = cast.give(services, tx, run, [scene])
    request = drafts.made_from(
        services, tx, run, scene, request_for(scene, total, title, first_frame=first_frame), total
    )
    _plan(services, tx, actor, run, scene, request, len(found.generations) + 1)


def _plan(
    services: Services, tx: Tx, actor: Actor, run: Run, scene: Scene, request: GenerationRequest, attempt: int
) -> None:
    """Commit a part of the hold to one generation, which is bought by a step of its own."""
    mark = fingerprint(request, scene.take, run.account_id)
    card = services.catalogue_model(scene.model)
    parts: dict[str, int] = {"reserve_micro": scene.settings.price_micro, "attempt": attempt}
    gen = generation_of(card, run, scene.id, request, mark, actor.now, **parts)
    try:
        ledger.must_still_fit(tx, actor.now, run, gen.reserve_micro)
    except OverBudget as error:
        tx.scenes.change(scene.id, status=SceneStatus.FAILED, error=error.marketer)
        record(tx, actor, "scene", scene.id, run.id, "over_budget", model=scene.model)
        return
    tx.generations.add(gen)
    ledger.reserve(tx, actor.now, run, gen)
    tx.scenes.change(scene.id, status=SceneStatus.GENERATING, fingerprint=mark, error=None, updated_at=actor.now)
    record(tx, actor, "generation", gen.id, run.id, "status", None, gen.status, scene=scene.id, model=gen.model)


def _reuse(services: Services, tx: Tx, actor: Actor, run: Run, scene: Scene, clip: Clip, mark: str) -> None:
    done = {"status": SceneStatus.DONE, "error": None, "updated_at": actor.now}
    tx.scenes.change(scene.id, clip_id=clip.id, fingerprint=mark, **done)
    tx.clips.change(clip.id, next_at=actor.now)
    record(tx, actor, "scene", scene.id, run.id, "reused", clip=clip.id, saved_micro=clip.cost_micro)
    scene_rows.show(services, tx, run, tx.scenes.get(scene.id) or scene)


def _fan_in(services: Services, tx: Tx, actor: Actor, run: Run) -> None:
    """Stitch, wait, or ask a person: decided from committed rows alone."""
    scenes = tx.scenes.find(run_id=run.id, order="number")
    ready = sum(scene.clip_id is not None for scene in scenes)
    every = tx.generations.find(run_id=run.id, order="attempt")
    open_ones = [gen for gen in every if gen.status in OPEN and not gen.request.draft]
    doubtful = [gen for gen in open_ones if gen.status is _G.UNKNOWN and gen.next_at is None]
    if ready == len(scenes):
        detail = "Putting the film together."
        clips = tx.clips.find(id=[scene.clip_id or "" for scene in scenes])
        pause = PREPARING_S if any(clip.next_at is not None for clip in clips) else 0.0
        run = transition_run(tx, actor, run, RunStatus.STITCHING, next_at=actor.now + pause, detail=detail)
    elif len(open_ones) > len(doubtful) or any(_waits_for_frame(tx, scene) for scene in scenes):
        run = touch_run(tx, actor, run, next_at=None, detail=clips_sentence(ready, len(scenes)), attempts=0, **FREE)
    else:
        run = _ask(tx, actor, run, scenes, doubtful)
        scene_rows.show_all(services, tx, run)
    run_row.show(services, tx, run)


def _waits_for_frame(tx: Tx, scene: Scene) -> bool:
    """The scene before it is there, and its last frame is being cut out."""
    if scene.clip_id is not None or not scene.continues or scene.number == 1:
        return False
    before = tx.scenes.find(run_id=scene.run_id, number=scene.number - 1)[0]
    clip = tx.clips.get(before.clip_id) if before.clip_id else None
    return clip is not None and clip.last_frame is None and clip.next_at is not None


def _ask(tx: Tx, actor: Actor, run: Run, scenes: list[Scene], doubtful: list[Generation]) -> Run:
    missing = [scene for scene in scenes if scene.clip_id is None]
    if doubtful:
        numbers = ", ".join(str(scene.number) for scene in missing if scene.id in {g.scene_id for g in doubtful})
        decide = (
            "On the progress page choose: wait, write it off and retry, or cancel."
            if run.account_id is None
            else "Whoever runs this service decides how it goes on."
        )
        error = (
            f"Scene {numbers}: the video service never answered, and may have charged for it. {decide} The other clips "
            "are safe."
        )
    else:
        reasons = "; ".join(f"Scene {scene.number}: {scene.error or 'not made'}" for scene in missing[:5])
        error = f"{reasons} Everything that was paid for is kept; change what is named, then retry."
    detail = clips_sentence(len(scenes) - len(missing), len(scenes))
    run = transition_run(tx, actor, run, RunStatus.NEEDS_ATTENTION, error=error, detail=detail, finished_at=actor.now)
    ledger.release(tx, actor.now, run)
    return run

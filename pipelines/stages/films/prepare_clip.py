"""A clip that has arrived is made ready for the film while the others are still being generated, and with it the cards
and transitions that it allows to be rendered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipelines.domain.errors import ReelgridError
from pipelines.domain.keys import storage_folder
from pipelines.domain.lifecycle import MOVING
from pipelines.domain.planning.translation import is_translated
from pipelines.domain.records import LAST_FRAME, Clip, Run, Scene
from pipelines.ports import Tx, log_context
from pipelines.stages.files import keep
from pipelines.stages.films import pieces, timeline
from pipelines.stages.kernel import scratch
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, Actor, record, wake_run
from pipelines.stages.narration import lines


def prepare_pieces(services: Services, actor: Actor, clip: Clip) -> None:
    """Cut out the last frame if a next scene starts from it, and prepare one piece for each format of each run that
    has the clip: reused, it works for others than the one it was bought for.
    """
    with services.store.read() as tx:
        users = _users(tx, clip.id)
    log_context.add(run_id=clip.run_id)
    users = [(pieces.settle_rate(services, run), scene) for run, scene in users]
    prepared: dict[str, str] = {}
    changes: list[tuple[str, str]] = []
    for run, scene in users:
        made, changed = _work(services, run, scene, replace(clip, prepared={**clip.prepared, **prepared}))
        prepared |= made
        changes += [(run.id, f"Scene {scene.number} was made to fit: {'; '.join(changed)}.")] if changed else []
    with services.store.write() as tx:
        if LAST_FRAME in prepared:
            # The next scene can be bought now: it need not wait for cards and transitions.
            _wake(tx, users, actor.now)
        # Its thumbnail may have been made meanwhile.
        current = tx.clips.get(clip.id, lock=True) or clip
        if tx.clips.change(clip.id, {"lease_token": actor.lease}, prepared={**current.prepared, **prepared}):
            for run_id, sentence in changes:
                record(tx, actor, "clip", clip.id, run_id, "note", sentence=sentence)
    for run, scene in users:
        timeline.render_ahead(services, run, scene)
    with services.store.write() as tx:
        _wake(tx, users, actor.now)
        current = tx.clips.get(clip.id, lock=True) or clip
        # Another run may have reused the clip meanwhile, or its spoken line arrived.
        known_uses = [_use(run, scene) for run, scene in users]
        again = actor.now if any(_use(run, scene) not in known_uses for run, scene in _users(tx, clip.id)) else None
        known = {**current.prepared, **prepared}
        tx.clips.change(clip.id, {"lease_token": actor.lease}, prepared=known, next_at=again, attempts=0, **FREE)


def _users(tx: Tx, clip_id: str) -> list[tuple[Run, Scene]]:
    """Scenes that have the clip, with their runs, as long as those move."""
    scenes = tx.scenes.find(clip_id=clip_id)
    runs = {run.id: run for run in tx.runs.find(id=[scene.run_id for scene in scenes], status=tuple(MOVING))}
    return [(runs[scene.run_id], scene) for scene in scenes if scene.run_id in runs]


def _use(run: Run, scene: Scene) -> object:
    return run.id, scene.sound, scene.translations


def _wake(tx: Tx, users: Sequence[tuple[Run, Scene]], now: float) -> None:
    for run_id in sorted({run.id for run, _ in users}):
        wake_run(tx, run_id, now)


def _work(services: Services, run: Run, scene: Scene, clip: Clip) -> tuple[dict[str, str], list[str]]:
    """What was made, by its key, and in words what was changed."""
    with services.store.read() as tx:
        followers = tx.scenes.find(run_id=run.id, number=scene.number + 1, continues=True)
    made: dict[str, str] = {}
    changed: dict[str, None] = {}
    if followers and clip.last_frame is None:
        made[LAST_FRAME] = _last_frame(services, clip, run.account_id)
    works = [work for shown in _shown(services, run, scene) for work in pieces.works(run, shown, clip)]
    for work in works:
        key = work.key
        if key not in clip.prepared and key not in made:
            made[key], words = pieces.make(services, work)
            changed |= dict.fromkeys(words)
            services.points.reach("piece.stored", run=run.id, clip=clip.id)
    return made, list(changed)


def _shown(services: Services, run: Run, scene: Scene) -> list[Scene]:
    """The scene in each language of the run whose words and spoken line are there. What is still to come wakes the clip
    when it does: a piece without it would be made for nothing.
    """
    plan, order = run.known_plan, run.known_order
    if plan.languages == ("",) and not order.voiceover:
        return [scene]
    with services.store.read() as tx:
        current = tx.scenes.get(scene.id) or scene
        own = plan.languages[0]
        known = [one for one in plan.languages if one == own or is_translated(order, current, one)]
        return [current.in_language(one) for one in known if not lines.waits(tx, services, run, [current], one)]


def _last_frame(services: Services, clip: Clip, account_id: str | None) -> str:
    key = f"{storage_folder('frames', account_id)}/{clip.sha256[:2]}/{clip.sha256}-last.png"
    if services.media.stat(key) is None:
        with scratch.draft(services, "frames", f"{clip.id}.png") as path:
            services.editor.last_frame(scratch.local(services, clip.key), path)
            keep.keep(services, clip.run_id, path, key, "image/png")
    return key


def give_up(services: Services, actor: Actor, clip_id: str, error: ReelgridError) -> None:
    """It could not be made ready ahead of time: the stitching step tries again and says what is wrong."""
    with services.store.write() as tx:
        clip = tx.clips.get(clip_id)
        if clip is None:
            return
        _wake(tx, _users(tx, clip_id), actor.now)
        record(tx, actor, "clip", clip.id, clip.run_id, "not_prepared", error=error.operator)
        tx.clips.change(clip_id, {"lease_token": actor.lease}, next_at=None, **FREE)

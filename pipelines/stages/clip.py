"""A clip that has arrived is made ready for the film while the others are still being generated."""

from __future__ import annotations

from pathlib import Path

from pipelines.domain.errors import ReelgridError
from pipelines.domain.run import Clip, Run, Scene
from pipelines.stages import pieces
from pipelines.stages.moves import FREE, Actor, record, wake_run
from pipelines.stages.services import Services


def prepare_pieces(services: Services, actor: Actor, clip_id: str) -> None:
    """Cut out the last frame if the next scene starts from it, and prepare one piece for each format of the run."""
    with services.store.read() as tx:
        clip = tx.clips.get(clip_id)
        # A reused clip works for the scene that has it now, not for the one it was bought for.
        scenes = tx.scenes.find(clip_id=clip_id, order="-updated_at", limit=1) if clip else []
        run = tx.runs.get(scenes[0].run_id) if scenes else None
    if clip is None:
        return
    prepared = dict(clip.prepared)
    if run is not None:
        prepared |= _work(services, run, scenes[0], clip)
    with services.store.write() as tx:
        tx.clips.change(clip.id, {"lease_token": actor.lease}, prepared=prepared, next_at=None, attempts=0, **FREE)
        if run is not None:
            wake_run(tx, run.id, actor.now)


def _work(services: Services, run: Run, scene: Scene, clip: Clip) -> dict[str, str]:
    with services.store.read() as tx:
        followers = tx.scenes.find(run_id=run.id, number=scene.number + 1, continues=True)
    made = {}
    if followers and "last_frame" not in clip.prepared:
        made["last_frame"] = _last_frame(services, clip)
    for work in pieces.works(run, scene, clip):
        key = work.key
        if key not in clip.prepared:
            made[key] = pieces.make(services, work)
            services.points.reach("piece.stored", run=run.id, clip=clip.id)
    return made


def _last_frame(services: Services, clip: Clip) -> str:
    key = f"frames/{clip.sha256[:2]}/{clip.sha256}-last.png"
    if services.media.stat(key) is None:
        path = services.work / "frames" / f"{clip.id}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        services.studio.last_frame(local_copy(services, clip), path)
        services.media.put_file(path, key, "image/png")
        path.unlink()
    return key


def local_copy(services: Services, clip: Clip) -> Path:
    """The clip's file on this machine."""
    return pieces.local(services, clip.key)


def give_up(services: Services, actor: Actor, clip_id: str, error: ReelgridError) -> None:
    """It could not be made ready ahead of time: the stitching step tries again and says what is wrong."""
    with services.store.write() as tx:
        clip = tx.clips.get(clip_id)
        if clip is not None:
            record(tx, actor, "clip", clip.id, clip.run_id, "not_prepared", error=error.operator)
            tx.clips.change(clip_id, {"lease_token": actor.lease}, next_at=None, **FREE)
            wake_run(tx, clip.run_id, actor.now)

"""Transitions are rendered per pair of neighbours as soon as both are there, so that the join has little left to do."""

from __future__ import annotations

import shutil
from pathlib import Path

from pipelines.domain.footage import Boundary, Transition
from pipelines.domain.order import Order, order_from_json
from pipelines.domain.plan import plan_from_json
from pipelines.domain.run import Clip, Run, Scene
from pipelines.stages import pieces, scratch
from pipelines.stages.services import Services


def between(order: Order, scene: Scene | None = None) -> Boundary:
    """Between the scene before and this one: its own wish, else the row's."""
    kind = Transition(scene.transition) if scene is not None and scene.transition else order.transition
    return Boundary(kind=kind, seconds=0.0 if kind is Transition.CUT else order.transition_seconds)


def folder(services: Services, run: Run) -> Path:
    """Where a run's seams wait for its film, on this machine; whoever does not find them renders them."""
    return services.work / "seams" / run.id


def render_ahead(services: Services, run: Run, scene: Scene) -> None:
    """The seams on both sides of a scene whose piece has just been made, where the neighbour's is there too."""
    order = order_from_json(run.order or {})
    with services.store.read() as tx:
        scenes = tx.scenes.find(run_id=run.id, order="number")
        clips = {one.id: tx.clips.get(one.clip_id) for one in scenes if one.clip_id}
    index = next((at for at, one in enumerate(scenes) if one.id == scene.id), 0)
    for left in (index - 1, index):
        if 0 <= left < len(scenes) - 1 and between(order, scenes[left + 1]).seconds:
            _render(services, run, order, scenes, clips, left)


def _render(
    services: Services, run: Run, order: Order, scenes: list[Scene], clips: dict[str, Clip | None], left: int
) -> None:
    around = (
        between(order, scenes[left]) if left > 0 else None,
        between(order, scenes[left + 2]) if left + 2 < len(scenes) else None,
    )
    for name in plan_from_json(run.plan or {}).formats:
        paths = [_piece(services, run, one, clips.get(one.id), name) for one in scenes[left : left + 2]]
        if paths[0] is not None and paths[1] is not None:
            boundary, target = between(order, scenes[left + 1]), pieces.target_of(run, name)
            services.studio.seam(paths[0], paths[1], boundary, target, folder(services, run), around)


def _piece(services: Services, run: Run, scene: Scene, clip: Clip | None, name: str) -> Path | None:
    if clip is None:
        return None
    keys = [clip.prepared.get(work.key) for work in pieces.works(run, scene, clip) if work.format == name]
    return scratch.local(services, keys[0]) if keys and keys[0] else None


def forget(services: Services, run: Run) -> None:
    """The film is made: its seams are in it."""
    shutil.rmtree(folder(services, run), ignore_errors=True)

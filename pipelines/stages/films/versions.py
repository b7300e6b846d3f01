"""What an earlier film of a run was made of: each take with its films, and its scenes as they went into them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pipelines.domain.lifecycle import CutStatus
from pipelines.domain.records import Clip, Cut, Run, Scene
from pipelines.domain.state.delivery import JoinedScene
from pipelines.ports import Tx
from pipelines.stages.films.cuts import as_joined, films_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A take of a run: its films that are kept, and its scenes as they went into them."""

    take: int
    films: Sequence[Cut]
    scenes: Sequence[JoinedScene]


def version_of(tx: Tx, run: Run, scenes: Sequence[Scene], take: int) -> Version:
    """A take as it was made, of the scenes that the run has; without films where none is kept."""
    films = [cut for cut in films_of(tx, run, take) if cut.key and cut.status is not CutStatus.PLANNED]
    every = tx.cuts.find(run_id=run.id, take=take, animatic=False)
    known = {one.scene_id: one for cut in every for one in cut.report.scenes}
    made_at = min((cut.created_at for cut in every), default=0.0)
    return Version(take=take, films=films, scenes=list(_as_they_were(tx, run, scenes, known, made_at)))


def _as_they_were(
    tx: Tx, run: Run, scenes: Sequence[Scene], known: dict[str, JoinedScene], made_at: float
) -> Iterator[JoinedScene]:
    """Films that do not remember their scenes showed the newest clips of their time."""
    for scene in scenes:
        if scene.id in known:
            yield known[scene.id]
            continue
        before = [
            clip
            for clip in tx.clips.find(run_id=run.id, scene_id=scene.id, order="created_at")
            if clip.created_at <= made_at
        ]
        if before:
            yield with_clip(tx, run, scene, before[-1])
        else:
            yield from as_joined([scene])


def with_clip(tx: Tx, run: Run, scene: Scene, clip: Clip) -> JoinedScene:
    """The scene as a film that shows this clip remembers it, else as it was ordered; with the words of now."""
    remembered = {
        one.clip_id: one for cut in tx.cuts.find(run_id=run.id, order="created_at") for one in cut.report.scenes
    }
    gen = tx.generations.get(clip.generation_id) if clip.generation_id else None
    now = replace(scene, clip_id=clip.id)
    if clip.id in remembered:
        was = remembered[clip.id]
        now = replace(now, prompt=was.prompt, seconds=was.seconds, model=was.model, settings=was.settings)
    elif gen is not None and scene.clip_id != clip.id:
        asked = gen.request
        settings = replace(scene.settings, seed=asked.seed, negative_prompt=asked.negative_prompt)
        words = scene.prompt if scene.settings.style else asked.prompt
        now = replace(now, prompt=words, model=asked.model or scene.model, settings=settings)
    return as_joined([now])[0]

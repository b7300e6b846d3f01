"""What a film shows, in order, and how it goes from one thing to the next. Whatever the join needs besides the pieces
is rendered as soon as it can be, so that little is left to do when the last clip arrives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.domain.footage import Boundary, Transition
from pipelines.domain.order import Order, order_from_json
from pipelines.domain.plan import plan_from_json
from pipelines.domain.run import Clip, Run, Scene
from pipelines.stages import cards, pieces, scratch
from pipelines.stages.services import Services


@dataclass(frozen=True, slots=True)
class Shot:
    """A scene, or the text of a card; and how the film goes `into` it from what it showed before."""

    into: Boundary
    scene: Scene | None = None
    card: str | None = None


def shots(order: Order, scenes: Sequence[Scene]) -> list[Shot]:
    """Everything that the film shows: the title card, the scenes, the end card."""
    found = [Shot(between(order, scene), scene=scene) for scene in scenes]
    if order.title_card:
        found.insert(0, Shot(between(order), card=order.title_card))
    if order.end_card:
        found.append(Shot(between(order), card=order.end_card))
    return found


def between(order: Order, scene: Scene | None = None) -> Boundary:
    """Between what is shown before and this scene: its own wish, else the row's."""
    kind = Transition(scene.transition) if scene is not None and scene.transition else order.transition
    return Boundary(kind=kind, seconds=0.0 if kind is Transition.CUT else order.transition_seconds)


@dataclass(frozen=True, slots=True)
class _Reel:
    """One format of a run's film as far as it is there."""

    services: Services
    run: Run
    format: str
    shots: Sequence[Shot]
    clips: Mapping[str, Clip | None]

    def path(self, at: int) -> Path | None:
        """The prepared piece, or the card, that is shown in this place; None as long as it is missing."""
        shot, target = self.shots[at], pieces.target_of(self.run, self.format)
        if shot.card is not None:
            return cards.ahead(self.services, shot.card, target)
        clip = self.clips.get(shot.scene.id) if shot.scene else None
        if shot.scene is None or clip is None:
            return None
        works = pieces.works(self.run, shot.scene, clip)
        key = next((clip.prepared.get(work.key) for work in works if work.format == self.format), None)
        return scratch.local(self.services, key) if key else None

    def render_seam(self, at: int) -> None:
        """How the film goes into this place, if that takes pictures of its own and both sides are there."""
        shot = self.shots[at]
        if not shot.into.seconds:
            return
        before, after = self.path(at - 1), self.path(at)
        if before is None or after is None:
            return
        around = (
            self.shots[at - 1].into if at > 1 else None,
            self.shots[at + 1].into if at + 1 < len(self.shots) else None,
        )
        target, ready = pieces.target_of(self.run, self.format), scratch.cache(self.services)
        self.services.studio.seam(before, after, shot.into, target, ready, around)


def render_ahead(services: Services, run: Run, scene: Scene) -> None:
    """The film's cards, and the seams on both sides of a scene whose piece has just been made."""
    order = order_from_json(run.order or {})
    with services.store.read() as tx:
        scenes = tx.scenes.find(run_id=run.id, order="number")
        clips = {one.id: tx.clips.get(one.clip_id) for one in scenes if one.clip_id}
    film = shots(order, scenes)
    mine = next(at for at, shot in enumerate(film) if shot.scene is not None and shot.scene.id == scene.id)
    for name in plan_from_json(run.plan or {}).formats:
        reel = _Reel(services, run, name, film, clips)
        for at, shot in enumerate(film):
            if shot.card is not None:
                reel.path(at)
        for at in range(max(1, mine), min(mine + 2, len(film))):
            reel.render_seam(at)

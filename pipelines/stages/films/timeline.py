"""What a film shows, in order, and how it goes from one thing to the next. Whatever the join needs besides the pieces
is rendered as soon as it can be, so that little is left to do when the last clip arrives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from pipelines.domain.footage import Boundary, FilmDraft, Target, Transition
from pipelines.domain.orders.order import Order, ai_label_corner
from pipelines.domain.planning.hooks import film_of, letters_of
from pipelines.domain.records import Clip, Run, Scene
from pipelines.stages.films import cards, pieces
from pipelines.stages.films.cards import CardWork
from pipelines.stages.kernel import scratch
from pipelines.stages.kernel.services import Services
from pipelines.stages.languages import translations


@dataclass(frozen=True, slots=True)
class Shot:
    """A scene, or a card; and how the film goes `into` it from what it showed before."""

    into: Boundary
    scene: Scene | None = None
    card: CardWork | None = None


def shots(order: Order, scenes: Sequence[Scene]) -> list[Shot]:
    """Everything that the film shows: the title card, the scenes, the end card."""
    found = [Shot(between(order, scene), scene=scene) for scene in scenes]
    lettering, legal = pieces.lettering_of(order), order.brand.legal_line if order.brand else None
    label = ai_label_corner(order)
    if order.title_card:
        found.insert(0, Shot(between(order), card=CardWork(order.title_card, None, lettering, label)))
    if order.end_card:
        found.append(Shot(between(order), card=CardWork(order.end_card, legal, lettering, label)))
    elif legal:
        found.append(Shot(between(order), card=CardWork(legal, None, lettering, label)))
    return found


def joins(order: Order, film: Sequence[Shot]) -> list[Boundary]:
    """How the film goes into each of its shots, and out of the last: it begins and ends in black where that is how
    its scenes are joined.
    """
    ends = [one if one.kind is Transition.FADE_BLACK else Boundary() for one in (film[0].into, between(order))]
    return [ends[0], *(shot.into for shot in film[1:]), ends[1]]


def between(order: Order, scene: Scene | None = None) -> Boundary:
    """Between what is shown before and this scene: its own wish, else the row's."""
    kind = Transition(scene.transition) if scene is not None and scene.transition else order.transition
    return Boundary(kind=kind, seconds=0.0 if kind is Transition.CUT else order.transition_seconds)


@dataclass(frozen=True, slots=True)
class _Draft:
    """One format of a run's film as far as it is there."""

    services: Services
    run: Run
    format: str
    shots: Sequence[Shot]
    joins: Sequence[Boundary]
    """One more than there are shots."""
    clips: Mapping[str, Clip]
    known: dict[int, Path | None] = field(default_factory=dict)
    """What was found to be shown, by its place."""

    @property
    def first(self) -> int:
        """The place of the first scene, whose decoder settings the film keeps."""
        return next(at for at, shot in enumerate(self.shots) if shot.scene is not None)

    @property
    def target(self) -> Target:
        """What all pieces are brought to."""
        return pieces.target_of(self.run, self.format)

    def path(self, at: int) -> Path | None:
        """What is shown in this place as it stands in the film; None as long as it is missing."""
        if at not in self.known:
            self.known[at] = self._found(at)
        return self.known[at]

    def _found(self, at: int) -> Path | None:
        shot = self.shots[at]
        if shot.card is not None:
            return cards.ahead(self.services, shot.card, self.target)
        first, piece = self.piece(self.first), self.piece(at)
        if piece is None or first is None or at == self.first:
            return piece
        fades, ready = (self.joins[at].seconds, self.joins[at + 1].seconds), scratch.cache(self.services)
        return self.services.editor.beside(first, piece, self.target, fades, ready)

    def piece(self, at: int) -> Path | None:
        """The prepared piece of the scene in this place; None as long as it is missing."""
        scene = self.shots[at].scene
        clip = self.clips.get(scene.id) if scene else None
        if scene is None or clip is None:
            return None
        works = pieces.works(self.run, scene, clip)
        key = next((clip.prepared.get(work.key) for work in works if work.format == self.format), None)
        return scratch.local(self.services, key) if key else None

    def render_seam(self, at: int) -> None:
        """How the film goes into this place, if that takes pictures of its own and all that they show is there."""
        if not self.joins[at].seconds:
            return
        sides = {place: self.path(place) for place in (at - 1, at) if 0 <= place < len(self.shots)}
        if None in sides.values():
            return
        around = (self.joins[at - 1] if at else None, self.joins[at + 1] if at < len(self.shots) else None)
        before, after, ready = sides.get(at - 1), sides.get(at), scratch.cache(self.services)
        self.services.editor.seam(before, after, self.joins[at], self.target, ready, around)

    def lengths(self) -> tuple[int, ...]:
        """How many frames is shown in each place; what is missing is taken to be like others of its length, else as
        ordered.
        """
        alike = {one.scene.seconds: clip for one in self.shots if one.scene and (clip := self.clips.get(one.scene.id))}
        return tuple(round(self._seconds(shot, alike) * self.target.fps) for shot in self.shots)

    def _seconds(self, shot: Shot, alike: Mapping[float, Clip]) -> float:
        scene = shot.scene
        if scene is None:
            return cards.CARD_SECONDS
        clip = self.clips.get(scene.id) or alike.get(scene.seconds)
        if clip is None:
            return scene.seconds
        return pieces.works(self.run, scene, clip)[0].trim_s or clip.footage.duration_s

    def render_sound(self, at: int, lengths: tuple[int, ...]) -> None:
        """What is heard where this place meets its neighbours, in a film of these lengths."""
        near = {place for place in (self.first, at - 1, at, at + 1) if 0 <= place < len(self.shots)}
        there = {place: path for place in near if (path := self.path(place) or self.piece(place)) is not None}
        if at in there:
            draft = FilmDraft(target=self.target, frames=lengths, joins=tuple(self.joins), pieces=there)
            self.services.editor.sound_ahead(draft, at, scratch.cache(self.services))

    def render(self, at: int) -> None:
        """All that the scene in this place allows: the cards, what is shown here, how the film goes into it and on from
        it, and the look at it. Where it is the first, others may turn out to clash with it.
        """
        places = [place for place, shot in enumerate(self.shots) if shot.card or at in (place, self.first)]
        changed = {place for place in places if self.path(place) != self.piece(place)} | {at}
        for place in sorted({place + side for place in changed for side in (0, 1)}):
            self.render_seam(place)
        lengths = self.lengths()
        with ThreadPoolExecutor(max_workers=1) as beside:
            # Nearly all of it is decoding, which leaves the other core to the sound.
            looked = beside.submit(copy_context().run, self._judge, at)
            for place in sorted(changed):
                self.render_sound(place, lengths)
        looked.result()

    def _judge(self, at: int) -> None:
        """One that comes before the first scene is seldom encoded again when that is there."""
        shown = self.path(at) or self.piece(at)
        if shown is not None:
            into, out = self.joins[at : at + 2]
            self.services.editor.judge_ahead(shown, self.target, into, out, scratch.cache(self.services))


def render_ahead(services: Services, run: Run, scene: Scene) -> None:
    """What the join needs besides a scene's piece, which has just been made, as far as that can be had already."""
    with services.store.read() as tx:
        run = tx.runs.get(run.id) or run
        scenes = tx.scenes.find(run_id=run.id, order="number")
        found = {clip.id: clip for clip in tx.clips.find(id=[one.clip_id for one in scenes if one.clip_id])}
    clips = {one.id: found[one.clip_id] for one in scenes if one.clip_id in found}
    for language in translations.there(run, scenes):
        shown, said = run.in_language(language), [one.in_language(language) for one in scenes]
        for hook in letters_of(said):
            film = shots(shown.known_order, film_of(said, hook))
            mine = [at for at, shot in enumerate(film) if shot.scene is not None and shot.scene.id == scene.id]
            for name, at in product(run.known_plan.formats, mine):
                _Draft(services, shown, name, film, joins(shown.known_order, film), clips).render(at)

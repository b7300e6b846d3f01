"""A film is joined from its pieces and looked through; where another way of joining may mend a fault, it is tried."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pipelines.domain.errors import Unavailable, UnplayableMedia
from pipelines.domain.footage import Captions, FilmPlan, FilmReport, Verdict
from pipelines.domain.orders.order import Order
from pipelines.domain.records import Clip, Cut, Run, Scene
from pipelines.stages.films import cards, equal_films, pieces, posters, timeline
from pipelines.stages.films.timeline import Shot
from pipelines.stages.kernel import scratch
from pipelines.stages.kernel.services import Services

logger = logging.getLogger(__name__)

MUSIC_EDITION = 1
"""One more when what is composed for a mood changes: what a machine has made before is not taken for it."""


def film_plan(services: Services, run: Run, name: str, scenes: Sequence[Scene], clips: Mapping[str, Clip]) -> FilmPlan:
    """The pieces in order, with cards before and after where the row wants them."""
    order, target = run.known_order, pieces.target_of(run, name)
    film = timeline.shots(order, scenes)
    opening, *into, ending = timeline.joins(order, film)
    beside = order.captions is Captions.SIDECAR
    return FilmPlan(
        target=target,
        pieces=tuple(_shown(services, run, shot, clips, name) for shot in film),
        boundaries=tuple(into),
        ends=(opening, ending),
        captions=tuple(shot.scene.caption if shot.scene and beside else None for shot in film),
        music=_music(services, order),
        disclosure=services.policy.disclosure,
        has_title_card=film[0].card is not None,
        has_end_card=film[-1].card is not None,
    )


def _music(services: Services, order: Order) -> Path | None:
    """The file that was given, else what is made here: once on this machine, the same each time."""
    if order.music:
        return scratch.local(services, order.music)
    if order.music_mood is None:
        return None
    mood = order.music_mood
    name = f"music-{MUSIC_EDITION}-{mood.value.lower()}.wav"
    return scratch.made(services, name, lambda path: services.editor.make_music(mood, path))


def _shown(services: Services, run: Run, shot: Shot, clip_of: Mapping[str, Clip], name: str) -> Path:
    """The card, or the scene's piece; made now where that was not done ahead."""
    if shot.card is not None:
        return cards.rendered(services, shot.card, pieces.target_of(run, name))
    if shot.scene is None:
        raise AssertionError("a shot is a scene or a card")
    clip = clip_of[shot.scene.id]
    (work,) = (work for work in pieces.works(run, shot.scene, clip) if work.format == name)
    return scratch.local(services, clip.prepared.get(work.key) or pieces.make(services, work).key)


@dataclass(frozen=True, slots=True)
class Joined:
    """A film that was joined and looked through, and the film of the same pictures that was there before, if any."""

    report: FilmReport
    verdict: Verdict
    twin: Cut | None


def assembled(services: Services, run: Run, plan: FilmPlan, film: Path) -> FilmReport:
    """The pieces joined into a film that nobody has looked through."""
    report = services.editor.assemble(plan, film, ready=scratch.cache(services))
    services.points.reach("cut.assembled", run=run.id)
    return report


def examined(services: Services, run: Run, cut: Cut, plan: FilmPlan, report: FilmReport, poster: Path) -> Joined:
    """Look through a film, with the poster chosen meanwhile, or taken from a film that shows the same; where another
    way of joining may mend a fault, it is tried.
    """
    film = report.path
    with services.store.read() as tx:
        before = equal_films.made_before(tx, run)
        known = equal_films.stretches(tx, run, before)
    look, ready = posters.poster_of(services, run, plan, report), scratch.cache(services)
    with ThreadPoolExecutor(max_workers=1) as beside:
        alone = not any((one.take, one.hook, one.format) == (cut.take, cut.hook, cut.format) for one in before)
        chosen = beside.submit(services.editor.poster, film, poster, look, ready=ready) if alone else None
        verdict = services.editor.examine(film, plan, known, ready=ready)
    if not verdict.ok and verdict.curable:
        report, verdict = _second_try(services, run, plan, film, report, verdict, known)
        services.editor.poster(film, poster, posters.poster_of(services, run, plan, report))
        return Joined(report, verdict, None)
    twin = equal_films.twin_of(before, cut, verdict.pictures)
    if chosen is not None:
        chosen.result()
    elif not (twin and equal_films.copied(services, twin.extras.get(posters.TYPESET) or twin.poster_key or "", poster)):
        services.editor.poster(film, poster, look, ready=ready)
    return Joined(report, verdict, twin)


def _second_try(
    services: Services,
    run: Run,
    plan: FilmPlan,
    film: Path,
    report: FilmReport,
    verdict: Verdict,
    known: Mapping[str, str],
) -> tuple[FilmReport, Verdict]:
    """Encode everything; the better of the two films is kept under the name of the first."""
    again = film.with_name("again.mp4")
    try:
        other = services.editor.assemble(plan, again, encode_all=True)
        second = services.editor.examine(again, plan, known)
    except (UnplayableMedia, Unavailable) as error:
        logger.warning("%s: the second path failed as well: %s", run.id, error.operator)
        return report, verdict
    if len(second.faults) >= len(verdict.faults):
        return report, verdict
    again.replace(film)
    notes = (*other.notes, f"Made again by encoding everything: {'; '.join(verdict.faults)}.")
    return dataclasses.replace(other, path=film, notes=notes), second

"""From clips to films: one for each format, hook and language, each looked at before anybody sees it. A pure function
of its inputs.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import product

from pipelines.domain.errors import InvalidOrder, ReelgridError, UnplayableMedia
from pipelines.domain.lifecycle import CutStatus, RunStatus
from pipelines.domain.planning.hooks import film_of
from pipelines.domain.planning.translation import lost, no_film
from pipelines.domain.records import Clip, Cut, Run, Scene
from pipelines.domain.state.delivery import JoinReport
from pipelines.ports import Tx
from pipelines.stages.base_rows import film_row, run_row
from pipelines.stages.files import keep
from pipelines.stages.films import pieces, posters, storing
from pipelines.stages.films.cuts import as_joined, film_name, films_of, planned
from pipelines.stages.kernel import scratch
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, Actor, record, touch_run, transition_cut, transition_run, warn
from pipelines.stages.languages import translations
from pipelines.stages.narration import lines
from pipelines.stages.spending import ledger

logger = logging.getLogger(__name__)

BUSY_PAUSE_S = 0.2
PICTURE_PAUSE_S = 2.0
"""Whose picture arrives wakes the run that bought it; another that waits for the same one looks so often."""


def make_cuts(services: Services, actor: Actor, run: Run) -> None:
    """Make every format of the run's present take, then go on to delivery. Films that are there, as those of a version
    that was chosen again, wait for nothing.
    """
    run = pieces.settle_rate(services, run)
    plan = run.known_plan
    with services.store.read() as tx:
        there = sum(cut.status is not CutStatus.PLANNED for cut in films_of(tx, run))
        languages = translations.there(run, tx.scenes.find(run_id=run.id)) if plan.further_languages else ("",)
    is_made = there == len(plan.hooks) * len(plan.formats) * len(languages)
    if (run.known_order.voiceover or plan.further_languages) and not is_made:
        with services.store.write() as tx:
            # What another run was buying may have come since, or that run has stopped: then it is ours to buy.
            translations.order_words(services, tx, actor, run, tx.scenes.find(run_id=run.id, order="number"))
            run = (tx.runs.get(run.id) if run.known_plan.further_languages else None) or run
    if not is_made and _waits(services, actor, run):
        return
    with services.store.read() as tx:
        scenes = tx.scenes.find(run_id=run.id, order="number")
        clips = _clips_of(tx, scenes)
    cuts = []
    for language in _languages(services, run, scenes):
        shown, said = run.in_language(language), [scene.in_language(language) for scene in scenes]
        cuts += _films(services, actor, shown, said, clips, language)
    # What they show is the same in each language: pictures are made for the first.
    own = [cut for cut in cuts if cut.language == cuts[0].language]
    finished = posters.designed(services, actor, run, own)
    if finished is None:
        with services.store.write() as tx:
            touch_run(tx, actor, run, next_at=services.clock.now() + PICTURE_PAUSE_S, detail=posters.WAITS, **FREE)
        return
    cuts = [*finished, *cuts[len(own) :]]
    with services.store.write() as tx:
        detail = "Putting the film into the row." if run.record_id else "Finishing."
        verdict = cuts[0].verdict.sentence
        run = transition_run(
            tx, actor, run, RunStatus.DELIVERING, next_at=actor.now, detail=detail, verdict=verdict, error=None
        )
        film_row.show(services, tx, run, cuts)
    services.points.reach("deliver.wanted", run=run.id)


def _waits(services: Services, actor: Actor, run: Run) -> bool:
    """Whether a line is still to come, which always ends one way or the other, or somebody is making a piece of a clip
    right now: waiting a moment is cheaper than making it twice.
    """
    with services.store.write() as tx:
        # Whoever frees a clip wakes the run in the same commit: with the run locked, that comes before this look or
        # after this pause.
        tx.runs.get(run.id, lock=True)
        scenes = tx.scenes.find(run_id=run.id, order="number")
        busy = any(clip.lease_token and clip.lease_until > actor.now for clip in _clips_of(tx, scenes).values())
        waits = busy or translations.waits(tx, run, scenes) or lines.waits(tx, services, run, scenes)
        if waits:
            touch_run(tx, actor, run, next_at=services.clock.now() + BUSY_PAUSE_S, **FREE)
    return waits


def _languages(services: Services, run: Run, scenes: Sequence[Scene]) -> Sequence[str]:
    """Those that films can be made in; of the others the row says that they were not."""
    found = translations.there(run, scenes)
    left_out = [one for one in run.known_plan.languages if one not in found]
    untold = [one for one in left_out if not any(said.startswith(no_film(one)) for said in run.known_plan.warnings)]
    if untold:
        with services.store.write() as tx:
            warn(tx, run, [lost(language, "its translation did not come.") for language in untold])
    return found


def _films(
    services: Services, actor: Actor, run: Run, scenes: Sequence[Scene], clips: Mapping[str, Clip], language: str
) -> list[Cut]:
    """The films in one language. Where one cannot be made, those in the run's own language are all the same."""
    plan, cuts = run.known_plan, []
    for hook, name in product(plan.hooks, plan.formats):
        try:
            cuts.append(
                make_cut(services, actor, run, name, film_of(scenes, hook), clips, hook=hook, language=language)
            )
        except (InvalidOrder, UnplayableMedia) as error:
            if language == plan.languages[0]:
                raise
            logger.warning("%s: no film in %s: %s", run.id, language, error.operator)
            with services.store.write() as tx:
                warn(tx, run, (lost(language, f"{name} could not be put together. {error.marketer}"),))
    return cuts


def _clips_of(tx: Tx, scenes: Sequence[Scene]) -> dict[str, Clip]:
    clips = {clip.id: clip for clip in tx.clips.find(id=[scene.clip_id for scene in scenes if scene.clip_id])}
    return {scene.id: clips[scene.clip_id] for scene in scenes if scene.clip_id in clips}


def make_cut(
    services: Services,
    actor: Actor,
    run: Run,
    name: str,
    scenes: Sequence[Scene],
    clips: Mapping[str, Clip],
    *,
    hook: str = "",
    language: str = "",
    animatic: bool = False,
) -> Cut:
    """One cut of these scenes, `clips` being theirs by scene: planned in SQL, made, examined, stored, committed.
    Already made, it is found again.
    """
    cut = planned(services, actor, run, name, hook, language, animatic=animatic)
    if cut.status is not CutStatus.PLANNED:
        return cut
    with scratch.folder(services, "cuts", cut.id) as folder:
        made = storing.make(services, run, cut, scenes, clips, folder)
        services.points.reach("cut.stored", run=run.id, cut=cut.id)
    values = {
        "key": made.key,
        "sha256": made.report.sha256,
        "size": made.report.footage.size_bytes,
        "filename": film_name(run, name, hook, language, animatic=animatic),
        "poster_key": made.poster_key,
        "extras": made.extras,
        "footage": made.report.footage,
        "report": JoinReport(
            paths=made.report.paths,
            notes=made.report.notes,
            scenes=as_joined(scenes) if _is_first(run, name, language) and not animatic else (),
        ),
        "verdict": made.verdict,
    }
    with services.store.write() as tx:
        for note in made.report.notes:
            record(tx, actor, "cut", cut.id, run.id, "note", sentence=note)
        cut = transition_cut(tx, actor, cut, CutStatus.MADE, **values)
        owner = tx.runs.get(run.id)
        for stored in made.files:
            keep.note(tx, owner, stored, actor.now)
    services.points.reach("cut.committed", run=run.id, cut=cut.id)
    return cut


def _is_first(run: Run, name: str, language: str) -> bool:
    """Whether a film is the one that its hook's others are cut like."""
    return (name, language) == (run.known_plan.formats[0], run.known_plan.languages[0])


def give_up(services: Services, actor: Actor, run: Run, error: ReelgridError) -> None:
    """No film could be made of clips that are all there: nothing is lost, a person looks."""
    with services.store.write() as tx:
        row = tx.runs.get(run.id, lock=True)
        if row is None or row.status is not RunStatus.STITCHING:
            return
        if isinstance(error, InvalidOrder):
            # Going on would take the same order: a new run reads the corrected one, and reuses the clips.
            to, why = RunStatus.FAILED, f"{error.marketer} Correct it and start again: the clips are kept and reused."
        else:
            to = RunStatus.NEEDS_ATTENTION
            why = f"The film could not be put together: {error.marketer} All clips are kept; retry, or regenerate one."
        moved = transition_run(tx, actor, row, to, error=why, finished_at=actor.now)
        ledger.release(tx, actor.now, moved)
        run_row.show(services, tx, moved)

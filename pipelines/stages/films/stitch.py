"""From clips to films: one cut per format, each looked at before anybody sees it. A pure function of its inputs."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from pipelines.domain.errors import InvalidOrder, ReelgridError, Unavailable, UnplayableMedia
from pipelines.domain.footage import Captions, FilmPlan, FilmReport, Verdict
from pipelines.domain.keys import new_id, new_token, storage_folder
from pipelines.domain.lifecycle import CutStatus, RunStatus
from pipelines.domain.orders.order import Order
from pipelines.domain.planning.hooks import film_of
from pipelines.domain.planning.translation import lost, no_film
from pipelines.domain.records import Clip, Cut, Run, Scene
from pipelines.domain.state.delivery import JoinedScene, JoinReport
from pipelines.domain.state.open_json import JsonObject
from pipelines.ports import Tx
from pipelines.stages.base_rows import film_row, run_row
from pipelines.stages.files import keep
from pipelines.stages.films import cards, equal_films, pieces, posters, signing, timeline
from pipelines.stages.films.timeline import Shot
from pipelines.stages.generations.fetch import sha256_of
from pipelines.stages.kernel import scratch
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, Actor, record, touch_run, transition_cut, transition_run, warn
from pipelines.stages.languages import translations
from pipelines.stages.narration import lines
from pipelines.stages.spending import credit_book, ledger

logger = logging.getLogger(__name__)

MUSIC_EDITION = 1
"""One more when what is composed for a mood changes: what a machine has made before is not taken for it."""

BUSY_PAUSE_S = 0.2
_FOR_US = ("pictures", "stretches")
"""Of a verdict what is only of use here."""
PICTURE_PAUSE_S = 2.0
"""Whose picture arrives wakes the run that bought it; another that waits for the same one looks so often."""


@dataclass(frozen=True, slots=True)
class _Made:
    """A finished film with everything that goes with it, all in storage."""

    report: FilmReport
    verdict: Verdict
    key: str
    sha256: str
    poster_key: str
    extras: dict[str, str]


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
    with services.store.read() as tx:
        scenes = tx.scenes.find(run_id=run.id, order="number")
        clips = _clips_of(tx, scenes)
        busy = any(clip.lease_token and clip.lease_until > actor.now for clip in clips.values())
        unsaid = translations.waits(tx, run, scenes) or lines.waits(tx, services, run, scenes)
    if not is_made and (busy or unsaid):
        # Somebody is making a piece of one of them right now: waiting a moment is cheaper than making it twice. And a
        # line that is still to come always ends, one way or the other.
        with services.store.write() as tx:
            touch_run(tx, actor, run, next_at=services.clock.now() + BUSY_PAUSE_S, **FREE)
        return
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
    clips = {scene.id: tx.clips.get(scene.clip_id) for scene in scenes if scene.clip_id}
    return {scene_id: clip for scene_id, clip in clips.items() if clip is not None}


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
    cut = _planned(services, actor, run, name, hook, language, animatic=animatic)
    if cut.status is not CutStatus.PLANNED:
        return cut
    with scratch.folder(services, "cuts", cut.id) as folder:
        made = _make(services, run, cut, scenes, clips, folder)
        services.points.reach("cut.stored", run=run.id, cut=cut.id)
    values = {
        "key": made.key,
        "sha256": made.sha256,
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
    services.points.reach("cut.committed", run=run.id, cut=cut.id)
    return cut


def _is_first(run: Run, name: str, language: str) -> bool:
    """Whether a film is the one that its hook's others are cut like."""
    return (name, language) == (run.known_plan.formats[0], run.known_plan.languages[0])


def as_joined(scenes: Sequence[Scene]) -> tuple[JoinedScene, ...]:
    """What has to be known to put this very film into its run again."""
    return tuple(
        JoinedScene(
            scene_id=scene.id,
            clip_id=scene.clip_id,
            prompt=scene.prompt,
            caption=scene.caption,
            narration=scene.narration,
            sound=scene.sound,
            translations=scene.translations,
            seconds=scene.seconds,
            model=scene.model,
            settings=scene.settings,
        )
        for scene in scenes
        if scene.clip_id
    )


def _planned(services: Services, actor: Actor, run: Run, name: str, hook: str, language: str, *, animatic: bool) -> Cut:
    cut = Cut(
        id=new_id("cut"),
        run_id=run.id,
        take=run.take,
        format=name,
        status=CutStatus.PLANNED,
        token=new_token(),
        animatic=animatic,
        hook=hook,
        language=language,
        created_at=actor.now,
    )
    with services.store.write() as tx:
        tx.cuts.add(cut)
        return tx.cuts.find(run_id=run.id, take=run.take, format=name, animatic=animatic, hook=hook, language=language)[
            0
        ]


def films_of(tx: Tx, run: Run, take: int | None = None) -> list[Cut]:
    """The films of a take of a run, by default its present one, that are kept, language by language and hook by
    hook in the order of its formats: the first is the film's own.
    """
    number = run.take if take is None else take
    cuts = tx.cuts.find(run_id=run.id, take=number, animatic=False, deleted_at=None)
    plan = run.plan
    if plan is None:
        return []
    kept = [cut for cut in cuts if cut.format in plan.formats]
    return sorted(kept, key=lambda cut: plan.place_of(cut.hook, cut.format, cut.language))


def film_name(run: Run, format_name: str, hook: str = "", language: str = "", *, animatic: bool) -> str:
    """A name that a person recognises among downloads: `spring-sale-r2-16x9.mp4`, `spring-sale-r2-16x9-b-de.mp4`."""
    title = ((run.order.title if run.order else None) or "").strip().lower()
    words = "".join(char if char.isalnum() else "-" for char in title)[:40].strip("-") or (run.record_id or run.id)
    take = f"-take{run.take + 1}" if run.take else ""
    kind = "-animatic" if animatic else ""
    letter = "".join(f"-{part}" for part in (hook, language) if part)
    return f"{words}-r{run.number}{take}-{format_name.replace(':', 'x')}{letter}{kind}.mp4"


def _make(
    services: Services, run: Run, cut: Cut, scenes: Sequence[Scene], clips: Mapping[str, Clip], folder: Path
) -> _Made:
    plan = replace(film_plan(services, run, cut.format, scenes, clips), language=cut.language)
    film = folder / "film.mp4"
    report, verdict, twin = _assembled(services, run, cut, plan, film, folder / "poster.jpg")
    shown = film_name(run, cut.format, cut.hook, cut.language, animatic=False)
    shown_clips = [clips[scene.id] for scene in scenes]
    if not cut.animatic:
        source = signing.source_of(run.known_order, scenes, shown_clips)
        report = signing.signed(services, report, shown, shown_clips, source)
    sha = sha256_of(film)
    stem = f"{storage_folder('cuts', run.account_id)}/{sha[:2]}/{sha}"
    key = keep.keep(services, run.id, film, f"{stem}.mp4", "video/mp4", shown).key
    poster = _beside(services, run, folder / "poster.jpg", stem, "image/jpeg")
    extras = _extras(services, run, plan, report, verdict, folder, stem, shown_clips)
    extras |= posters.frame_of(services, run, plan, report, film, twin)
    return _Made(report=report, verdict=verdict, key=key, sha256=sha, poster_key=poster, extras=extras)


def _assembled(
    services: Services, run: Run, cut: Cut, plan: FilmPlan, film: Path, poster: Path
) -> tuple[FilmReport, Verdict, Cut | None]:
    """Join and look, with the poster chosen meanwhile, or taken from a film that shows the same; where another way of
    joining may mend a fault, it is tried.
    """
    ready = scratch.cache(services)
    report = services.editor.assemble(plan, film, ready=ready)
    services.points.reach("cut.assembled", run=run.id)
    with services.store.read() as tx:
        before = equal_films.made_before(tx, run)
    known, look = equal_films.stretches(before), posters.poster_of(services, run, plan, report)
    with ThreadPoolExecutor(max_workers=1) as beside:
        alone = not any((one.take, one.hook, one.format) == (cut.take, cut.hook, cut.format) for one in before)
        chosen = beside.submit(services.editor.poster, film, poster, look) if alone else None
        verdict = services.editor.examine(film, plan, known, ready=ready)
    if not verdict.ok and verdict.curable:
        report, verdict = _second_try(services, run, plan, film, report, verdict, known)
        services.editor.poster(film, poster, posters.poster_of(services, run, plan, report))
        return report, verdict, None
    twin = equal_films.twin_of(before, cut, verdict.pictures)
    if chosen is not None:
        chosen.result()
    elif not (twin and equal_films.copied(services, twin.extras.get(posters.TYPESET) or twin.poster_key or "", poster)):
        services.editor.poster(film, poster, look)
    return report, verdict, twin


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


def _extras(
    services: Services,
    run: Run,
    plan: FilmPlan,
    report: FilmReport,
    verdict: Verdict,
    folder: Path,
    stem: str,
    clips: Sequence[Clip],
) -> dict[str, str]:
    """Captions beside the film and the provenance sidecar."""
    extras = {}
    for path in services.editor.subtitles(plan, report, folder / "film"):
        kind = path.suffix.lstrip(".")
        extras[kind] = _beside(services, run, path, stem, "text/plain; charset=utf-8")
    sidecar = folder / "provenance.json"
    sidecar.write_text(json.dumps(provenance(services, run, report, verdict, clips), indent=1, ensure_ascii=False))
    extras["provenance"] = _beside(services, run, sidecar, stem, "application/json")
    return extras


def _beside(services: Services, run: Run, path: Path, stem: str, content_type: str) -> str:
    """Store what belongs to a film, under a name with a hash of its own: films of the same bytes may have other
    captions, and a film that is put together again another way to tell of it.
    """
    key = f"{stem}-{sha256_of(path)[:12]}-{path.stem.replace('film', 'captions')}{path.suffix}"
    return keep.keep(services, run.id, path, key, content_type).key


def provenance(services: Services, run: Run, report: FilmReport, verdict: Verdict, clips: Sequence[Clip]) -> JsonObject:
    """Where every second of a film comes from: models, prompts, generations, costs, hashes, joins."""
    with services.store.read() as tx:
        generations = {gen.id: gen for gen in tx.generations.find(id=[clip.generation_id or "" for clip in clips])}
        notes = tx.events.find(run_id=run.id, entity="clip", name="note", order="id")
        charged = None if run.price_micro is None else credit_book.charged(tx, run.id)
    sources = []
    for clip in clips:
        gen = generations.get(clip.generation_id or "")
        request = gen.request if gen else None
        sources.append(
            {
                "clip": clip.id,
                "sha256": clip.sha256,
                "model": clip.model,
                "prompt": request.prompt if request else None,
                "seed": request.seed if request else None,
                "generation": clip.generation_id,
                "provider_job": gen.provider_id if gen else None,
                "cost_micro_usd": clip.cost_micro if charged is None else charged.get(clip.generation_id, 0),
                "placeholder": clip.placeholder,
                "made_to_fit": [note.detail.sentence for note in notes if note.entity_id == clip.id],
            }
        )
    joins = {"paths": list(report.paths), "notes": list(report.notes), "starts_s": list(report.starts_s)}
    label = {"ai_label": True} if run.order is not None and run.order.ai_label else {}
    plan = run.plan
    cast = [{"token": one.token, "looks": one.looks, "place": one.place} for one in plan.cast] if plan else []
    return {
        "run": run.id,
        "record": run.record_id,
        **({"cast": cast, "cast_model": plan.picture_model} if plan and cast else {}),
        **label,
        "film_sha256": report.sha256,
        "clips": sources,
        "joins": joins,
        "verdict": {name: value for name, value in dataclasses.asdict(verdict).items() if name not in _FOR_US},
    }


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

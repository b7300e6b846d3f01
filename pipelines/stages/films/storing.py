"""A film in storage with everything that goes with it: poster, captions, and where every second of it comes from."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.domain.footage import FilmPlan, FilmReport, Verdict
from pipelines.domain.keys import storage_folder
from pipelines.domain.records import Clip, Cut, Run, Scene
from pipelines.domain.state.open_json import JsonObject
from pipelines.stages.files import keep
from pipelines.stages.films import joining, posters, signing
from pipelines.stages.films.cuts import film_name
from pipelines.stages.generations.fetch import sha256_of
from pipelines.stages.kernel.services import Services
from pipelines.stages.spending import credit_book

_FOR_US = ("pictures", "stretches")
"""Of a verdict what is only of use here."""


@dataclass(frozen=True, slots=True)
class StoredFilm:
    """A finished film with everything that goes with it, all in storage."""

    report: FilmReport
    verdict: Verdict
    key: str
    poster_key: str
    extras: dict[str, str]


def make(
    services: Services, run: Run, cut: Cut, scenes: Sequence[Scene], clips: Mapping[str, Clip], folder: Path
) -> StoredFilm:
    """Join the film, look through it, and store it under its content."""
    plan = replace(joining.film_plan(services, run, cut.format, scenes, clips), language=cut.language)
    film = folder / "film.mp4"
    joined = joining.joined(services, run, cut, plan, film, folder / "poster.jpg")
    report, verdict = joined.report, joined.verdict
    shown = film_name(run, cut.format, cut.hook, cut.language, animatic=False)
    shown_clips = [clips[scene.id] for scene in scenes]
    if not cut.animatic:
        source = signing.source_of(run.known_order, scenes, shown_clips)
        report = signing.signed(services, report, shown, shown_clips, source)
    # Known since it was written; storage reads it once more, and takes nothing under the name of another content.
    stem = f"{storage_folder('cuts', run.account_id)}/{report.sha256[:2]}/{report.sha256}"
    key = keep.keep(services, run.id, film, f"{stem}.mp4", "video/mp4", shown).key
    poster = _beside(services, run, folder / "poster.jpg", stem, "image/jpeg")
    extras = _extras(services, run, plan, report, verdict, folder, stem, shown_clips, scenes)
    extras |= posters.frame_of(services, run, plan, report, film, joined.twin)
    return StoredFilm(report=report, verdict=verdict, key=key, poster_key=poster, extras=extras)


def _extras(
    services: Services,
    run: Run,
    plan: FilmPlan,
    report: FilmReport,
    verdict: Verdict,
    folder: Path,
    stem: str,
    clips: Sequence[Clip],
    scenes: Sequence[Scene],
) -> dict[str, str]:
    """Captions beside the film and the provenance sidecar."""
    extras = {}
    for path in services.editor.subtitles(plan, report, folder / "film"):
        kind = path.suffix.lstrip(".")
        extras[kind] = _beside(services, run, path, stem, "text/plain; charset=utf-8")
    sidecar = folder / "provenance.json"
    told = provenance(services, run, report, verdict, clips) | _narrator(services, scenes)
    sidecar.write_text(json.dumps(told, indent=1, ensure_ascii=False))
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


def _narrator(services: Services, scenes: Sequence[Scene]) -> JsonObject:
    """Who says what over a film, and whose words those are; nothing where nobody speaks."""
    with services.store.read() as tx:
        found = [scene.sound for scene in scenes if scene.sound]
        voices = {line.file: line.request.voice for line in (tx.purchases.find(file=found) if found else ())}
    lines: list[JsonObject] = [
        {
            "scene": scene.number,
            "voice": voices.get(scene.sound),
            "text": scene.aloud,
            "shortened_from": scene.narration or scene.caption if scene.settings.said else None,
        }
        for scene in scenes
        if scene.sound
    ]
    return {"narrator": lines} if lines else {}

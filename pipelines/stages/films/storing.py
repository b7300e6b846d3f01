"""A film in storage with everything that goes with it: poster, captions, and where every second of it comes from."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.domain.footage import FilmPlan, FilmReport, Verdict
from pipelines.domain.keys import storage_folder
from pipelines.domain.records import Clip, Cut, Run, Scene
from pipelines.domain.state.open_json import JsonObject
from pipelines.ports import Stored
from pipelines.stages.films import joining, posters, signing
from pipelines.stages.films.cuts import film_name
from pipelines.stages.generations.fetch import sha256_of
from pipelines.stages.kernel.services import Services
from pipelines.stages.spending import credit_book

_FOR_US = ("pictures", "stretches")
"""Of a verdict what is only of use here."""
_POSTER = "poster"
_AT_A_TIME = 2
"""Small files that are put into storage: each waits for the disk or the network, not for a core."""


@dataclass(frozen=True, slots=True)
class StoredFilm:
    """A finished film with everything that goes with it: all in storage, and still without rows of their own."""

    report: FilmReport
    verdict: Verdict
    key: str
    poster_key: str
    extras: dict[str, str]
    files: tuple[Stored, ...]


def make(
    services: Services, run: Run, cut: Cut, scenes: Sequence[Scene], clips: Mapping[str, Clip], folder: Path
) -> StoredFilm:
    """Join the film, look through it, and store it under its content. It goes into storage while it is looked through,
    and belongs to nobody until that is done.
    """
    plan = replace(joining.film_plan(services, run, cut.format, scenes, clips), language=cut.language)
    shown = film_name(run, cut.format, cut.hook, cut.language, animatic=False)
    shown_clips = [clips[scene.id] for scene in scenes]
    made = joining.assembled(services, run, plan, folder / "film.mp4")
    is_signed = services.signer is not None and not cut.animatic
    with ThreadPoolExecutor(max_workers=1) as beside:
        early = None if is_signed else beside.submit(_taken, services, run, made, shown)
        joined = joining.examined(services, run, cut, plan, made, folder / "poster.jpg")
    report, verdict = joined.report, joined.verdict
    if is_signed:
        source = signing.source_of(run.known_order, scenes, shown_clips)
        report = signing.signed(services, report, shown, shown_clips, source)
    film = early.result() if early and report.sha256 == made.sha256 else _taken(services, run, report, shown)
    told = provenance(services, run, report, verdict, shown_clips) | _narrator(services, scenes)
    beside_it = _beside(services, plan, report, folder, told)
    with ThreadPoolExecutor(max_workers=_AT_A_TIME) as pool:
        stem = film.key.removesuffix(".mp4")
        stored = dict(zip(beside_it, pool.map(lambda one: _put(services, stem, *one), beside_it.values()), strict=True))
    extras = {kind: one.key for kind, one in stored.items() if kind != _POSTER}
    return StoredFilm(
        report=report,
        verdict=verdict,
        key=film.key,
        poster_key=stored[_POSTER].key,
        extras=extras | posters.frame_of(services, run, plan, report, report.path, joined.twin),
        files=(film, *stored.values()),
    )


def _taken(services: Services, run: Run, report: FilmReport, name: str) -> Stored:
    """The film in storage. Its hash is known since it was written; storage takes nothing under the name of another
    content.
    """
    key = f"{storage_folder('cuts', run.account_id)}/{report.sha256[:2]}/{report.sha256}.mp4"
    return services.media.take_file(report.path, key, "video/mp4", name)


def _beside(
    services: Services, plan: FilmPlan, report: FilmReport, folder: Path, told: JsonObject
) -> dict[str, tuple[Path, str]]:
    """What belongs to a film, with its content type: its poster, captions beside it, and the sidecar with what is told
    of where it comes from.
    """
    sidecar = folder / "provenance.json"
    sidecar.write_text(json.dumps(told, indent=1, ensure_ascii=False))
    captions = services.editor.subtitles(plan, report, folder / "film")
    return {
        _POSTER: (folder / "poster.jpg", "image/jpeg"),
        **{path.suffix.lstrip("."): (path, "text/plain; charset=utf-8") for path in captions},
        "provenance": (sidecar, "application/json"),
    }


def _put(services: Services, stem: str, path: Path, content_type: str) -> Stored:
    """Store what belongs to a film, under a name with a hash of its own: films of the same bytes may have other
    captions, and a film that is put together again another way to tell of it.
    """
    key = f"{stem}-{sha256_of(path)[:12]}-{path.stem.replace('film', 'captions')}{path.suffix}"
    return services.media.put_file(path, key, content_type)


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

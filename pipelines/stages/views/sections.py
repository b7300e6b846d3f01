"""The pieces of a run's JSON: one function per kind of row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from pipelines.domain.lifecycle import GenerationStatus, SceneStatus
from pipelines.domain.money import CreditPosting, dollars
from pipelines.domain.orders.order import Order
from pipelines.domain.planning.cast import CastMember
from pipelines.domain.progress import timings
from pipelines.domain.records import Clip, CreditEntry, Cut, Event, Generation, LedgerEntry, Run, Scene
from pipelines.domain.stored_files import Pack
from pipelines.domain.times import iso
from pipelines.stages.kernel.services import Services
from pipelines.stages.views import sentences
from pipelines.stages.views.documents import (
    About,
    CastView,
    Choice,
    ClipView,
    CutView,
    EventView,
    GenerationView,
    QuoteLine,
    SceneView,
)

LINK_S = 6 * 3600.0
"""How long a link to a clip or poster lives at least."""
LINK_STEP_S = 3600.0
TITLE_CHARS = 70
CHOICES = {
    "wait": "Wait and look again",
    "write_off": "Count it as spent and make the scene again",
    "cancel": "Cancel the run and keep what is paid for",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """All rows of one run, read in one transaction."""

    run: Run
    scenes: Sequence[Scene]
    generations: Sequence[Generation]
    clips: Sequence[Clip] = ()
    cuts: Sequence[Cut] = ()
    pack: Pack | None = None
    cast: Sequence[tuple[CastMember, str | None]] = ()
    """Who comes back, each with the key of its picture where that is there."""
    events: Sequence[Event] = ()
    spent: Sequence[LedgerEntry] = ()
    spent_micro: int
    held_micro: int = 0
    charges: Sequence[CreditEntry] = ()
    sold: bool = False
    """Whether whoever looks pays in credits: then the amounts are what was charged, and nothing tells what it cost."""

    @property
    def quote_micro(self) -> int | None:
        """What the run comes to at most."""
        return self.run.price_micro if self.sold else self.run.quote_micro

    def cost_of(self, gen: Generation) -> int | None:
        """What a request came to; None while nobody knows."""
        if not self.sold:
            return gen.cost_micro
        charged = sum(entry.amount for entry in self.charges if entry.generation_id == gen.id)
        return charged if charged or gen.cost_micro is not None else None

    def cost_of_clip(self, clip: Clip) -> int:
        """What a clip came to; one that was charged in an earlier run is free in this one."""
        if not self.sold:
            return clip.cost_micro
        own = clip.generation_id is not None
        return sum(entry.amount for entry in self.charges if own and entry.generation_id == clip.generation_id)


def title(run: Run) -> str:
    """The order's title, else its first words, else what it belongs to."""
    order = run.order or Order()
    first = order.scenes[0].prompt if order.scenes else ""
    line = " ".join((order.title or order.master_prompt or first).split())
    if not line:
        return f"Row {run.record_id}" if run.record_id else "Untitled"
    return line if len(line) <= TITLE_CHARS else f"{line[:TITLE_CHARS].rsplit(' ', 1)[0].rstrip(',.;:')}…"


def first_clip(scenes: Sequence[Scene]) -> str | None:
    """The clip that stands for a run in a list."""
    return next((scene.clip_id for scene in scenes if scene.clip_id), None)


def thumbnail_of(services: Services, picture: Picture) -> str | None:
    """A link to the small picture that stands for a run; None where there is none."""
    wanted = first_clip(picture.scenes)
    return next((thumbnail_url(services, clip) for clip in picture.clips if clip.id == wanted), None)


def scene_share(services: Services, picture: Picture, scene: Scene) -> float:
    gen = next((gen for gen in reversed(picture.generations) if gen.scene_id == scene.id), None)
    card = services.catalogue.get(gen.model) if gen else None
    return timings.of_scene(scene, gen, card, services.clock.now())


def scene_view(services: Services, picture: Picture, scene: Scene) -> SceneView:
    gens = [gen for gen in picture.generations if gen.scene_id == scene.id]
    clips = [clip for clip in picture.clips if clip.scene_id == scene.id or clip.id == scene.clip_id]
    adopted = {event.entity_id for event in picture.events if event.new == GenerationStatus.ADOPTED}
    return SceneView(
        number=scene.number,
        key=scene.key,
        hook=scene.hook or None,
        prompt=scene.prompt,
        caption=scene.caption,
        narration=scene.narration,
        said=scene.settings.said,
        translations={tag: dict(words.texts) for tag, words in scene.translations.items()},
        seconds=scene.seconds,
        status=scene.status.value,
        model=scene.model,
        seed=scene.settings.seed,
        negative_prompt=scene.settings.negative_prompt,
        resolution=scene.settings.resolution,
        aspect_ratio=scene.settings.aspect_ratio,
        transition=scene.transition,
        continues=scene.continues,
        pictures=len(set(scene.pictures) - set(picture.run.order.references if picture.run.order else ())),
        error=scene.error,
        suggested_prompt=scene.attempt_level.softened if scene.status is SceneStatus.REFUSED else None,
        progress=scene_share(services, picture, scene),
        attempts=len(gens),
        price_usd=dollars(scene.settings.charge_micro if picture.sold else scene.settings.price_micro),
        cost_usd=dollars(sum(picture.cost_of(gen) or 0 for gen in gens)),
        scene_record_id=scene.airtable_record_id,
        clips=[_clip(services, picture, scene, clip) for clip in clips],
        generations=[_generation(services, picture, scene, gen, adopted=gen.id in adopted) for gen in gens],
    )


def _clip(services: Services, picture: Picture, scene: Scene, clip: Clip) -> ClipView:
    name = f"scene-{scene.number:02d}.mp4"
    return ClipView(
        clip_id=clip.id,
        url=None if clip.deleted_at else _link(services, clip.key, name),
        thumb_url=thumbnail_url(services, clip),
        current=clip.id == scene.clip_id,
        placeholder=clip.placeholder,
        model=clip.model,
        duration_s=clip.footage.duration_s or None,
        width=clip.footage.width or None,
        height=clip.footage.height or None,
        size=clip.size,
        cost_usd=dollars(picture.cost_of_clip(clip)),
        created_at=iso(clip.created_at),
    )


def thumbnail_url(services: Services, clip: Clip) -> str | None:
    """A link to the clip's small picture; None where there is none."""
    return None if clip.deleted_at or clip.thumbnail is None else _link(services, clip.thumbnail, "thumbnail.webp")


def poster_url(services: Services, cut: Cut) -> str | None:
    """A link to the picture that stands for the film; None where there is none."""
    return _link(services, cut.poster_key, "poster.jpg") if cut.poster_key else None


def cast_view(services: Services, picture: Picture) -> list[CastView]:
    return [
        CastView(
            token=member.token,
            looks=member.looks,
            place=member.place,
            picture_url=_link(services, key, "cast.jpg") if key else None,
        )
        for member, key in picture.cast
    ]


def _link(services: Services, key: str, filename: str) -> str:
    """A link that stays the same for an hour: a page that refreshes must not start its videos again."""
    now = services.clock.now()
    until = (now // LINK_STEP_S + 1) * LINK_STEP_S + LINK_S + 0.5
    return services.links.media(key, filename, until - now)


def _generation(
    services: Services, picture: Picture, scene: Scene, gen: Generation, *, adopted: bool
) -> GenerationView:
    cost = picture.cost_of(gen)
    return GenerationView(
        generation_id=gen.id,
        attempt=gen.attempt,
        status=gen.status.value,
        provider=gen.provider,
        model=gen.model,
        provider_id=gen.job_id or None,
        provider_job_id=gen.provider_id,
        provider_url=_at_provider(services, gen),
        progress=gen.progress,
        reserved_usd=dollars(scene.settings.charge_micro if picture.sold else gen.reserve_micro),
        cost_usd=None if cost is None else dollars(cost),
        reason=gen.reason,
        error=gen.error if services.store.account_id is None else None,
        adopted=adopted,
        created_at=iso(gen.created_at),
        submitted_at=iso(gen.submitted_at),
    )


def _at_provider(services: Services, gen: Generation) -> str | None:
    """The provider's own link, for the operator, while our storage takes nothing; never one with a key of ours."""
    link = gen.result.url
    if services.store.account_id is not None or gen.status is not GenerationStatus.SUCCEEDED or link is None:
        return None
    asked = parse_qs(urlsplit(link).query, keep_blank_values=True)
    return None if _KEYS & {name.lower() for name in asked} else link


_KEYS = frozenset({"key", "api_key", "api-key", "apikey", "access_token"})
"""What of a link's query may be a key of ours."""


def cut_view(services: Services, picture: Picture, cut: Cut) -> CutView:
    there = cut.key is not None and cut.deleted_at is None
    url = services.links.video(cut.token) if there and cut.revoked_at is None else None
    return CutView(
        cut_id=cut.id,
        take=cut.take,
        format=cut.format,
        hook=cut.hook or None,
        language=cut.language or None,
        status=cut.status.value,
        animatic=cut.animatic,
        current=cut.take == picture.run.take and not cut.animatic,
        url=url,
        download_url=f"{url}?download=1" if url else None,
        poster_url=poster_url(services, cut),
        extras={name: _link(services, key, key.rsplit("/", 1)[-1]) for name, key in cut.extras.items()},
        filename=cut.filename,
        duration_s=cut.footage.duration_s or None,
        width=cut.footage.width or None,
        height=cut.footage.height or None,
        size=cut.size,
        verdict=cut.verdict.sentence or None,
        created_at=iso(cut.created_at),
        delivered_at=iso(cut.delivered_at),
    )


def event_view(picture: Picture, event: Event) -> EventView:
    numbers = {scene.id: scene.number for scene in picture.scenes}
    return EventView(
        at=iso(event.at),
        name=event.name,
        entity=event.entity,
        entity_id=event.entity_id,
        old=event.old,
        new=event.new,
        actor=event.actor,
        sentence=sentences.event_sentence(event, numbers),
        about=[name for name, is_it in _ABOUT.items() if is_it(event)],
    )


_ABOUT: dict[About, Callable[[Event], bool]] = {"milestones": sentences.is_milestone, "money": sentences.is_about_money}


def choices(picture: Picture) -> list[Choice]:
    numbers = {scene.id: scene.number for scene in picture.scenes}
    return [
        Choice(
            generation_id=gen.id,
            scene=numbers.get(gen.scene_id, 0),
            question=sentences.doubt_question(gen, numbers.get(gen.scene_id, 0)),
            amount_usd=dollars(gen.reserve_micro),
            options=dict(CHOICES),
        )
        for gen in picture.generations
        if gen.status is GenerationStatus.UNKNOWN and not gen.request.draft
    ]


def costs(picture: Picture) -> list[QuoteLine]:
    totals: dict[str, int] = {}
    lines = [(entry.model or entry.memo or "Other", entry.amount) for entry in picture.spent]
    if picture.sold:
        lines = [(_label(entry), entry.amount) for entry in picture.charges]
    for label, amount in lines:
        totals[label] = totals.get(label, 0) + amount
    return [QuoteLine(label=label, usd=dollars(amount)) for label, amount in totals.items()]


def _label(entry: CreditEntry) -> str:
    rounding = entry.posting is CreditPosting.ROUND
    return "rounding up to whole credits" if rounding else entry.model or "scene writing"

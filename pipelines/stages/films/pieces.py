"""A piece is one clip as one cut needs it: right size, rate and sound, captioned if wanted. Content-addressed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from pipelines.domain.errors import InvalidOrder
from pipelines.domain.footage import (
    RATES,
    Captions,
    ClipWork,
    Colour,
    Corner,
    Lettering,
    Logo,
    Target,
    Transition,
    Voice,
    Word,
    exact_rate,
)
from pipelines.domain.keys import digest, storage_folder
from pipelines.domain.orders.brand import colour_of
from pipelines.domain.orders.order import Order, ai_label_corner
from pipelines.domain.planning.narration import BEFORE_S, room_s
from pipelines.domain.planning.plan import Plan, format_size
from pipelines.domain.records import Clip, Run, Scene
from pipelines.ports import Tx
from pipelines.stages.files import keep
from pipelines.stages.kernel import scratch
from pipelines.stages.kernel.services import Services
from pipelines.stages.narration import lines

VERSION = 3
"""Rises when the way of preparing changes, so that old pieces are not taken for new ones."""


class LogoWork(NamedTuple):
    """A stored picture, and how it is laid over."""

    key: str
    corner: Corner
    opacity: float


class VoiceWork(NamedTuple):
    """A stored spoken line, and where in the clip it stands."""

    key: str
    text: str
    begins_s: float
    room_s: float


class LetteringWork(NamedTuple):
    """How a brand sets words; its font is a stored file."""

    ink: Colour | None
    plate: Colour | None
    accent: Colour | None
    font: str | None

    def local(self, services: Services) -> Lettering:
        """The same with its font on this machine."""
        font = scratch.local(services, self.font) if self.font else None
        return Lettering(ink=self.ink, plate=self.plate, accent=self.accent, font=font)


def lettering_of(order: Order) -> LetteringWork | None:
    """What the order's brand says of words; None where it says nothing, or there is none."""
    brand = order.brand
    if brand is None:
        return None
    ink, plate, accent = map(colour_of, (brand.text_colour, brand.primary_colour, brand.accent_colour))
    found = LetteringWork(ink, plate, accent, brand.font)
    return found if any(found) else None


@dataclass(frozen=True, slots=True)
class PieceWork:
    """One clip for one format. `key` names the result by its inputs, within the account. `fade_s`: how much of either
    end a transition may take.
    """

    format: str
    clip: Clip
    target: Target
    trim_s: float | None
    caption: str | None
    logo: LogoWork | None
    fade_s: float = 0.0
    account_id: str | None = None
    karaoke: bool = False
    voice: VoiceWork | None = None
    lettering: LetteringWork | None = None
    """Of the caption."""
    ai_label: Corner | None = None

    @property
    def key(self) -> str:
        """Where the piece is kept; the same inputs give the same piece."""
        lit = "karaoke as it is said" if self.voice else "karaoke"
        caption = (self.caption, *([lit] if self.karaoke else []), *([self.lettering] if self.lettering else []))
        label = [f"AI {self.ai_label}"] if self.ai_label else []
        looks = (*caption, self.logo, *([self.voice] if self.voice else []), *label)
        mark = digest(VERSION, self.clip.sha256, repr(self.target), self.trim_s, *looks, self.fade_s)
        return f"{storage_folder('pieces', self.account_id)}/{mark[:2]}/piece-{mark}.mp4"


def works(run: Run, scene: Scene, clip: Clip) -> list[PieceWork]:
    """One work for each format of the run."""
    order, plan = run.known_order, run.known_plan
    length = clip.footage.duration_s
    frame = 1.0 / float(film_rate(plan))
    trim = scene.seconds if scene.seconds and length > scene.seconds + frame else None
    logo = LogoWork(order.logo, order.logo_position, order.logo_opacity) if order.logo else None
    label = ai_label_corner(order)
    fade_s = _fade_s(order, scene)
    voice = _voice(order, scene, min(length, scene.seconds or length), fade_s)
    shown = voice.text if voice and order.captions is Captions.KARAOKE else scene.caption
    karaoke = order.captions is Captions.KARAOKE and bool(shown)
    caption = shown if karaoke or order.captions is Captions.BURNED else None
    lettering = lettering_of(order) if caption else None
    work = PieceWork("", clip, target_of(run, plan.formats[0]), trim, caption, logo, fade_s, run.account_id, karaoke)
    return [
        replace(work, format=name, target=target_of(run, name), voice=voice, lettering=lettering, ai_label=label)
        for name in plan.formats
    ]


def _voice(order: Order, scene: Scene, seconds: float, fade_s: float) -> VoiceWork | None:
    """The scene's spoken line, as soon as that is there: never within a transition, which two clips share."""
    if scene.sound is None or not order.voiceover:
        return None
    return VoiceWork(scene.sound, scene.aloud or "", BEFORE_S + fade_s, round(room_s(seconds, fade_s), 3))


def _fade_s(order: Order, scene: Scene) -> float:
    """Where whole pictures are wanted, so that a transition touches nothing beyond it. A crossfade takes its whole
    length of both clips, a fade through black or white half of it.
    """
    kinds = {order.transition, Transition(scene.transition or order.transition)} - {Transition.CUT}
    if not kinds:
        return 0.0
    return order.transition_seconds if Transition.CROSSFADE in kinds else order.transition_seconds / 2


def target_of(run: Run, format_name: str) -> Target:
    """What every clip of one cut is brought to."""
    order, plan = run.known_order, run.known_plan
    width, height = format_size(plan, format_name)
    rate = film_rate(plan)
    return Target(width=width, height=height, fps=rate, fit=order.fit, loudness_lufs=order.loudness_lufs)


def film_rate(plan: Plan) -> Fraction:
    """Frames a second of the film: its first clip's, else what its model is taken to make."""
    if plan.film_fps is not None:
        return Fraction(plan.film_fps)
    return exact_rate(plan.fps)


def settle_rate(services: Services, run: Run) -> Run:
    """Nobody orders a frame rate: the film takes that of its first clip, once, so that nothing is encoded for it."""
    if run.plan is None or run.plan.film_fps is not None:
        return run
    with services.store.write() as tx:
        row = tx.runs.get(run.id, lock=True) or run
        plan = row.plan or run.plan
        if plan.film_fps is None:
            plan = replace(plan, film_fps=str(_first_rate(tx, row) or film_rate(plan)))
            tx.runs.change(row.id, plan=plan)
        return replace(run, plan=plan)


def _first_rate(tx: Tx, run: Run) -> Fraction | None:
    scenes = tx.scenes.find(run_id=run.id, order="number")
    clips = [clip for scene in scenes if scene.clip_id and (clip := tx.clips.get(scene.clip_id))]
    rates = [exact_rate(clip.footage.fps) for clip in clips if not clip.placeholder]
    return rates[0] if rates and rates[0] in RATES else None


class Made(NamedTuple):
    """A stored piece, and in words what had to be changed for it."""

    key: str
    changed: tuple[str, ...] = ()


def make(services: Services, work: PieceWork) -> Made:
    """Prepare the piece and store it, unless it is there. A clip that is right as it is is its own piece."""
    if services.media.stat(work.key) is not None:
        return Made(work.key)
    at = work.logo
    logo = Logo(path=scratch.local(services, at.key), corner=at.corner, opacity=at.opacity) if at else None
    source, said = scratch.local(services, work.clip.key), work.voice
    voice = _laid(services, said, timed=work.karaoke) if said else None
    order = ClipWork(
        source=source,
        target=work.target,
        trim_s=work.trim_s,
        caption=work.caption,
        karaoke=work.karaoke,
        logo=logo,
        voice=voice,
        lettering=work.lettering.local(services) if work.lettering else None,
        ai_label=work.ai_label,
        fade_in_s=work.fade_s,
        fade_out_s=work.fade_s,
    )
    with scratch.draft(services, "pieces", Path(work.key).name) as dest:
        prepared = services.editor.prepare(order, dest)
        if prepared.changed:
            _store(services, work, dest)
    return Made(work.key, prepared.changed) if prepared.changed else Made(work.clip.key)


def _laid(services: Services, said: VoiceWork, *, timed: bool) -> Voice:
    """The spoken line; with when each word is said, where that is to be seen."""
    words: tuple[Word, ...] = ()
    if timed:
        with services.store.read() as tx:
            words = lines.words_of(tx, said.key)
    path = scratch.local(services, said.key)
    return Voice(path=path, text=said.text, begins_s=said.begins_s, room_s=said.room_s, words=words)


def _store(services: Services, work: PieceWork, made: Path) -> None:
    """Two encodings of the same thing need not have the same bytes: whoever comes second takes what is there."""
    try:
        keep.keep(services, work.clip.run_id, made, work.key, "video/mp4")
    except InvalidOrder:
        if services.media.stat(work.key) is None:
            raise

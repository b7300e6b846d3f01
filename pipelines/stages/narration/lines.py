"""Which lines a run needs: quoted before it starts, ordered as soon as its scenes are known, and found again for
nothing where they were bought before. Nothing here may fail a film.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pipelines.domain.footage import Word
from pipelines.domain.languages import named
from pipelines.domain.lifecycle import OPEN_PURCHASE, GenerationStatus
from pipelines.domain.orders.order import Order
from pipelines.domain.planning import translation
from pipelines.domain.planning.narration import (
    Line,
    fingerprint,
    is_too_long,
    most_characters,
    room_s,
    spoken,
    too_long,
)
from pipelines.domain.planning.plan import VOICEOVER, Plan, PlannedScene, with_speech
from pipelines.domain.planning.translation import is_translated
from pipelines.domain.records import Purchase, Run, Scene
from pipelines.ports import Tx
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor, warn
from pipelines.stages.narration import shorter
from pipelines.stages.spending import purchases

_G = GenerationStatus
NOTHING_TO_SAY = (
    "Nothing is spoken, because no scene has a Narration: write one into the rows of Scenes, set their Status to Draft "
    "and start again; the clips are kept."
)
OWN = "en"
"""Of a line whose language nobody said."""
TRIES = 2
"""The quote is for so many of each line: one may get lost."""


def _voices(services: Services, order: Order, languages: Sequence[str]) -> Mapping[str, str]:
    """Who speaks each of the languages, "" of which is the one that nobody named; empty where nobody speaks."""
    if not order.voiceover:
        return {}
    return {language: order.voice or services.speech.voice_for(language or OWN) for language in languages}


def _voices_of(services: Services, run: Run) -> Mapping[str, str]:
    return _voices(services, run.known_order, run.known_plan.languages)


def _away(services: Services, voice: str) -> str | None:
    """Why a voice cannot be had; None where it can."""
    return services.speech.unknown(voice) or services.speech.silent(voice, services.today)


def quoted(services: Services, order: Order, plan: Plan) -> Plan:
    """The plan with its narrators: a line of the quote, and a sentence for whoever cannot be had."""
    voices = _voices(services, order, plan.languages)
    away = {voice: reason for voice in dict.fromkeys(voices.values()) if (reason := _away(services, voice))}
    plan = replace(plan, warnings=(*plan.warnings, *away.values()))
    here = {language: voice for language, voice in voices.items() if voice not in away}
    return _priced(services, order, plan, here) if here else plan


def _priced(services: Services, order: Order, plan: Plan, voices: Mapping[str, str]) -> Plan:
    """`voices`: who speaks each language that has somebody."""
    own, *others = plan.languages
    said = [scene for scene in plan.scenes if scene.prompt is None or spoken(scene.narration, scene.caption)]
    if not said:
        return replace(plan, warnings=(*plan.warnings, NOTHING_TO_SAY))
    plan, asked = _own_lines(services, plan, voices[own], said) if own in voices else (plan, [])
    shortened = shorter.quoted(services, order, plan) if asked else ()
    plan, spoken_in = _with_silent(services, plan, voices, others)
    asked += [_longest(voices[language], language, scene.seconds) for language in spoken_in for scene in said]
    if not asked:
        return plan
    counted = ", ".join(f"{count} × {voice}" for voice, count in Counter(line.voice for line in asked).items())
    label = f"{VOICEOVER}{counted}{f', {len(shortened)} of them said shorter' if shortened else ''}"
    micro = sum(services.speech.quote_micro(line, services.today) for line in asked) * TRIES
    return with_speech(plan, label, micro + sum(shortened))


def _own_lines(services: Services, plan: Plan, voice: str, scenes: Sequence[PlannedScene]) -> tuple[Plan, list[Line]]:
    """What a voice says over scenes in the plan's own language, and the plan with a sentence where that is nothing.
    What is still to be written, all scenes or a hook, may say as much as fits.
    """
    own = plan.languages[0] or OWN
    texts = [spoken(scene.narration, scene.caption) if scene.prompt is not None else None for scene in scenes]
    lines = [
        Line(text=text, voice=voice, language=own) if text else _longest(voice, own, scene.seconds)
        for text, scene in zip(texts, scenes, strict=True)
    ]
    reasons = [services.speech.cannot_say(line) for line in lines]
    asked = [line for line, reason in zip(lines, reasons, strict=True) if not reason]
    if not asked:
        begin = f"The film in {named(own)} has no narrator" if plan.languages[1:] else "Nothing is spoken"
        plan = replace(plan, warnings=(*plan.warnings, f"{begin}: {reasons[0]}"))
    return plan, asked


def _longest(voice: str, language: str, seconds: float) -> Line:
    """A line that is still to be written or translated, as long as one may be."""
    return Line(text=" " * most_characters(seconds), voice=voice, language=language or OWN)


def _with_silent(
    services: Services, plan: Plan, voices: Mapping[str, str], languages: Sequence[str]
) -> tuple[Plan, list[str]]:
    """The languages that somebody speaks, and the plan with a sentence for each other one."""
    asked = [Line(voice=voices[language], language=language) for language in languages if language in voices]
    reasons = {line.language: services.speech.cannot_say(line) for line in asked}
    silent = tuple(
        f"The film in {named(language)} has no narrator: {reason}" for language, reason in reasons.items() if reason
    )
    plan = replace(plan, warnings=(*plan.warnings, *silent))
    return plan, [language for language, reason in reasons.items() if not reason]


def priced(services: Services, tx: Tx, run: Run, scene: Scene, *, at_most: int | None = None) -> Scene:
    """The scene with what its lines may cost; nothing where the account has bought them before. `at_most` is what was
    agreed to be charged, whatever the price list says by now.
    """
    scene = shorter.remembered(tx, run, scene) if run.known_order.voiceover else scene
    unbought = list(_unbought(services, tx, run, scene))
    micro = sum(services.speech.quote_micro(line, services.today) for line in unbought) * TRIES
    if unbought:
        micro += shorter.still_to_buy(services, run, scene)
    if not micro:
        return scene
    charge = services.prices.speech(micro)
    charge = charge if at_most is None else min(charge, at_most)
    return replace(scene, settings=replace(scene.settings, speech_micro=micro, speech_charge_micro=charge))


def is_bought(services: Services, tx: Tx, run: Run, scene: Scene) -> bool:
    """Whether the account of a run has all that is said over the scene already, in every language."""
    if not run.known_order.voiceover or spoken(scene.narration, scene.caption) is None:
        return False
    scene = shorter.remembered(tx, run, scene)
    return next(_unbought(services, tx, run, scene), None) is None


def _unbought(services: Services, tx: Tx, run: Run, scene: Scene) -> Iterator[Line]:
    """The lines of a scene that are still to be bought, in every language of its films."""
    if not spoken(scene.narration, scene.caption):
        return
    own = run.known_plan.languages[0]
    for language, voice in _voices_of(services, run).items():
        known = language == own or is_translated(run.known_order, scene, language)
        line = line_of(scene.in_language(language), voice, language) if known else None
        line = line or _longest(voice, language, scene.seconds)
        if language != own and services.speech.cannot_say(line):
            continue
        bought = tx.purchases.find(fingerprint=fingerprint(line, run.account_id))
        if not any(purchases.is_there(tx, one) for one in bought):
            yield line


def order_lines(services: Services, tx: Tx, actor: Actor, run: Run, scenes: Sequence[Scene]) -> None:
    """A purchase for each line that nobody has bought yet; scenes whose line is there get it at once."""
    voices = _voices_of(services, run)
    away = {voice for voice in set(voices.values()) if _away(services, voice)}
    unsaid: dict[str, list[str]] = {}
    for wanted, shown, line in _said(run, scenes, voices):
        if line.voice in away:
            continue
        if shown.sound is not None and tx.files.get(shown.sound) is not None:
            continue
        # Its file may have outlived its retention: then the line is there no more than one never said.
        forget(tx, wanted)
        if reason := services.speech.cannot_say(line):
            # Of a language that the voice does not have at all, the plan says so.
            if not services.speech.cannot_say(replace(line, text="")):
                unsaid.setdefault(reason, []).append(wanted.name)
        elif (ready := _fitting(services, tx, actor, run, wanted, line)) is not None:
            cost = services.speech.quote_micro(ready, services.today)
            new = purchases.planned(actor, run, "speech", fingerprint(ready, run.account_id), cost)
            bought = purchases.ordered(tx, actor, replace(new, request=ready))
            if bought.status is _G.FETCHED:
                give(tx, actor.now, run, wanted, bought)
    told = (f"Scene {', '.join(names)} has no narrator. {reason}" for reason, names in unsaid.items())
    warn(tx, run, tuple(told))


def _fitting(services: Services, tx: Tx, actor: Actor, run: Run, wanted: Wanted, line: Line) -> Line | None:
    """The line as it will be said; None while it is still to be written shorter."""
    if wanted.language != run.known_plan.languages[0]:
        return line
    asked = shorter.ordered(services, tx, actor, run, wanted.scene)
    if asked is not None and asked.status in OPEN_PURCHASE:
        return None
    return line if asked is None or asked.status is not _G.FETCHED else replace(line, text=asked.answer[0])


def forget(tx: Tx, wanted: Wanted) -> None:
    """A spoken line is not there."""
    scene = tx.scenes.get(wanted.scene.id, lock=True)
    words = scene.translations.get(wanted.language) if scene else None
    if scene is None or (words or scene).sound is None:
        return
    if words is None:
        tx.scenes.change(scene.id, sound=None)
    else:
        silent = {**scene.translations, wanted.language: replace(words, sound=None)}
        tx.scenes.change(scene.id, translations=silent)


def line_of(scene: Scene, voice: str, language: str = "") -> Line | None:
    """What a voice says over a scene, which is in that language."""
    text = scene.aloud
    return Line(text=text, voice=voice, language=language or OWN) if text else None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A scene that is to be said in a language."""

    scene: Scene
    language: str

    @property
    def name(self) -> str:
        """It in a sentence."""
        said = f" in {named(self.language)}" if self.language in self.scene.translations else ""
        return f"{self.scene.number}{said}"


def give(tx: Tx, now: float, run: Run, wanted: Wanted, bought: Purchase) -> None:
    """A scene gets its spoken line; one that will end early says so in the row."""
    scene = tx.scenes.get(wanted.scene.id, lock=True)
    if scene is None:
        return
    words = scene.translations.get(wanted.language)
    if words is None:
        tx.scenes.change(scene.id, sound=bought.file)
    else:
        said = {**scene.translations, wanted.language: replace(words, sound=bought.file)}
        tx.scenes.change(scene.id, translations=said)
    tx.files.change(bought.file or "", last_used_at=now)
    if scene.clip_id:
        tx.clips.change(scene.clip_id, next_at=now)
    if is_too_long(bought.seconds, room_s(scene.seconds)):
        warn(tx, run, (too_long(wanted.name, scene.seconds),))


def words_of(tx: Tx, sound: str) -> tuple[Word, ...]:
    """When each word of a spoken line is said; nothing where its voice has not told, or nobody knows any more."""
    return next((bought.words for bought in tx.purchases.find(file=sound, limit=1)), ())


def waits(tx: Tx, services: Services, run: Run, scenes: Sequence[Scene], language: str | None = None) -> bool:
    """Whether a line of the films is still on its way; of those in one `language`, where that is named."""
    missing = [
        (wanted, line)
        for wanted, scene, line in _said(run, scenes, _voices_of(services, run))
        if scene.sound is None and language in (None, wanted.language)
    ]
    marks = [fingerprint(line, run.account_id) for _, line in missing]
    own = [wanted.scene for wanted, _ in missing if wanted.language == run.known_plan.languages[0]]
    marks += [
        translation.fingerprint(asked, run.account_id) for scene in own if (asked := shorter.question_of(run, scene))
    ]
    return bool(marks) and bool(tx.purchases.count(fingerprint=marks, status=tuple(OPEN_PURCHASE)))


def wanted_by(tx: Tx, run: Run, bought: Purchase) -> Sequence[Wanted]:
    """The scenes of a run that wait for a purchase, each in its language."""
    current = tx.runs.get(run.id) or run
    voices = dict.fromkeys(current.known_plan.languages, bought.request.voice)
    found = _said(current, tx.scenes.find(run_id=run.id, order="number"), voices)
    return [
        wanted
        for wanted, scene, line in found
        if scene.sound is None and fingerprint(line, run.account_id) == bought.fingerprint
    ]


def _said(run: Run, scenes: Sequence[Scene], voices: Mapping[str, str]) -> Iterator[tuple[Wanted, Scene, Line]]:
    """Every line of the run's films, as far as their words are known, by who speaks each language: own language
    first.
    """
    own = run.known_plan.languages[0]
    for language, voice in voices.items():
        for scene in scenes:
            if language != own and not is_translated(run.known_order, scene, language):
                continue
            shown = scene.in_language(language)
            if line := line_of(shown, voice, language):
                yield Wanted(scene, language), shown, line

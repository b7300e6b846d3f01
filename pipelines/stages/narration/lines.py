"""Which lines a run needs: quoted before it starts, ordered as soon as its scenes are known, and found again for
nothing where they were bought before. Nothing here may fail a film.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipelines.domain.footage import Word
from pipelines.domain.keys import new_id
from pipelines.domain.lifecycle import OPEN_PURCHASE, GenerationStatus
from pipelines.domain.orders.order import Order
from pipelines.domain.planning.narration import (
    Line,
    fingerprint,
    is_too_long,
    most_characters,
    room_s,
    spoken,
    too_long,
)
from pipelines.domain.planning.plan import VOICEOVER, Plan, with_speech
from pipelines.domain.records import Purchase, Run, Scene
from pipelines.ports import Tx
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, Actor, transition_purchase, warn

_G = GenerationStatus
NOTHING_TO_SAY = (
    "Nothing is spoken, because no scene has a Narration: write one into the rows of Scenes, set their Status to Draft "
    "and start again; the clips are kept."
)
TRIES = 2
"""The quote is for so many of each line: one may get lost."""


def voice_of(services: Services, order: Order) -> str | None:
    """Who speaks; None where nobody does."""
    return (order.voice or services.speech.default_voice) if order.voiceover else None


def quoted(services: Services, order: Order, plan: Plan) -> Plan:
    """The plan with its narrator: a line of the quote, or a sentence why there is none."""
    voice = voice_of(services, order)
    if voice is None:
        return plan
    if reason := services.speech.unknown(voice) or services.speech.silent(voice, services.today):
        return replace(plan, warnings=(*plan.warnings, reason))
    said = [spoken(scene.narration, scene.caption) for scene in plan.scenes if scene.prompt is not None]
    lines = [Line(text=text, voice=voice) for text in said if text]
    return _priced(services, plan, voice, lines)


def _priced(services: Services, plan: Plan, voice: str, lines: Sequence[Line]) -> Plan:
    unsaid = [reason for line in lines if (reason := services.speech.cannot_say(line))]
    # What is still to be written, all scenes or a hook, may say as much as fits.
    unwritten = [scene for scene in plan.scenes if scene.prompt is None]
    if not unwritten and len(unsaid) == len(lines):
        reason = f"Nothing is spoken: {unsaid[0]}" if unsaid else NOTHING_TO_SAY
        return replace(plan, warnings=(*plan.warnings, reason))
    asked = [*lines, *(Line(text=" " * most_characters(scene.seconds), voice=voice) for scene in unwritten)]
    micro = sum(services.speech.quote_micro(line, services.today) for line in asked) * TRIES
    return with_speech(plan, f"{VOICEOVER}{len(asked) - len(unsaid)} × {voice}", micro)


def priced(services: Services, tx: Tx, run: Run, scene: Scene, *, at_most: int | None = None) -> Scene:
    """The scene with what its line may cost; nothing where the account has bought it before. `at_most` is what was
    agreed to be charged, whatever the price list says by now.
    """
    voice = voice_of(services, run.known_order)
    line = line_of(scene, voice) if voice else None
    if line is None or is_bought(services, tx, run, scene):
        return scene
    micro = services.speech.quote_micro(line, services.today) * TRIES
    charge = services.prices.speech(micro)
    charge = charge if at_most is None else min(charge, at_most)
    return replace(scene, settings=replace(scene.settings, speech_micro=micro, speech_charge_micro=charge))


def is_bought(services: Services, tx: Tx, run: Run, scene: Scene) -> bool:
    """Whether the account of a run has the scene's line already."""
    voice = voice_of(services, run.known_order)
    line = line_of(scene, voice) if voice else None
    return line is not None and _is_there(tx, tx.purchases.find(fingerprint=fingerprint(line, run.account_id)))


def _is_there(tx: Tx, bought: Sequence[Purchase]) -> bool:
    """Whether a line was bought and its file is still ours."""
    return any(one.status is _G.FETCHED and one.file and tx.files.get(one.file) is not None for one in bought)


def order_lines(services: Services, tx: Tx, actor: Actor, run: Run, scenes: Sequence[Scene]) -> None:
    """A purchase for each line that nobody has bought yet; scenes whose line is there get it at once."""
    voice = voice_of(services, run.known_order)
    if voice is None or services.speech.unknown(voice) or services.speech.silent(voice, services.today):
        return
    problems: dict[str, None] = {}
    for scene in scenes:
        line = line_of(scene, voice)
        if line is None or (scene.sound is not None and tx.files.get(scene.sound) is not None):
            continue
        # Its file may have outlived its retention: then the line is there no more than one never said.
        tx.scenes.change(scene.id, sound=None)
        if reason := services.speech.cannot_say(line):
            problems[f"Scene {scene.number} has no narrator. {reason}"] = None
        else:
            _order(services, tx, actor, run, scene, line)
    warn(tx, run, tuple(problems))


def line_of(scene: Scene, voice: str) -> Line | None:
    """What a voice says over a scene."""
    text = spoken(scene.narration, scene.caption)
    return Line(text=text, voice=voice) if text else None


def _order(services: Services, tx: Tx, actor: Actor, run: Run, scene: Scene, line: Line) -> None:
    mark = fingerprint(line, run.account_id)
    reserve = services.speech.quote_micro(line, services.today)
    tx.purchases.add(
        Purchase(
            id=new_id("pur"),
            run_id=run.id,
            account_id=run.account_id,
            kind="speech",
            fingerprint=mark,
            status=_G.PLANNED,
            request=line,
            reserve_micro=reserve,
            next_at=actor.now,
            created_at=actor.now,
            updated_at=actor.now,
        )
    )
    (bought,) = tx.purchases.find(fingerprint=mark)
    in_vain = bought.run_id == run.id and bought.status in (_G.FAILED, _G.UNKNOWN)
    if _is_there(tx, [bought]):
        give(tx, actor.now, run, scene, bought)
    elif bought.status in OPEN_PURCHASE or in_vain:
        # It is on its way, for whomever; or this run has tried in vain, and only a new start tries again.
        return
    else:
        again = {"run_id": run.id, "tries": 0, "error": None, "file": None, "attempts": 0, **FREE}
        again |= {"next_at": actor.now, "created_at": actor.now, "reserve_micro": reserve}
        transition_purchase(tx, actor, bought, _G.PLANNED, **again)


def give(tx: Tx, now: float, run: Run, scene: Scene, bought: Purchase) -> None:
    """A scene gets its spoken line; one that will end early says so in the row."""
    tx.scenes.change(scene.id, sound=bought.file)
    tx.files.change(bought.file or "", last_used_at=now)
    if scene.clip_id:
        tx.clips.change(scene.clip_id, next_at=now)
    if is_too_long(bought.seconds, room_s(scene.seconds)):
        warn(tx, run, (too_long(scene.number, scene.seconds),))


def words_of(tx: Tx, sound: str) -> tuple[Word, ...]:
    """When each word of a spoken line is said; nothing where its voice has not told, or nobody knows any more."""
    return next((bought.words for bought in tx.purchases.find(file=sound, limit=1)), ())


def waits(tx: Tx, services: Services, run: Run, scenes: Sequence[Scene]) -> bool:
    """Whether a line of the film is still on its way."""
    voice = voice_of(services, run.known_order)
    missing = [scene for scene in scenes if voice and scene.sound is None]
    marks = [fingerprint(line, run.account_id) for scene in missing if (line := line_of(scene, voice or ""))]
    return bool(marks) and bool(tx.purchases.count(fingerprint=marks, status=tuple(OPEN_PURCHASE)))


def wanted_by(tx: Tx, run: Run, bought: Purchase) -> Mapping[str, Scene]:
    """The scenes of a run that wait for a purchase, by their ids."""
    scenes = tx.scenes.find(run_id=run.id, sound=None, order="number")
    return {
        scene.id: scene
        for scene in scenes
        if (line := line_of(scene, bought.request.voice)) and fingerprint(line, run.account_id) == bought.fingerprint
    }

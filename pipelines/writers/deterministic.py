"""Scenes without a language model: no key, no network, no cost, and the same scenes for the same brief.

Every prompt stands alone, because a video model sees one scene at a time: camera and movement, what happens, who and
where, light, style. The shots follow an arc from an establishing to a closing one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from typing_extensions import override

from pipelines.domain.errors import NotConfigured
from pipelines.domain.planning.translation import Translated, Translation
from pipelines.ports import Brief, HookBrief, SceneText, SceneWriter, Script
from pipelines.writers.breakdown import Beat, Breakdown, break_down
from pipelines.writers.language import Phrases, phrases_for
from pipelines.writers.softening import softened
from pipelines.writers.text import caption_of, narration_of, one_line, plain, sentence, shortened

NAME = "deterministic"
MAX_ANCHOR = 400
"""Characters of the sentence that repeats characters and place; more would drown what the scene itself shows."""
_NO_TRANSLATION = "translating needs a language model (OPENAI_API_KEY), and none is set up here. Ask your operator."
_DROPPED_FIRST = ("moment", "shape", "same", "light")
_MIDDLE = ("medium", "detail", "action")
_ROLES = ("establishing", "closing", *_MIDDLE)
_FRAMINGS = 16
"""Framings of a role before they come again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Film:
    """What all scenes of a film share."""

    phrases: Phrases
    breakdown: Breakdown
    style: str
    shape: str
    light: str
    limit: int


class DeterministicWriter(SceneWriter):
    """The writer for everybody without a key."""

    @override
    def write(self, brief: Brief) -> Script:
        """Exactly `brief.scenes` scenes, none longer than `brief.max_prompt`. Raises nothing."""
        film = _film_of(brief)
        shots = zip(_arc(brief.scenes, film.phrases), film.breakdown.beats, strict=True)
        prompts = [_prompt(film, number, role, camera, beat) for number, ((role, camera), beat) in enumerate(shots)]
        scenes = tuple(
            SceneText(prompt=prompt, caption=caption_of(beat.text), narration=_narration(brief, beat))
            for prompt, beat in zip(prompts, film.breakdown.beats, strict=True)
        )
        title = brief.title or caption_of(film.breakdown.anchor)
        return Script(scenes=scenes, writer=NAME, title=title, notes=tuple(_notes(brief, film, prompts)))

    @override
    def write_hooks(self, brief: HookBrief) -> Script:
        """The film's other scenes seen from elsewhere, its end first: as many as it has. Raises nothing."""
        phrases = phrases_for(" ".join(scene.prompt for scene in brief.scenes))
        others = brief.scenes[:0:-1][: brief.count]
        scenes = tuple(
            SceneText(
                prompt=shortened(_seen_from(phrases.framing("action", use), scene, phrases), brief.brief.max_prompt),
                caption=caption_of(scene.caption or "") if scene.caption else None,
            )
            for use, scene in enumerate(others)
        )
        return Script(scenes=scenes, writer=NAME)

    @override
    def cannot_translate(self) -> str:
        """Word lists make no sentences."""
        return _NO_TRANSLATION

    @override
    def translate(self, asked: Translation) -> Translated:
        """Raises NotConfigured."""
        raise NotConfigured(f"{asked.language}: OPENAI_API_KEY is not set", marketer=_NO_TRANSLATION)

    @override
    def quote_translation_micro(self, asked: Translation) -> int:
        """Nothing is bought."""
        return 0

    @override
    def find_cast(self, prompts: Sequence[str]) -> Script:
        """Word lists know nobody again."""
        return Script(scenes=(), writer=NAME)

    @override
    def quote_cast_micro(self, prompts: Sequence[str]) -> None:
        """It finds nobody."""

    @override
    def soften(self, prompt: str, reason: str) -> Script:
        """The prompt without directives and without the words that moderation usually stumbles over."""
        return Script(scenes=(SceneText(prompt=softened(prompt), caption=None),), writer=NAME)

    @override
    def quote_micro(self, brief: Brief) -> int:
        """Nothing is bought."""
        return 0

    @override
    def quote_hooks_micro(self, brief: HookBrief) -> int:
        """Nothing is bought."""
        return 0

    @override
    def quote_softening_micro(self, prompt: str) -> int:
        """Nothing is bought."""
        return 0

    @override
    def check(self) -> str:
        """It needs nobody."""
        return "Scenes are written without a language model, because OPENAI_API_KEY is not set."


def _narration(brief: Brief, beat: Beat) -> str | None:
    """What happens, said: a step that several shots share is said once."""
    return narration_of(sentence(beat.text), brief.narration_words) if brief.narration_words and not beat.part else None


def _seen_from(camera: str, scene: SceneText, phrases: Phrases) -> str:
    """A scene with another camera in the place of its own, which our prompts begin with."""
    text = plain(scene.prompt)
    for role in _ROLES:
        for use in range(_FRAMINGS):
            own = sentence(phrases.framing(role, use))
            text = text.removeprefix(own).strip() or text
    return " ".join((sentence(camera), sentence(text)))


def _film_of(brief: Brief) -> _Film:
    phrases = phrases_for(brief.master_prompt)
    breakdown = break_down(brief.master_prompt, phrases, brief.scenes)
    notes = shortened(one_line(brief.style_notes or ""), brief.max_prompt // 4)
    spoken = " ".join((brief.style_notes or "", brief.master_prompt))
    light = phrases.light_of(f"{breakdown.anchor} {breakdown.look}")
    return _Film(
        phrases=phrases,
        breakdown=breakdown,
        style=sentence(phrases["style"].format(notes=notes)) if notes else "",
        shape=phrases.shape(brief.aspect_ratio),
        light=light or ("" if phrases.speaks_of_light(spoken) else phrases["light"]),
        limit=brief.max_prompt,
    )


def _arc(scenes: int, phrases: Phrases) -> Iterator[tuple[str, str]]:
    """Role and camera of each shot: it opens wide, closes wide, and alternates in between without repeating itself."""
    uses: Counter[str] = Counter()
    for index in range(scenes):
        role = _MIDDLE[(index - 1) % len(_MIDDLE)]
        if index in {0, scenes - 1}:
            role = "closing" if index else "establishing"
        yield role, phrases.framing(role, uses[role])
        uses[role] += 1


def _prompt(film: _Film, number: int, role: str, camera: str, beat: Beat) -> str:
    """One self-contained prompt, its parts in the order in which they are read."""
    phrases, down = film.phrases, film.breakdown
    anchor = "" if number < down.anchored else shortened(down.anchor, min(MAX_ANCHOR, film.limit // 4))
    several = len(down.beats) > 1
    parts = {
        "camera": sentence(camera),
        "beat": sentence(beat.text),
        "moment": phrases.moment(role) if beat.parts > 1 else "",
        "anchor": phrases["continuity"].format(anchor=anchor) if anchor else "",
        "look": shortened(down.look, film.limit // 4),
        "same": phrases["same"] if several else "",
        "light": phrases.light_of(beat.text) or film.light,
        "shape": film.shape,
        "style": film.style,
        "directives": _whole(beat.directives, film.limit // 2),
    }
    return _within(parts, film.limit)


def _whole(directives: tuple[str, ...], room: int) -> str:
    """As many whole directives as there is room for: half of one would mean nothing to anybody."""
    kept = " ".join(directives)
    while len(kept) > room:
        directives = directives[:-1]
        kept = " ".join(directives)
    return kept


def _within(parts: dict[str, str], limit: int) -> str:
    """All parts if they fit; else without the least telling ones, and then with a shorter beat."""
    optional = (*_DROPPED_FIRST, "look", "anchor", "style", "camera")
    for name in optional:
        if _length(parts) <= limit:
            break
        # The beat gives way before what holds the film together does, down to half of the room.
        if name not in _DROPPED_FIRST:
            room = limit - _length({**parts, "beat": ""}) - 1
            if room >= limit // 4:
                break
        parts[name] = ""
    over = _length(parts) - limit
    if over > 0:
        parts["beat"] = shortened(parts["beat"], max(0, len(parts["beat"]) - over))
    return " ".join(part for part in parts.values() if part)[:limit].strip() or "…"


def _length(parts: dict[str, str]) -> int:
    return len(" ".join(part for part in parts.values() if part))


def _notes(brief: Brief, film: _Film, prompts: list[str]) -> Iterator[str]:
    listed, wanted = film.breakdown.listed, brief.scenes
    if listed > wanted:
        yield f"The master prompt lists {listed} shots; they were joined into {wanted} scenes."
    elif listed and listed < wanted:
        yield f"The master prompt lists {listed} shots; some were split so that there are {wanted} scenes."
    cut = [
        str(number)
        for number, (prompt, beat) in enumerate(zip(prompts, film.breakdown.beats, strict=True), start=1)
        if sentence(beat.text) not in prompt
    ]
    if cut:
        yield f"Shortened to the {brief.max_prompt} characters that the model takes: scene {', '.join(cut)}."

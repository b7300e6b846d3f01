"""A plan: what exactly a run buys and makes, and what that costs at most.

The quote, the hold, the row's sentence and every submission read it; `make_plan` makes it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipelines.domain.orders.fit import film_size
from pipelines.domain.planning.cast import CastMember
from pipelines.domain.planning.hooks import further, letters_of
from pipelines.domain.planning.translation import in_words


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """What was ordered and a free draft does not show; for the model that makes the scene after it."""

    references: tuple[str, ...] = ()
    first_frame: str | None = None
    last_frame: str | None = None
    seed: int | None = None
    negative_prompt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipShape:
    """What is asked of a model beside the prompt; None is not set."""

    width: int = 0
    height: int = 0
    aspect_ratio: str = ""
    resolution: str = ""
    fps: float = 24.0
    audio: bool = True
    seed: int | None = None
    negative_prompt: str | None = None
    first_frame: str | None = None
    last_frame: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSettings(ClipShape):
    """The request of a planned scene. Its `first_frame` is one of the ordered references, unless it `must_start` the
    clip.
    """

    must_start: bool = False
    left_out: LeftOut | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCells:
    """What a scene's row said when the scene was last made from it, of all that may also be ordered elsewhere. Where a
    cell was empty, that is nothing, and no seconds.
    """

    caption: str | None = None
    narration: str | None = None
    seconds: float = 0.0
    references: tuple[str, ...] = ()
    continues: bool = False
    transition: str | None = None
    read: bool = False
    """Whether all of it was read in the row; else it is what we know to have been there when the scene was planned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneSettings(ClipSettings):
    """The settings of a scene that is kept: with its prices in micro-dollars, and what else decides its request."""

    buy_seconds: float = 0.0
    """What the model is asked for; may be more than the film shows."""
    max_prompt: int = 0
    """Characters that its model takes; 0 for any number."""
    price_micro: int = 0
    charge_micro: int = 0
    """What an account is charged for its clip, whoever makes it in the end and however often it is tried."""
    softening_micro: int = 0
    draft_micro: int = 0
    """What a draft of it costs at most, where one is shown before the approval."""
    draft_charge_micro: int = 0
    speech_micro: int = 0
    """What its spoken line may cost at most, all tries together, and having it said shorter where it takes too long; 0
    where it was bought before.
    """
    speech_charge_micro: int = 0
    said: str | None = None
    """What is said over it in its own language instead of its words, which take too long for its clip."""
    quiet: bool = False
    """Whether nobody in the clip may speak, because a narrator does."""
    cast: tuple[str, ...] = ()
    """Pictures of who and what is seen in it, by their keys."""
    cast_note: str | None = None
    """Goes with the prompt, and says which picture is whose."""
    style: str | None = None
    """Goes with the prompt, unless the writer has worked it in."""
    fresh: str | None = None
    """The run that buys everything anew: clips of other runs are not reused."""
    row_prompt: str | None = None
    """The text of its row when another was ordered elsewhere."""
    row_cells: RowCells | None = None
    """The rest of its row, once the scene was made again; None while both still say the same."""
    own_resolution: str | None = None
    own_shape: str | None = None
    """What it was ordered again in, where that is not what the film was ordered in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedScene:
    """One scene as it will be bought. `seconds` is what the film shows, `buy_seconds` what the model is asked for."""

    number: int
    prompt: str | None
    """None until the writer has written it."""
    seconds: float
    buy_seconds: float
    model: str
    settings: ClipSettings
    price_micro: int
    charge_micro: int = 0
    """What an account is charged for the clip."""
    softening_micro: int = 0
    """What a softer wording may cost at most, where the order allows one after a refusal."""
    draft_micro: int = 0
    """What a draft of it costs at most, where one is shown before the approval."""
    draft_charge_micro: int = 0
    """What an account is charged for the draft."""
    caption: str | None = None
    narration: str | None = None
    references: tuple[str, ...] = ()
    """Pictures the model only looks at; the one it starts from is `settings.first_frame`."""
    continues: bool = False
    transition: str | None = None
    airtable_record_id: str | None = None
    hook: str = ""
    """The letter of the hook that begins with it, where there are several; empty for what every film shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run buys and makes. Sizes in pixels, money in micro-dollars."""

    model: str
    scenes: tuple[PlannedScene, ...]
    width: int
    """Of the film's first format; clips of another size are fitted."""
    height: int
    fps: float
    """What the model is asked for, or what it is taken to make."""
    formats: tuple[str, ...]
    """The first is the film's own, the others are cut from the same clips. Their sizes: `format_size`."""
    quote_micro: int
    resolution: str = "720p"
    """Of the film; may be higher than ordered, then `adapted` says so."""
    text_micro: int = 0
    text_charge_micro: int = 0
    """What an account is charged for having the scenes written."""
    languages: tuple[str, ...] = ("",)
    """Of its films, its own first; a nameless one where nobody said any."""
    card_texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By language, what stands on its cards and is posted with it, by what that translates."""
    post_text: str = ""
    """What is posted with its films, in their own language, where they are packed; empty until it is written."""
    translation_micro: int = 0
    """What having its words in the other languages may cost at most."""
    translation_charge_micro: int = 0
    """What an account is charged for that at most."""
    speech_micro: int = 0
    """What the narrator may cost at most, and whoever has lines that take too long said shorter."""
    speech_charge_micro: int = 0
    """What an account is charged for it at most."""
    picture_micro: int = 0
    """What pictures by an image model may cost at most, over all takes."""
    picture_charge_micro: int = 0
    """What an account is charged for them at most."""
    picture_model: str | None = None
    """Who makes them; None where none is bought."""
    cast: tuple[CastMember, ...] = ()
    """Of whom pictures are made."""
    cast_micro: int = 0
    """What of `picture_micro` is for them."""
    adapted: tuple[str, ...] = ()
    """What was changed to fit the model, in sentences for the row."""
    warnings: tuple[str, ...] = ()
    lines: tuple[tuple[str, int], ...] = field(default=())
    """The quote, line by line."""
    hook_text_micro: int = 0
    """What of `text_micro` is for writing further hooks."""
    seeks_cast: bool = False
    """Whether who comes back in its scenes, which people wrote, is still to be found."""
    cast_text_micro: int = 0
    """What of `text_micro` is for finding it."""
    styled: bool = False
    """Whether the style note goes with each prompt, where hooks are still to be written for scenes of a person."""
    film_fps: str | None = None
    """Frames a second of the film as a fraction: those of its first clip. None until one is there."""

    @property
    def hooks(self) -> tuple[str, ...]:
        """The letters of its films; a nameless one where there is one."""
        return letters_of(self.scenes)

    @property
    def further_languages(self) -> tuple[str, ...]:
        """Those that its words are translated into."""
        return self.languages[1:]

    def posted_in(self, language: str) -> str:
        """What is posted with the films in one of its languages."""
        return in_words(self.card_texts.get(language, {}), self.post_text) or ""

    def place_of(self, hook: str, format_name: str, language: str = "") -> tuple[int, str, int]:
        """What films are sorted by: language by language, hook by hook, each in the order of the formats; one that is
        not among them last.
        """
        return _place(self.languages, language), hook, _place(self.formats, format_name)

    def translation_due(self, languages: int) -> tuple[int, int]:
        """What so many of its further languages may cost and are charged at most."""
        count = max(1, len(self.further_languages))
        return -(-self.translation_micro * languages // count), -(-self.translation_charge_micro * languages // count)

    @property
    def charge_micro(self) -> int:
        """What an account is charged for all of it, before that is rounded up to whole credits."""
        words = self.text_charge_micro + self.translation_charge_micro + self.speech_charge_micro
        clips = sum(scene.charge_micro + scene.draft_charge_micro for scene in self.scenes)
        return clips + words + self.picture_charge_micro

    def before_approval_micro(self, *, sold: bool) -> int:
        """What may be bought before anybody is asked: the writing, pictures of the cast, and drafts. `sold`: what an
        account is charged for that.
        """
        if sold:
            drafts = sum(scene.draft_charge_micro for scene in self.scenes)
            return self.text_charge_micro + drafts + (self.picture_charge_micro if self.cast_micro else 0)
        return self.text_micro + self.cast_micro + sum(scene.draft_micro for scene in self.scenes)

    @property
    def charges(self) -> tuple[tuple[str, int], ...]:
        """The same line by line, as `lines` are the quote."""
        lines = quote_lines(self.scenes, [scene.charge_micro for scene in self.scenes], self.text_charge_micro)
        beside = (
            ("Translation", self.translation_charge_micro),
            ("Voiceover", self.speech_charge_micro),
            ("Pictures", self.picture_charge_micro),
            ("Drafts", sum(scene.draft_charge_micro for scene in self.scenes)),
        )
        return (*lines, *((name, micro) for name, micro in beside if micro))


def _place(names: Sequence[str], name: str) -> int:
    return names.index(name) if name in names else len(names)


def with_translations(plan: Plan, languages: Sequence[str], lines: Sequence[tuple[str, int]]) -> Plan:
    """The plan with films in these languages, each further one as a line of its own in the quote."""
    micro = sum(amount for _, amount in lines)
    quoted = (*plan.lines, *(line for line in lines if line[1]))
    return dataclasses.replace(
        plan,
        languages=tuple(languages),
        translation_micro=micro,
        quote_micro=plan.quote_micro + micro,
        lines=quoted,
    )


def with_cast_sought(plan: Plan, micro: int) -> Plan:
    """The plan whose cast is to be found in its scenes, as a line of its own in the quote."""
    return dataclasses.replace(
        plan,
        seeks_cast=True,
        cast_text_micro=micro,
        text_micro=plan.text_micro + micro,
        quote_micro=plan.quote_micro + micro,
        lines=(*plan.lines, *((("Finding the cast", micro),) if micro else ())),
    )


VOICEOVER = "Voiceover: "
"""How the line of a narrator in the quote begins."""


def with_speech(plan: Plan, label: str, micro: int) -> Plan:
    """The plan with a narrator, as a line of its own in the quote."""
    lines = (*plan.lines, (label, micro))
    return dataclasses.replace(plan, speech_micro=micro, quote_micro=plan.quote_micro + micro, lines=lines)


def without_speech(plan: Plan) -> Plan:
    """The plan of one whose lines are there already."""
    lines = tuple(line for line in plan.lines if not line[0].startswith(VOICEOVER))
    quote = plan.quote_micro - plan.speech_micro
    return dataclasses.replace(plan, speech_micro=0, speech_charge_micro=0, quote_micro=quote, lines=lines)


def with_pictures(plan: Plan, model: str, label: str, micro: int) -> Plan:
    """The plan with pictures that an image model makes, as a line of its own in the quote."""
    lines, total = (*plan.lines, (label, micro)), plan.picture_micro + micro
    return dataclasses.replace(
        plan, picture_model=model, picture_micro=total, quote_micro=plan.quote_micro + micro, lines=lines
    )


def with_drafts(plan: Plan, scenes: Sequence[PlannedScene]) -> Plan:
    """The plan with these scenes, some of which have drafts, as a line of its own in the quote."""
    found = [scene.draft_micro for scene in scenes if scene.draft_micro]
    line = (f"Drafts: {len(found)} clip{'s' if len(found) > 1 else ''} to look at first", sum(found))
    return dataclasses.replace(
        plan, scenes=tuple(scenes), quote_micro=plan.quote_micro + sum(found), lines=(*plan.lines, line)
    )


def quote_lines(scenes: Sequence[PlannedScene], amounts: Sequence[int], text_micro: int) -> tuple[tuple[str, int], ...]:
    """The first film's clips by kind, then each further hook by itself, then the words."""
    kinds: dict[tuple[str, str, float], list[int]] = {}
    hooks: list[tuple[str, int]] = []
    added = {scene.number for scene in further(scenes)}
    for scene, amount in zip(scenes, amounts, strict=True):
        kind = (scene.model, scene.settings.resolution, scene.buy_seconds)
        if scene.number in added:
            hooks.append((f"Hook {scene.hook}: {kind[2]:g} s of {kind[0]} at {kind[1]}", amount))
        else:
            kinds.setdefault(kind, []).append(amount)
    lines = [
        (f"{len(parts)} × {seconds:g} s of {model} at {resolution}", sum(parts))
        for (model, resolution, seconds), parts in kinds.items()
    ]
    return (*lines, *hooks, ("Scene writing", text_micro)) if text_micro else (*lines, *hooks)


def format_size(plan: Plan, aspect_ratio: str) -> tuple[int, int]:
    """Width and height in pixels of one of the plan's formats."""
    if aspect_ratio == plan.formats[0]:
        return plan.width, plan.height
    return film_size(aspect_ratio, plan.resolution)

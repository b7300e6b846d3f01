"""A brand: what every film of it looks like, says and never says. Lent to an order where that says nothing itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipelines.domain.brands.banned_words import banned_in, listed_words
from pipelines.domain.brands.contrast import BLACK, LEAST, WHITE, contrast, hex_of, on_footage
from pipelines.domain.footage import MADE_MUSIC, Captions, Colour, Corner, Mood
from pipelines.domain.orders.inputs import Api, Files, Hue, Text, among, given, inputs_of

MAX_NAME, MAX_LINE, MAX_LIST = 200, 200, 4000
MAX_VOICE, MAX_HASHTAGS = 100, 500

# A declaration is read as a row of a table.
# fmt: off


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandRow:
    """A row of `Brands`. `given` is what an order that names it says itself, where its run has still to read it."""

    base_id: str
    record_id: str
    given: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """Everything that a brand says. In a run it is a copy, made when the run began: what is edited later counts for the
    next one. `font` is an address until then, and a key of our storage after.
    """

    name: str | None = given("Name", Text(MAX_NAME), "What you call the brand.", api=Api(most=MAX_NAME))
    logo: str | None = given("Logo", Files("image/"), "One picture, laid into a corner of the video.", api=Api())
    logo_position: Corner | None = given("Logo Position", among(Corner), "Which corner. Empty: Top Right.", api=Api())
    primary_colour: str | None = given("Primary Colour", Hue(),
        "Behind the words of captions and cards, such as #0055FF. Empty: a dark plate.", api=Api())
    accent_colour: str | None = given("Accent Colour", Hue(),
        "The word of a Karaoke caption that is being said, and the line on a card.", api=Api())
    text_colour: str | None = given("Text Colour", Hue(),
        "The words of captions and cards. Changed where it could not be read.", api=Api())
    font: str | None = given("Font", Files(""),
        "One OTF or TTF file of at most 5 MB. Words that it has no letters for are set in Inter.", api=Api())
    caption_style: Captions | None = given("Caption Style", among(Captions),
        "How captions are shown. Empty: not at all.", api=Api())
    intro: str | None = given("Intro", Text(MAX_LINE), "Words on a card before the first scene.",
        api=Api(most=MAX_LINE))
    outro: str | None = given("Outro", Text(MAX_LINE), "Words on a card after the last scene.", api=Api(most=MAX_LINE))
    music: str | None = given("Music", Files("audio/", made=MADE_MUSIC, made_as="music_mood"),
        "One sound file, laid under the video.", api=Api())
    music_mood: Mood | None = given("Music Mood", among(Mood),
        "Music that is made here, free of rights, where Music has no file.", api=Api())
    look: str | None = given("Look", Text(MAX_LIST, lines=True),
        "Goes into every prompt: light, lens, colours, mood.", api=Api(most=MAX_LIST))
    never_show: str | None = given("Never Show", Text(MAX_LIST, lines=True),
        "Goes into every prompt as what may not be seen.", api=Api(most=MAX_LIST))
    banned_words: str | None = given("Banned Words", Text(MAX_LIST, lines=True),
        "Words that no prompt, caption, narration or card may have, separated by commas or lines.",
        api=Api(most=MAX_LIST))
    keep_words: str | None = given("Keep Words", Text(MAX_LIST, lines=True),
        "Names and words that no translation changes, separated by commas or lines.", api=Api(most=MAX_LIST))
    voice: str | None = given("Voice", Text(MAX_VOICE),
        "Who speaks for the brand, as provider/voice, where Voiceover is ticked. Empty: the deployment's voice.",
        api=Api(most=MAX_VOICE))
    hashtags: str | None = given("Hashtags", Text(MAX_HASHTAGS, lines=True),
        "Stand behind the text that is posted with a film, the same in every language; separated by spaces, commas or "
        "lines.", api=Api(most=MAX_HASHTAGS))
    legal_line: str | None = given("Legal Line", Text(MAX_LINE),
        "Small words at the foot of the end card; without one, on a card of their own.", api=Api(most=MAX_LINE))

    row: BrandRow | None = None
    """Where it was read."""
    told: str | None = None
    """What `Problems` said there."""
    notes: tuple[str, ...] = ()
    """A sentence for everything in it that could not be used as it is."""
    lent: tuple[str, ...] = ()
    """Attributes of the order that are the brand's."""

    @property
    def banned(self) -> tuple[str, ...]:
        """Each banned word or phrase."""
        return listed_words(self.banned_words)

    @property
    def kept(self) -> tuple[str, ...]:
        """Each word or phrase that stays as it is in every language."""
        return listed_words(self.keep_words)

    @property
    def tags(self) -> tuple[str, ...]:
        """Each hashtag, without those that say a banned word."""
        words = re.split(r"[\s,;#＃]+", self.hashtags or "")
        return tuple(dict.fromkeys(f"#{word}" for word in words if word and not banned_in(word, self.banned)))

    @property
    def called(self) -> str:
        """The brand in a sentence."""
        return f"the brand “{self.name}”" if self.name else "the brand"


# fmt: on


_LENT: Mapping[str, str] = {
    "logo": "logo",
    "logo_position": "logo_position",
    "music": "music",
    "music_mood": "music_mood",
    "captions": "caption_style",
    "title_card": "intro",
    "end_card": "outro",
    "voice": "voice",
}
"""Attributes of an order, and what of a brand they are where the order does not say."""
_MUSIC = ("music", "music_mood")
BRAND_LABELS: Mapping[str, str] = {item.name: item.label for item in inputs_of(Brand)}
_HEX = re.compile(r"#([0-9A-F]{2})([0-9A-F]{2})([0-9A-F]{2})", re.ASCII)


def lent_by(brand: Brand, said: Sequence[str], style_notes: str | None) -> tuple[Brand, dict[str, Any]]:
    """The brand as a run keeps it, and what it adds to an order that itself says what is in `said`. Its look goes with
    the order's own style notes, because both reach the prompts.
    """
    # An order that says what music it wants gets none of the brand's.
    said = (*said, *_MUSIC) if any(name in said for name in _MUSIC) else said
    free = {name: of for name, of in _LENT.items() if name not in said and getattr(brand, of) is not None}
    if "logo" not in (*said, *free):
        free.pop("logo_position", None)
    added = {name: getattr(brand, of) for name, of in free.items()}
    style = "\n".join(filter(None, (style_notes, _style_of(brand))))
    # Files are the order's from here on: the brand's copy names none but its font.
    kept = replace(brand, logo=None, music=None, lent=tuple(free))
    return kept, {**added, **({"style_notes": style} if style else {})}


def own_style_notes(brand: Brand, style_notes: str | None) -> str | None:
    """Those of the order itself, without what the brand added to them."""
    return (style_notes or "").removesuffix(_style_of(brand)).rstrip("\n") or None


def _style_of(brand: Brand) -> str:
    never = f"Never show: {brand.never_show}" if brand.never_show else None
    return "\n".join(filter(None, (brand.look, never)))


def colour_of(text: str | None) -> Colour | None:
    """A colour as numbers."""
    found = _HEX.fullmatch(text or "")
    return None if found is None else (int(found[1], 16), int(found[2], 16), int(found[3], 16))


def brand_problems(brand: Brand) -> tuple[str, ...]:
    """What whoever keeps the brand should know of it, each with what is done instead."""
    return (*brand.notes, *_unreadable(brand), *_against_itself(brand))


def _unreadable(brand: Brand) -> Iterator[str]:
    ink, plate = colour_of(brand.text_colour) or WHITE, colour_of(brand.primary_colour)
    shown, behind, _ = on_footage(ink, plate)
    if (shown, behind) == (ink, plate or BLACK):
        return
    wanted = plate or BLACK
    done = f"they stand on {hex_of(behind)}" if shown == ink else f"they are set in {hex_of(shown)}"
    yield (
        f"Words in {hex_of(ink)} on {hex_of(wanted)} have a contrast of {contrast(ink, wanted):.2f}, and captions need "
        f"{LEAST}: in films {done}. Choose another Primary Colour or Text Colour."
    )


def _against_itself(brand: Brand) -> Iterator[str]:
    for name in _SPOKEN:
        if word := banned_in(getattr(brand, name), brand.banned):
            yield f"{BRAND_LABELS[name]} has “{word}”, which Banned Words forbids: no film is made with it."


_SPOKEN = ("intro", "outro", "legal_line", "look")

"""Moving pictures as the rest of the product sees them: what a file is, what a film should be.

Pure data. Rooms that touch real files (`pipelines.media`) fill these in; stages only pass them on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from pathlib import Path


class Fit(StrEnum):
    """How a picture of another shape fills the frame."""

    CROP = "Crop"
    BLUR = "Blur"
    LETTERBOX = "Letterbox"


class Transition(StrEnum):
    """What happens between two scenes."""

    CUT = "Cut"
    CROSSFADE = "Crossfade"
    FADE_BLACK = "Fade Black"
    DIP_WHITE = "Dip White"


class Corner(StrEnum):
    """Where a logo stands."""

    TOP_LEFT = "Top Left"
    TOP_RIGHT = "Top Right"
    BOTTOM_LEFT = "Bottom Left"
    BOTTOM_RIGHT = "Bottom Right"


class Consistency(StrEnum):
    """How people and places look alike from scene to scene."""

    WORDS = "Words"
    PICTURES = "Pictures"
    """Pictures of them are made first, and given to every clip whose model can take them."""


class Preview(StrEnum):
    """What is looked at before the clips are approved."""

    ANIMATIC = "Animatic"
    """Cards, which cost nothing."""
    DRAFT = "Draft"
    """Drafts of the clips, where their models make some: bought, and made into the clips once they are approved."""


class PosterStyle(StrEnum):
    """What stands for a film before it plays."""

    FRAME = "Frame"
    TITLE = "Title"
    """The same frame with the title set over it."""
    DESIGNED = "Designed"
    """A picture that an image model makes of that frame, with the title set over it."""


class Mood(StrEnum):
    """Music that is made here."""

    CALM = "Calm"
    WARM = "Warm"
    BRIGHT = "Bright"
    UPBEAT = "Upbeat"
    DREAMY = "Dreamy"
    DRAMATIC = "Dramatic"


MADE_MUSIC = {f"local/{mood.value.lower()}": mood for mood in Mood}
"""How music that is made here is named where a file could be."""


class DigitalSource(StrEnum):
    """What a film is made of, in IPTC's words: https://cv.iptc.org/newscodes/digitalsourcetype/."""

    WITH_TRAINED_MODELS = "compositeWithTrainedAlgorithmicMedia"
    """With what trained models made: clips, or a voice."""
    COMPUTED = "algorithmicMedia"
    """Computed here, of no model that was trained."""
    COMPUTED_AND_GIVEN = "compositeSynthetic"
    """Computed here, with a sound or a picture that somebody gave."""


LOGO_OPACITY = 0.85
"""Of a logo, unless said: 0 is invisible, 1 hides all behind it."""


class Captions(StrEnum):
    """Where the scenes' caption texts go."""

    NONE = "None"
    BURNED = "Burned"
    SIDECAR = "Sidecar"
    KARAOKE = "Karaoke"
    """Burned in, each word lit in its turn."""


Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255 each."""

RATES = tuple(Fraction(rate) for rate in (12, 15, 16, 18, 20, 24, 25, 30, 48, 50, 60))
RATES += tuple(Fraction(rate * 1000, 1001) for rate in (24, 30, 48, 60))
"""Frames a second that films have."""
_NEAR = Fraction(1, 200)


def exact_rate(fps: float | Fraction) -> Fraction:
    """The frame rate that is meant: 29.97 is 30000/1001."""
    nearest = min(RATES, key=lambda rate: abs(rate - Fraction(fps)))
    return nearest if abs(nearest - Fraction(fps)) <= _NEAR else Fraction(fps).limit_denominator(1001)


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """What a probe found in a playable file. Durations in seconds, sizes in pixels and bytes; 0 is unknown."""

    duration_s: float = 0.0
    width: int = 0
    height: int = 0
    fps: Fraction = Fraction(0)
    frames: int = 0
    video_codec: str = ""
    audio_codec: str | None = None
    size_bytes: int = 0
    sample_rate: int | None = None
    channels: int | None = None
    rotation: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What every clip of one cut is brought to: square pixels, BT.709, H.264 High 4:2:0, AAC 48 kHz stereo."""

    width: int
    height: int
    fps: Fraction
    fit: Fit = Fit.CROP
    loudness_lufs: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """The join between scene n and n + 1; `seconds` is 0 for a hard cut."""

    kind: Transition = Transition.CUT
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Logo:
    """A picture laid over every clip. `opacity` is 0 to 1."""

    path: Path
    corner: Corner = Corner.TOP_RIGHT
    opacity: float = LOGO_OPACITY


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word of a line, and from when to when it is said, in seconds from the sound's start."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """A spoken line that is laid over a clip: it begins after `begins_s` and has `room_s` of the clip. `words` is when
    each is said, where the voice has told; where it has not, and it is needed, it is estimated.
    """

    path: Path
    text: str
    begins_s: float
    room_s: float
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lettering:
    """How the words of a film look where a brand says so; what is None stays the house's. `plate` is what stands behind
    them, in a card as well as under a caption.
    """

    ink: Colour | None = None
    plate: Colour | None = None
    accent: Colour | None = None
    font: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipWork:
    """What one clip needs to become a piece of one cut. `trim_s` cuts a longer clip to the ordered length."""

    source: Path
    target: Target
    trim_s: float | None = None
    caption: str | None = None
    karaoke: bool = False
    """Whether the words of the caption are lit one after the other: as they are said, where there is a voice."""
    logo: Logo | None = None
    voice: Voice | None = None
    lettering: Lettering | None = None
    ai_label: Corner | None = None
    """Where the picture says that it was made with AI; None where it does not."""
    fade_in_s: float = 0.0
    fade_out_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A piece ready for the join. `changed` names what deviated and was mended, empty if the bytes are the source's."""

    path: Path
    footage: Footage
    changed: tuple[str, ...] = ()
    loudness_lufs: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A text picture: a title, an end card, a placeholder or one scene of the animatic."""

    text: str
    seconds: float
    target: Target
    number: int | None = None
    total: int | None = None
    heading: str | None = None
    footer: str | None = None
    seed: int = 0
    lettering: Lettering | None = None
    ai_label: Corner | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Poster:
    """What stands for a film: its best frame with a title set over it, if there is one.

    `ground` is a picture that was made for it, to be taken instead of a frame: it has no words of its own, and gets the
    AI label in the corner `ai_label`, which frames have already.
    """

    title: str | None = None
    lettering: Lettering | None = None
    between_s: tuple[float, float] | None = None
    """Where in the film the frame is taken from; None for anywhere."""
    above_captions: bool = False
    """Whether captions are burned into the frame, where the title would stand."""
    ground: Path | None = None
    ai_label: Corner | None = None


BEST_FRAME = Poster()
"""As it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmPlan:
    """One cut: pieces in order, what happens between them, and what is laid over the whole."""

    target: Target
    pieces: tuple[Path, ...]
    boundaries: tuple[Boundary, ...] = ()
    ends: tuple[Boundary, Boundary] = (Boundary(), Boundary())
    """How the film begins and how it ends: fades from and to a colour; anything else is nothing there."""
    captions: tuple[str | None, ...] = ()
    music: Path | None = None
    disclosure: str | None = None
    language: str = ""
    """The BCP 47 tag that players find in the file; empty where nobody said it."""
    has_title_card: bool = False
    """The first piece is one; and the last, where `has_end_card`."""
    has_end_card: bool = False

    @property
    def scenes(self) -> int:
        """How many pieces are scenes."""
        return len(self.pieces) - self.has_title_card - self.has_end_card

    def name(self, index: int) -> str:
        """What people call a piece, counted from 0: cards are no scenes."""
        number = index + 1 - self.has_title_card
        return f"scene {number}" if 1 <= number <= self.scenes else "the title card" if number < 1 else "the end card"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmDraft:
    """A film of which not everything is there: how many frames each of its pieces has or is taken to have, how the film
    goes into each and out of the last, and some of the pieces that are there, by their place.
    """

    target: Target
    frames: tuple[int, ...]
    joins: tuple[Boundary, ...]
    pieces: Mapping[int, Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmReport:
    """What was made: the file, and for each boundary the path it took (`table`, `seam`, `encode`) and why."""

    path: Path
    footage: Footage
    sha256: str
    paths: tuple[str, ...]
    notes: tuple[str, ...] = ()
    starts_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A look at the finished cut. `sentence` goes to the row; `faults` is empty when it may be delivered as done."""

    ok: bool = False
    sentence: str = ""
    faults: tuple[str, ...] = ()
    measures: dict[str, float] = field(default_factory=dict)
    curable: bool = True
    """Whether another way of joining might do better: not when the clips themselves are black or stand still."""
    pictures: str = ""
    """A hash of all coded pictures: films that have the same one show the same."""
    stretches: Mapping[str, str] = field(default_factory=dict)
    """What was seen in each stretch that was decoded, by a hash of its coded pictures; "" where nothing is wrong."""

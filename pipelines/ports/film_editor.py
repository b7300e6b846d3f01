"""The cutting room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from pipelines.domain.footage import (
    BEST_FRAME,
    Boundary,
    Card,
    ClipWork,
    DigitalSource,
    FilmDraft,
    FilmPlan,
    FilmReport,
    Footage,
    Mood,
    Poster,
    Prepared,
    Target,
    Verdict,
)

Around = tuple[Boundary | None, Boundary | None]


class FilmEditor(Protocol):
    """Everything done to real video files. Paths are local; every method is a pure function of its inputs,
    writes to a temporary name beside `dest` and renames, and may be run twice.
    """

    def probe(self, path: Path) -> Footage:
        """Read the facts. Raises `UnplayableMedia` (domain.errors) with one clear reason."""

    def check_logo(self, path: Path) -> None:
        """Raise `InvalidOrder` when the file is no picture that can be laid over a film."""

    def plain_picture(self, path: Path, dest: Path) -> bool:
        """Write a picture as PNG to `dest` where not every video service reads it as it is; False, and no file, where
        all do. Raises `InvalidOrder` when the file is no picture.
        """

    def check_music(self, path: Path) -> None:
        """Raise `InvalidOrder` when the file is no music that can be laid under a film."""

    def make_music(self, mood: Mood, dest: Path) -> None:
        """Write the music of a mood, whose end leads into its beginning."""

    def sound_seconds(self, path: Path) -> float:
        """How long a sound is. Raises `UnplayableMedia` for what is none, or silent, or broken off."""

    def check_font(self, path: Path) -> None:
        """Raise `InvalidOrder` when the file is no font that words can be set in."""

    def prepare(self, work: ClipWork, dest: Path) -> Prepared:
        """Bring one clip to its cut's target; where nothing deviates it is the source, and nothing is written."""

    def animatic(self, card: Card, dest: Path) -> Footage:
        """Render a good-looking clip from a text, with motion and sound, that joins without re-encoding."""

    def beside(self, first: Path, piece: Path, target: Target, fades: tuple[float, float], ready: Path) -> Path:
        """The piece as it stands in a film whose first clip is `first`: itself, or, where their decoder settings clash,
        encoded again ahead into the folder `ready`. `fades`: seconds of the transitions at its ends.
        """

    def seam(
        self, a: Path | None, b: Path | None, at: Boundary, target: Target, ready: Path, around: Around = (None, None)
    ) -> None:
        """Render the pictures of one transition ahead into the folder `ready`, as soon as both pieces are there. At the
        film's start there is no `a`, at its end no `b`.

        `around` are the boundaries before `a` and after `b`. A hard cut has none, and a pair that cannot be joined
        by its tables is left to `assemble`.
        """

    def sound_ahead(self, draft: FilmDraft, at: int, ready: Path) -> None:
        """Encode ahead into the folder `ready` what is heard where the piece in one place meets its neighbours, and
        listen to it, as far as those are there. Where the other pieces turn out to have other lengths, `assemble` and
        `examine` do it.
        """

    def assemble(
        self, plan: FilmPlan, dest: Path, *, ready: Path | None = None, encode_all: bool = False
    ) -> FilmReport:
        """Join prepared pieces into one film, moov first, by the cheapest path that is right. What `seam`,
        `beside` and `sound_ahead` left in `ready` is taken; `encode_all` is the next path when a film did not pass its
        examination.
        """

    def judge_ahead(self, piece: Path, target: Target, into: Boundary, out: Boundary, ready: Path) -> None:
        """Judge the pictures of one scene ahead into the folder `ready`, as they will stand between two boundaries of
        their film, and how well they would stand for it. What cannot be decoded is left to `examine`.
        """

    def examine(self, film: Path, plan: FilmPlan, known: Mapping[str, str], *, ready: Path | None = None) -> Verdict:
        """Decode and measure the film before anybody sees it. Stretches that are `known` from other verdicts, or that
        `judge_ahead` and `sound_ahead` left in `ready`, are not decoded again.
        """

    def poster(self, film: Path, dest: Path, look: Poster = BEST_FRAME, *, ready: Path | None = None) -> Path:
        """Write the sharpest well-exposed frame, or what `look` says instead, as JPEG of less than 2 MB. How good those
        are that `judge_ahead` left in `ready` is known.
        """

    def soundtrack(self, film: Path, dest: Path, language: str) -> Path:
        """Write the film's sound, as it is, as an M4A of the same length. Raises `UnplayableMedia` for none."""

    def contact_sheet(self, film: Path, dest: Path) -> Path:
        """Write a grid of frames as JPEG."""

    def preview(self, film: Path, dest: Path) -> Path:
        """Write a small looping silent MP4 of a few seconds."""

    def thumbnail(self, clip: Path, dest: Path) -> Path:
        """Write a picture from within the clip as a small WebP."""

    def last_frame(self, clip: Path, dest: Path) -> Path:
        """Write the very last picture as PNG."""

    def subtitles(self, plan: FilmPlan, report: FilmReport, dest_stem: Path) -> Sequence[Path]:
        """Write `<stem>.srt` and `<stem>.vtt` from the plan's captions; empty when there are none."""


class FilmSigner(Protocol):
    """Content credentials (C2PA) with the operator's certificate."""

    def sign(self, film: Path, dest: Path, title: str, clips: Sequence[Path], source: DigitalSource) -> None:
        """Write the film again with a signed statement in it: made so, of the clips of these scenes. Picture and
        sound stay as they are. Raises NotConfigured and Unavailable.
        """

    def check(self) -> str:
        """In a sentence, who signs and until when. Raises NotConfigured."""

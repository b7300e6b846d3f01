"""The studio's front door: every port method, each opening its room only when it is called.

Importing this module loads neither MoviePy nor libav nor Pillow, so that processes which only pass the studio on
stay small.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines.domain.errors import UnplayableMedia
from pipelines.domain.footage import (
    BEST_FRAME,
    Boundary,
    Card,
    ClipWork,
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
from pipelines.ports import Around

logger = logging.getLogger(__name__)


class MediaEditor:
    """Implements the port `Studio` on local files."""

    def probe(self, path: Path) -> Footage:
        """Read the facts. Raises `UnplayableMedia` with one clear reason."""
        from pipelines.media.clips.probe import probe

        return probe(path)

    def check_logo(self, path: Path) -> None:
        """Raise `InvalidOrder` when the file is no picture that can be laid over a film."""
        from pipelines.media.normalise.pictures import open_picture

        open_picture(path, "Logo")

    def plain_picture(self, path: Path, dest: Path) -> bool:
        """Write a picture that not every video service reads as PNG; False where it is fine as it is."""
        from pipelines.media.normalise.pictures import plain_picture

        return plain_picture(path, dest, "Picture")

    def check_music(self, path: Path) -> None:
        """Raise `InvalidOrder` when the file is no music that can be laid under a film."""
        from pipelines.media.audio.music import music_loudness

        music_loudness(path)

    def make_music(self, mood: Mood, dest: Path) -> None:
        """Write the music of a mood."""
        from pipelines.media.audio.mood import write_music

        write_music(mood, dest)

    def sound_seconds(self, path: Path) -> float:
        """How long a sound is, heard to its end. Raises `UnplayableMedia`."""
        from pipelines.media.audio.voice import seconds_of

        return seconds_of(path)

    def check_font(self, path: Path) -> None:
        """Raise `InvalidOrder` when the file is no font that words can be set in."""
        from pipelines.media.text.fonts import check_font

        check_font(path)

    def prepare(self, work: ClipWork, dest: Path) -> Prepared:
        """Bring one clip to its cut's target; where nothing deviates the piece is the clip itself."""
        from pipelines.media.normalise.normalise import prepare

        return prepare(work, dest)

    def animatic(self, card: Card, dest: Path) -> Footage:
        """Render a good-looking clip from a text, with motion and sound, that joins without re-encoding."""
        from pipelines.media.cards.animatic import animatic

        return animatic(card, dest)

    def beside(self, first: Path, piece: Path, target: Target, fades: tuple[float, float], ready: Path) -> Path:
        """Encode a piece again ahead, where it clashes with the film's first."""
        from pipelines.media.join.conform import beside

        try:
            return beside(first, piece, target, fades, ready)
        except UnplayableMedia as error:
            logger.info("not mended ahead: %s", error.operator)
            return piece

    def seam(
        self, a: Path | None, b: Path | None, at: Boundary, target: Target, ready: Path, around: Around = (None, None)
    ) -> None:
        """Render one transition ahead, under the name by which `assemble` looks for it."""
        from pipelines.media.join.seams import render_seam, seam_between

        before, after = around
        try:
            seam = seam_between(a, b, at, target, before=before, after=after)
            if seam is not None and not (ready / seam.name).exists():
                ready.mkdir(parents=True, exist_ok=True)
                render_seam(a, b, at, target, ready / seam.name, before=before, after=after)
        except UnplayableMedia as error:
            logger.info("no seam ahead: %s", error.operator)

    def sound_ahead(self, draft: FilmDraft, at: int, ready: Path) -> None:
        """Encode the sound round one piece ahead, under the names by which `assemble` looks for it."""
        from pipelines.media.join.film_sound import render_sound

        try:
            render_sound(draft, at, ready)
        except UnplayableMedia as error:
            logger.info("no sound ahead: %s", error.operator)

    def assemble(
        self, plan: FilmPlan, dest: Path, *, ready: Path | None = None, encode_all: bool = False
    ) -> FilmReport:
        """Join prepared pieces into one film, moov first, by the cheapest path that is right."""
        from pipelines.media.join.assemble import assemble

        return assemble(plan, dest, ready=ready, encode_all=encode_all)

    def judge_ahead(self, piece: Path, target: Target, into: Boundary, out: Boundary, ready: Path) -> None:
        """Judge the pictures of a piece, for `examine` and `poster` to know."""
        from pipelines.media.review.best_frame import score_ahead
        from pipelines.media.review.examine import judge_ahead

        try:
            judge_ahead(piece, target, into, out, ready)
            score_ahead(piece, ready)
        except UnplayableMedia as error:
            logger.info("not judged ahead: %s", error.operator)

    def examine(self, film: Path, plan: FilmPlan, known: Mapping[str, str], *, ready: Path | None = None) -> Verdict:
        """Decode and measure the film before anybody sees it; what is `known`, or was judged ahead, is not decoded."""
        from pipelines.media.review.examine import examine

        return examine(film, plan, known, ready=ready)

    def poster(self, film: Path, dest: Path, look: Poster = BEST_FRAME, *, ready: Path | None = None) -> Path:
        """Write the sharpest well-exposed frame, or what `look` says instead, as JPEG of less than 2 MB."""
        from pipelines.media.review.poster import poster

        return poster(film, dest, look, ready=ready)

    def soundtrack(self, film: Path, dest: Path, language: str) -> Path:
        """Write the film's sound, as it is, as a file of its own."""
        from pipelines.media.join.soundtrack import write_soundtrack

        write_soundtrack(film, dest, language)
        return dest

    def contact_sheet(self, film: Path, dest: Path) -> Path:
        """Write a grid of frames as JPEG."""
        from pipelines.media.review.poster import contact_sheet

        return contact_sheet(film, dest)

    def preview(self, film: Path, dest: Path) -> Path:
        """Write a small looping silent MP4 of a few seconds."""
        from pipelines.media.review.poster import preview

        return preview(film, dest)

    def thumbnail(self, clip: Path, dest: Path) -> Path:
        """Write a picture from within the clip as a small WebP."""
        from pipelines.media.review.poster import thumbnail

        return thumbnail(clip, dest)

    def last_frame(self, clip: Path, dest: Path) -> Path:
        """Write the very last picture as PNG."""
        from pipelines.media.review.poster import last_frame

        return last_frame(clip, dest)

    def subtitles(self, plan: FilmPlan, report: FilmReport, dest_stem: Path) -> Sequence[Path]:
        """Write `<stem>.srt` and `<stem>.vtt` from the plan's captions; empty when there are none."""
        from pipelines.media.text.subtitles import subtitles

        return subtitles(plan, report, dest_stem)

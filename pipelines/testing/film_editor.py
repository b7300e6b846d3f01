"""A cutting room that cuts nothing: tiny real MP4s of the right length, and a record of what was asked for."""

from __future__ import annotations

import hashlib
import wave
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pipelines.domain.errors import InvalidOrder, Problem, ReelgridError, UnplayableMedia
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
from pipelines.domain.keys import digest
from pipelines.ports import Around
from pipelines.testing.clips import tiny_mp4


class QuietFilmEditor:
    """ports.Studio. Lengths are true, pictures are black; `faults` are found in the next film that is examined."""

    def __init__(self) -> None:
        self.prepared: list[ClipWork] = []
        self.cards: list[Card] = []
        self.films: list[FilmPlan] = []
        self.posters: list[Poster] = []
        self.decoded: list[int] = []
        """Of each film that was examined, how many of its pieces were decoded."""
        self.sheets = 0
        self.faults: tuple[str, ...] = ()
        self.mendable = False
        """Whether encoding everything mends the faults."""
        self.clashing = False
        """Whether all other pieces clash with the first of their film."""
        self.seams: list[tuple[str, str]] = []
        self.without_thumbnails = False
        """Whether no thumbnail can be made."""
        self.broken_card: Exception | None = None
        """Raised by `animatic` as long as it is set."""
        self.broken: Exception | None = None
        """Raised by `assemble` as long as it is set."""
        self.broken_again: Exception | None = None
        """Raised by `assemble` when it is to encode everything."""

    def probe(self, path: Path) -> Footage:
        """The facts of a real file."""
        from pipelines.media.clips.probe import probe

        return probe(path)

    def check_logo(self, path: Path) -> None:
        """Anything but an empty file."""
        if not path.stat().st_size:
            raise InvalidOrder([Problem("Logo", "The file is no picture we can read; use PNG, JPEG or WebP.")])

    def plain_picture(self, path: Path, dest: Path) -> bool:  # noqa: ARG002 - a port
        """Anything but an empty file is fine as it is."""
        self.check_logo(path)
        return False

    def check_music(self, path: Path) -> None:
        """Anything but an empty file."""
        if not path.stat().st_size:
            raise InvalidOrder([Problem("Music", "The file has no music we can play; use MP3, M4A, WAV, OGG or FLAC.")])

    def make_music(self, mood: Mood, dest: Path) -> None:
        """Its name."""
        dest.write_text(mood.value)

    def sound_seconds(self, path: Path) -> float:
        """Of a WAV file."""
        try:
            with wave.open(str(path), "rb") as file:
                return file.getnframes() / file.getframerate()
        except (wave.Error, EOFError) as error:
            raise UnplayableMedia("no sound") from error

    def check_font(self, path: Path) -> None:
        """Anything but an empty file."""
        if not path.stat().st_size:
            raise InvalidOrder([Problem("Font", "The file is no OTF or TTF font.")])

    def prepare(self, work: ClipWork, dest: Path) -> Prepared:
        """A copy; another file where it is trimmed, captioned or marked."""
        self.prepared.append(work)
        changed = tuple(
            name for name in ("trim_s", "caption", "logo", "voice", "ai_label") if getattr(work, name) is not None
        )
        seconds = work.trim_s or self.probe(work.source).duration_s
        mark = (
            digest(
                work.source.name,
                work.trim_s,
                work.caption,
                repr(work.logo),
                *([repr(work.voice)] if work.voice else []),
                *([work.ai_label] if work.ai_label else []),
            )
            if changed
            else ""
        )
        if not changed:
            return Prepared(path=work.source, footage=self.probe(work.source))
        dest.write_bytes(tiny_mp4(seconds, mark))
        return Prepared(path=dest, footage=self.probe(dest), changed=changed)

    def animatic(self, card: Card, dest: Path) -> Footage:
        """A clip of the card's length."""
        if self.broken_card is not None:
            raise self.broken_card
        self.cards.append(card)
        dest.write_bytes(tiny_mp4(card.seconds, repr(card)))
        return self.probe(dest)

    def beside(self, first: Path, piece: Path, target: Target, fades: tuple[float, float], ready: Path) -> Path:  # noqa: ARG002 - a port
        """The piece, or a copy whose name tells of its fades."""
        if not self.clashing:
            return piece
        ready.mkdir(parents=True, exist_ok=True)
        copy = ready / f"mended-{fades[0]:g}-{fades[1]:g}-{piece.name}"
        copy.write_bytes(piece.read_bytes())
        return copy

    def seam(
        self,
        a: Path | None,
        b: Path | None,
        at: Boundary,  # noqa: ARG002 - a port
        target: Target,  # noqa: ARG002 - a port
        ready: Path,  # noqa: ARG002 - a port
        around: Around = (None, None),  # noqa: ARG002 - a port
    ) -> None:
        """Remembered as the names of the two pieces; empty at the film's ends."""
        self.seams.append((a.name if a else "", b.name if b else ""))

    def sound_ahead(self, draft: FilmDraft, at: int, ready: Path) -> None:
        """Nothing is encoded ahead."""

    def assemble(
        self,
        plan: FilmPlan,
        dest: Path,
        *,
        ready: Path | None = None,  # noqa: ARG002 - a port
        encode_all: bool = False,
    ) -> FilmReport:
        """A film as long as its pieces; one made by encoding everything has none of the `faults`."""
        self.faults = () if encode_all and self.mendable else self.faults
        broken = self.broken or (self.broken_again if encode_all else None)
        if broken is not None:
            raise broken
        self.films.append(plan)
        lengths = [self.probe(piece).duration_s for piece in plan.pieces]
        names = [piece.read_bytes().hex()[-96:] for piece in plan.pieces]
        mark = digest(names, repr((plan.boundaries, plan.ends)), repr(plan.target))
        dest.write_bytes(tiny_mp4(sum(lengths), mark))
        starts = tuple(sum(lengths[:index]) for index in range(len(lengths)))
        paths = ("table",) * (len(plan.pieces) - 1)
        footage = replace(self.probe(dest), audio_codec="aac")
        sha256 = hashlib.sha256(dest.read_bytes()).hexdigest()
        return FilmReport(path=dest, footage=footage, sha256=sha256, paths=paths, starts_s=starts)

    def judge_ahead(self, piece: Path, target: Target, into: Boundary, out: Boundary, ready: Path) -> None:
        """Nothing is seen ahead."""

    def examine(
        self,
        film: Path,  # noqa: ARG002 - a port
        plan: FilmPlan,
        known: Mapping[str, str],
        *,
        ready: Path | None = None,  # noqa: ARG002 - a port
    ) -> Verdict:
        """Fine, unless a test set `faults`. Films of the same pieces show the same."""
        faults, shown = self.faults, [digest(piece.read_bytes().hex()) for piece in plan.pieces]
        self.decoded.append(len(set(shown) - known.keys()))
        sentence = "; ".join(faults) or "Looks right from the first frame to the last."
        stretches = dict.fromkeys(shown, "")
        return Verdict(ok=not faults, sentence=sentence, faults=faults, pictures=digest(shown), stretches=stretches)

    def poster(self, film: Path, dest: Path, look: Poster = BEST_FRAME, *, ready: Path | None = None) -> Path:  # noqa: ARG002 - a port
        """A file that only its film has."""
        self.posters.append(look)
        _picture(film, dest)
        if look.ground is not None:
            dest.write_bytes(dest.read_bytes() + look.ground.read_bytes())
        return dest

    def soundtrack(self, film: Path, dest: Path, language: str) -> Path:
        """A file that only its film has."""
        dest.write_bytes(f"the sound in {language} of ".encode() + film.read_bytes())
        return dest

    def contact_sheet(self, film: Path, dest: Path) -> Path:
        """A file that only its film has."""
        self.sheets += 1
        return _picture(film, dest)

    def preview(self, film: Path, dest: Path) -> Path:
        """The film itself."""
        dest.write_bytes(film.read_bytes())
        return dest

    def thumbnail(self, clip: Path, dest: Path) -> Path:
        """A file that only its clip has, unless a test set `without_thumbnails`."""
        if self.without_thumbnails:
            raise UnplayableMedia("no picture can be read")
        return _picture(clip, dest)

    def last_frame(self, clip: Path, dest: Path) -> Path:
        """A file that only its clip has."""
        if not clip.exists():
            raise UnplayableMedia("there is no such clip")
        return _picture(clip, dest)

    def subtitles(self, plan: FilmPlan, report: FilmReport, dest_stem: Path) -> Sequence[Path]:  # noqa: ARG002 - a port
        """The captions, a line each."""
        lines = [caption for caption in plan.captions if caption]
        if not lines:
            return ()
        paths = [dest_stem.with_suffix(suffix) for suffix in (".srt", ".vtt")]
        for path in paths:
            path.write_text("\n".join(lines))
        return paths


def _picture(source: Path, dest: Path) -> Path:
    dest.write_text(digest("picture", source.read_bytes().hex()))
    return dest


class ScriptedSigner:
    """ports.FilmSigner: each signature is another, as real ones are; `broken` is raised instead."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[Path], DigitalSource]] = []
        self.broken: ReelgridError | None = None

    def sign(self, film: Path, dest: Path, title: str, clips: Sequence[Path], source: DigitalSource) -> None:
        """The film, and a box behind it that no player reads."""
        if self.broken is not None:
            raise self.broken
        self.asked.append((title, list(clips), source))
        mark = len(self.asked).to_bytes(8)
        dest.write_bytes(film.read_bytes() + (8 + len(mark)).to_bytes(4) + b"free" + mark)

    def check(self) -> str:
        """Always well."""
        return "films are signed"

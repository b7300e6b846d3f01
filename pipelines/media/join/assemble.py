"""One cut from its prepared pieces, by the cheapest path that is right.

Tables first; where a piece cannot be joined that way it is encoded once and joined then; where that still clashes,
all are. Nothing is silently wrong: what was done, and why, is in the report.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from pipelines.domain.errors import UnplayableMedia
from pipelines.domain.footage import FilmPlan, FilmReport, Transition
from pipelines.media.audio.mix import packets_of
from pipelines.media.audio.music import mix_music
from pipelines.media.clips.coded_frames import SEAM_SET
from pipelines.media.clips.prepared_clip import PreparedClip, inspect, open_prepared_clip
from pipelines.media.clips.probe import deviations, faults_of, probe
from pipelines.media.clips.timeline import HARD, Slot, joins, lay_out
from pipelines.media.join.conform import conformed
from pipelines.media.join.film_layout import Body, by_turns, stretches
from pipelines.media.join.film_sound import plan_sound
from pipelines.media.join.seams import Seam, body, load, render
from pipelines.media.join.table_join import (
    PictureFormat,
    Stretch,
    clash,
    join_whole,
    picture_format_of,
    sound_format_of,
    write_film,
)
from pipelines.media.mp4.avcc import AvcConfig, set_number, united
from pipelines.media.mp4.boxes import damaged
from pipelines.media.mp4.reader import sniff

_SEAMS_AT_A_TIME = 2
"""Each is a short encode that cannot fill two cores by itself."""


@dataclass(slots=True)
class _Work:
    """What is known while a film is made: where work files go, which pieces were encoded again, and why."""

    plan: FilmPlan
    folder: Path
    ready: Path | None
    encode_all: bool
    mended: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def assemble(plan: FilmPlan, dest: Path, *, ready: Path | None = None, encode_all: bool = False) -> FilmReport:
    """Join prepared pieces into one film, moov first.

    `ready` is a folder of what was made ahead (`seams.render_seam`, `conform.beside`, `film_sound.render_sound`); what
    is made here stays there too. `encode_all` is the next path for a film that did not pass its examination: every
    piece is encoded again. May be run twice, also after a kill: work files have names derived from their content and
    are removed at the end.
    Raises `UnplayableMedia` when a piece cannot be decoded.
    """
    if not plan.pieces:
        raise damaged("there is nothing to join")
    work = _Work(plan, dest.with_name(f".{dest.stem[:40]}.work"), ready, encode_all)
    try:
        pieces = _joinable(work)
        slots = lay_out([piece.frames for piece in pieces], plan)
        digest = _write(work, pieces, slots, dest)
    finally:
        shutil.rmtree(work.folder, ignore_errors=True)
    frame = pieces[0].frame
    return FilmReport(
        path=dest,
        footage=probe(dest, thorough=False),
        sha256=digest,
        paths=tuple(_path_taken(work, number, slot) for number, slot in enumerate(slots[1:], 1)),
        notes=tuple(work.notes),
        starts_s=tuple(float(slot.start * frame) for slot in slots),
    )


def _path_taken(work: _Work, number: int, slot: Slot) -> str:
    """How the boundary before piece `number` was made."""
    if work.mended & {number - 1, number}:
        return "encode"
    return "table" if slot.into is HARD else "seam"


def _joinable(work: _Work) -> list[PreparedClip]:
    """Open every piece; encode again those that deviate, then those that clash, at last all of them."""
    if work.encode_all:
        again = "the first version did not pass its examination"
        return [_conformed(work, number, again) for number in range(len(work.plan.pieces))]
    pieces = [_admit(work, number, path) for number, path in enumerate(work.plan.pieces)]
    first = next((piece for number, piece in enumerate(pieces) if number not in work.mended), pieces[0])
    config: AvcConfig = first.config
    for number, piece in enumerate(pieces):
        reason = None if piece is first else clash(first, piece, config)
        if reason:
            pieces[number] = _conformed(work, number, reason)
        config = united((config, pieces[number].config)) or config
    if any(clash(first, piece, piece.config) for piece in pieces) or not united([piece.config for piece in pieces]):
        pieces = [_conformed(work, number, "the clips' settings clash") for number in range(len(pieces))]
    return pieces


def _admit(work: _Work, number: int, path: Path) -> PreparedClip:
    """A piece as it is, if its tables may be joined and it has the film's size and rate; else encoded again."""
    try:
        return _as_it_is(work, number, path)
    except UnplayableMedia as error:
        name = work.plan.name(number)
        said = f"{_sentence(name)} is not playable: {error.operator}."
        raise UnplayableMedia(f"{name}: {error.operator}", marketer=said) from error


def _as_it_is(work: _Work, number: int, path: Path) -> PreparedClip:
    if sniff(path) != "mp4":
        return _conformed(work, number, "; ".join(deviations(path, work.plan.target)))
    found = inspect(path, thorough=False)
    faults = faults_of(found, work.plan.target)
    if found.piece is None or faults:
        return _conformed(work, number, "; ".join(faults))
    fading = any(boundary.kind is not Transition.CUT for boundary in joins(work.plan))
    if fading and SEAM_SET in {set_number(nal) for nal in (*found.piece.config.sps, *found.piece.config.pps)}:
        return _conformed(work, number, "its decoder settings clash with the transitions'")
    return found.piece


def _conformed(work: _Work, number: int, reason: str) -> PreparedClip:
    """A piece encoded again: ahead, by a try that was killed, or now."""
    if number not in work.mended:
        work.notes.append(f"{_sentence(work.plan.name(number))} was encoded again: {reason}.")
        work.mended.add(number)
    into, out = joins(work.plan)[number : number + 2]
    fades = into.seconds, out.seconds
    return conformed(work.plan.pieces[number], work.plan.target, fades, reason, work.ready or work.folder)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _write(work: _Work, pieces: Sequence[PreparedClip], slots: Sequence[Slot], dest: Path) -> str:
    """Render what is missing and write the film. Returns its SHA-256 in hex."""
    bodies, configs = _bodies(work, pieces, slots)
    look = picture_format_of(pieces[0], [*(piece.config for piece in pieces), *configs])
    if look is None:
        raise damaged("its decoder settings clash with those of the transitions")
    place = work.folder / "film.mp4" if work.plan.music else dest
    digest = _write_joined(work, pieces, slots, bodies, look, place)
    return _under_music(work, place, look, dest) if work.plan.music else digest


def _write_joined(
    work: _Work,
    pieces: Sequence[PreparedClip],
    slots: Sequence[Slot],
    bodies: Sequence[Body],
    look: PictureFormat,
    dest: Path,
) -> str:
    comment, language = work.plan.disclosure, work.plan.language
    voice, final = sound_format_of(pieces), work.plan.music is None
    if voice is None:
        return write_film(stretches(bodies, None, None), look, None, dest, comment, final=final, language=language)
    try:
        sound = plan_sound(pieces, slots, voice, work.ready)
    except UnplayableMedia as error:
        if any((slot.into, slot.out) != (HARD, HARD) for slot in slots):
            raise
        work.notes.append(f"The sound was copied without smoothing its joins: {error.operator}.")
        return join_whole(pieces, dest, comment, final=final, language=language) or ""
    return write_film(stretches(bodies, sound, voice), look, voice, dest, comment, final=final, language=language)


def _under_music(work: _Work, film: Path, look: PictureFormat, dest: Path) -> str:
    """Lay music under a joined film: the sound comes from the mixer, the picture and its index stay ours."""
    if work.plan.music is None:
        raise AssertionError("there is no music")
    mixed, picture = (
        open_prepared_clip(mix_music(film, work.plan.music, work.folder / "mixed.mp4")),
        open_prepared_clip(film),
    )
    if mixed is None or picture is None:
        raise damaged("the film with its music cannot be read back")
    voice = sound_format_of([mixed])
    if voice is None:
        raise damaged("the film with its music has no sound")
    turns = by_turns([Body(picture, 0, picture.frames)], list(packets_of(mixed)), voice)
    return write_film(list(turns), look, voice, dest, work.plan.disclosure, language=work.plan.language)


def _bodies(work: _Work, pieces: Sequence[PreparedClip], slots: Sequence[Slot]) -> tuple[list[Body], list[AvcConfig]]:
    """What is copied of each piece, with the seams between and at the ends, two of which are rendered at a time."""
    spans = [body(piece, slot.into.head, slot.out.tail) for piece, slot in zip(pieces, slots, strict=True)]
    wanted = _wanted(pieces, slots, spans)
    with ThreadPoolExecutor(max_workers=_SEAMS_AT_A_TIME) as pool:
        made = dict(zip(wanted, pool.map(lambda seam: _seam(work, seam), wanted.values()), strict=True))
    bodies = [
        Body(
            piece=piece,
            start=span[0],
            stop=span[1],
            seam=made[number][1] if number in made else None,
            opening=made[0][1] if number == 1 and 0 in made else None,
        )
        for number, (piece, span) in enumerate(zip(pieces, spans, strict=True), 1)
    ]
    return bodies, [config for config, _ in made.values()]


def _wanted(pieces: Sequence[PreparedClip], slots: Sequence[Slot], spans: Sequence[tuple[int, int]]) -> dict[int, Seam]:
    """The film's seams by the number of pieces that stand before them."""
    found = {
        number: Seam(a=a, b=b, fade=slot.out, stop=span[1], start=following[0])
        for number, (slot, (a, b), (span, following)) in enumerate(
            zip(slots[:-1], pairwise(pieces), pairwise(spans), strict=True), 1
        )
        if slot.out is not HARD
    }
    first, last = pieces[0], pieces[-1]
    if slots[0].into is not HARD:
        found[0] = Seam(a=first, b=first, fade=slots[0].into, stop=first.frames, start=spans[0][0])
    if slots[-1].out is not HARD:
        found[len(pieces)] = Seam(a=last, b=last, fade=slots[-1].out, stop=spans[-1][1], start=0)
    return found


def _seam(work: _Work, wanted: Seam) -> tuple[AvcConfig, Stretch]:
    """A seam from the folder of ready ones, or rendered now."""
    place = (work.ready or work.folder) / wanted.name
    found = load(place, wanted) if place.exists() else None
    found = found or load(render(wanted, place), wanted)
    if found is None:
        raise damaged("a transition came out with other frames than planned")
    return found

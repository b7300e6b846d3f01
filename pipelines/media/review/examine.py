"""A look at a finished cut before anybody sees it: its index, its joins, its pictures and its sound.

Fast enough to run before every delivery: the index whole, a few frames at each join, the frames that stand alone,
and all of the sound. A full decode belongs to tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType

import av
import numpy as np

from pipelines.domain.errors import UnplayableMedia
from pipelines.domain.footage import Boundary, FilmPlan, Target, Verdict
from pipelines.media.audio.hearing import Sound, SoundTrack, listen, stretches_heard
from pipelines.media.audio.mix import Samples, packets_of
from pipelines.media.clips.coded_frames import closed_start, decode_alone, decode_frames, luma
from pipelines.media.clips.prepared_clip import PreparedClip, inspect, sound_ends
from pipelines.media.clips.probe import faults_of, probe
from pipelines.media.clips.timeline import Slot, fade_of, lay_out
from pipelines.media.mp4.aac import PACKET
from pipelines.media.mp4.reader import sniff
from pipelines.media.review.stretches import Judged, keep_ahead, stretches_of

SAMPLES_PER_SCENE = 6
"""Pictures looked at in each scene."""

AROUND_JOIN = 3
"""Frames decoded on either side of a join."""

LONGEST_RUN_UP = 24
"""Frames decoded only to get at the last ones before a join; those of a copied body are not worth more."""

FRAMES_INTO_SCENE = 15
"""Frames decoded of a scene that has too few pictures that stand alone."""

NOTHING_KNOWN: Mapping[str, str] = MappingProxyType({})

Seen = tuple[int, Samples]
"""A frame's place in the film, and its picture made small."""

_BLACK_LUMA, _FLAT = 22.0, 3.0
_STILL_MEAN, _STILL_PEAK = 0.6, 5.0
_STRETCH_S = 2.0
_CLIPPED_SHARE = 0.001
_LATE_S = 0.030
_OFF_LU = 3.0
_SHRINK = 8
_EDGE_S = 0.15


@dataclass(slots=True)
class _Examination:
    """What was seen and heard so far."""

    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    measures: dict[str, float] = field(default_factory=dict)
    incurable: int = 0
    """How many faults are in the clips themselves."""
    judged: Judged = field(default_factory=lambda: Judged(NOTHING_KNOWN))
    """What equal pictures were found to be."""
    stretches: dict[str, str] = field(default_factory=dict)
    pictures: str = ""

    def once(self, mark: str, see: Callable[[], str | None]) -> str:
        """What is wrong with a stretch; where equal pictures were looked at before, what was seen then."""
        before = self.judged.get(mark)
        self.stretches[mark] = (see() or "") if before is None else before
        return self.stretches[mark]


def judge_ahead(path: Path, target: Target, into: Boundary, out: Boundary, ready: Path) -> None:
    """Judge the pictures of a prepared clip as those of a scene that begins and ends so, ahead of its film. Raises
    `UnplayableMedia` when they cannot be decoded.
    """
    piece = inspect(path, thorough=False).piece
    if piece is None:
        return
    fades = [fade_of(boundary, piece.frames, piece.frames, target.fps) for boundary in (into, out)]
    first, last = fades[0].head, piece.frames - fades[1].tail
    mark = stretches_of(piece).mark("scene", first, last)
    if Judged(NOTHING_KNOWN, ready).get(mark) is None:
        keep_ahead(ready, mark, _seen_in(piece, first, last) or "")


def examine(
    film: Path, plan: FilmPlan, known: Mapping[str, str] = NOTHING_KNOWN, *, ready: Path | None = None
) -> Verdict:
    """Judge a film by its plan. Never raises for a bad film: what is wrong with it is in `faults`. Pictures that are
    `known`, from the `stretches` of other verdicts, or were judged ahead into the folder `ready`, are not decoded
    again; all else is looked at each time.
    """
    look = _Examination(judged=Judged(known, ready))
    try:
        facts = _measure(film, plan, look)
    except UnplayableMedia as error:
        look.faults.append(f"the film cannot be played ({error.operator})")
        facts = "The film"
    judged = "; ".join(look.faults) if look.faults else "looks right"
    remarks = f" ({'; '.join(look.remarks)})" if look.remarks else ""
    return Verdict(
        ok=not look.faults,
        sentence=f"{facts}: {judged}{remarks}.",
        faults=tuple(look.faults),
        measures=look.measures,
        curable=len(look.faults) > look.incurable,
        pictures=look.pictures,
        stretches=look.stretches,
    )


def _measure(film: Path, plan: FilmPlan, look: _Examination) -> str:
    """Look at everything; returns the facts for the sentence."""
    if sniff(film) != "mp4":
        look.faults.append("the file is not an MP4")
        return "The film"
    found = inspect(film)
    look.faults += faults_of(found, plan.target)
    piece = found.piece
    if piece is None:
        return "The film"
    slots = _expected(plan)
    with ThreadPoolExecutor(max_workers=1) as beside:
        sound = beside.submit(_listened, piece, slots, look.judged.ready) if piece.audio and piece.sound else None
        _check_length(piece, slots, look)
        if slots[-1].stop == piece.frames:
            _check_pictures(piece, slots, plan, look)
        heard = _check_sound(sound.result() if sound else None, piece, slots, plan, look)
    scenes = f"{plan.scenes} scene{'s' if plan.scenes > 1 else ''}"
    return f"{scenes}, {float(piece.seconds):.1f} s, {piece.sps.width}×{piece.sps.height}, {heard}"


def _listened(piece: PreparedClip, slots: Sequence[Slot], ready: Path | None) -> Sound | None:
    """What is heard in all of the film."""
    if piece.audio is None or piece.sound is None:
        return None
    heard = len(piece.audio.sizes) * PACKET - piece.priming
    track = SoundTrack(
        config=piece.sound.config,
        rate=piece.sound.rate,
        channels=piece.sound.channels,
        priming=piece.priming,
        samples=max(0, min(heard, int(piece.seconds * piece.sound.rate))),
        count=len(piece.audio.sizes),
        packets=lambda first, last: tuple(packets_of(piece, first, last)),
    )
    return listen(track, stretches_heard(slots, piece.frame, track.rate, track.samples), ready)


def _expected(plan: FilmPlan) -> list[Slot]:
    """Where each scene should be, from the pieces themselves."""
    fps = plan.target.fps
    frames = []
    for path in plan.pieces:
        footage = probe(path, thorough=False)
        exact = footage.fps == fps
        frames.append(footage.frames if exact else max(1, round(footage.duration_s * float(fps))))
    return lay_out(frames, plan)


def _check_length(piece: PreparedClip, slots: Sequence[Slot], look: _Examination) -> None:
    """Length as planned, sound and picture ending together, every scene after a hard cut begun by a whole picture."""
    expected = slots[-1].stop * piece.frame
    look.measures["duration_s"] = float(piece.seconds)
    if abs(piece.seconds - expected) > piece.frame * len(slots) / 2:
        look.faults.append(f"it is {float(piece.seconds):.2f} s long instead of {float(expected):.2f} s")
    if piece.audio is not None:
        gap = float(sound_ends(piece) - piece.seconds)
        look.measures["sound_end_gap_s"] = gap
        if gap < -_LATE_S:
            look.faults.append(f"the sound ends {-gap:.2f} s before the picture")


def _check_pictures(piece: PreparedClip, slots: Sequence[Slot], plan: FilmPlan, look: _Examination) -> None:
    """Decode round every join and a few pictures of every scene; name what is black or does not move."""
    scenes = [(slot.start + slot.into.head, slot.stop - slot.out.tail) for slot in slots]
    coded = stretches_of(piece)
    look.pictures = coded.whole
    begun = {first for first, last in scenes if not _alone(piece, first, last)}
    for first, last in _changed(slots):
        low, high = max(0, first - AROUND_JOIN), min(piece.frames, last + AROUND_JOIN)
        if low - closed_start(piece, low) > LONGEST_RUN_UP:
            low = first
        if low == first == last and first in begun:
            continue
        look.once(coded.mark("join", low, high), partial(_decoded, piece, low, high))
    for index, (first, last) in enumerate(scenes):
        what = look.once(coded.mark("scene", first, last), partial(_seen_in, piece, first, last))
        if what:
            look.faults.append(f"{plan.name(index)} {what}")
            look.incurable += 1


def _decoded(piece: PreparedClip, low: int, high: int) -> None:
    """Raises `UnplayableMedia` where a picture is missing or damaged."""
    for _ in decode_frames(piece, low, high):
        pass


def _seen_in(piece: PreparedClip, first: int, last: int) -> str | None:
    return _nothing_happens(list(_sampled(piece, first, last)), piece, first, last)


def _changed(slots: Sequence[Slot]) -> Iterator[tuple[int, int]]:
    """The frames from each join to the end of its transition, and those in which the film begins or ends."""
    yield from ((slot.start, slot.start + slot.into.head) for slot in slots if slot.start or slot.into.head)
    if slots[-1].out.tail:
        yield slots[-1].stop - slots[-1].out.tail, slots[-1].stop


def _nothing_happens(seen: Sequence[Seen], piece: PreparedClip, first: int, last: int) -> str | None:
    """What is wrong with a scene in which a long stretch, or all of it, is black or does not move."""
    if seen and _are_black(*(picture for _, picture in seen)):
        return "is black"
    for what, same in (("is black", _are_black), ("stands still", _are_alike)):
        begin, end = _longest(seen, same)
        if len(seen) > 1 and (begin, end) == (seen[0][0], seen[-1][0]) and (last - first) * piece.frame >= _STRETCH_S:
            return what
        if (end - begin) * piece.frame >= _STRETCH_S:
            times = [float((place - first) * piece.frame) for place in (begin, end)]
            return f"{what} from {times[0]:.1f} to {times[1]:.1f} s"
    return None


def _sampled(piece: PreparedClip, first: int, last: int) -> Iterator[Seen]:
    """Pictures of a scene that need no long decode: those that stand alone, or a few after its start. Where these say
    that nothing happens, the rest of the scene is decoded before it is believed.
    """
    alone = _alone(piece, first, last)
    if alone:
        step = -(-len(alone) // SAMPLES_PER_SCENE)
        yield from ((place, _small(decode_alone(piece, place))) for place in alone[::step])
        return
    soon = list(_every(piece, first, min(last, first + FRAMES_INTO_SCENE), SAMPLES_PER_SCENE))
    yield from soon
    if soon and (_are_alike(*_ends(soon)) or _are_black(*_ends(soon))):
        yield from _every(piece, soon[-1][0] + 1, last, SAMPLES_PER_SCENE * 2)


def _alone(piece: PreparedClip, first: int, last: int) -> list[int]:
    """The pictures of a scene that stand alone, where they are enough to know it by; else its beginning is decoded."""
    found = [index for index in piece.video.sync.tolist() if first <= index < last]
    return found if len(found) >= SAMPLES_PER_SCENE // 2 else []


def _every(piece: PreparedClip, first: int, last: int, count: int) -> Iterator[Seen]:
    """About `count` frames of a stretch, and its last one."""
    step = max(1, (last - first) // count)
    for place, frame in enumerate(decode_frames(piece, first, last) if first < last else (), first):
        if (place - first) % step == 0 or place == last - 1:
            yield place, _small(frame)


def _ends(seen: Sequence[Seen]) -> tuple[Samples, Samples]:
    return seen[0][1], seen[-1][1]


def _longest(seen: Sequence[Seen], same: Callable[[Samples, Samples], bool]) -> tuple[int, int]:
    """The longest stretch of neighbours that are the `same` as its first: places of its first and last frame."""
    best, begin = (0, 0), 0
    for index, (place, picture) in enumerate(seen):
        if not same(seen[begin][1], picture):
            begin = index
        best = max(best, (seen[begin][0], place), key=lambda one: one[1] - one[0])
    return best


def _small(frame: av.VideoFrame) -> Samples:
    """Luma at an eighth of the size, averaged, so that how it was encoded matters less than what it shows."""
    picture = luma(frame)
    height, width = picture.shape[0] // _SHRINK, picture.shape[1] // _SHRINK
    # Rows first: side by side in memory, they are added many at a time.
    rows = picture[: height * _SHRINK, : width * _SHRINK].reshape(height, _SHRINK, -1).sum(axis=1, dtype=np.uint16)
    tiles = rows.reshape(height, width, _SHRINK).sum(axis=2, dtype=np.uint16)
    shrunk: Samples = tiles / np.float32(_SHRINK * _SHRINK)
    return shrunk


def _are_black(*pictures: Samples) -> bool:
    return all(float(picture.mean()) < _BLACK_LUMA and float(picture.std()) < _FLAT for picture in pictures)


def _are_alike(one: Samples, other: Samples) -> bool:
    """A small thing that moves changes few pixels by much; another encode of the same picture, many by little."""
    change = np.abs(one - other)
    return float(change.mean()) < _STILL_MEAN and float(change.max()) < _STILL_PEAK


def _check_sound(
    sound: Sound | None, piece: PreparedClip, slots: Sequence[Slot], plan: FilmPlan, look: _Examination
) -> str:
    """How the film sounds, for the sentence."""
    if sound is None:
        look.faults.append("the film has no sound track")
        return "no sound"
    found = sound.loudness
    if found is None or found.silent:
        return "silent"
    look.measures |= {"true_peak_db": found.peak_db, "loudness_lufs": found.lufs}
    _name_silence(sound, piece, slots, plan, look)
    if sound.clipped > _CLIPPED_SHARE:
        look.faults.append("the sound is distorted by clipping")
        look.incurable += 1
    wanted = plan.target.loudness_lufs
    if wanted is not None and abs(found.lufs - wanted) > _OFF_LU:
        louder = "louder" if found.lufs > wanted else "quieter"
        look.remarks.append(f"{abs(found.lufs - wanted):.0f} LU {louder} than asked")
    # With a real minus sign, as people print it.
    return f"sound at {found.lufs:.0f} LUFS".replace("-", "−")


def _name_silence(sound: Sound, piece: PreparedClip, slots: Sequence[Slot], plan: FilmPlan, look: _Examination) -> None:
    """Silence may be meant, so it is said but is no fault."""
    silent = [
        str(number)
        for number, slot in enumerate(slots[plan.has_title_card :][: plan.scenes], 1)
        if sound.silent(float(slot.start * piece.frame) + _EDGE_S, float(slot.stop * piece.frame) - _EDGE_S)
    ]
    if silent:
        look.remarks.append(
            f"scene {', '.join(silent)} is silent" if len(silent) == 1 else f"scenes {', '.join(silent)} are silent"
        )

"""Bringing a clip to its cut's target, on arrival, while the other clips are still being made.

Only what deviates is touched: nothing, the sound alone, or picture and sound together in one encode that also burns
in the caption and the logo. The result is held against the target again before it is handed on.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from pipelines.domain.errors import UnplayableMedia
from pipelines.domain.footage import ClipWork, Footage, Prepared, Target, Voice, Word
from pipelines.media.audio.loudness import Loudness, gain_db, measure_loudness
from pipelines.media.audio.voice import CEILING, fit, lay_over
from pipelines.media.clips.filters import Source, chain, read_source
from pipelines.media.clips.frames import DEMUXERS
from pipelines.media.clips.prepared_clip import inspect, skipped, sound_ends
from pipelines.media.clips.probe import deviations, probe
from pipelines.media.ffmpeg import encode
from pipelines.media.mp4.aac import PACKET
from pipelines.media.mp4.reader import sniff
from pipelines.media.normalise.overlay import has_room_for, paint_karaoke, paint_overlay, paint_spoken
from pipelines.media.text.fonts import Weight, face_of
from pipelines.media.text.layout import clean
from pipelines.media.text.shaping import settable

_PAINTED_OVER = re.compile("corrupt decoded frame|Error submitting packet to decoder|Invalid NAL unit size")
"""What ffmpeg says, at its level "warning", of a picture that its decoder had to invent in part or leave out."""

_NARRATED = "the narrator was laid over its sound"
ABOUT_SOUND = "sound"
"""The word that marks a deviation which leaves the picture alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What is wrong with one clip and what will be done to it. `source` is known when its own index is not enough."""

    work: ClipWork
    source: Source | None
    frames: int
    picture: tuple[str, ...]
    sound: tuple[str, ...]
    gain_db: float
    loudness: Loudness | None
    narrated: Path | None = None
    """The clip's sound with the spoken line over it, once that is mixed."""
    said: tuple[Word, ...] = ()
    """When each of its words is said in the clip."""

    @property
    def seconds(self) -> Fraction:
        return self.frames / self.work.target.fps

    @property
    def changed(self) -> tuple[str, ...]:
        return (*self.picture, *self.sound)

    @property
    def lufs(self) -> float | None:
        return None if self.loudness is None or self.loudness.silent else round(self.loudness.lufs + self.gain_db, 1)


def prepare(work: ClipWork, dest: Path) -> Prepared:
    """Bring one clip to its cut's target. Where nothing deviates nothing is written: the clip is its own piece.

    Raises `UnplayableMedia` when the source is no video or cannot be mended, `InvalidOrder` when the logo is no
    picture, `Unavailable` when the encoder is far too slow.
    """
    footage = probe(work.source)
    plan = _plan(work, footage)
    if not plan.changed:
        return Prepared(path=work.source, footage=footage, loudness_lufs=plan.lufs)
    with encode.arriving(dest) as temporary:
        plan = _mend(plan, temporary)
    return Prepared(path=dest, footage=probe(dest), changed=plan.changed, loudness_lufs=plan.lufs)


def encode_clip(work: ClipWork, dest: Path, reason: str) -> Prepared:
    """Encode picture and sound whatever the clip is like, for a join that refuses it. Raises as `prepare`."""
    found = _plan(work, probe(work.source))
    plan = replace(found, picture=(*found.picture, reason))
    with encode.arriving(dest) as temporary:
        plan = _encode_all(plan, temporary)
        _accept(temporary, work.target)
    return Prepared(path=dest, footage=probe(dest), changed=plan.changed, loudness_lufs=plan.lufs)


def _plan(work: ClipWork, footage: Footage) -> _Plan:
    reasons = deviations(work.source, work.target)
    about_picture = any(ABOUT_SOUND not in reason for reason in reasons)
    source = _source(work) if about_picture or _plain(work.source) is None else None
    seconds, frames, trimmed = _length(work, footage)
    loudness = _measured(work, footage, source)
    gain = gain_db(loudness, work.target.loudness_lufs) if loudness and work.target.loudness_lufs is not None else 0.0
    extras = []
    if trimmed:
        extras.append(f"trimmed from {seconds:.3g} s to {float(frames / work.target.fps):.3g} s")
    if work.caption and work.caption.strip():
        extras.append("the caption was burned in" + (", word by word" if work.karaoke else ""))
        font = work.lettering.font if work.lettering else None
        if font and face_of(font, clean(work.caption), Weight.BOLD) is Weight.BOLD:
            extras.append("the caption was set in Inter, because the brand's font has not all of its letters")
        if settable(clean(work.caption), Weight.BOLD) != clean(work.caption):
            extras.append("signs for which there is no font here were left out of the caption")
        paged = work.karaoke and work.voice
        if not paged and not has_room_for(work.target.width, work.target.height, work.caption, work.lettering):
            extras.append("the caption is too long for the picture and ends early")
    if work.logo is not None:
        extras.append("the logo was laid over")
    if work.ai_label is not None:
        extras.append("the AI label was laid over")
    return _Plan(
        work=work,
        source=source,
        frames=frames,
        picture=(*(reason for reason in reasons if ABOUT_SOUND not in reason), *extras),
        sound=(
            *(reason for reason in reasons if ABOUT_SOUND in reason),
            *(["the sound cannot be decoded and became silence"] if source and source.garbled else []),
            *([f"the sound's level was changed by {gain:+.1f} dB"] if gain and not work.voice else []),
            *([_NARRATED] if work.voice else []),
        ),
        gain_db=gain,
        loudness=loudness,
    )


def _length(work: ClipWork, footage: Footage) -> tuple[float, int, bool]:
    """Seconds shown, frames wanted, and whether that is less than there is."""
    whole = encode.frame_count(footage.duration_s, work.target.fps)
    if work.trim_s is None:
        return footage.duration_s, whole, False
    wanted = encode.frame_count(work.trim_s, work.target.fps)
    return footage.duration_s, min(whole, wanted), wanted < whole


def _measured(work: ClipWork, footage: Footage, source: Source | None) -> Loudness | None:
    if work.target.loudness_lufs is None or footage.audio_codec is None:
        return None
    track = source.sound if source and source.sound else 0
    return measure_loudness(work.source, ("-f", DEMUXERS[sniff(work.source)]), track)


def _source(work: ClipWork) -> Source:
    return read_source(work.source, DEMUXERS[sniff(work.source)])


@dataclass(frozen=True, slots=True)
class _Tracks:
    """Picture and place of the sound as ffmpeg counts them, and the seconds of sound at the head that are left out."""

    picture: str
    sound: int | None
    skipped: Fraction


def _plain(path: Path) -> _Tracks | None:
    """The tracks of a clip whose index we can read, in a hundredth of the time libav takes; None of any other."""
    piece = inspect(path, thorough=False).piece
    if piece is None or (piece.audio is not None and piece.sound is None):
        return None
    return _Tracks("0:V:0", None if piece.audio is None else 0, skipped(piece.lead))


def _tracks(plan: _Plan) -> _Tracks:
    plain = None if plan.source else _plain(plan.work.source)
    if plain is not None:
        return plain
    source = plan.source or _source(plan.work)
    return _Tracks(f"0:v:{source.number}", source.sound, source.skipped)


def _mend(plan: _Plan, temporary: Path) -> _Plan:
    """Touch the sound alone if that is enough, else encode all. Returns the plan that was followed."""
    if plan.work.voice is None:
        return _encoded(plan, temporary)
    with tempfile.TemporaryDirectory(dir=temporary.parent) as folder:
        return _encoded(_narrated(plan, plan.work.voice, Path(folder)), temporary)


def _narrated(plan: _Plan, voice: Voice, folder: Path) -> _Plan:
    """The line over the clip's own sound; then the level of both together is what the film's Loudness is about."""
    line = fit(voice, folder)
    source = _begun(plan.source or _source(plan.work), plan.work.trim_s) if plan.picture else None
    tracks = _Tracks("", source.sound, source.skipped) if source else _tracks(plan)
    options = ["-f", DEMUXERS[sniff(plan.work.source)], "-i", str(plan.work.source)]
    inputs, pad = _sound_input(tracks.sound, index=1)
    clip = ([*options, *inputs], pad, _sound_filter(replace(plan, gain_db=0.0), tracks.skipped))
    mixed = folder / "narrated.wav"
    lay_over(line, voice.begins_s, clip, float(plan.seconds), mixed)
    target = plan.work.target.loudness_lufs
    loudness = measure_loudness(mixed) if target is not None else None
    gain = 0.0 if loudness is None or loudness.silent or target is None else round(target - loudness.lufs, 2)
    shortened = ("its spoken line was too long for the sound and ends early",) if line.cut else ()
    sound = (*plan.sound, *shortened)
    return replace(plan, narrated=mixed, said=line.words, loudness=loudness, gain_db=gain, sound=sound)


def _encoded(plan: _Plan, temporary: Path) -> _Plan:
    if not plan.picture:
        _encode_sound(plan, _tracks(plan), temporary)
        if not deviations(temporary, plan.work.target):
            return plan
    encoded = _encode_all(plan, temporary, keeps_sound=True)
    if deviations(temporary, plan.work.target):
        # Packets that libav did not take as the index has them: a clip that was paid for is not lost over them.
        encoded = _encode_all(plan, temporary)
        _accept(temporary, plan.work.target)
    return encoded


def _accept(path: Path, target: Target) -> None:
    """Raise `UnplayableMedia` unless the file is now what the join wants."""
    left = deviations(path, target)
    if left:
        raise UnplayableMedia(f"after encoding the clip still deviates: {'; '.join(left)}")


def _sound_filter(plan: _Plan, skipped_s: Fraction) -> str:
    """The sound at its level, exactly as long as the picture: late starts and short ends become silence, and what is
    heard in the moment before the first picture is left out.
    """
    samples = round(plan.seconds * encode.SAMPLE_RATE)
    level = [f"volume={plan.gain_db}dB"] if plan.gain_db else []
    if plan.narrated is not None:
        return ",".join([*level, CEILING, "apad", f"atrim=end_sample={samples}"])
    steady = f"aresample={encode.SAMPLE_RATE}:async=1:first_pts=0:min_hard_comp=0.01"
    stereo = "aformat=channel_layouts=stereo"
    first = round(skipped_s * encode.SAMPLE_RATE)
    begun = [f"atrim=start_sample={first}", "asetpts=PTS-STARTPTS"] if first else []
    return ",".join([steady, stereo, *begun, *level, "apad", f"atrim=end_sample={samples}"])


def _sound_input(track: int | None, index: int, narrated: Path | None = None) -> tuple[list[str], str]:
    """Further inputs, and the pad the sound comes from; silence when the clip has none."""
    if narrated is not None:
        return ["-f", "wav", "-i", str(narrated)], f"[{index}:a]"
    if track is not None:
        return [], f"[0:a:{track}]"
    return ["-f", "lavfi", "-i", f"anullsrc=r={encode.SAMPLE_RATE}:cl=stereo"], f"[{index}:a]"


def _encode_sound(plan: _Plan, tracks: _Tracks, dest: Path) -> None:
    """Copy the picture, from its first frame on, and encode the sound (or add silence)."""
    inputs, pad = _sound_input(tracks.sound, index=1, narrated=plan.narrated)
    encode.ffmpeg(
        *("-v", "error", "-f", DEMUXERS[sniff(plan.work.source)], "-i", str(plan.work.source), *inputs),
        *("-filter_complex", f"{pad}{_sound_filter(plan, tracks.skipped)}[sound]"),
        *("-map", tracks.picture, "-c:v", "copy", "-bsf:v", "setts=pts=PTS-STARTPTS:dts=DTS-STARTPTS"),
        *("-video_track_timescale", str(encode.timescale(plan.work.target.fps))),
        *("-map", "[sound]", *encode.audio_encoder(), *encode.container(), str(dest)),
    )


def _sound_stays(plan: _Plan, source: Source) -> bool:
    """Whether the clip's packets of sound can stand beside its new pictures as they are: nothing is wrong with them,
    they begin with the pictures, and libav hands on enough of them: none that begins after the sound's edit list ends.
    """
    if plan.sound or source.sound is None or source.skipped or sniff(plan.work.source) != "mp4":
        return False
    piece = inspect(plan.work.source, thorough=False).piece
    if piece is None or piece.audio is None or piece.sound is None or piece.lead:
        return False
    edited = (Fraction(edit.length, piece.movie.timescale) for edit in piece.audio.edits)
    return (plan.seconds - min(sound_ends(piece), *edited)) * piece.sound.rate <= PACKET


def _encode_all(plan: _Plan, dest: Path, *, keeps_sound: bool = False) -> _Plan:
    """One encode for everything: size, rate, colours, trim, caption, logo, level. Returns what was done.

    Where it `keeps_sound`, sound with nothing wrong is copied.
    """
    work, target = plan.work, plan.work.target
    source = _begun(plan.source or _source(work), work.trim_s)
    plan = _shown(plan, source)
    with tempfile.TemporaryDirectory(dir=dest.parent) as folder:
        over = _painted(plan, Path(folder))
        overlaid = bool(over)
        silence, pad = _sound_input(source.sound, index=2 if overlaid else 1, narrated=plan.narrated)
        graph = chain(source, target, with_overlay=overlaid)
        sound = ["-map", f"0:a:{source.sound}", "-c:a", "copy"]
        if not (keeps_sound and _sound_stays(plan, source)):
            graph = f"{graph};{pad}{_sound_filter(plan, source.skipped)}[sound]"
            sound = ["-map", "[sound]", *encode.audio_encoder()]
        said = encode.ffmpeg(
            *("-v", "warning", *source.input_options, "-i", str(work.source), *over, *silence),
            *("-filter_complex", graph, "-map", "[picture]", *sound, "-t", f"{float(plan.seconds):.6f}"),
            *("-r", encode.rate(target.fps), *encode.video_encoder(target)),
            *encode.keyframes(
                plan.frames,
                target.fps,
                work.fade_in_s or encode.DEFAULT_FADE_S,
                work.fade_out_s or encode.DEFAULT_FADE_S,
            ),
            *(*encode.container(), str(dest)),
        )
    damage = ["damaged pictures in it were painted over"] if _PAINTED_OVER.search(said) else []
    return replace(plan, picture=(*plan.picture, *damage))


def _painted(plan: _Plan, folder: Path) -> list[str]:
    """The options that read what is laid over the picture; none where there is nothing to show."""
    work, seconds = plan.work, float(plan.seconds)
    if work.karaoke and plan.said:
        # The list is ours: only files that we painted are named in it.
        return ["-f", "concat", "-safe", "0", "-i", str(paint_spoken(work, plan.said, seconds, folder))]
    if work.karaoke and settable(clean(work.caption or ""), Weight.BOLD):
        return ["-f", "concat", "-i", str(paint_karaoke(work, seconds, folder))]
    ink = folder / "overlay.png"
    return ["-i", str(ink)] if paint_overlay(work, ink) else []


def _begun(source: Source, trim_s: float | None) -> Source:
    """The source, begun with its picture rather than before it where else the last ones would be cut off."""
    over = source.seconds - Fraction(trim_s) if trim_s is not None else Fraction(0)
    if source.skipped or over <= 0:
        return source
    skip = min(source.lead, over)
    return replace(source, skipped=skip, seconds=source.seconds - skip)


def _shown(plan: _Plan, source: Source) -> _Plan:
    """The plan for as many frames as the file really shows, whatever its index said of its length."""
    fps, trim_s = plan.work.target.fps, plan.work.trim_s
    shown = encode.frame_count(source.seconds, fps)
    return replace(plan, frames=shown if trim_s is None else min(shown, encode.frame_count(trim_s, fps)))

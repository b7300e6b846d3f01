"""Music under a finished film: looped to its length, ducked under its sound, faded at the end. The picture is copied.

Everything streams through ffmpeg, so memory does not grow with the film.
"""

from __future__ import annotations

from pathlib import Path

from pipelines.domain.errors import InvalidOrder, Problem, UnplayableMedia
from pipelines.media.audio.loudness import TRUE_PEAK_DB, Loudness, measure_loudness
from pipelines.media.clips.probe import probe
from pipelines.media.ffmpeg import encode

SAFE_INPUT = ("-protocol_whitelist", "file", "-format_whitelist", "mp3,aac,wav,flac,ogg,mov,matroska,aiff,w64")
"""Music comes from outside: nothing that could point to another file or address is opened."""

UNDER_SOUND_LU = 9.0
"""How far below the film's own sound the bed lies before it is ducked."""

ALONE_LUFS = -16.0
QUIETEST_LUFS, LOUDEST_LUFS = -34.0, -16.0
FADE_IN_S, FADE_OUT_S = 0.4, 2.5

_DUCK = "sidechaincompress=threshold=0.02:ratio=5:attack=60:release=700:makeup=1"


def mix_music(film: Path, music: Path, dest: Path) -> Path:
    """Write the film with music under its sound; its picture and length stay as they are.

    Raises `InvalidOrder` when the music cannot be played, `UnplayableMedia` when the film cannot.
    """
    facts = probe(film)
    seconds = facts.frames / facts.fps if facts.fps else facts.duration_s
    own = measure_loudness(film, ("-f", "mov")) if facts.audio_codec else None
    gain = _bed_level(own) - music_loudness(music).lufs
    bed = _bed(float(seconds), gain)
    samples = round(seconds * encode.SAMPLE_RATE)
    if own is None or own.silent:
        graph = f"[1:a:0]{bed}[mixed]"
    else:
        graph = (
            f"[0:a:0]aresample={encode.SAMPLE_RATE}:async=1:first_pts=0,aformat=channel_layouts=stereo,apad,"
            f"atrim=end_sample={samples},asplit[sound][key];[1:a:0]{bed}[bed];[bed][key]{_DUCK}[ducked];"
            "[sound][ducked]amix=inputs=2:normalize=0:duration=first[mixed]"
        )
    ceiling = f"alimiter=limit={10 ** (TRUE_PEAK_DB / 20):.3f}:level=disabled:attack=5:release=80:latency=1"
    with encode.arriving(dest) as temporary:
        encode.ffmpeg(
            *("-v", "error", "-f", "mov", "-i", str(film), *SAFE_INPUT, "-stream_loop", "-1", "-i", str(music)),
            *("-filter_complex", f"{graph};[mixed]{ceiling},atrim=end_sample={samples}[out]"),
            *("-map", "0:v:0", "-c:v", "copy", "-video_track_timescale", str(encode.timescale(facts.fps))),
            *("-map", "[out]", *encode.audio_encoder(), *encode.container(), str(temporary)),
        )
    return dest


def _bed_level(own: Loudness | None) -> float:
    """LUFS the music is brought to."""
    if own is None or own.silent:
        return ALONE_LUFS
    return min(LOUDEST_LUFS, max(QUIETEST_LUFS, own.lufs - UNDER_SOUND_LU))


def music_loudness(music: Path) -> Loudness:
    """Measure the music. Raises `InvalidOrder` when there is none to play."""
    problem = Problem("Music", "The file has no music we can play; use MP3, M4A, WAV, OGG or FLAC.")
    try:
        found = measure_loudness(music, SAFE_INPUT)
    except UnplayableMedia as error:
        raise InvalidOrder([problem]) from error
    if found is None or found.silent:
        raise InvalidOrder([problem])
    return found


def _bed(seconds: float, gain_db: float) -> str:
    """The chain that turns the endless music into the film's bed. Where compressed music begins anew, its times jump:
    they are counted afresh.
    """
    fade_out = min(FADE_OUT_S, seconds / 3)
    fade_in = min(FADE_IN_S, seconds / 6)
    return (
        f"aresample={encode.SAMPLE_RATE},asetpts=N/SR/TB,aformat=channel_layouts=stereo,volume={gain_db:.2f}dB,"
        f"atrim=end_sample={round(seconds * encode.SAMPLE_RATE)},"
        f"afade=t=in:d={fade_in:.3f},afade=t=out:st={seconds - fade_out:.3f}:d={fade_out:.3f}:curve=qsin"
    )

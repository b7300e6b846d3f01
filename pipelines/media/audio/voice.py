"""A spoken line over a clip's own sound: at its level, fitted into its room, the clip's sound ducked under it.

The picture is not touched. What is too long is spoken a little faster, and beyond that ends with a sentence.
"""

from __future__ import annotations

import re
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.domain.errors import UnplayableMedia
from pipelines.domain.footage import Voice, Word
from pipelines.domain.planning.narration import FASTEST
from pipelines.media.audio.loudness import measure_loudness
from pipelines.media.audio.word_times import estimated, heard
from pipelines.media.ffmpeg import encode

VOICE_LUFS = -16.0
SAFE_INPUT = ("-protocol_whitelist", "file", "-format_whitelist", "mp3,aac,wav,flac,ogg,mov,matroska,aiff,w64")
"""What a voice service answers is from outside, as music is."""
CEILING = "alimiter=limit=0.841:level=disabled:attack=5:release=80:latency=1"
"""-1.5 dB, as `loudness.TRUE_PEAK_DB`."""

_DUCK = "sidechaincompress=threshold=0.02:ratio=8:attack=40:release=500:makeup=1"
_SENTENCE = re.compile(r"[^.!?…。！？]+[.!?…。！？]*\s*")
_QUIET, _PAUSE_S, _NEAR_S = 0.03, 0.06, 0.7
"""A pause: below this share of the peak for so long. A sentence ends in one that is so near to where it should."""
_EDGE_S, _FADE_S = 0.02, 0.04

_Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Spoken:
    """A line as it will be heard: a file, and how much faster that is played."""

    path: Path
    tempo: float
    cut: bool
    words: tuple[Word, ...]
    """When each is said, in seconds of the clip."""


def fit(voice: Voice, folder: Path) -> Spoken:
    """The line without the silence round it, ended where it would not fit. Raises `UnplayableMedia`."""
    samples, lead_s = _without_edges(_decoded(voice.path, folder))
    told = [word.text for word in voice.words] == voice.text.split()
    words, lead_s = (voice.words, lead_s) if told else (_estimated(samples, voice.text), 0.0)
    seconds, most = len(samples) / encode.SAMPLE_RATE, voice.room_s * FASTEST
    cut = seconds > most
    if cut:
        samples = _ended(samples, voice.text, most)
        seconds = len(samples) / encode.SAMPLE_RATE
    path = folder / "line.wav"
    _write(path, samples)
    tempo = max(1.0, min(FASTEST, seconds / voice.room_s if voice.room_s else 1.0))
    return Spoken(path, tempo, cut, heard(words, lead_s, seconds, tempo, voice.begins_s))


def lay_over(line: Spoken, begins_s: float, clip: tuple[list[str], str, str], seconds: float, dest: Path) -> None:
    """Write a clip's sound with a line over it as PCM. `clip`: the options that read it, its pad and its filter."""
    options, pad, steady = clip
    loudness = measure_loudness(line.path)
    gain = VOICE_LUFS - loudness.lufs if loudness and not loudness.silent else 0.0
    samples = round(seconds * encode.SAMPLE_RATE)
    index = options.count("-i")
    whole = f"apad,atrim=end_sample={samples}"
    tempo = [f"atempo={line.tempo:.4f}"] if line.tempo > 1.0 else []
    said = ",".join([*tempo, f"volume={gain:.2f}dB", f"adelay={round(begins_s * 1000)}:all=1", whole])
    graph = (
        f"{pad}{steady}[own];[{index}:a:0]{said},asplit[said][key];[own][key]{_DUCK}[ducked];"
        f"[ducked][said]amix=inputs=2:normalize=0:duration=first,{CEILING},atrim=end_sample={samples}[out]"
    )
    encode.ffmpeg(
        *("-v", "error", *options, "-i", str(line.path), "-filter_complex", graph, "-map", "[out]"),
        *("-c:a", "pcm_f32le", "-f", "wav", str(dest)),
    )


def seconds_of(path: Path) -> float:
    """How long a spoken line is. Raises `UnplayableMedia` for what is no sound, or silent."""
    with tempfile.TemporaryDirectory() as folder:
        return len(_decoded(path, Path(folder))) / encode.SAMPLE_RATE


def _decoded(path: Path, folder: Path) -> _Samples:
    raw = folder / "line.f32"
    shape = ("-map", "0:a:0", "-ac", "1", "-ar", str(encode.SAMPLE_RATE), "-f", "f32le")
    encode.ffmpeg("-v", "error", *SAFE_INPUT, "-i", str(path), *shape, str(raw))
    samples = np.fromfile(raw, np.float32)
    if not len(samples) or not np.isfinite(samples).all() or float(np.abs(samples).max()) <= 0.0:
        raise UnplayableMedia("the spoken line is silent")
    return samples


def _without_edges(samples: _Samples) -> tuple[_Samples, float]:
    """And how many seconds were left out before it."""
    loud = np.flatnonzero(np.abs(samples) > _QUIET / 4 * float(np.abs(samples).max()))
    edge = round(_EDGE_S * encode.SAMPLE_RATE)
    first = max(0, int(loud[0]) - edge)
    return samples[first : loud[-1] + edge * 2], first / encode.SAMPLE_RATE


def _estimated(samples: _Samples, text: str) -> tuple[Word, ...]:
    rate = encode.SAMPLE_RATE
    spans = [(start / rate, stop / rate) for start, stop in _silences(samples)]
    return estimated(text, len(samples) / rate, spans)


def _ended(samples: _Samples, text: str, most_s: float) -> _Samples:
    """As many whole sentences as fit; of a single one as many words."""
    rate, most = encode.SAMPLE_RATE, round(most_s * encode.SAMPLE_RATE)
    pauses = [start for start, _ in _silences(samples)]
    ends = np.cumsum([len(part) for part in _SENTENCE.findall(text)])
    places = [int(end * len(samples) / max(1, ends[-1])) for end in ends[:-1]] if len(ends) else []
    near = [min(pauses, key=lambda pause: abs(pause - place), default=0) for place in places]
    sentences = [pause for pause, place in zip(near, places, strict=True) if abs(pause - place) <= _NEAR_S * rate]
    fitting = [pause for pause in sentences if 0 < pause <= most] or [pause for pause in pauses if pause <= most]
    kept = samples[: max(fitting, default=most)].copy()
    fade = min(len(kept), round(_FADE_S * rate))
    if fade:
        kept[-fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return kept


def _silences(samples: _Samples) -> list[tuple[int, int]]:
    """Where pauses begin and end."""
    block = round(encode.SAMPLE_RATE * 0.01)
    count = len(samples) // block
    energy = np.abs(samples[: count * block]).reshape(count, block).max(axis=1)
    quiet = np.concatenate(([False], energy < _QUIET * float(energy.max()), [False])).astype(np.int8)
    edges = np.flatnonzero(np.diff(quiet))
    spans = zip(edges[::2], edges[1::2], strict=True)
    return [
        (int(start * block), int(stop * block))
        for start, stop in spans
        if (stop - start) * 0.01 >= _PAUSE_S and start > 0
    ]


def _write(path: Path, samples: _Samples) -> None:
    """Both channels alike, as it will be heard: what is measured is what is mixed."""
    both = np.repeat((np.clip(samples, -1, 1) * 32767).astype("<i2"), 2)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(encode.SAMPLE_RATE)
        file.writeframes(both.tobytes())

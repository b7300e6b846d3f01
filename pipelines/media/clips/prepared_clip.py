"""One clip as the join sees it, and every reason why it could not be joined by its tables.

The rules follow from how players read an MP4: whatever is not copied must be the same in all clips, and whatever
the new index states once must be true of every sample. Reasons are words a marketer can read in a row.
"""
# ruff: noqa: PLR2004 - the numbers are the format's own, named by the text beside them.

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import takewhile
from pathlib import Path

import numpy as np

from pipelines.media.mp4.aac import PACKET, SoundKind, sound_kind
from pipelines.media.mp4.avcc import NAL_IDR, NAL_PPS, NAL_SLICE, NAL_SPS, AvcConfig, Sps, parse_avcc, parse_sps
from pipelines.media.mp4.boxes import Box, Ints, Parts, damaged, parts
from pipelines.media.mp4.coded_units import VISUAL_ENTRY_HEAD, Units, walk
from pipelines.media.mp4.colours import BT709, HLG, PQ, UNSPECIFIED, Colours, effective, of_container, of_stream
from pipelines.media.mp4.reader import Edit, Movie, Track, read_movie

_NORMAL_RATE = 1 << 16
_SILENT_TRACKS = {"hint", "meta", "tmcd"}
_MAX_PRIMING = 8 * PACKET

SLIGHT_DELAY_S = Fraction(1, 8)
"""A picture that comes so soon after its sound is merely delayed, as in files without edit lists (a few frames for
the order of decoding): the film begins with it. One that comes later is held from the first sound on.
"""

LONGEST_HOLD_S = 20
"""Nobody means a first picture to stand for longer; such a start is a mistake in the index."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreparedClip:
    """A clip whose index is of the common kind. `rank` is each frame's place in the order of display; `lead` is how
    many seconds after the file's first moment its first picture comes; `inner` are the boxes of its sample entry, and
    `colours` what stream and container together state.
    """

    path: Path
    movie: Movie
    video: Track
    audio: Track | None
    config: AvcConfig
    sps: Sps
    inner: Parts
    colours: Colours
    sound: SoundKind | None
    rank: Ints
    lead: Fraction = Fraction(0)

    @property
    def frames(self) -> int:
        """Number of pictures."""
        return len(self.video.sizes)

    @property
    def frame(self) -> Fraction:
        """Seconds of one picture."""
        return Fraction(int(self.video.durations[0]), self.video.timescale)

    @property
    def seconds(self) -> Fraction:
        """Exact length of the picture."""
        return self.frame * self.frames

    @property
    def priming(self) -> int:
        """Samples at the head of the sound that are there for the decoder only, or before the first picture."""
        if self.audio is None:
            return 0
        unheard = max(0, self.audio.edits[0].media_time) if self.audio.edits else 0
        return unheard + round(skipped(self.lead) * self.audio.timescale)


def skipped(lead: Fraction) -> Fraction:
    """Seconds of sound before the first picture that are left out, so that the film begins with that picture."""
    return Fraction(0) if SLIGHT_DELAY_S < lead <= LONGEST_HOLD_S else lead


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What the index of an MP4 says: the piece when it is of the common kind, and what deviates from that kind."""

    movie: Movie
    piece: PreparedClip | None
    picture: tuple[str, ...]
    sound: tuple[str, ...]

    @property
    def joinable(self) -> bool:
        """Whether the tables alone may be joined."""
        return self.piece is not None and not self.picture and not self.sound


def inspect(path: Path, *, thorough: bool = True) -> Inspection:
    """Parse an MP4 and hold it against the rules. Raises `UnplayableMedia` when it is damaged.

    `thorough` looks into the bytes of frames all over the file, as on arrival; a join at those to start from only.
    """
    movie = read_movie(path)
    if not movie.video:
        raise damaged("it has no picture")
    reasons = tuple(_container_reasons(movie))
    units = walk(path, film_of(movie.video)) if thorough and not movie.fragmented else None
    damage = tuple(_damage(units))
    if reasons:
        return Inspection(movie=movie, piece=None, picture=(*reasons, *damage), sound=())
    piece = _piece(movie)
    picture = (*_table_reasons(piece), *_picture_reasons(piece), *_start_reasons(piece, units), *damage)
    return Inspection(movie=movie, piece=piece, picture=picture, sound=tuple(_sound_reasons(piece)))


def moves(pictures: int, most: int) -> bool:
    """Whether a track has enough pictures to be the film beside one of `most`: another rate has, stills have not."""
    return pictures > 1 and 3 * pictures > most


def film_of(tracks: Sequence[Track]) -> Track:
    """Of several picture tracks the one that is the film: it moves, is switched on, is the largest."""
    most = max(len(track.sizes) for track in tracks)
    return max(tracks, key=lambda one: (moves(len(one.sizes), most), one.enabled, one.width * one.height))


def _damage(units: Units | None) -> Iterator[str]:
    """A few damaged pictures are no reason to lose a clip. Raises `UnplayableMedia` when most of them are."""
    if units is None or not units.damaged.any():
        return
    if units.damaged.sum() * 2 > len(units.damaged):
        raise damaged("its pictures are damaged")
    yield "some of its pictures are damaged"


def _container_reasons(movie: Movie) -> Iterator[str]:
    """What keeps us from reading the tables as one film at all."""
    video = movie.video[0]
    if movie.fragmented:
        yield "the file is in fragments"
    elif not any(len(track.sizes) for track in movie.video):
        raise damaged("it has no pictures")
    elif not any(track.seconds for track in movie.video):
        raise damaged("its pictures take no time")
    if film_of(movie.video).codec == "encv":
        raise damaged("its pictures are encrypted")
    if len(movie.video) > 1:
        yield "there is more than one picture track"
        return
    if len(movie.audio) > 1:
        yield "there is more than one sound track"
    if set(movie.others) - _SILENT_TRACKS:
        yield "there are subtitles or other tracks inside"
    if len(video.entries) != 1:
        yield "the picture changes its settings in the middle"
    elif video.codec != "avc1":
        yield f"the picture is {codec_name(video.codec)} instead of H.264"


def codec_name(code: str) -> str:
    """A four-character code or libav's name of a codec, as people write it."""
    names = {"hvc1": "HEVC", "hev1": "HEVC", "hevc": "HEVC", "av01": "AV1", "av1": "AV1", "vp09": "VP9", "vp9": "VP9"}
    names |= {"vp8": "VP8", "vp08": "VP8", "avc3": "H.264 of another kind", "h264": "H.264"}
    return names.get(code, code.strip() or "unknown")


def _piece(movie: Movie) -> PreparedClip:
    video = movie.video[0]
    entry = video.entries[0]
    if len(entry) < VISUAL_ENTRY_HEAD:
        raise damaged("its decoder settings are missing")
    inner = parts(entry, Box(b"avc1", VISUAL_ENTRY_HEAD, len(entry)))
    avcc = inner.get(b"avcC")
    if avcc is None:
        raise damaged("its decoder settings are missing")
    config = parse_avcc(entry[avcc.start : avcc.end])
    sps = parse_sps(config.sps[0])
    audio = movie.audio[0] if movie.audio and len(movie.audio[0].sizes) else None
    return PreparedClip(
        path=movie.path,
        movie=movie,
        video=video,
        audio=audio,
        config=config,
        sps=sps,
        inner=inner,
        colours=effective(of_stream(sps), of_container(entry, inner)),
        sound=sound_kind(audio.entries[0]) if audio and audio.entries else None,
        rank=_display_rank(video),
        lead=_lead(video, movie.timescale),
    )


def _display_times(video: Track) -> Ints:
    return np.cumsum(video.durations) - video.durations + video.composition


def _lead(video: Track, movie_timescale: int) -> Fraction:
    """Empty edits before the picture; without an edit list the delay of its first frame, as libav reads both."""
    if not video.edits:
        return Fraction(max(0, int(_display_times(video).min())), video.timescale)
    empty = sum(edit.length for edit in takewhile(lambda edit: edit.media_time < 0, video.edits))
    return Fraction(empty, movie_timescale)


def _display_rank(video: Track) -> Ints:
    order = np.argsort(_display_times(video), kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank


def _table_reasons(piece: PreparedClip) -> Iterator[str]:
    """Timing: one frame duration for all, displayed exactly one apart, nothing hidden by an edit."""
    video = piece.video
    step = int(video.durations[0])
    if video.irregular or step <= 0 or (video.durations != step).any():
        yield "the frames are unevenly timed"
        return
    shown = np.sort(_display_times(video))
    if (shown[1:] - shown[:-1] != step).any():
        yield "the frames are unevenly timed"
    if piece.lead > SLIGHT_DELAY_S:
        yield "the picture starts late"
    edits = [edit for edit in video.edits if edit.media_time >= 0] or [Edit(0, 0, _NORMAL_RATE)]
    edit, early = edits[0], Fraction(int(shown[0]) - edits[0].media_time, video.timescale)
    more = Fraction(edit.length, piece.movie.timescale) - piece.seconds
    # A length of 0 is how some writers say "the rest"; a media time of 0 that the order of decoding is none of theirs.
    length_is_right = not edit.length or -piece.frame <= more <= piece.frame + early
    if len(edits) > 1 or edit.rate != _NORMAL_RATE or early < 0 or not length_is_right:
        yield "a part of the picture is hidden"


def _picture_reasons(piece: PreparedClip) -> Iterator[str]:
    """What the target promises of every picture, whatever its size and rate."""
    sps, video = piece.sps, piece.video
    if not video.upright:
        yield f"the picture is turned by {video.rotation}°" if video.rotation else "the picture is mirrored or moved"
    if sps.chroma_format != 1 or sps.bit_depth != 8:
        yield "the colours are not 8 bit 4:2:0"
    if not sps.progressive:
        yield "the picture is interlaced"
    if sps.sar not in (None, 1) or _stretched(piece):
        yield "the pixels are not square"
    if piece.colours.full_range:
        yield "the colours use the full range"
    if piece.colours.transfer in {PQ, HLG}:
        yield "the picture has a high dynamic range"
    elif piece.colours.matrix not in {BT709, UNSPECIFIED}:
        yield "the colours are not BT.709"
    elif piece.colours.matrix == UNSPECIFIED and sps.height < 720 and sps.width < 720:
        yield "the colours are not marked as BT.709"
    if piece.config.length_size != 4:
        yield "the picture is packed in an unusual way"
    if any(parse_sps(nal) != piece.sps for nal in piece.config.sps if parse_sps(nal).number == sps.number):
        yield "the picture changes its settings in the middle"


def _stretched(piece: PreparedClip) -> bool:
    entry, pasp = piece.video.entries[0], piece.inner.get(b"pasp")
    return pasp is not None and entry[pasp.start : pasp.start + 4] != entry[pasp.start + 4 : pasp.start + 8]


def _start_reasons(piece: PreparedClip, units: Units | None) -> Iterator[str]:
    """Look at the head of each frame that claims to stand alone, and at the settings that stand in between."""
    if piece.config.length_size != 4:
        return
    video = piece.video
    with piece.path.open("rb", buffering=0) as file:
        if units is not None and _unknown_sets(file.fileno(), piece, units):
            yield "the picture changes its settings in the middle"
        starts = [_starts_alone(file.fileno(), piece, index) for index in video.sync.tolist()[:MAX_STARTS]]
    if not len(video.sync) or video.sync[0] != 0 or not starts[0]:
        yield "the film does not begin with a whole picture"
    elif not all(starts):
        yield "the pictures lean on others across their groups (open GOP)"


MAX_STARTS = 2_000
"""Frames that stand alone, looked at per clip; a clip of an hour has fewer."""


def _unknown_sets(descriptor: int, piece: PreparedClip, units: Units) -> bool:
    """Whether a parameter set among the pictures is none of those in the header. All are read, each once."""
    known = {*piece.config.sps, *piece.config.pps}
    return any(os.pread(descriptor, size, place) not in known for place, size in units.sets[:MAX_STARTS])


def _starts_alone(descriptor: int, piece: PreparedClip, index: int) -> bool:
    """Whether the frame is an IDR whose parameter sets, if it carries any, are the ones in the header."""
    at = int(piece.video.offsets[index])
    end = at + int(piece.video.sizes[index])
    for _ in range(64):
        head = os.pread(descriptor, max(0, min(256, end - at)), at)
        if len(head) < 5:
            return False
        length, kind = int.from_bytes(head[:4], "big"), head[4] & 31
        if kind in (NAL_IDR, NAL_SLICE):
            return kind == NAL_IDR
        if kind in (NAL_SPS, NAL_PPS):
            known = piece.config.sps if kind == NAL_SPS else piece.config.pps
            if head[4 : 4 + length] not in known:
                return False
        at += 4 + length
    return False


def _sound_reasons(piece: PreparedClip) -> Iterator[str]:
    """What keeps the sound's packets from being copied."""
    audio = piece.audio
    if audio is None:
        return
    if len(audio.entries) != 1 or audio.codec != "mp4a" or piece.sound is None:
        yield "the sound is not AAC"
        return
    if not piece.sound.plain:
        yield "the sound is not plain AAC-LC"
    if audio.irregular or (audio.durations[:-1] != PACKET).any() or audio.durations[-1] > PACKET:
        yield "the sound is unevenly timed"
    if audio.timescale != piece.sound.rate:
        yield "the sound has another clock than its samples"
        return
    if any(edit.media_time < 0 or edit.rate != _NORMAL_RATE for edit in audio.edits) or len(audio.edits) > 1:
        yield "a part of the sound is hidden or late"
    elif piece.priming > _MAX_PRIMING or _ends_early(piece, audio):
        yield "a part of the sound is hidden"
    lacking = piece.video.seconds * piece.sound.rate - (int(audio.durations.sum()) - piece.priming)
    if lacking > PACKET:
        yield f"the sound is {float(lacking / piece.sound.rate):.2f} s shorter than the picture"


def _ends_early(piece: PreparedClip, audio: Track) -> bool:
    """Whether an edit keeps sound from being heard that is there while the picture is shown."""
    edit = audio.edits[0] if audio.edits and audio.edits[0].length else None
    if edit is None:
        return False
    heard = Fraction(edit.length, piece.movie.timescale)
    there = audio.seconds - Fraction(edit.media_time, audio.timescale)
    return min(there, piece.seconds) - heard > Fraction(2 * PACKET, audio.timescale)


def shown_seconds(piece: PreparedClip) -> Fraction:
    """Length of the film: the picture as its edit list shows it, its first frame held where it starts late."""
    shown = Fraction(sum(edit.length for edit in piece.video.edits if edit.media_time >= 0), piece.movie.timescale)
    hides = shown and piece.seconds - shown > piece.frame
    return piece.lead - skipped(piece.lead) + (shown if hides else piece.seconds)


def sound_ends(piece: PreparedClip) -> Fraction:
    """Seconds of sound after priming; 0 without sound."""
    if piece.audio is None or piece.sound is None:
        return Fraction(0)
    return Fraction(int(piece.audio.durations.sum()) - piece.priming, piece.sound.rate)


def open_prepared_clip(path: Path) -> PreparedClip | None:
    """The piece when its tables may be joined, else None. Raises `UnplayableMedia` when it is damaged."""
    found = inspect(path, thorough=False)
    return found.piece if found.joinable else None

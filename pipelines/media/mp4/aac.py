"""What an `mp4a` sample entry says of the sound (ISO/IEC 14496-1 descriptors, 14496-3 AudioSpecificConfig)."""
# ruff: noqa: PLR2004 - the numbers are the format's own, named by the text beside them.

from __future__ import annotations

from dataclasses import dataclass, field

from pipelines.media.mp4.boxes import Box, parts

PACKET = 1024
"""Samples in one AAC-LC packet."""

_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_ENTRY_HEAD = 36
_ESDS, _DECODER, _SPECIFIC = 3, 4, 5


@dataclass(frozen=True, slots=True)
class SoundKind:
    """AAC as configured: `plain` is low complexity with 1024 samples a packet and no band replication."""

    rate: int
    channels: int
    plain: bool
    config: bytes = field(compare=False, default=b"")


def sound_kind(entry: bytes) -> SoundKind | None:
    """Read the configuration out of an `mp4a` sample entry; None when there is none to understand."""
    if entry[4:8] != b"mp4a" or len(entry) < _ENTRY_HEAD or entry[16:18] != b"\0\0":
        return None
    esds = parts(entry, Box(b"mp4a", _ENTRY_HEAD, len(entry))).get(b"esds")
    if esds is None:
        return None
    config = _specific_config(entry[esds.start + 4 : esds.end])
    return _read_config(config) if config else None


def _specific_config(descriptors: bytes) -> bytes | None:
    """Step down ES → decoder → specific descriptor, each inside the one before."""
    at, end = 0, len(descriptors)
    for tag, skip in ((_ESDS, 3), (_DECODER, 13), (_SPECIFIC, 0)):
        if at >= end or descriptors[at] != tag:
            return None
        size, at = 0, at + 1
        for _ in range(4):
            if at >= end:
                return None
            size, more, at = size << 7 | descriptors[at] & 127, descriptors[at] & 128, at + 1
            if not more:
                break
        end = min(end, at + size)
        at += skip
    return descriptors[at:end]


def _read_config(config: bytes) -> SoundKind | None:
    if len(config) < 2:
        return None
    head = int.from_bytes(config[:2], "big")
    kind, rate_index, channels, variant = head >> 11, head >> 7 & 15, head >> 3 & 15, head & 7
    if rate_index >= len(_RATES):
        return None
    plain = kind == 2 and variant == 0 and not _replicates(config[2:])
    return SoundKind(_RATES[rate_index], channels, plain=plain, config=config)


def _replicates(extension: bytes) -> bool:
    """Whether the backward-compatible extension (sync word 0x2B7, type 5, flag) switches on HE-AAC."""
    if len(extension) < 3:
        return False
    bits = int.from_bytes(extension[:3], "big")
    return bits >> 13 == 0x2B7 and bits >> 8 & 31 == 5 and bool(bits >> 7 & 1)


def window(packet: bytes) -> tuple[int, int]:
    """(window sequence, window shape) of a packet's first channel, (-1, -1) when it does not begin with one.

    Sequences: 0 long, 1 long start, 2 eight short, 3 long stop. Shapes: 0 sine, 1 Kaiser-Bessel.
    """
    bits = int.from_bytes(packet[:4].ljust(4, b"\0"), "big")
    element = bits >> 29
    if element == 1 and bits >> 24 & 1:
        return bits >> 21 & 3, bits >> 20 & 1
    if element == 0:
        return bits >> 14 & 3, bits >> 13 & 1
    return -1, -1

"""H.264 parameter sets: what a clip's say, and one configuration that serves a whole film.

After ISO/IEC 14496-15 (the avcC box) and ITU-T H.264 (7.3.2.1 sequence and 7.3.2.2 picture parameter sets).
"""
# ruff: noqa: PLR2004 - the numbers are the format's own, named by the text beside them.

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from pipelines.domain.errors import UnplayableMedia
from pipelines.media.mp4.boxes import damaged

NAL_SLICE, NAL_IDR, NAL_SPS, NAL_PPS = 1, 5, 7, 8
_HIGH_PROFILES = {100, 110, 122, 244, 44, 83, 86, 118, 128}
_SLICE_HEAD = 32
"""Bytes in which the first three numbers of a slice end, whatever they are."""
_SAR = {1: "1:1", 2: "12:11", 3: "10:11", 4: "16:11", 5: "40:33", 6: "24:11", 7: "20:11", 8: "32:11", 9: "80:33"}
_SAR |= {10: "18:11", 11: "15:11", 12: "64:33", 13: "160:99", 14: "4:3", 15: "3:2", 16: "2:1"}


@dataclass(frozen=True, slots=True)
class AvcConfig:
    """The decoder configuration of one clip. `tail` is what High profiles append after the sets."""

    profile: int
    constraints: int
    level: int
    length_size: int
    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]
    tail: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sps:
    """What a sequence parameter set says of the picture. None: not stated. Sizes in pixels, after cropping."""

    number: int
    profile: int
    chroma_format: int
    bit_depth: int
    progressive: bool
    width: int
    height: int
    sar: Fraction | None = None
    full_range: bool | None = None
    colours: tuple[int, int, int] | None = None


class _Bits:
    """A reader of bits that refuses to read beyond the end."""

    def __init__(self, payload: bytes) -> None:
        self._value = int.from_bytes(payload, "big")
        self._left = len(payload) * 8

    def take(self, count: int) -> int:
        if count > self._left:
            raise damaged("its decoder settings are cut short")
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def unsigned(self) -> int:
        """An Exp-Golomb number of at most 32 bits."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:
                raise damaged("its decoder settings make no sense")
        return (1 << zeros) - 1 + self.take(zeros)

    def nth(self, place: int) -> int:
        """That one of a row of such numbers."""
        return [self.unsigned() for _ in range(place)][-1]

    def signed(self) -> int:
        number = self.unsigned()
        return (number + 1) // 2 if number % 2 else -(number // 2)


def _raw(nal: bytes) -> bytes:
    """Payload without the bytes that keep start codes out of it."""
    return nal.replace(b"\0\0\3", b"\0\0")


def parse_avcc(payload: bytes) -> AvcConfig:
    """Read an avcC box's payload. Raises `UnplayableMedia` when its counts reach beyond it."""
    if len(payload) < 7 or payload[0] != 1:
        raise damaged("its decoder settings are missing")
    sps, at = _take_sets(payload, 6, payload[5] & 31)
    if at >= len(payload):
        raise damaged("its decoder settings are cut short")
    pps, at = _take_sets(payload, at + 1, payload[at])
    if not sps or not pps:
        raise damaged("its decoder settings are missing")
    return AvcConfig(payload[1], payload[2], payload[3], (payload[4] & 3) + 1, sps, pps, payload[at:])


def _take_sets(payload: bytes, at: int, count: int) -> tuple[tuple[bytes, ...], int]:
    sets = []
    for _ in range(count):
        size = int.from_bytes(payload[at : at + 2], "big")
        if at + 2 + size > len(payload) or size < 2:
            raise damaged("its decoder settings are cut short")
        sets.append(payload[at + 2 : at + 2 + size])
        at += 2 + size
    return tuple(sets), at


@lru_cache(maxsize=256)
def parse_sps(nal: bytes) -> Sps:
    """Read a sequence parameter set (with its one-byte NAL header). Raises `UnplayableMedia`."""
    bits = _Bits(_raw(nal)[1:])
    profile = bits.take(8)
    bits.take(16)
    number = bits.unsigned()
    chroma, depth = _chroma(bits, profile)
    _skip_counters(bits)
    columns, rows = bits.unsigned() + 1, bits.unsigned() + 1
    progressive = bool(bits.take(1))
    if not progressive:
        bits.take(1)
        rows *= 2
    bits.take(1)
    crop = [bits.unsigned() for _ in range(4)] if bits.take(1) else [0, 0, 0, 0]
    unit_x, unit_y = (2 if chroma in (1, 2) else 1), (2 if chroma == 1 else 1) * (1 if progressive else 2)
    sar, full_range, colours = _usability(bits) if bits.take(1) else (None, None, None)
    return Sps(
        number=number,
        profile=profile,
        chroma_format=chroma,
        bit_depth=depth,
        progressive=progressive,
        width=columns * 16 - unit_x * (crop[0] + crop[1]),
        height=rows * 16 - unit_y * (crop[2] + crop[3]),
        sar=sar,
        full_range=full_range,
        colours=colours,
    )


def _chroma(bits: _Bits, profile: int) -> tuple[int, int]:
    """(chroma format, the larger bit depth); scaling matrices are read over."""
    if profile not in _HIGH_PROFILES:
        return 1, 8
    chroma = bits.unsigned()
    if chroma == 3:
        bits.take(1)
    depth = max(bits.unsigned(), bits.unsigned()) + 8
    bits.take(1)
    if bits.take(1):
        for index in range(12 if chroma == 3 else 8):
            if bits.take(1):
                _skip_scaling(bits, 16 if index < 6 else 64)
    return chroma, depth


def _skip_scaling(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _skip_counters(bits: _Bits) -> None:
    """Frame number, picture order count and reference frames: nothing a join depends on."""
    bits.unsigned()
    order = bits.unsigned()
    if order == 0:
        bits.unsigned()
    elif order == 1:
        bits.take(1)
        bits.signed()
        bits.signed()
        for _ in range(min(bits.unsigned(), 255)):
            bits.signed()
    bits.unsigned()
    bits.take(1)


def _usability(bits: _Bits) -> tuple[Fraction | None, bool | None, tuple[int, int, int] | None]:
    """(sample aspect ratio, full range, (primaries, transfer, matrix)) from the VUI."""
    sar, full_range, colours = None, None, None
    if bits.take(1):
        code = bits.take(8)
        wide, high = (bits.take(16), bits.take(16)) if code == 255 else (0, 0)
        sar = Fraction(_SAR[code].replace(":", "/")) if code in _SAR else Fraction(wide, high) if high else None
    if bits.take(1):
        bits.take(1)
    if bits.take(1):
        bits.take(3)
        full_range = bool(bits.take(1))
        colours = (bits.take(8), bits.take(8), bits.take(8)) if bits.take(1) else None
    return sar, full_range, colours


@lru_cache(maxsize=256)
def set_number(nal: bytes) -> int:
    """The id of a sequence or picture parameter set."""
    kind, raw = nal[0] & 31, _raw(nal)
    return _Bits(raw[4 if kind == NAL_SPS else 1 :]).unsigned()


def used_sets(sample: bytes, config: AvcConfig) -> bytes:
    """The parameter sets by which a coded picture is decoded, one after the other: its slices name the picture's third,
    which names the sequence's second. All of the configuration where they name none that it has. Where there is only
    one for pictures, they name that.
    """
    if len(config.pps) == 1:
        return _sets(frozenset({set_number(config.pps[0])}), config)
    try:
        return _sets(frozenset(slice_.nth(3) for slice_ in _slices(sample, config.length_size)), config)
    except UnplayableMedia:
        return write_avcc(config)


@lru_cache(maxsize=64)
def _sets(numbers: frozenset[int], config: AvcConfig) -> bytes:
    """The sets for pictures of these numbers, and those for sequences that they name."""
    try:
        pps = _of_numbers(config.pps, numbers)
        sps = _of_numbers(config.sps, frozenset(_Bits(_raw(nal)[1:]).nth(2) for nal in pps))
    except UnplayableMedia:
        return write_avcc(config)
    return b"\0".join((*sps, *pps))


def _slices(sample: bytes, length_size: int) -> Iterator[_Bits]:
    """The beginning of each slice of a coded picture, after the header of its unit."""
    at = 0
    while at + length_size < len(sample):
        first = at + length_size
        at = first + int.from_bytes(sample[at:first], "big")
        if sample[first] & 31 in (NAL_SLICE, NAL_IDR):
            yield _Bits(_raw(sample[first + 1 : min(at, first + _SLICE_HEAD)]))


def _of_numbers(nals: Iterable[bytes], numbers: frozenset[int]) -> list[bytes]:
    found = [nal for nal in nals if set_number(nal) in numbers]
    if not numbers or len(found) != len(numbers):
        raise damaged("its decoder settings are missing")
    return found


def united(configs: Iterable[AvcConfig]) -> AvcConfig | None:
    """One configuration with the sets of all, or None when an id has two different contents."""
    configs = tuple(dict.fromkeys(configs))
    sps = _merge(nal for config in configs for nal in config.sps)
    pps = _merge(nal for config in configs for nal in config.pps)
    if sps is None or pps is None or len(sps) > 31 or len({config.length_size for config in configs}) > 1:
        return None
    tails = {config.tail for config in configs if config.tail}
    if len(tails) > 1:
        return None
    constraints = 0xFF
    for config in configs:
        constraints &= config.constraints
    profile = max(config.profile for config in configs)
    tail = next(iter(tails), b"") if profile in _HIGH_PROFILES else b""
    level = max(config.level for config in configs)
    return AvcConfig(profile, constraints, level, configs[0].length_size, sps, pps, tail)


def _merge(nals: Iterable[bytes]) -> tuple[bytes, ...] | None:
    by_number: dict[int, bytes] = {}
    for nal in nals:
        if by_number.setdefault(set_number(nal), nal) != nal:
            return None
    return tuple(by_number[number] for number in sorted(by_number))


def write_avcc(config: AvcConfig) -> bytes:
    """The payload of an avcC box."""

    def listed(nals: tuple[bytes, ...]) -> bytes:
        return b"".join(struct.pack(">H", len(nal)) + nal for nal in nals)

    head = bytes((1, config.profile, config.constraints, config.level, 0xFC | config.length_size - 1))
    counts = (0xE0 | len(config.sps), len(config.pps))
    tail = config.tail or (b"\xfd\xf8\xf8\0" if config.profile in _HIGH_PROFILES else b"")
    return head + bytes(counts[:1]) + listed(config.sps) + bytes(counts[1:]) + listed(config.pps) + tail


def split_annex_b(stream: bytes) -> list[bytes]:
    """The NAL units between start codes."""
    parts = stream.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")
    return [part for part in parts if part]


def config_from_annex_b(stream: bytes) -> AvcConfig:
    """A configuration from an encoder's global header."""
    nals = split_annex_b(stream)
    sps = tuple(nal for nal in nals if nal[0] & 31 == NAL_SPS)
    pps = tuple(nal for nal in nals if nal[0] & 31 == NAL_PPS)
    if not sps or not pps:
        raise damaged("its decoder settings are missing")
    head = sps[0][1:4]
    tail = b"\xfd\xf8\xf8\0" if head[0] in _HIGH_PROFILES else b""
    return AvcConfig(head[0], head[1], head[2], 4, sps, pps, tail)


def length_prefixed(stream: bytes) -> bytes:
    """Annex B to four-byte lengths, slices only: sets live in the sample entry, the rest is not needed."""
    slices = (nal for nal in split_annex_b(stream) if nal[0] & 31 in (NAL_SLICE, NAL_IDR))
    return b"".join(struct.pack(">I", len(nal)) + nal for nal in slices)

"""Files from outside that lie: each gives one clear reason, quickly, within a bounded amount of memory."""

from __future__ import annotations

import resource
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.domain.errors import UnplayableMedia
from pipelines.domain.footage import FilmPlan
from pipelines.media.clips.probe import deviations, probe
from pipelines.media.join.assemble import assemble
from pipelines.media.mp4.boxes import MAX_BOXES
from pipelines.media.review.examine import examine
from tests.media.clip_factory import TARGET, ClipFactory, rebuilt

STBL = [b"moov", b"trak", b"mdia", b"minf", b"stbl"]


def _sized(kind: bytes, payload: bytes, size: int | None = None) -> bytes:
    return struct.pack(">I4s", len(payload) + 8 if size is None else size, kind) + payload


def _claim(count: int) -> Callable[[bytes], bytes]:
    return lambda body: body[:4] + struct.pack(">I", count) + body[8:]


def _zeroed(kind: bytes) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        at = data.index(kind) + 4
        size = struct.unpack_from(">I", data, at - 8)[0]
        return data[:at] + bytes(size - 8) + data[at + size - 8 :]

    return change


def _wrong_size(kind: bytes, size: int) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        at = data.index(kind) - 4
        return data[:at] + struct.pack(">I", size) + data[at + 4 :]

    return change


def _table(box: bytes, change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    return lambda data: rebuilt(data, [*STBL, box], change)


CORPUS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "one byte": lambda _: b"\0",
    "web page": lambda _: b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>",
    "message": lambda _: b'{"error": {"message": "expired"}}',
    "text": lambda _: b"#EXTM3U\n#EXT-X-TARGETDURATION:10\nfile:///etc/passwd\n",
    "pictures": lambda _: b"\x89PNG\r\n\x1a\n" + bytes(200),
    "zeros": lambda data: bytes(len(data)),
    "webm in name only": lambda _: b"\x1a\x45\xdf\xa3" + bytes(500),
    "head only": lambda data: data[:32],
    "no index": lambda data: data[: data.index(b"moov") - 4],
    "index twice as long": _wrong_size(b"moov", 1 << 30),
    "media of 4 GB": _wrong_size(b"mdat", 0xFFFFFFFF),
    "media of 2^63 bytes": lambda data: data.replace(
        data[data.index(b"mdat") - 4 :][:8], struct.pack(">I4s", 1, b"mdat")
    ),
    "track box too small": _wrong_size(b"trak", 4),
    "track box too large": _wrong_size(b"trak", 0x7FFFFFFF),
    "media box of nothing": _wrong_size(b"minf", 8),
    "negative header": _wrong_size(b"mdhd", 7),
    "sizes zeroed": _zeroed(b"stsz"),
    "places zeroed": _zeroed(b"stco"),
    "runs zeroed": _zeroed(b"stsc"),
    "times zeroed": _zeroed(b"stts"),
    "media zeroed": _zeroed(b"mdat"),
    "handler zeroed": _zeroed(b"hdlr"),
    "decoder settings zeroed": _zeroed(b"avcC"),
    "description zeroed": _zeroed(b"stsd"),
    "index zeroed": _zeroed(b"moov"),
    "4 billion sizes": _table(b"stsz", lambda body: body[:8] + b"\xff\xff\xff\xff" + body[12:]),
    "4 billion equal sizes": _table(b"stsz", lambda body: body[:4] + struct.pack(">II", 1, 0xFFFFFFFF)),
    "sizes of 4 GB": _table(b"stsz", lambda body: body[:12] + b"\xff" * (len(body) - 12)),
    "4 billion places": _table(b"stco", _claim(0xFFFFFFFF)),
    "places beyond the end": _table(b"stco", lambda body: body[:8] + b"\xff" * (len(body) - 8)),
    "all places the same": _table(b"stco", lambda body: body[:8] + body[8:12] * ((len(body) - 8) // 4)),
    "places in the index itself": _table(b"stco", lambda body: body[:8] + bytes(len(body) - 8)),
    "4 billion runs": _table(b"stsc", _claim(0xFFFFFFFF)),
    "runs of 4 billion": _table(b"stsc", lambda body: body[:8] + struct.pack(">III", 1, 0xFFFFFFFF, 1) + body[20:]),
    "runs in a circle": _table(b"stsc", lambda body: body[:4] + struct.pack(">I6I", 2, 2, 5, 1, 1, 5, 1)),
    "runs of nothing": _table(b"stsc", lambda body: body[:4] + struct.pack(">4I", 1, 1, 0, 1)),
    "no runs": _table(b"stsc", _claim(0)),
    "4 billion durations": _table(b"stts", _claim(0xFFFFFFFF)),
    "4 billion offsets": _table(b"ctts", _claim(0xFFFFFFFF)),
    "4 billion keyframes": _table(b"stss", _claim(0xFFFFFFFF)),
    "31 sets of 64 KB": lambda data: data.replace(
        data[data.index(b"avcC") + 4 :][:12], data[data.index(b"avcC") + 4 :][:5] + b"\xff\xff\xff" + bytes(4)
    ),
    "a codec nobody has": lambda data: data[:40] + data[40:].replace(b"avc1", b"zzzz"),
    "a clock that stands": lambda data: rebuilt(
        data, [b"moov", b"trak", b"mdia", b"mdhd"], lambda body: body[:12] + bytes(4) + body[16:]
    ),
    "endless small boxes": lambda data: data[:32] + _sized(b"free", b"") * (MAX_BOXES + 50) + data[32:],
    "an index of empty boxes": lambda _: _sized(b"ftyp", b"isom" * 3) + _sized(b"moov", _sized(b"free", b"") * 500_000),
}


@pytest.fixture(scope="session")
def sound_file(clip: ClipFactory) -> bytes:
    """A good clip whose media lies before its index, so that tables can be edited."""
    data = clip(1).read_bytes()
    assert data.index(b"mdat") < data.index(b"moov")
    return data


def _verdict(path: Path) -> str | None:
    """The reason a file is refused, None when it is playable; anything but a clear answer is a failure."""
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        probe(path)
        deviations(path, TARGET)
        reason = None
    except UnplayableMedia as error:
        reason = error.operator if error.marketer.startswith("The file is not a playable video") else None
    assert time.process_time() - began < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
    return reason


@pytest.mark.parametrize("name", CORPUS)
def test_a_damaged_file_is_refused_with_one_reason(sound_file: bytes, tmp_path: Path, name: str) -> None:
    """Never a crash, a hang or growth: one sentence that says what is wrong."""
    path = tmp_path / "damaged.mp4"
    path.write_bytes(CORPUS[name](sound_file))
    reason = _verdict(path)
    assert reason
    assert "\n" not in reason


@pytest.mark.parametrize("shape", ["media first", "index first"])
def test_a_file_cut_short_anywhere_is_refused(clip: ClipFactory, tmp_path: Path, shape: str) -> None:
    """Fifty places from the first byte to the last."""
    data = clip(1, container=("-movflags", "+faststart") if shape == "index first" else ()).read_bytes()
    path = tmp_path / "cut.mp4"
    for n in range(50):
        path.write_bytes(data[: len(data) * n // 50])
        assert _verdict(path), f"{n} of 50"
    path.write_bytes(data[:-1])
    assert _verdict(path)


def test_a_keyframe_whose_parts_reach_beyond_it_is_no_whole_picture(sound_file: bytes, tmp_path: Path) -> None:
    """The second part of the first frame claims to be another kind of part, and longer than the frame."""
    at = struct.unpack_from(">I", sound_file, sound_file.index(b"stco") + 12)[0]
    size = struct.unpack_from(">I", sound_file, sound_file.index(b"stsz") + 16)[0]
    second = at + 4 + struct.unpack_from(">I", sound_file, at)[0]
    assert second < at + size
    path = tmp_path / "beyond.mp4"
    path.write_bytes(sound_file[:second] + struct.pack(">IB", size, 6) + sound_file[second + 5 :])
    assert "the film does not begin with a whole picture" in deviations(path, TARGET)


def test_what_a_web_page_is_called(tmp_path: Path) -> None:
    """An error page under the name of a video is said to be one."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"\n\n<html>Not found</html>")
    with pytest.raises(UnplayableMedia, match="it is a web page, not a video"):
        probe(path)


def test_a_missing_file_is_refused_like_a_damaged_one(tmp_path: Path) -> None:
    """No other kind of error escapes."""
    with pytest.raises(UnplayableMedia, match="cannot be read"):
        probe(tmp_path / "nowhere.mp4")


def test_a_damaged_piece_stops_the_film_and_leaves_nothing_behind(clip: ClipFactory, tmp_path: Path) -> None:
    """The film is not made without one of its scenes, and the one is named."""
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(clip(1).read_bytes()[:-2000])
    with pytest.raises(UnplayableMedia, match="scene 2"):
        assemble(FilmPlan(target=TARGET, pieces=(clip(0), broken)), tmp_path / "film" / "film.mp4")
    assert not list(tmp_path.glob("film/*"))


def test_noise_inside_the_pictures_is_found_by_the_examination(clip: ClipFactory, tmp_path: Path) -> None:
    """A film whose bytes rotted between two good boxes is not called right."""
    plan = FilmPlan(target=TARGET, pieces=(clip(0), clip(2)))
    film = assemble(plan, tmp_path / "film.mp4").path
    data = bytearray(film.read_bytes())
    middle = data.index(b"mdat") + len(data) // 3
    data[middle : middle + 4000] = bytes(4000)
    film.write_bytes(data)
    verdict = examine(film, plan)
    assert not verdict.ok
    assert "cannot be played" in verdict.sentence


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    edits=st.lists(
        st.tuples(st.integers(0, 10_000), st.one_of(st.binary(min_size=1, max_size=8), st.just(b"\xff\xff\xff\xff"))),
        min_size=1,
        max_size=6,
    )
)
def test_random_bytes_in_the_index_are_answered(
    clip: ClipFactory, tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, bytes]]
) -> None:
    """Whatever stands in the index, the answer is facts or one reason."""
    data = bytearray(clip(1).read_bytes())
    index = data.index(b"moov")
    for place, value in edits:
        at = index + place % (len(data) - index)
        data[at : at + len(value)] = value
    path = tmp_path_factory.getbasetemp() / "fuzzed.mp4"
    path.write_bytes(bytes(data))
    _verdict(path)


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=600))
def test_random_files_are_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Bytes behind a file type that promises a video never get further than one reason."""
    path = tmp_path_factory.getbasetemp() / "random.mp4"
    path.write_bytes(_sized(b"ftyp", b"isom" * 3) + _sized(b"moov", data))
    assert _verdict(path)

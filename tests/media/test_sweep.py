"""A bounded sweep over shapes of files and ways to harm them: never a crash, and no cut file is taken for whole."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest

from pipelines.domain.errors import UnplayableMedia
from pipelines.media.clips.probe import deviations, probe
from tests.media.clip_factory import TARGET, ClipFactory, ClipShape

SHAPES: dict[str, ClipShape] = {
    "media first": {},
    "index first": {"container": ("-movflags", "+faststart")},
    "negative offsets": {"container": ("-movflags", "negative_cts_offsets")},
    "hint tracks": {"container": ("-movflags", "+rtphint")},
    "fragments": {"container": ("-movflags", "frag_keyframe+empty_moov+default_base_moof")},
    "dash": {"container": ("-movflags", "dash")},
    "QuickTime": {"suffix": ".mov", "audio": ("-c:a", "pcm_s16le")},
    "hev1": {"codec": "libx265", "video": ("-tag:v", "hev1", "-x265-params", "log-level=error")},
    "WebM": {
        "suffix": ".webm",
        "codec": "libvpx",
        "audio": ("-c:a", "libopus"),
        "video": ("-deadline", "realtime", "-cpu-used", "8"),
    },
}


@pytest.mark.parametrize("shape", SHAPES)
def test_harm_is_answered(clip: ClipFactory, tmp_path: Path, shape: str) -> None:
    """Cut anywhere it is refused, with a tail it is taken, otherwise changed it is one or the other."""
    source = clip(5, **SHAPES[shape])
    data, path, chance = source.read_bytes(), tmp_path / f"harmed{source.suffix}", random.Random(shape)
    assert probe(source).frames == 30
    for _ in range(6):
        path.write_bytes(data[: chance.randrange(len(data) * 19 // 20)])
        with pytest.raises(UnplayableMedia):
            probe(path)
    for _ in range(3):
        path.write_bytes(data + chance.randbytes(chance.randrange(1, 400)))
        assert probe(path).frames == 30
    for _ in range(12):
        harmed = bytearray(data)
        at = chance.randrange(len(data))
        harmed[at : at + chance.choice((0, 1, 4, 200))] = chance.randbytes(chance.choice((1, 4, 200)))
        path.write_bytes(harmed)
        with suppress(UnplayableMedia):
            deviations(path, TARGET)

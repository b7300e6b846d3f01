"""What two runs do with one clip at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from threading import Barrier

from typing_extensions import override

from pipelines.domain.footage import ClipWork, Footage, Prepared, Target
from pipelines.domain.keys import digest
from pipelines.domain.records import Clip
from pipelines.stages.films import pieces
from pipelines.testing import QuietFilmEditor, make_services, tiny_mp4

KEY = "clips/aa/clip.mp4"


class _SlowEditor(QuietFilmEditor):
    """Two who make the same piece stand side by side in the middle of it, and again before they store it."""

    def __init__(self) -> None:
        super().__init__()
        self.meeting = Barrier(2, timeout=30.0)
        self.wholes: list[bytes] = []
        self.more = iter([b"", bytes([0, 0, 0, 12]) + b"free" + bytes(4)])

    @override
    def prepare(self, work: ClipWork, dest: Path) -> Prepared:
        made = super().prepare(work, dest)
        # Encoders on several threads do not always write the same bytes.
        whole = dest.read_bytes() + next(self.more)
        self.wholes.append(whole)
        dest.write_bytes(whole[:10])
        self.meeting.wait()
        with dest.open("ab") as file:
            file.write(whole[10:])
        self.meeting.wait()
        return made


def test_two_runs_that_need_the_same_piece_at_the_same_moment_do_not_write_into_one_file(tmp_path: Path) -> None:
    editor = _SlowEditor()
    services = make_services(tmp_path, editor=editor)
    source = tmp_path / "clip.mp4"
    source.write_bytes(tiny_mp4(4.0, "a clip"))
    services.media.put_file(source, KEY, "video/mp4")
    footage = QuietFilmEditor().probe(source)
    size = source.stat().st_size
    clip = Clip(id="c", run_id="r", scene_id="s", fingerprint="", sha256="aa", key=KEY, size=size, footage=footage)
    work = pieces.PieceWork("16:9", clip, Target(width=1280, height=720, fps=Fraction(24)), 2.0, None, None)
    with ThreadPoolExecutor(max_workers=2) as runs:
        made = {one.result().key for one in [runs.submit(pieces.make, services, work) for _ in range(2)]}
    assert made == {work.key}
    stored = services.media.local_path(work.key)
    assert stored is not None
    assert stored.read_bytes() in editor.wholes
    assert not list((services.work / "pieces").iterdir())


def test_a_piece_without_a_narrator_has_the_name_that_it_always_had() -> None:
    """Films that are made again find what was prepared before there were narrators."""
    footage = Footage(duration_s=4.0)
    clip = Clip(id="c", run_id="r", scene_id="s", fingerprint="", sha256="aa", key=KEY, size=1, footage=footage)
    target = Target(width=1280, height=720, fps=Fraction(24))
    work = pieces.PieceWork("16:9", clip, target, 2.0, "Hello", None, 0.5)
    mark = digest(pieces.VERSION, "aa", repr(target), 2.0, "Hello", None, 0.5)
    assert work.key == f"pieces/{mark[:2]}/piece-{mark}.mp4"
    said = replace(work, voice=pieces.VoiceWork("sounds/aa/x.wav", "Hello.", 0.3, 3.5))
    assert said.key != work.key

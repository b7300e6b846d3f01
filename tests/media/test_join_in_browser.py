"""A browser plays the film to its end across every join, and after seeking to one; the right picture is on screen."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.footage import Boundary, FilmPlan, Transition
from pipelines.media.join.assemble import assemble
from tests.conftest import needs
from tests.media.clip_factory import TARGET, ClipFactory

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio", "--disable-gpu"]
COLOURS = {0: (255, 0, 0), 1: (0, 128, 0), 2: (0, 0, 255), 3: (255, 255, 0)}

PLAY = """
async () => {
  const video = document.querySelector('video');
  const ended = new Promise((done, fail) => {
    video.onended = () => done(true);
    video.onerror = () => fail(new Error(video.error.message));
  });
  video.playbackRate = 4;
  await video.play();
  await ended;
  const quality = video.getVideoPlaybackQuality();
  return {time: video.currentTime, length: video.duration, corrupt: quality.corruptedVideoFrames};
}
"""
COLOUR_AT = """
async (seconds) => {
  const video = document.querySelector('video');
  video.pause();
  await new Promise((done, fail) => {
    video.onseeked = done;
    video.onerror = () => fail(new Error(video.error.message));
    video.currentTime = seconds;
  });
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0);
  return Array.from(context.getImageData(40, 50, 1, 1).data).slice(0, 3);
}
"""


class _Ranges(SimpleHTTPRequestHandler):
    """Serves files and answers the ranges a player asks for."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        wanted = self.headers.get("Range")
        if wanted is None or not path.is_file():
            super().do_GET()
            return
        data = path.read_bytes()
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        begin, end = int(first), min(int(last) if last else len(data) - 1, len(data) - 1)
        self.send_response(206)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Range", f"bytes {begin}-{end}/{len(data)}")
        self.send_header("Content-Length", str(end + 1 - begin))
        self.end_headers()
        self.wfile.write(data[begin : end + 1])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Any]:
    """A page of a headless Chromium that can open files of `tmp_path`."""
    needs("Chromium", found=CHROMIUM.exists())
    from playwright.sync_api import sync_playwright

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Ranges, directory=str(tmp_path)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    (tmp_path / "index.html").write_text("<video src='film.mp4' preload='auto' muted></video>")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        found = browser.new_page()
        found.goto(f"http://127.0.0.1:{server.server_port}/index.html", wait_until="commit")
        yield found
        browser.close()
    server.shutdown()
    server.server_close()
    thread.join()


def _near(seen: list[int], colour: tuple[int, int, int]) -> bool:
    return all(abs(one - other) < 40 for one, other in zip(seen, colour, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Transition.CUT, Transition.CROSSFADE])
def test_a_browser_plays_across_every_join_and_after_a_seek(
    clip: ClipFactory, tmp_path: Path, kind: Transition, request: pytest.FixtureRequest
) -> None:
    """Clips with other settings, clips encoded again, transitions and a beginning from black, in one description:
    nothing stops the player.
    """
    pieces = (
        clip(0, seconds=2),
        clip(1, seconds=2, video=("-x264-params", "sps-id=7")),
        clip(2, seconds=2, fps="24"),
        clip(3, seconds=2),
    )
    boundaries, fading = (Boundary(kind=kind, seconds=0.4),) * 3, kind is not Transition.CUT
    end = Boundary(kind=Transition.FADE_BLACK, seconds=0.4) if fading else Boundary()
    plan = FilmPlan(target=TARGET, pieces=pieces, boundaries=boundaries, ends=(end, end))
    report = assemble(plan, tmp_path / "film.mp4")
    page = request.getfixturevalue("page")
    played = page.evaluate(PLAY)
    assert played["corrupt"] == 0
    assert played["time"] == pytest.approx(played["length"], abs=0.05)
    assert played["length"] == pytest.approx(report.footage.duration_s, abs=0.05)
    for number, start in enumerate(report.starts_s):
        after = start + (0.45 if fading else 0.02)
        assert _near(page.evaluate(COLOUR_AT, after), COLOURS[number]), f"just after join {number}"
        if number:
            assert _near(page.evaluate(COLOUR_AT, start - 0.05), COLOURS[number - 1]), f"just before join {number}"
    page.evaluate(COLOUR_AT, report.starts_s[2] - 0.2)
    assert page.evaluate(PLAY)["corrupt"] == 0

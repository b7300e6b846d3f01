"""The pages in a real browser: they follow the run by themselves and never pull a form from under somebody's hands."""

from __future__ import annotations

import re
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import httpx
import imageio_ffmpeg
import pytest
from playwright.sync_api import Browser, Page, Request, Response, expect, sync_playwright
from werkzeug.serving import make_server

from pipelines.domain.lifecycle import RunStatus, SceneStatus
from pipelines.domain.orders.order import Order
from pipelines.domain.records import Clip, Run
from tests.conftest import needs
from tests.web.test_server import serving
from tests.web.web_fixtures import WebHarness

expect.set_options(timeout=60_000)

TABS = 20
CHROMIUM = which("chromium") or which("chromium-browser") or which("google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    needs("Chromium", found=CHROMIUM is not None)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh browser; what it complains of, scripts and policy included, fails the test."""
    context = browser.new_context()
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    complaints: list[str] = []
    opened.on(
        "console", lambda message: complaints.append(message.text) if message.type in {"error", "warning"} else None
    )
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert complaints == []


@pytest.fixture
def address(home: WebHarness) -> Iterator[str]:
    """The application on a port of this machine."""
    server = make_server("127.0.0.1", 0, home.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Two seconds of moving picture."""
    path: Path = tmp_path_factory.mktemp("film") / "film.mp4"
    source = "testsrc2=size=320x180:rate=24:duration=2"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p"]
    subprocess.run([*command, "-movflags", "+faststart", str(path)], check=True)
    return path.read_bytes()


def test_a_clip_appears_while_the_page_is_open(home: WebHarness, address: str, page: Page, film: bytes) -> None:
    """Without a reload, and without disturbing a film that plays."""
    home.put(Run(id="run_w", status=RunStatus.GENERATING, source="rest", order=Order(title="Fox"), detail="0 of 1."))
    home.put(home.scene("run_w"))
    page.goto(f"{address}/runs/run_w")
    expect(page.locator("#part-scene-1 .waiting")).to_be_visible()
    key = home.store_file("clip.mp4", film)
    clip = Clip(
        id="clip_w", run_id="run_w", scene_id="scene_run_w_1", fingerprint="", sha256="", key=key, size=len(film)
    )
    home.put(clip)
    home.change("scenes", "scene_run_w_1", clip_id="clip_w", status=SceneStatus.DONE)
    home.change("runs", "run_w", detail="1 of 1.", version=1)
    button = page.get_by_role("link", name="Play the clip of scene 1")
    expect(button).to_be_visible(timeout=20_000)
    expect(page.get_by_role("status")).to_have_text("1 of 1.", timeout=20_000)
    assert page.locator("video").count() == 0
    button.click()
    expect(page.locator("#part-scene-1 video")).to_be_focused()
    assert page.locator("#part-scene-1 video").evaluate("(video) => video.play().then(() => video.videoWidth)") == 320
    expect(page.locator(".sentence")).to_have_text("1 of 1.")
    expect(page).to_have_title("85 % · Fox · Reelgrid")


def test_one_change_is_announced_once_whatever_else_of_the_page_changes_with_it(
    home: WebHarness, address: str, page: Page
) -> None:
    """Only by the one live region; what was there when the page opened is not announced."""
    home.put(Run(id="run_w", status=RunStatus.GENERATING, source="rest", order=Order(title="Fox"), detail="0 of 2."))
    home.put(home.scene("run_w", 1), home.scene("run_w", 2))
    page.goto(f"{address}/runs/run_w")
    page.evaluate(
        """() => {
            window.announced = [];
            const live = "[aria-live]:not([aria-live=off]), [role=status], [role=alert], [role=log], output";
            for (const region of document.querySelectorAll(live))
                new MutationObserver(() => window.announced.push(region.textContent.trim()))
                    .observe(region, { childList: true, characterData: true, subtree: true });
        }"""
    )
    with page.expect_response(lambda answer: "/live" in answer.url):
        pass
    home.change("scenes", "scene_run_w_1", status=SceneStatus.DONE)
    home.change("runs", "run_w", detail="1 of 2.", version=1)
    expect(page.get_by_role("status")).to_have_text("1 of 2.", timeout=20_000)
    expect(page.locator(".sentence")).to_have_text("1 of 2.")
    home.change("scenes", "scene_run_w_2", error="Nothing that is announced.")
    home.change("runs", "run_w", version=2)
    expect(page.locator("#part-scene-2 .bad")).to_be_visible(timeout=20_000)
    assert page.evaluate("window.announced") == ["1 of 2."]


def test_a_new_scene_appears_too(home: WebHarness, address: str, page: Page) -> None:
    """The page may be opened before the scenes are written."""
    home.put(Run(id="run_w", status=RunStatus.WRITING, source="rest", order=Order(title="Fox")))
    page.goto(f"{address}/runs/run_w")
    expect(page.locator("#no-scenes")).to_be_visible()
    home.put(home.scene("run_w", 1), home.scene("run_w", 2))
    expect(page.locator("#part-scene-2")).to_be_visible(timeout=20_000)
    expect(page.locator("#no-scenes")).to_have_count(0)


def test_a_film_plays_and_seeks(home: WebHarness, address: str, page: Page, film: bytes) -> None:
    """Under our own content security policy."""
    home.finished(film=film)
    page.goto(f"{address}/runs/run_finished")
    player = page.locator("figure.film video")
    expect(player).to_be_visible()
    state = player.evaluate(
        """async (video) => {
            video.muted = true;
            await video.play();
            video.currentTime = 1.5;
            await new Promise((done) => video.addEventListener("ended", done, { once: true }));
            return [video.error, video.videoWidth, Math.round(video.duration)];
        }"""
    )
    assert state == [None, 320, 2]


def test_an_open_form_is_left_alone(home: WebHarness, address: str, page: Page, film: bytes) -> None:
    """Whatever changes meanwhile, a half-written prompt stays; pressed twice, the button orders one clip."""
    home.finished(film=film)
    page.goto(f"{address}/runs/run_finished")
    page.get_by_text("Make this scene again").click()
    page.get_by_role("textbox", name="Prompt").fill("A hare, half written")
    home.change("scenes", "scene_run_finished_1", seconds=5.0)
    home.change("runs", "run_finished", detail="Something changed.", version=9)
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("A hare, half written")
    page.get_by_role("button", name="Make it again").dblclick()
    expect(page.locator(".sentence")).to_contain_text("Making scene 1 again")
    assert home.run("run_finished").take == 1


def test_the_pages_fit_a_phone(home: WebHarness, address: str, page: Page, film: bytes) -> None:
    """Nothing sticks out sideways, and what is hidden is not seen."""
    home.finished(film=film)
    page.set_viewport_size({"width": 360, "height": 740})
    for path in ("/", "/runs/run_finished", "/docs", "/sign-in", "/new"):
        page.goto(f"{address}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        assert page.locator("[hidden]:visible").count() == 0, path


def test_the_button_that_buys_stays_in_sight_on_a_phone(address: str, page: Page) -> None:
    """However much there is to say about the price."""
    page.set_viewport_size({"width": 360, "height": 640})
    page.goto(f"{address}/new")
    page.get_by_label("What the video is about").fill("A lighthouse at dawn.")
    expect(page.get_by_text("At most")).to_have_count(1)
    expect(page.get_by_role("button", name="Start — up to")).to_be_in_viewport(ratio=1)


def test_a_film_opens_by_its_own_link(home: WebHarness, address: str, page: Page, film: bytes) -> None:
    """As when somebody follows Video URL from the row."""
    cut = home.finished(film=film)
    page.goto(f"{address}/v/{cut.token}")
    page.wait_for_function("document.querySelector('video')?.videoWidth === 320")


class Tabs:
    """Pages in which time stands still, and what each of them asks and is told."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.context = browser.new_context()
        self.context.clock.install(time=1_800_000_000)
        self.context.clock.pause_at(1_800_000_001)
        self.asked: Counter[Page] = Counter()
        self.under_way: Counter[Page] = Counter()
        self.most_at_once = 0
        self.answers: list[tuple[Page, Response]] = []
        self.pages = [self.context.new_page() for _ in range(TABS)]
        for page in self.pages:
            page.set_default_timeout(60_000)
            page.on("request", self._begins)
            page.on("requestfinished", self._is_over)
            page.goto(address)

    def _begins(self, request: Request) -> None:
        page = request.frame.page
        if "/live?" in request.url:
            self.asked[page] += 1
            self.under_way[page] += 1
            self.most_at_once = max(self.most_at_once, self.under_way[page])

    def _is_over(self, request: Request) -> None:
        page, answer = request.frame.page, request.response()
        if "/live?" in request.url and answer:
            self.under_way[page] -= 1
            self.answers.append((page, answer))

    def settle(self) -> None:
        """Until every answer is there, and its page has read it: it has read a later one."""
        for page in self.pages:
            while self.under_way[page] or not self.asked[page]:
                page.wait_for_timeout(20)
            page.evaluate("fetch('/health').then((answer) => answer.text())")

    def after(self, seconds: int) -> None:
        """Let so much time pass in all of them at once."""
        self.context.clock.run_for(seconds * 1000)

    def taken(self) -> list[tuple[Page, int, list[str]]]:
        """What was answered since: to whom, how many bytes, and which parts."""
        told = [(page, len(answer.body()), list(answer.json()["parts"])) for page, answer in self.answers]
        self.answers.clear()
        return told


@pytest.mark.slow
def test_twenty_tabs_of_one_film_ask_in_turn_and_are_told_only_what_changed(browser: Browser, tmp_path: Path) -> None:
    """Of one web process as the Procfile starts it, with eight threads. Time passes when the test says so."""
    with serving(tmp_path) as server:
        body = {"master_prompt": "A fox", "title": "Fox"}
        run: dict[str, str] = httpx.post(f"{server.url}/api/process-master-prompt", json=body, timeout=50).json()
        tabs = Tabs(browser, f"{server.url}/runs/{run['run_id']}")
        tabs.settle()
        for n in range(1, 4):
            tabs.after(2)
            assert httpx.post(f"{server.url}/api/process-master-prompt", json=body, timeout=50).status_code == 202
            tabs.settle()
            assert set(tabs.asked.values()) == {n + 1}
        quiet = tabs.taken()
        assert len(quiet) == TABS * 4
        assert [told for told in quiet if told[2] or told[1] > 500] == []
        assert httpx.post(f"{server.url}/api/runs/{run['run_id']}/cancel", timeout=50).status_code == 200
        tabs.after(2)
        tabs.settle()
        told = tabs.taken()
        assert Counter(page for page, _, _ in told) == Counter(tabs.pages)
        assert all("head" in parts for _, _, parts in told)
        for page in tabs.pages:
            expect(page.locator(".chip")).to_have_text("Cancelled")
            expect(page).to_have_title(re.compile("Fox"))
        tabs.after(14)
        assert sum(tabs.asked.values()) == TABS * 5
        tabs.after(1)
        tabs.settle()
        assert [told for told in tabs.taken() if told[2]] == []
        assert (set(tabs.asked.values()), tabs.most_at_once) == ({6}, 1)
        tabs.context.close()

"""How pages are built, as assistive technology is told, and what they weigh."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from pipelines.domain.lifecycle import RunStatus
from tests.web.test_browser import address, browser, film, page
from tests.web.test_operate_page import waiting
from tests.web.test_pages import SORA_KEY, form
from tests.web.test_usage_page import bought
from tests.web.test_versions import FIRST, SECOND, twice_made
from tests.web.web_fixtures import WebHarness

__all__ = ["address", "browser", "film", "page"]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("axe")]

COLD, WARM = 150_000, 20_000
"""Bytes of a first page in an empty browser, and of the same page once its parts are known."""
TOUCH = 44
"""Pixels of CSS that a finger meets."""
PLACES = """
    - navigation "Pages":
      - link "Films"
      - link "New video"
      - link "Queue"
      - link "Usage"
      - link "Account"
      - link "Operate"
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[WebHarness]:
    with WebHarness(tmp_path, SORA_KEY) as made:
        yield made


def shapes(home: WebHarness, film: bytes) -> dict[str, str]:
    """What each page is built of, from top to bottom."""
    twice_made(home, film=film)
    bought(home, "a", "paid")
    waiting(home, "Asks", RunStatus.NEEDS_APPROVAL)
    client = home.client
    client.post("/runs/run_finished/shares", data=form(client.get("/runs/run_finished"), days="3"))
    with home.store.read() as tx:
        (share,) = tx.shares.find()
    in_nav = f"- banner:{PLACES}"
    return {
        "/": (
            in_nav
            + """
- main:
  - heading "Films" [level=1]
  - search:
    - searchbox "Title, prompt or record"
    - button "Search"
  - navigation "Filter":
    - link "All"
  - list:
    - listitem
"""
        ),
        "/new": (
            in_nav
            + """
- main:
  - heading "New video" [level=1]
  - textbox "Title"
  - group "How the scenes are written":
    - radio "One idea" [checked]
    - text: One idea
    - radio "Scene by scene"
  - textbox "What the video is about"
  - group "Model"
  - paragraph:
    - button "Start"
"""
        ),
        "/runs/run_finished?history=money": (
            """
- link "Skip to the content"
- main:
  - article:
    - heading "A fox at dawn" [level=1]
    - progressbar "Progress of the run"
    - heading "Review" [level=2]
    - heading "Scenes" [level=2]
    - link "Play the clip of scene 1"
    - heading "Versions" [level=2]
    - list:
      - listitem:
        - strong: Version 2
      - listitem:
        - strong: Version 1
        - link "Compare version 1 with the one shown now"
        - button "Restore version 1 — $0.00"
    - heading "Cost" [level=2]
    - table
    - heading "What happened" [level=2]
    - navigation "What is shown of the history":
      - link "Milestones"
      - link "Money"
      - link "Everything"
    - list
"""
        ),
        f"/compare?left={FIRST}&right={SECOND}": (
            """
- main:
  - article:
    - heading "A fox at dawn" [level=1]
    - paragraph:
      - button "Play both"
    - heading "In short" [level=2]
    - region "In short":
      - table
    - heading "What differs" [level=2]
    - region "Scene 1":
      - heading "Scene 1" [level=3]
      - paragraph
      - paragraph:
        - deletion: hare
        - insertion: fox
"""
        ),
        "/queue": in_nav + '\n- main:\n  - heading "Queue" [level=1]\n',
        "/usage": (
            in_nav
            + """
- main:
  - heading "Usage" [level=1]
  - link "Export CSV"
  - combobox "By"
  - button "Show"
  - heading "Spent per day" [level=2]
  - heading "By day" [level=2]
  - heading "Storage" [level=2]
"""
        ),
        "/operate": in_nav + '\n- main:\n  - heading "Operate" [level=1]\n',
        "/account": (
            in_nav
            + """
- main:
  - heading "Account" [level=1]
  - heading "Keys" [level=2]
  - heading "Webhooks" [level=2]
"""
        ),
        f"/s/{share.token}": (
            """
- main:
  - article:
    - heading "A fox at dawn" [level=1]
    - region "Your answer":
      - textbox "Your name"
      - paragraph:
        - button "Accept the film"
        - button "Ask for changes"
    - region "Comments":
      - heading "Comments" [level=2]
      - textbox "Comment"
      - button "Send the comment"
"""
        ),
        "/sign-in": (
            """
- main:
  - article:
    - heading "Sign in" [level=1]
    - textbox "Key"
    - button "Sign in"
"""
        ),
    }


def test_pages_are_built_as_they_are_read_out(home: WebHarness, address: str, page: Page, film: bytes) -> None:
    for path, shape in shapes(home, film).items():
        page.goto(f"{address}{path}")
        expect(page.locator("body")).to_match_aria_snapshot(shape, timeout=10_000)


def test_a_first_page_is_light_and_the_next_one_lighter(home: WebHarness, address: str, browser: Browser) -> None:
    """A run of ten scenes, the list of films, and New video."""
    waiting(home, "Later", RunStatus.QUEUED, next_at=home.clock.now() + 7_200.0)
    home.put(*(home.scene("run_Later", n) for n in range(1, 11)))
    for path in ("/runs/run_Later", "/", "/new"):
        context = browser.new_context()
        opened = context.new_page()
        loaded: list[int] = []
        debugger = context.new_cdp_session(opened)
        debugger.send("Network.enable")
        debugger.on("Network.loadingFinished", lambda told: loaded.append(round(told["encodedDataLength"])))  # noqa: B023
        opened.goto(f"{address}{path}", wait_until="load")
        opened.evaluate("document.fonts.ready.then(() => true)")
        cold = sum(loaded)
        loaded.clear()
        opened.goto(f"{address}{path}", wait_until="load")
        opened.evaluate("document.fonts.ready.then(() => true)")
        context.close()
        assert cold <= COLD, (path, cold)
        assert sum(loaded) <= WARM, (path, sum(loaded))


def test_two_films_are_compared_on_a_phone_one_at_a_time(
    home: WebHarness, address: str, page: Page, film: bytes
) -> None:
    """By finger and by keyboard; the second film goes on where the first one was."""
    twice_made(home, film=film)
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{address}/compare?left={FIRST}&right={SECOND}")
    first, second = page.locator(".both video").all()
    older, newer = page.locator(".side-by-side label").all()
    expect(newer.get_by_role("radio")).to_be_checked()
    expect(second).to_be_visible()
    expect(first).to_be_hidden()
    expect(page.get_by_role("button", name="Play both")).to_be_hidden()
    for label in (older, newer):
        box = label.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= TOUCH
    second.evaluate("(video) => { video.pause(); video.currentTime = 1; }")
    older.click()
    expect(first).to_be_visible()
    expect(second).to_be_hidden()
    assert first.evaluate("(video) => video.currentTime") == 1
    page.keyboard.press("ArrowRight")
    expect(newer.get_by_role("radio")).to_be_focused()
    expect(second).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1280, "height": 800})
    for one in (first, second):
        expect(one).to_be_visible()
    expect(newer).to_be_hidden()

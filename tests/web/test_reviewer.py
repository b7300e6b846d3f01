"""What a strict reviewer tries in a browser: quotes while typing, lost answers, silence, many scenes, any script, and
neither mouse nor JavaScript.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from playwright.sync_api import Error as PlaywrightError

from pipelines.domain.lifecycle import RunStatus, SceneStatus
from pipelines.domain.orders.order import Order
from pipelines.domain.records import Clip, Run
from tests.web.test_browser import address, browser, film, page
from tests.web.test_pages import SORA_KEY
from tests.web.web_fixtures import WebHarness

__all__ = ["address", "browser", "film", "page"]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("axe")]

LIGHT = 250_000
"""Bytes of a page of thirty scenes, without the film."""
TEXTS = {
    "Arabic": "منارة عند الفجر (4K). " * 20,
    "Hebrew": "מגדלור עם שחר (4K). " * 20,
    "Japanese": "夜明けの灯台。" * 60,
    "One word": "W" * 300,
    "Long": "A lighthouse at dawn, waves below. " * 900,
}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[WebHarness]:
    with WebHarness(tmp_path, SORA_KEY) as made:
        yield made


def ready(page: Page, address: str) -> None:
    """New video, with an idea and a price."""
    page.goto(f"{address}/new")
    page.locator('input[name="model"][value="sora/sora-2"]').check()
    page.get_by_label("What the video is about").fill("A fox.")
    expect(page.get_by_role("button", name="Start — up to")).to_be_visible()


def test_thirty_letters_are_two_quotes_and_a_double_click_one_run(home: WebHarness, address: str, page: Page) -> None:
    ready(page, address)
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url) if one.url.endswith("/new/quote") else None)
    page.get_by_label("What the video is about").press_sequentially("x" * 30, delay=10)
    expect(page.get_by_role("button", name="Start — up to")).to_be_visible()
    page.wait_for_timeout(900)
    assert 1 <= len(asked) <= 2
    page.get_by_role("button", name="Start — up to").dblclick()
    page.wait_for_url("**/runs/*")
    assert len(home.runs()) == 1


def test_a_late_answer_replaces_nothing(address: str, page: Page) -> None:
    """The first answer is held until the second one was shown."""
    ready(page, address)
    held: list[Route] = []

    def hold(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route("**/new/quote", hold)
    box = page.get_by_label("Scene Count")
    box.fill("2")
    page.wait_for_timeout(700)
    assert len(held) == 1
    box.fill("3")
    expect(page.get_by_role("button", name="Start — up to $1.20")).to_be_visible()
    with suppress(PlaywrightError):  # the page may have given it up already
        held[0].fulfill(json={"html": "Late", "most": 0.1, "label": "Start — up to $0.10"})
    page.wait_for_timeout(500)
    expect(page.get_by_role("button", name="Start — up to $1.20")).to_be_visible()


@pytest.fixture
def quiet(browser: Browser) -> Iterator[Page]:
    """For answers that are errors: a browser tells of them in its console."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


def test_silence_is_told_with_its_moment_and_ends_by_itself(home: WebHarness, address: str, quiet: Page) -> None:
    """A network that is gone, and a session that is over."""
    page = quiet
    home.put(Run(id="run_w", status=RunStatus.GENERATING, source="rest", order=Order(title="Fox"), detail="0 of 1."))
    page.clock.install()
    page.goto(f"{address}/runs/run_w")
    expect(page.locator(".sentence")).to_have_text("0 of 1.")
    page.route("**/live*", lambda route: route.fulfill(status=503))
    for _ in range(5):
        page.clock.run_for(20_000)
        page.wait_for_timeout(100)
    expect(page.locator("#stale")).to_contain_text("Not up to date since")
    page.unroute("**/live*")
    home.change("runs", "run_w", detail="1 of 1.", version=1)
    page.clock.run_for(60_000)
    expect(page.locator(".sentence")).to_have_text("1 of 1.")
    expect(page.locator("#stale")).to_be_hidden()
    page.route("**/live*", lambda route: route.fulfill(status=401))
    page.clock.run_for(20_000)
    expect(page.locator("#stale")).to_contain_text("Sign in again")


def test_a_tab_tells_how_a_film_is_and_whoever_asked_is_told_once(
    home: WebHarness, address: str, browser: Browser
) -> None:
    """By its title and icon; a hidden tab asks once a minute."""
    home.put(Run(id="run_w", status=RunStatus.GENERATING, source="rest", order=Order(title="Fox"), detail="0 of 1."))
    context = browser.new_context()
    context.grant_permissions(["notifications"])
    page = context.new_page()
    page.add_init_script(
        "window.notes = []; window.Notification = class { static requestPermission = async () => 'granted';"
        " constructor(title, more) { window.notes.push(title + ': ' + more.body); } };"
    )
    page.clock.install()
    page.goto(f"{address}/runs/run_w")
    icon = page.locator('link[rel="icon"]')
    expect(icon).to_have_attribute("href", re.compile("mark-moving"))
    page.get_by_role("button", name="Tell me when it is done").click()
    expect(page.get_by_text("You will be told when it is done")).to_be_visible()
    home.change("runs", "run_w", status=RunStatus.DONE, detail="Done.", version=1)
    page.clock.run_for(60_000)
    expect(icon).to_have_attribute("href", re.compile("mark-good"))
    expect(page).to_have_title("✓ Fox · Reelgrid")
    page.clock.run_for(60_000)
    assert len(page.evaluate("window.notes")) == 1
    context.close()


def test_thirty_scenes_are_pictures_until_one_is_pressed(home: WebHarness, address: str, quiet: Page) -> None:
    home.put(Run(id="run_w", status=RunStatus.DONE, source="rest", order=Order(title="Fox")))
    key, thumbnail = home.store_file("clip.mp4", b"\0" * 3_000_000), home.store_file("t.webp", b"\0" * 20_000)
    for n in range(1, 31):
        scene = home.scene("run_w", n, status=SceneStatus.DONE, prompt="A fox in dew. " * 8)
        about: dict[str, Any] = {"run_id": "run_w", "scene_id": f"scene_run_w_{n}", "fingerprint": str(n), "sha256": ""}
        home.put(scene, Clip(id=f"clip_{n}", key=key, size=1, prepared={"thumbnail": thumbnail}, **about))
        home.change("scenes", scene.id, clip_id=f"clip_{n}")
    loaded: list[int] = []
    debugger = quiet.context.new_cdp_session(quiet)
    debugger.send("Network.enable")
    debugger.on("Network.loadingFinished", lambda told: loaded.append(round(told["encodedDataLength"])))
    quiet.goto(f"{address}/runs/run_w", wait_until="load")
    assert quiet.locator("video").count() == 0
    assert quiet.locator("#scenes img[loading=lazy]").count() == 30
    assert sum(loaded) <= LIGHT


@pytest.mark.parametrize("name", list(TEXTS))
def test_no_script_and_no_length_breaks_a_page(home: WebHarness, address: str, page: Page, name: str) -> None:
    text = TEXTS[name].strip()[:32_000]
    order = Order(title=text[:300], master_prompt=text)
    home.put(Run(id="run_w", status=RunStatus.NEEDS_APPROVAL, source="rest", order=order, approval="asked"))
    home.put(home.scene("run_w", prompt=text))
    home.put(Run(id="run_x", status=RunStatus.DONE, source="rest", order=order), home.scene("run_x", prompt=text))
    page.set_viewport_size({"width": 390, "height": 844})
    for path in ("/", "/runs/run_w", "/runs/run_x", "/new?from=run_x"):
        page.goto(f"{address}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
    page.goto(f"{address}/runs/run_w")
    prompt = page.get_by_label("Prompt of scene 1")
    expect(prompt).to_have_value(text)
    direction = prompt.evaluate("(field) => getComputedStyle(field).direction")
    assert direction == ("rtl" if name in {"Arabic", "Hebrew"} else "ltr")


def test_by_keyboard_alone_and_focus_stays_where_it_is(home: WebHarness, address: str, page: Page) -> None:
    home.put(Run(id="run_w", status=RunStatus.GENERATING, source="rest", order=Order(title="Fox"), detail="0 of 1."))
    home.put(home.scene("run_w"))
    page.goto(f"{address}/runs/run_w")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Tell me when it is done")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing is paid yet.")).to_be_visible()
    page.keyboard.press("Tab")
    cancel = page.get_by_role("button", name="Cancel the film")
    expect(cancel).to_be_focused()
    home.change("runs", "run_w", detail="Still 0 of 1.", version=1)
    expect(page.locator(".sentence")).to_have_text("Still 0 of 1.", timeout=20_000)
    expect(cancel).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".chip").first).to_have_text("Cancelled")


def test_without_a_script_films_are_ordered_and_pages_refresh(home: WebHarness, address: str, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/new")
    page.get_by_label("Title", exact=True).fill("A fox")
    page.get_by_label("What the video is about").fill("A fox at dawn.")
    page.get_by_role("button", name="Show the price").last.click()
    page.get_by_role("button", name="Start — up to").click()
    page.wait_for_url("**/runs/*")
    assert page.locator('meta[http-equiv="refresh"]').count() == 1
    page.get_by_text("Cancel this film").click()
    page.get_by_role("button", name="Cancel the film").click()
    expect(page.locator(".chip").first).to_have_text("Cancelled")
    assert page.locator('meta[http-equiv="refresh"]').count() == 0
    page.goto(f"{address}/?q=fox")
    expect(page.locator(".runs li")).to_have_count(1)
    page.go_back()
    expect(page.locator(".chip").first).to_have_text("Cancelled")
    context.close()

"""Somebody who has never seen Reelgrid makes, mends, shows and finds a film in a browser, from the first page to the
last number: with every process, and nothing but what stands on the pages.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import needs
from tools.stack import Stack, until

pytestmark = [pytest.mark.xdist_group("acceptance"), pytest.mark.timeout(600), pytest.mark.slow]
expect.set_options(timeout=120_000)

CHROMIUM = which("chromium") or which("chromium-browser") or which("google-chrome")
PATIENCE_MS = 120_000


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Every film asks before anything is bought."""
    needs("Chromium", found=CHROMIUM is not None)
    quick, asks = {"SANDBOX_GENERATION_S": "0.4"}, {"APPROVAL": "always", "WORKERS": "1"}
    with Stack(tmp_path_factory.mktemp("stranger") / "var", extra=asks, sandbox_environ=quick) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What any browser complained of, and what it asked of others: nothing."""
    heard: list[str] = []
    yield heard
    assert heard == []


def opened(browser: Browser, stack: Stack, complaints: list[str]) -> Page:
    """Somebody's own browser."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request", lambda asked: None if asked.url.startswith((stack.url, "data:")) else complaints.append(asked.url)
    )
    return page


def test_a_stranger_makes_mends_shows_and_finds_a_film(
    stack: Stack, browser: Browser, complaints: list[str], tmp_path: Path
) -> None:
    page = opened(browser, stack, complaints)
    run = ordered(page, stack)
    approved_with_another_scene(page)
    watched(page)
    mended_for_the_price_that_is_shown(page)
    compared(page)
    reviewed(opened(browser, stack, complaints), shared(page))
    page.goto(run)
    expect(page.locator("#part-review")).to_contain_text("Accepted by Anna")
    expect(page.locator("#part-review")).to_contain_text("The logo is too small")
    seen_in_its_row(page, opened(browser, stack, complaints), stack)
    page.goto(stack.url)
    page.get_by_label("Title, prompt or record").fill("lighthouse")
    page.get_by_role("button", name="Search").click()
    found = page.locator(".runs li")
    expect(found).to_have_count(1)
    found.get_by_role("link").last.click()
    expect(page).to_have_url(re.compile(f"^{re.escape(run)}"))
    exported(page, stack, tmp_path)


def ordered(page: Page, stack: Stack) -> str:
    """Two scenes on New video, started for the price beside the button; the address of the run."""
    page.goto(stack.url)
    page.get_by_role("link", name="New video").first.click()
    page.get_by_label("Title", exact=True).fill("The lighthouse")
    page.get_by_text("Scene by scene").click()
    page.get_by_label("Scene 1", exact=True).fill("A lighthouse at dawn, waves below.")
    page.get_by_label("Scene 2", exact=True).fill("A gull over the sea.")
    page.locator('input[name="model"][value="sora/sora-2"]').check()
    button = page.get_by_role("button", name=re.compile("^Start"))
    expect(button).to_have_text("Start — up to $0.80")
    button.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The lighthouse")
    return page.url.partition("?")[0]


def approved_with_another_scene(page: Page) -> None:
    expect(page.locator(".chip").first).to_have_text("Needs Approval")
    page.get_by_label("Prompt of scene 2").fill("A cormorant on a buoy.")
    expect(page.get_by_text("With your changes: at most $0.80.")).to_be_visible()
    page.get_by_role("button", name="Approve — up to $0.80").click()


def watched(page: Page) -> None:
    """The page follows by itself until the film is there, and plays it."""
    expect(page.locator(".chip").first).to_have_text("Done")
    film = page.locator("figure.film video")
    expect(film).to_have_count(1)
    assert film.evaluate("(film) => { film.muted = true; return film.play().then(() => film.videoWidth); }") > 0
    film.evaluate("(film) => film.pause()")
    expect(page.locator("#part-scene-2 .prompt").first).to_have_text("A cormorant on a buoy.")


def mended_for_the_price_that_is_shown(page: Page) -> None:
    scene = page.locator("#part-scene-2")
    scene.get_by_text("Make this scene again").click()
    scene.get_by_role("textbox", name="Prompt").fill("A seal on a buoy.")
    scene.get_by_role("button", name="Make it again — up to $0.40").click()
    expect(page.locator("#part-versions")).to_contain_text("Version 2")
    expect(page.locator(".chip").first).to_have_text("Done")
    expect(page.locator("#part-costs tfoot tr").first).to_contain_text("$1.20")


def compared(page: Page) -> None:
    page.get_by_role("link", name="Compare version 1 with the one shown now").click()
    difference = page.get_by_role("region", name="Scene 2")
    expect(difference.locator("del")).to_have_text("cormorant")
    expect(difference.locator("ins")).to_have_text("seal")
    expect(page.locator("video")).to_have_count(2)
    page.get_by_role("link", name="Back to the film").click()


def shared(page: Page) -> str:
    """The address of the review page."""
    page.get_by_text("Share the film for review").click()
    page.get_by_role("button", name="Make the link").click()
    return page.get_by_role("link", name="Open the page").evaluate("(link) => link.href")  # type: ignore[no-any-return]


def reviewed(page: Page, address: str) -> None:
    """Somebody without a key says something at a second, and accepts."""
    page.goto(address)
    assert "$" not in page.locator("body").inner_text()
    said = page.get_by_role("region", name="Comments")
    page.locator("[data-player]").evaluate(
        "(film) => { film.currentTime = 2; film.dispatchEvent(new Event('pause')); }"
    )
    expect(said.get_by_label("At")).to_have_value("0:02")
    said.get_by_label("Comment", exact=True).fill("The logo is too small.")
    said.get_by_label("Your name").fill("Anna")
    said.get_by_role("button", name="Send the comment").click()
    expect(page.get_by_role("region", name="Comments").locator("li")).to_contain_text("0:02")
    verdict = page.get_by_role("region", name="Your answer")
    verdict.get_by_label("Your name").fill("Anna")
    verdict.get_by_role("button", name="Accept the film").click()
    expect(page.get_by_text("Anna accepted this film.")).to_be_visible()


def seen_in_its_row(page: Page, reviewer: Page, stack: Stack) -> None:
    """The film of a row is started on its page, and what its reviewer says stands in the row."""
    fields = {"Title": "A harbour", "Prompt": "A harbour at noon", "Clip Seconds": 2, "Model": "local/animatic"}
    record = stack.add_row(fields)
    page.goto(f"{stack.url}/r/{record}")
    page.get_by_role("button", name=re.compile("^Start")).click()
    page.get_by_role("button", name=re.compile("^Approve")).click()
    expect(page.locator(".chip").first).to_have_text("Done")
    reviewed(reviewer, shared(page))
    row = until(lambda: (row := stack.row(record)).get("Review") == "Accepted" and row, "the verdict in the row")
    assert "0:02 Anna: The logo is too small." in row["Review Notes"]


def exported(page: Page, stack: Stack, folder: Path) -> None:
    """What was spent, on the page and in the file, is what was bought."""
    page.goto(f"{stack.url}/usage?by=model")
    expect(page.locator(".sum")).to_contain_text("$1.20")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()
    path = folder / "usage.csv"
    download.value.save_as(path)
    rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    assert round(sum(float(row["spent_usd"]) for row in rows), 6) == 1.2

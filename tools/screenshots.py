"""Take the pictures of README.md: New video, a finished run's page and its row in the emulated Airtable, Films, Usage,
and the page of a reviewer.

`python -m tools.screenshots` starts every process as `make demo` does, orders some films at emulated providers and
looks at them with Chromium. Pictures are WebP in docs/pictures; together they stay below 400 KB.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from shutil import which
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tools.demo.run import PROMPT
from tools.stack import BASE, ROOT, Stack, until

PICTURES = ROOT / "docs" / "pictures"
LIMIT = 400_000
QUALITY = 82
WIDE = "body { max-width: none !important; margin: 1rem !important }"
SHOWN = (
    "Title",
    "Master Prompt",
    "Status",
    "Progress",
    "Status Detail",
    "Actual Cost",
    "Final Video",
    "Poster",
    "Verdict",
)
"""Columns of the row's picture: hiding columns is what people do with a wide table, too."""
SEEK = """() => new Promise((there) => {
  const film = document.querySelector("video");
  film.addEventListener("seeked", there, { once: true });
  film.currentTime = 2;
})"""
"""A film begins with an almost empty picture."""
HIDE = """(names) => {
  const heading = [...document.querySelectorAll("h3")].find((one) => one.textContent.startsWith("Videos"));
  const table = heading.nextElementSibling.querySelector("table");
  const keep = [...table.rows[0].cells].map((cell) => names.includes(cell.textContent));
  for (const row of table.rows) [...row.cells].forEach((cell, place) => { if (!keep[place]) cell.remove(); });
  table.id = "videos";
}"""


def main() -> int:
    """Make a film, take the pictures, say how large they are."""
    browser_path = which("chromium") or which("chromium-browser") or which("google-chrome")
    if browser_path is None:
        sys.stderr.write("Chromium is needed.\n")
        return 1
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="reelgrid-pictures-") as folder, Stack(Path(folder) / "var") as stack:
        view = _film(stack)
        _more_films(stack)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
            _keep("run.webp", _page_of(browser, view["page_url"]))
            _keep("row.webp", _row_of(browser, stack.sandbox_url))
            _keep("new.webp", _new_video(browser, stack.url))
            _keep("films.webp", _opened(browser, stack.url, width=1100, height=760).screenshot())
            _keep("usage.webp", _opened(browser, f"{stack.url}/usage?by=model", width=1100, height=900).screenshot())
            _keep("share.webp", _share(browser, view["page_url"]))
            browser.close()
    sizes = {path.name: path.stat().st_size for path in sorted(PICTURES.glob("*.webp"))}
    print(", ".join(f"{name} {size // 1000} KB" for name, size in sizes.items()))
    return int(sum(sizes.values()) > LIMIT)


def _film(stack: Stack) -> dict[str, Any]:
    """One row, one film that costs nothing, delivered."""
    row = {
        "Title": "From clay to rain",
        "Master Prompt": PROMPT,
        "Scene Count": 4,
        "Clip Seconds": 4,
        "Model": "local/animatic",
    }
    record = stack.add_row(row)
    started = stack.post("/api/process-record", {"base_id": BASE, "table": "Videos", "record_id": record})
    started.raise_for_status()
    view = stack.wait_run(started.json()["run_id"])
    until(lambda: stack.row(record).get("Status") == "Done", "the row to say Done")
    return view


def _more_films(stack: Stack) -> None:
    """Some that cost something, for the list and the numbers."""
    orders = [
        ("Autumn launch, hero film", "sora/sora-2", "A perfume bottle in warm autumn light, leaves drifting past."),
        ("Summer teaser", "sora/sora-2", "Ice cubes fall into a tall glass by the sea."),
        ("How the lamp is made", "sora/sora-2-pro", "A craftsman polishes a brass lamp in a quiet workshop."),
    ]
    for title, model, prompt in orders:
        order = {"title": title, "model": model, "master_prompt": prompt, "scene_count": 2, "adapt": True}
        started = stack.post("/api/process-master-prompt", order)
        started.raise_for_status()
        stack.wait_run(started.json()["run_id"])


def _new_video(browser: Browser, url: str) -> bytes:
    page = _opened(browser, f"{url}/new", width=1100, height=1000)
    page.get_by_label("Title", exact=True).fill("Autumn launch, hero film")
    page.get_by_label("What the video is about").fill("A perfume bottle in warm autumn light, leaves drifting past.")
    page.get_by_text("Start — up to").wait_for()
    return page.screenshot()


def _share(browser: Browser, url: str) -> bytes:
    """As a reviewer sees it, who has just said something."""
    page = _opened(browser, url.partition("?")[0], width=1100, height=900)
    page.get_by_text("Share the film for review").click()
    page.get_by_role("button", name="Make the link").click()
    address = page.get_by_role("link", name="Open the page").evaluate("(link) => link.href")
    review = _opened(browser, address, width=1100, height=900)
    for at, name, words in (("0:07", "Anna", "The logo is too small."), ("0:12", "Ben", "Love this one.")):
        said = review.get_by_role("region", name="Comments")
        said.get_by_label("At").fill(at)
        said.get_by_label("Comment", exact=True).fill(words)
        said.get_by_label("Your name").fill(name)
        said.get_by_role("button", name="Send the comment").click()
        review.get_by_text(words).wait_for()
    review.goto(address)
    review.wait_for_function("[...document.querySelectorAll('video')].every((one) => one.readyState > 1)")
    review.evaluate(SEEK)
    return review.screenshot()


def _page_of(browser: Browser, url: str) -> bytes:
    page = _opened(browser, url, width=1100, height=1400)
    page.wait_for_function("[...document.querySelectorAll('video')].every((one) => !one.src || one.readyState > 1)")
    return page.screenshot()


def _row_of(browser: Browser, url: str) -> bytes:
    page = _opened(browser, url, width=1500, height=900)
    page.add_style_tag(content=WIDE)
    page.evaluate(HIDE, list(SHOWN))
    page.wait_for_load_state("networkidle")
    return page.locator("#videos").screenshot()


def _opened(browser: Browser, url: str, *, width: int, height: int) -> Page:
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="light")
    page.goto(url)
    page.wait_for_load_state("networkidle")
    return page


def _keep(name: str, png: bytes) -> None:
    Image.open(io.BytesIO(png), formats=("PNG",)).convert("RGB").save(PICTURES / name, quality=QUALITY, method=6)


if __name__ == "__main__":
    sys.exit(main())

"""Take the pictures of README.md: a finished run's page, and its row in the emulated Airtable.

`python -m tools.screenshots` starts every process as `make demo` does, orders one free film and looks at it with
Chromium. Pictures are WebP in docs/pictures; together they stay below 400 KB.
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
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
            _keep("run.webp", _page_of(browser, view["page_url"]))
            _keep("row.webp", _row_of(browser, stack.sandbox_url))
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

"""No page has a fault that axe-core knows, whatever its state, theme and width; and axe finds one where there is one.

axe-core comes from npm for this test alone (MPL-2.0; nothing of it ships), and is evaluated by the browser's debugger:
our content policy stays as it is.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from pipelines.domain.lifecycle import GenerationStatus, ReviewVerdict, RunStatus, SceneStatus
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.orders.platforms import Platform
from pipelines.domain.planning.cast import CastMember
from pipelines.domain.records import Process, Run
from pipelines.domain.stored_files import FileKind, Pack, PackEntry, StoredFile
from pipelines.sandbox.app import Sandbox
from pipelines.stages.orders.plan_run import plan_order
from pipelines.stages.review import shares
from tests.conftest import needs
from tests.web.test_browser import address, browser, film
from tests.web.test_decide import offered
from tests.web.test_decide import waiting as asked
from tests.web.test_operate_page import waiting
from tests.web.test_pages import SORA_KEY
from tests.web.test_usage_page import bought
from tests.web.test_versions import FIRST, SECOND, twice_made
from tests.web.two_accounts import MARK, belongings, customer
from tests.web.web_fixtures import WebHarness

__all__ = ["address", "browser", "film"]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("axe")]
G = GenerationStatus
LOOKS = [(width, scheme) for width in (360, 390, 1280) for scheme in ("light", "dark")]
WRONG = {"problem": 422, "unknown": 404, "forged": 403, "share, withdrawn": 410}
UNFOLD = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
FAULTS = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations.map(
  (one) => `${one.id}: ${one.nodes.map((node) => node.target.join(" ")).join(", ")}`)"""


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script; needs npm and its registry or cache."""
    needs("npm", found=shutil.which("npm") is not None)
    folder = tmp_path_factory.mktemp("axe")
    command = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefer-offline", "axe-core@4.14.1"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    needs(f"axe-core ({done.stderr[-200:]})", found=done.returncode == 0)
    return Path(folder / "node_modules/axe-core/axe.min.js").read_text()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[WebHarness]:
    with WebHarness(tmp_path, SORA_KEY) as made:
        yield made


def faults(page: Page, script: str) -> list[str]:
    """What axe finds on the page as it is now."""
    page.evaluate(script)
    found: list[str] = page.evaluate(FAULTS)
    return found


def packed(home: WebHarness) -> str:
    """The token of a pack of the finished film, one of whose platforms wants another shape."""
    order = Order(master_prompt="A fox", title="A fox at dawn", pack=(Platform.LINKEDIN, Platform.SHORTS))
    plan = plan_order(home.services, order, [SceneOrder(prompt="A fox walks through dew.")])
    with home.store.write() as tx:
        (cut,) = tx.cuts.find(run_id="run_finished", take=1)
        assert cut.key
        tx.files.add(StoredFile(id=cut.key, kind=FileKind.CUT, size=cut.size or 0, run_id=cut.run_id))
        entry = PackEntry(name="LinkedIn/film.mp4", size=cut.size or 0, crc32=0, key=cut.key)
        tx.runs.change("run_finished", order=order, plan=plan)
        tx.packs.add(Pack(id="pack_1", run_id="run_finished", take=1, token="p" * 43, entries=(entry,)))
    return "p" * 43


def shared(home: WebHarness, film: bytes) -> dict[str, str]:
    """Share pages: as they are sent, commented and accepted, withdrawn, and with more films than are seen at once."""
    pages = {}
    for name in ("share", "share, answered", "share, withdrawn"):
        share = shares.create(home.services, "run_finished", "Ann", shows_prompts=True)
        pages[name] = f"/s/{share.token}"
        if name == "share, answered":
            said = {"name": "Anna", "words": "The logo is too small."}
            shares.comment(home.services, share.token, **said, second=1.0, press="1")
            shares.decide(home.services, share.token, ReviewVerdict.ACCEPTED, name="Ben", words="Love it.")
        elif name == "share, withdrawn":
            shares.revoke(home.services, share.id, "Ann")
    first = home.finished("run_many", film=film)
    home.change("cuts", first.id, language="en")
    for n, language in enumerate(("en", "ar", "de", "fr", "ja", "es", "he"), 1):
        home.put(replace(first, id=f"cut_{n}", token=f"film_{n}" * 6, language=language, format="9:16"))
    many = shares.create(home.services, "run_many", "Ann")
    return {**pages, "languages": "/runs/run_many", "share, languages": f"/s/{many.token}"}


def with_cast(home: WebHarness) -> None:
    """A film with who comes back waits for approval, its scenes to be edited."""
    order = Order(scenes=(SceneOrder(prompt="MILA opens the door."), SceneOrder(prompt="A gull.")), title="Cast")
    cast = (CastMember(token="MILA", looks="a girl with a red scarf"), CastMember(token="THE SHED", place=True))
    plan = replace(plan_order(home.services, order), cast=cast, picture_model="gemini/gemini-nano-banana-2.1")
    home.put(
        Run(id="run_Cast", status=RunStatus.NEEDS_APPROVAL, source="rest", order=order, plan=plan, approval="asked")
    )
    home.put(*(home.scene("run_Cast", n, prompt=one.prompt) for n, one in enumerate(order.scenes, 1)))


def filled(home: WebHarness, film: bytes) -> dict[str, str]:
    """Something in every state; the pages by what they show."""
    twice_made(home, film=film)
    for name, outcome in (("a", "paid"), ("b", "refused"), ("c", "in doubt")):
        bought(home, name, outcome)
    waiting(home, "Asks", RunStatus.NEEDS_APPROVAL)
    waiting(home, "Attention", RunStatus.NEEDS_ATTENTION, G.UNKNOWN, error="The provider did not say.")
    waiting(home, "Failed", RunStatus.FAILED, error="Scene 1 was refused.")
    waiting(home, "Moving", RunStatus.GENERATING, G.RUNNING, G.PLANNED)
    waiting(home, "Cancelled", RunStatus.CANCELLED)
    with_cast(home)
    waiting(home, "Later", RunStatus.QUEUED, next_at=home.clock.now() + 7_200.0)
    for n in range(1, 14):
        home.put(home.scene("run_Moving", n, status=SceneStatus.GENERATING))
    with home.store.write() as tx:
        tx.processes.add(Process(id="p", kind="pump", host="h", pid=1, started_at=1.0, beat_at=home.clock.now()))
    asked(home)
    link = next(iter(offered(home).values())).removeprefix(home.settings.public_url)
    runs = {
        name: f"/runs/run_{name}" for name in ("finished", "Asks", "Attention", "Failed", "Moving", "Cancelled", "Cast")
    }
    lists = {
        "films": "/",
        "none found": "/?q=nothing+has+this",
        "found": "/?q=fox",
        "new": "/new",
        "again": "/new?from=run_finished",
    }
    sums = {"usage": "/usage", "by model": "/usage?by=model", "no days": "/usage?since=2026-01-01&until=2026-01-02"}
    versions = {"versions": "/runs/run_finished?history=everything", "compare": f"/compare?left={FIRST}&right={SECOND}"}
    opened = versions | {"account": "/account", "action link": link, "pack": f"/v/{packed(home)}/pack"}
    rest = opened | {"queue": "/queue", "operate": "/operate", **shared(home, film), "sign in": "/sign-in"}
    wrong = {"problem": "/usage?by=colour", "unknown": "/runs/run_of_nobody", "forged": "/decide?t=garbage"}
    return {**runs, **lists, **sums, **rest, **wrong, "api": "/docs"}


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_no_page_has_a_fault(
    home: WebHarness, address: str, browser: Browser, axe: str, film: bytes, width: int, scheme: Any
) -> None:
    pages = filled(home, film)
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    found = {}
    for name, path in pages.items():
        answer = page.goto(f"{address}{path}")
        assert answer is not None
        assert answer.status == WRONG.get(name, 200), name
        found[name] = faults(page, axe)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    page.goto(f"{address}/new")
    page.get_by_role("button", name="Start").first.click()
    page.wait_for_selector("#wrong")
    found["new, with problems"] = faults(page, axe)
    page.goto(f"{address}/usage")
    page.get_by_text("The numbers as a table").click()
    found["usage, opened"] = faults(page, axe)
    for name, path in (("languages", "/runs/run_many"), ("again", "/runs/run_finished")):
        page.goto(f"{address}{path}")
        page.evaluate(UNFOLD)
        found[f"{name}, opened"] = faults(page, axe)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    context.close()
    assert {name: one for name, one in found.items() if one} == {}


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_no_page_of_a_customer_has_a_fault(
    home: WebHarness, address: str, browser: Browser, axe: str, width: int, scheme: Any
) -> None:
    """Credits, keys and webhooks of somebody who signed in; a key that is made, and one that cannot be."""
    who = customer(home, MARK)
    belongings(home, who)
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    found = {}

    def look(name: str) -> None:
        page.evaluate(UNFOLD)
        found[name] = faults(page, axe)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name

    page.goto(f"{address}/account")
    look("sign in first")
    page.goto(f"{address}/sign-in?next=/account")
    page.get_by_label("Key").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    look("sign in, wrong")
    page.get_by_label("Key").fill(who.key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/account")
    look("account")
    page.get_by_label("What it is for").fill("Website")
    for one in page.get_by_role("group", name="It may").get_by_role("checkbox").all():
        one.uncheck()
    page.get_by_role("button", name="Make the key").click()
    page.wait_for_selector("#wrong")
    look("key, with problems")
    page.get_by_role("checkbox", name="see films and what they cost").check()
    page.get_by_role("button", name="Make the key").click()
    page.wait_for_selector(".secret")
    look("new key")
    page.get_by_role("link", name="I have kept it").click()
    look("account with two keys")
    for place in ("/", "/new", "/queue", "/usage"):
        page.goto(f"{address}{place}")
        look(place)
    context.close()
    assert {name: one for name, one in found.items() if one} == {}


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_sandboxs_own_page_has_no_fault(browser: Browser, axe: str, width: int, scheme: Any) -> None:
    """The first thing that a newcomer opens; its wide tables are moved by keyboard, too."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    with Sandbox() as sandbox:
        page.goto(sandbox.url)
        found = faults(page, axe)
        fits = page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
    assert (found, fits) == ([], True)


def test_axe_finds_what_is_wrong(home: WebHarness, address: str, browser: Browser, axe: str) -> None:
    """The control: else a page that was not looked at would pass."""
    page = browser.new_page()
    page.goto(f"{address}/usage")
    page.evaluate(
        """() => { document.querySelector("main").append(new Image());
        const pale = document.createElement("p"); pale.textContent = "Pale"; pale.className = "pale";
        const sheet = new CSSStyleSheet(); sheet.replaceSync(".pale { color: #eee; background: #fff }");
        document.adoptedStyleSheets = [sheet]; document.querySelector("main").append(pale); }"""
    )
    found = " ".join(faults(page, axe))
    page.close()
    assert "image-alt" in found
    assert "color-contrast: .pale" in found

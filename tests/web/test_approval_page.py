"""Approving on the run's page: every prompt whole and to be changed, nothing bought beyond the price that was seen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.records import Run
from pipelines.stages.generations.requests import settings_of
from pipelines.stages.orders.plan_run import plan_order
from tests.web.test_pages import BROWSER, SORA_KEY, form
from tests.web.web_fixtures import WebHarness

LONG = "A lighthouse at dawn, " * 40


@pytest.fixture
def asks(tmp_path: Path) -> Iterator[WebHarness]:
    """A run of two scenes of Sora waits for approval."""
    with WebHarness(tmp_path, SORA_KEY) as home:
        order = Order(scenes=(SceneOrder(prompt=LONG.strip()), SceneOrder(prompt="A gull.")), model="sora/sora-2")
        plan = plan_order(home.services, order)
        run = Run(id="run_a", status=RunStatus.NEEDS_APPROVAL, source="rest", order=order, plan=plan, approval="asked")
        home.put(run)
        for n, planned in enumerate(plan.scenes, 1):
            settings = settings_of(planned, home.services.catalogue_model(planned.model), None)
            said = {"prompt": planned.prompt, "seconds": planned.seconds, "model": planned.model, "settings": settings}
            home.put(home.scene("run_a", n, **said))
        yield home


def prompts(home: WebHarness) -> list[tuple[str, float]]:
    with home.store.read() as tx:
        return [(scene.prompt, scene.seconds) for scene in tx.scenes.find(run_id="run_a", order="number")]


def test_every_prompt_is_whole_and_can_be_changed_for_the_price_that_follows(asks: WebHarness) -> None:
    client = asks.client
    page = client.get("/runs/run_a")
    fields = re.findall(r'<textarea name="prompt-(\d)" form="approval"[^>]*>([^<]*)</textarea>', page.text)
    assert [words for _, words in fields] == [LONG.strip(), "A gull."]
    shown = float(re.search(r'name="most" value="([^"]+)"', page.text)[1])  # type: ignore[index]
    assert f"Approve — up to ${shown:.2f}" in page.text
    sent = form(page, **{"prompt-1": LONG, "prompt-2": "A tern.", "seconds-2": "8", "most": str(shown)})
    quoted: Any = client.post("/runs/run_a/approve/quote", data=sent).json
    assert quoted["most"] > shown
    assert prompts(asks)[1] == ("A gull.", 4.0)
    wrong: Any = client.post("/runs/run_a/approve/quote", data={**sent, "seconds-2": "50"}).json
    assert (wrong["most"], "makes clips of" in wrong["html"]) == (None, True)
    # Without a script the price did not follow: it is shown before it counts.
    answer = client.post("/runs/run_a/approve", data=sent)
    assert answer.status_code == 402
    assert f"It costs ${quoted['most']:.2f} now" in answer.text
    assert prompts(asks)[1] == ("A gull.", 4.0)
    kept = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', answer.text))
    assert client.post("/runs/run_a/approve", data=kept).status_code == 303
    assert prompts(asks)[1] == ("A tern.", 8.0)
    assert (asks.run("run_a").approval, asks.run("run_a").quote_micro) == ("given", round(quoted["most"] * 1e6))


def test_a_refused_approval_keeps_every_prompt_that_was_changed(asks: WebHarness) -> None:
    client = asks.client
    sent = form(client.get("/runs/run_a"), **{"prompt-1": LONG, "prompt-2": "A tern.", "seconds-2": "50", "most": "9"})
    answer = client.post("/runs/run_a/approve", data=sent, headers=BROWSER)
    assert (answer.status_code, prompts(asks)[1]) == (422, ("A gull.", 4.0))
    fields = re.findall(r'<textarea name="prompt-(\d)" form="approval"[^>]*>([^<]*)</textarea>', answer.text)
    assert [words.strip() for _, words in fields] == [LONG.strip(), "A tern."]
    assert 'name="seconds-2" form="approval" maxlength="8" value="50"' in answer.text
    assert "makes clips of" in answer.text


def test_scenes_are_changed_over_http_with_the_same_price(asks: WebHarness) -> None:
    path, edit = "/api/runs/run_a/approve", {"scenes": [{"number": 2, "seconds": 8}]}
    client = asks.client
    said: Any = client.post(path, json={**edit, "dry_run": True}).json
    assert (said["ok"], said["plan"]["scenes"][1]["seconds"]) == (True, 8)
    cheaper = {**edit, "max_cost_usd": said["quote_usd"] - 0.01}
    dearer: Any = client.post(path, json={**cheaper, "dry_run": True}).json
    assert dearer["ok"] is False
    assert client.post(path, json=cheaper).status_code == 402
    assert client.post(path, json={"scenes": [{"number": 7, "prompt": "x"}]}).status_code == 422
    assert asks.run("run_a").approval == "asked"
    assert client.post(path, json={**edit, "max_cost_usd": said["quote_usd"]}).status_code == 200
    assert prompts(asks)[1] == ("A gull.", 8.0)


def test_what_is_free_is_agreed_to_as_well(home: WebHarness) -> None:
    """On a page that shows $0.00."""
    home.finished()
    client = home.client
    order = Order(scenes=(SceneOrder(prompt="A gull."),), model="local/animatic")
    plan = plan_order(home.services, order)
    home.change("runs", "run_finished", order=order, plan=plan)
    again = form(client.get("/runs/run_finished"), prompt="A tern.", model="local/animatic 0.0", most="0")
    assert client.post("/runs/run_finished/scenes/1/regenerate", data=again).status_code == 303
    asks = Run(id="run_a", status=RunStatus.NEEDS_APPROVAL, source="rest", order=order, plan=plan, approval="asked")
    home.put(asks, home.scene("run_a", prompt="A gull."))
    page = client.get("/runs/run_a")
    assert 'name="most" value="0.0"' in page.text
    assert client.post("/runs/run_a/approve", data=form(page, most="0.0")).status_code == 303
    assert home.run("run_a").approval == "given"

"""`POST /api/estimate`: the body of any trigger, quoted as that trigger would run it, and nothing started."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipelines.domain.records import LotKind
from pipelines.stages.spending import credit_lots
from tests.web.two_accounts import customer
from tests.web.web_fixtures import BASE, OUTSIDE, SORA, WebHarness

LINES = "A boat\nA boat at night\nA boat in fog"


@pytest.fixture
def based(tmp_path: Path) -> Iterator[WebHarness]:
    """With a complete base, and a server of its own for Sora's protocol."""
    with WebHarness(tmp_path, OUTSIDE | SORA, airtable=True) as made:
        made.services.base_tools.setup(BASE, ["sora/sora-2"])
        yield made


def add(harness: WebHarness, *rows: dict[str, Any]) -> list[str]:
    """A person adds rows to `Videos`: sora, four seconds a scene, $0.40 each."""
    assert harness.sandbox
    same = {"Model": "sora/sora-2", "Clip Seconds": 4, "Resolution": "720p"}
    with httpx.Client(base_url=f"{harness.sandbox.url}/airtable/_control/person/{BASE}/", timeout=60.0) as person:
        return [person.post("Videos", json={"fields": {**same, **row}}).json()["id"] for row in rows]


def estimate(harness: WebHarness, body: dict[str, Any]) -> Any:
    answer = harness.post("/api/estimate", body)
    assert answer.status_code == 200, answer.json
    assert harness.runs() == []
    return answer.json


@pytest.mark.slow
def test_a_record_is_quoted_as_either_trigger_would_make_it(based: WebHarness) -> None:
    """Three lines for process-record; for process-master-prompt two scenes that are yet to be written."""
    [row] = add(based, {"Prompt": LINES, "Master Prompt": "A day at sea", "Scene Count": 2})
    for body in ({"record_id": row}, {"record_id": row, "for": "process-record"}):
        found = estimate(based, body)
        assert (found["ok"], found["quote_usd"], len(found["plan"]["scenes"])) == (True, 1.2, 3)
    for body in ({"record_id": row, "for": "process-master-prompt"}, {"recordId": row, "for": "process-master-prompt"}):
        found = estimate(based, body)
        assert (found["ok"], found["quote_usd"], len(found["plan"]["scenes"])) == (True, 0.8, 2)
    rehearsed = based.post("/api/process-master-prompt", {"record_id": row, "dry_run": True}).json
    assert rehearsed == found


@pytest.mark.slow
@pytest.mark.parametrize("body", [{}, {"base_id": BASE}, {"baseId": BASE, "dry_run": True}, {"for": "process-queue"}])
def test_the_body_of_process_queue_quotes_what_is_ready(based: WebHarness, body: dict[str, Any]) -> None:
    ready = add(based, {"Prompt": "A boat", "Status": "Ready"}, {"Prompt": "Two\nlines", "Status": "Ready"})
    add(based, {"Prompt": "A boat", "Status": "Draft"})
    found = estimate(based, body)
    assert (found["ok"], found["quote_usd"], sorted(found["records"])) == (True, 1.2, sorted(ready))
    assert found == based.post("/api/process-queue", {"dry_run": True}).json


def test_a_customers_rows_are_quoted_by_what_it_is_charged(tmp_path: Path) -> None:
    """$0.40 of the operator's money are sold for $0.50."""
    (tmp_path / "prices.toml").write_text('[[rules]]\nmodel = "sora/*"\nper_clip_usd = 0.5\n')
    with WebHarness(tmp_path, OUTSIDE | SORA | {"PRICE_LIST": "prices.toml"}, airtable=True) as shop:
        shop.services.base_tools.setup(BASE, ["sora/sora-2"])
        who = customer(shop, "ada")
        with shop.store.write() as tx:
            assert tx.bases.change(BASE, account_id=who.account_id)
            credit_lots.grant(tx, 1.0, who.account_id, 600_000, kind=LotKind.PAID, source="INV-1", expires_at=None)
        add(shop, {"Prompt": "A boat", "Status": "Ready"}, {"Prompt": "Two\nlines", "Status": "Ready"})
        found: Any = shop.client.post("/api/estimate", json={"base_id": BASE}, headers=who.headers).json
        assert (found["quote_usd"], sorted(plan["quote_usd"] for plan in found["plans"])) == (1.5, [0.5, 1.0])
        assert {scene["price_usd"] for plan in found["plans"] for scene in plan["plan"]["scenes"]} == {0.5}
        assert [problem["field"] for problem in found["problems"]] == ["credits"]
        assert "0.4" not in str(found)
        assert estimate(shop, {})["quote_usd"] == 1.2


@pytest.mark.slow
def test_every_ready_row_is_in_the_quote_however_many_there_are(based: WebHarness) -> None:
    """More than a page of Airtable's."""
    rows = add(based, *({"Prompt": f"Boat {n}", "Status": "Ready"} for n in range(103)))
    found = estimate(based, {"for": "process-queue"})
    assert (len(found["records"]), found["quote_usd"]) == (len(rows), 41.2)


@pytest.mark.slow
def test_a_ready_row_is_fitted_to_its_model_as_its_run_would_be(based: WebHarness) -> None:
    """Five seconds are made as eight and trimmed: no problem of the row, and the price of eight."""
    [row] = add(based, {"Prompt": "A boat", "Clip Seconds": 5, "Status": "Ready"})
    found = estimate(based, {})
    assert (found["problems"], found["quote_usd"]) == ([], 0.8)
    assert estimate(based, {"record_id": row})["quote_usd"] == 0.8


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"table": "Videos"}, "record_id"),
        ({"for": "process-record"}, "record_id"),
        ({"for": "process-master-prompt"}, "record_id"),
        ({"for": "generate-video", "master_prompt": "A fox"}, "prompt"),
        ({"for": "nonsense", "prompt": "A fox"}, "for"),
    ],
)
def test_what_is_missing_for_the_named_trigger_is_said(harness: WebHarness, body: dict[str, str], field: str) -> None:
    answer = harness.post("/api/estimate", body)
    assert answer.status_code == 422
    assert field in [error["field"] for error in answer.json["errors"]]


@pytest.mark.parametrize(
    "body",
    [
        {"master_prompt": "A fox", "for": "process-master-prompt"},
        {"prompt": "A fox", "for": "generate-video"},
    ],
)
def test_orders_without_a_row_may_say_what_they_are_for(harness: WebHarness, body: dict[str, str]) -> None:
    assert estimate(harness, body)["ok"] is True


def test_for_is_no_field_of_the_triggers_themselves(harness: WebHarness) -> None:
    """There the route says it; a misunderstanding would cost money."""
    answer = harness.post("/api/process-master-prompt", {"master_prompt": "A fox", "for": "generate-video"})
    assert (answer.status_code, harness.runs()) == (422, [])

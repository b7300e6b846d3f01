"""What the description of the API promises, held to the letter: answers, problems, lists and rehearsals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.lifecycle import GenerationStatus, RunStatus
from pipelines.domain.orders.order import Order
from pipelines.domain.records import Run
from pipelines.stages.scheduler import steps
from pipelines.stages.spending import caps, ledger
from tests.web.web_fixtures import BEARER, OUTSIDE, SORA, WebHarness, as_described
from webapp.api import answers
from webapp.api.orders import MasterPromptOrder

FILM = {"master_prompt": "A fox", "model": "sora/sora-2", "scene_count": 1}


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[WebHarness]:
    """Out in the world, with a server of its own for Sora's protocol."""
    with WebHarness(tmp_path, OUTSIDE | SORA) as made:
        yield made


def spend(harness: WebHarness, *amounts: int) -> None:
    """One run of its own row for each amount, in micro-dollars."""
    for number, amount in enumerate(amounts):
        run = Run(id=f"run_{number}", status=RunStatus.DONE, source="record", record_id=f"rec{number:014d}")
        harness.put(run)
        with harness.store.write() as tx:
            ledger.hold(tx, harness.clock.now(), run, amount, harness.services.policy)
            ledger.spend_text(tx, harness.clock.now(), run, amount)


def stopped(harness: WebHarness, status: RunStatus = RunStatus.NEEDS_ATTENTION, **more: Any) -> str:
    """A run of one scene that has no clip, and nothing set aside; its id."""
    order = {"prompt": "A fox", "model": "sora/sora-2", "seconds": 4}
    run_id = str(harness.post("/api/generate-video", order).json["run_id"])
    steps.step(harness.services, "runs", run_id)
    with harness.store.write() as tx:
        ledger.release(tx, harness.clock.now(), harness.run(run_id))
    harness.change("runs", run_id, status=status, **more)
    return run_id


def test_spend_is_answered_as_described(harness: WebHarness) -> None:
    """The description says that nothing else comes back."""
    spend(harness, 400_000)
    found = as_described(answers.Usage, harness.get("/api/usage?by=day,record").json)
    assert [row["spent_usd"] for row in found["rows"]] == [0.4]


def test_every_list_is_read_in_pages(harness: WebHarness) -> None:
    """By `limit` and `cursor`; without a limit all of it comes, and the sum is that of all."""
    spend(harness, 1_000_000, 2_000_000, 3_000_000)
    whole = harness.get("/api/usage?by=record").json
    assert whole["next_cursor"] is None
    first = harness.get("/api/usage?by=record&limit=2").json
    second = harness.get(f"/api/usage?by=record&limit=2&cursor={first['next_cursor']}").json
    assert first["rows"] + second["rows"] == whole["rows"]
    assert (first["spent_usd"], second["next_cursor"]) == (6.0, None)
    models = harness.get("/api/models").json["models"]
    page = answers.ModelList.model_validate(harness.get("/api/models?limit=1&cursor=1").json)
    assert [model.id for model in page.models] == [models[1]["id"]]
    for path in ("/api/models", "/api/usage", "/api/runs"):
        for wrong in ("limit=0", "limit=201", "limit=x", "cursor=x"):
            assert harness.get(f"{path}?{wrong}").status_code == 422, (path, wrong)


@pytest.mark.parametrize("day", ["2026-13-45", "2026-02-30", "yesterday", "2026-1-1", "20261120"])
def test_a_day_that_does_not_exist_is_refused_by_name(harness: WebHarness, day: str) -> None:
    """An empty answer would read as: nothing was spent."""
    answer = harness.get(f"/api/usage?since={day}")
    assert answer.status_code == 422
    assert [problem["field"] for problem in answer.json["errors"]] == ["since"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("POST", "/api/process-master-prompt", {**FILM, "max_cost_usd": 0.1}, 402, "max_cost_usd"),
        ("POST", "/api/process-record", {"a": "x" * 70_000}, 413, "body"),
        ("POST", "/api/runs/nobody/retry", {}, 404, ""),
        ("GET", "/api/runs/nobody", None, 404, ""),
        ("GET", "/api/nothing", None, 404, ""),
        ("PUT", "/api/runs", None, 405, ""),
    ],
)
def test_every_refusal_lists_its_problem(
    harness: WebHarness, method: str, path: str, body: Any, status: int, field: str
) -> None:
    """Whoever reads only `errors` is told, too."""
    answer: Any = harness.client.open(path, method=method, json=body, headers=BEARER)
    assert answer.status_code == status
    assert answer.json["errors"] == [{"field": field, "message": answer.json["detail"]}]


def test_a_master_prompt_is_missed_under_both_of_its_names(harness: WebHarness) -> None:
    """Whoever misspells one is not sent to look for a row."""
    answer = harness.post("/api/process-master-prompt", {"master_promt": "A fox"})
    assert answer.status_code == 422
    assert {problem["field"] for problem in answer.json["errors"]} == {"record_id", "master_prompt"}


def test_what_is_said_to_be_enough_is_enough(harness: WebHarness) -> None:
    """The number is rounded up: a quote of $0.4045 does not pass a limit of $0.40."""
    body = {**FILM, "clip_seconds": 4, "max_cost_usd": 0.1}
    needed = money_at_the_end(harness.post("/api/process-master-prompt", body).json["detail"])
    assert harness.post("/api/process-master-prompt", {**body, "max_cost_usd": needed}).status_code == 202
    refused = ledger_refusal(harness, 404_517)
    assert refused.endswith("At least $0.41 would do.")


@pytest.mark.parametrize("cents", [402, 29, 57, 201, 410, 1999])
def test_a_limit_is_as_high_as_it_is_written(cents: int) -> None:
    """4.02 dollars are no binary fraction; a film for exactly so much is made."""
    order = MasterPromptOrder.model_validate({"master_prompt": "A fox", "max_cost_usd": cents / 100}).order()
    assert order.max_cost_micro == cents * 10_000


def money_at_the_end(sentence: str) -> float:
    return float(sentence.rstrip(".").rpartition("$")[2])


def ledger_refusal(harness: WebHarness, amount: int) -> str:
    run = Run(id="run_x", status=RunStatus.GENERATING, source="rest", order=Order(max_cost_micro=400_000))
    with harness.store.read() as tx:
        found = caps.refusal(tx, harness.clock.now(), run, amount, harness.services.policy)
    assert found
    return found


def test_a_rehearsed_decision_is_answered_as_a_plan_with_its_quote_and_problems(harness: WebHarness) -> None:
    """As for every POST that could spend."""
    run_id = stopped(harness)
    found = answers.Estimate.model_validate(harness.post(f"/api/runs/{run_id}/retry", {"dry_run": True}).json)
    assert (found.ok, found.quote_usd, found.problems) == (True, 0.4, [])
    assert found.plan
    assert found.plan["model"] == "sora/sora-2"
    one = answers.Estimate.model_validate(
        harness.post(f"/api/runs/{run_id}/scenes/1/regenerate", {"dry_run": True, "model": "local/animatic"}).json
    )
    assert one.plan
    assert (one.ok, one.quote_usd, one.plan["model"]) == (True, 0.0, "local/animatic")
    assert harness.run(run_id).status is RunStatus.NEEDS_ATTENTION


def test_a_rehearsal_names_what_would_refuse_the_real_thing(harness: WebHarness) -> None:
    """The status of the run, and a budget that is used up."""
    run_id = stopped(harness, RunStatus.NEEDS_APPROVAL, approval="asked")
    path = f"/api/runs/{run_id}/scenes/1/regenerate"
    assert harness.post(path, {}).status_code == 409
    assert [problem["field"] for problem in harness.post(path, {"dry_run": True}).json["problems"]] == ["status"]
    order = replace(harness.run(run_id).known_order, max_cost_micro=100_000)
    harness.change("runs", run_id, status=RunStatus.NEEDS_ATTENTION, order=order)
    rehearsed = harness.post(f"/api/runs/{run_id}/retry", {"dry_run": True}).json
    real = harness.post(f"/api/runs/{run_id}/retry", {})
    assert real.status_code == 402
    assert rehearsed["problems"] == real.json["errors"]
    assert rehearsed["ok"] is False


def test_money_in_doubt_is_rehearsed_as_well(harness: WebHarness) -> None:
    """Writing off buys the clip again; waiting and cancelling buy nothing."""
    run_id = stopped(harness)
    with harness.store.read() as tx:
        (scene,) = tx.scenes.find(run_id=run_id)
    harness.put(harness.generation(run_id, scene_id=scene.id, status=GenerationStatus.UNKNOWN, provider_id=None))
    quotes = {
        choice: harness.post("/api/generations/gen_1/decide", {"choice": choice, "dry_run": True}).json["quote_usd"]
        for choice in ("wait", "write_off", "cancel")
    }
    assert quotes == {"wait": 0.0, "write_off": 0.4, "cancel": 0.0}
    with harness.store.read() as tx:
        assert tx.generations.count(status=GenerationStatus.UNKNOWN) == 1
    harness.change("generations", "gen_1", status=GenerationStatus.FAILED)
    late = harness.post("/api/generations/gen_1/decide", {"choice": "write_off", "dry_run": True}).json
    assert (late["ok"], late["problems"][0]["field"]) == (False, "choice")


def test_a_forged_callback_is_refused_before_it_is_told_whether_there_is_such_a_one(tmp_path: Path) -> None:
    """401 comes before 404."""
    with WebHarness(tmp_path, OUTSIDE | {"KIE_WEBHOOK_HMAC_KEY": "a key of kie.ai's"}) as harness:
        answer = harness.client.post("/api/webhook/kie/nobodys-token", json={"taskId": "task_1"})
    assert answer.status_code == 401

"""What starts a run: what is checked, what is committed, what is answered."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.errors import TooMany
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.limits import RateLimit
from pipelines.domain.state.replay import KeptAnswer
from pipelines.stages.orders import accept
from tests.web.web_fixtures import BASE, BEARER, RECORD, WebHarness

FOREIGN = "appForeign0000000"


def fields(answer: Any) -> dict[str, str]:
    """The problems of an answer by field."""
    assert answer.mimetype == "application/problem+json"
    assert answer.json["status"] == answer.status_code
    return {problem["field"]: problem["message"] for problem in answer.json["errors"]}


def test_a_record_is_accepted_at_once_and_unquoted(harness: WebHarness) -> None:
    """The row is read later by a worker, so the answer has no quote, but says where to look."""
    answer = harness.post("/api/process-record", {"record_id": RECORD})
    assert answer.status_code == 202
    body = answer.json
    run = harness.run(body["run_id"])
    assert (run.record_id, run.base_id, run.status, run.source) == (RECORD, BASE, RunStatus.QUEUED, "record")
    assert (body["existing"], body["quote_usd"], body["status"]) == (False, None, "queued")
    assert body["status_url"] == f"https://films.example.com/api/runs/{run.id}" == answer.headers["Location"]
    assert body["page_url"].startswith("https://films.example.com/runs/")


@pytest.mark.parametrize(
    ("body", "query"),
    [
        ({"recordId": RECORD, "baseId": BASE}, ""),
        ({}, f"?recordId={RECORD}&baseId={BASE}"),
        ({"base_id": BASE}, f"?record_id={RECORD}"),
        (None, f"?record_id={RECORD}&fresh=true"),
        ({"record": RECORD}, ""),
        ({"record_id": RECORD, "recordId": RECORD, "table": "Videos", "note": "ignored"}, ""),
    ],
)
def test_both_spellings_work_in_body_and_query(harness: WebHarness, body: Any, query: str) -> None:
    """Scripts in the field send either."""
    answer = harness.post(f"/api/process-record{query}", body)
    assert answer.status_code == 202, answer.json
    assert harness.runs()[0].fresh == ("fresh" in query)


def test_two_different_records_in_one_request_are_refused(harness: WebHarness) -> None:
    """Nobody guesses which of two was meant."""
    answer = harness.post(f"/api/process-record?recordId={RECORD[:-1]}8", {"record_id": RECORD})
    assert answer.status_code == 422
    assert "record_id" in fields(answer)
    assert harness.runs() == []


def test_the_same_trigger_five_times_at_once_is_one_run(harness: WebHarness) -> None:
    """Automations fire twice, people click twice."""
    gate, answers = threading.Barrier(5), []

    def fire() -> None:
        gate.wait()
        answers.append(harness.post("/api/process-record", {"record_id": RECORD}).json)

    threads = [threading.Thread(target=fire) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({answer["run_id"] for answer in answers}) == 1
    assert sorted(answer["existing"] for answer in answers) == [False, True, True, True, True]
    assert len(harness.runs()) == 1


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"record_id": "rec"}, {"record_id"}),
        ({"record_id": "recA1b2C3d4E5f6G7\n"}, {"record_id"}),
        ({"record_id": "recÄ1b2C3d4E5f6G7"}, {"record_id"}),
        ({"record_id": 7, "base_id": True, "fresh": "yes"}, {"record_id", "base_id", "fresh"}),
        ({}, {"record_id"}),
        ({"record_id": RECORD, "base_id": "app1", "table": "a/b"}, {"base_id", "table"}),
    ],
)
def test_every_wrong_field_of_a_record_trigger_is_named(harness: WebHarness, body: Any, wrong: set[str]) -> None:
    """A script's author fixes all of it in one go."""
    answer = harness.post("/api/process-record", body)
    assert answer.status_code == 422
    assert set(fields(answer)) == wrong
    assert harness.runs() == []


def test_a_foreign_base_is_refused_and_a_connected_one_is_taken(harness: WebHarness) -> None:
    """Our token may see more bases than the operator meant."""
    refused = harness.post("/api/process-record", {"record_id": RECORD, "base_id": FOREIGN})
    assert refused.status_code == 403
    assert set(fields(refused)) == {"base_id"}
    from pipelines.domain.records import Base

    with harness.store.write() as tx:
        tx.bases.add(Base(id=FOREIGN))
    assert harness.post("/api/process-record", {"record_id": RECORD, "base_id": FOREIGN}).status_code == 202


def test_a_master_prompt_is_quoted_at_once(harness: WebHarness) -> None:
    """Without a row everything is known at the trigger."""
    body = {"master_prompt": "A fox at dawn", "scene_count": 3, "model": "openrouter/bytedance/seedance-2-mini"}
    models = harness.get("/api/models").json["models"]
    paid = next(m for m in models if not m["free"] and not m["warning"])
    answer = harness.post("/api/process-master-prompt", {**body, "model": paid["id"], "adapt": True})
    assert answer.status_code == 202, answer.json
    assert answer.json["quote_usd"] > 0.01
    run = harness.run(answer.json["run_id"])
    assert run.order
    assert (run.order.master_prompt, run.order.scene_count, run.source) == ("A fox at dawn", 3, "rest")
    assert run.key_id == "env-tester"


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"master_prompt": "   "}, {"master_prompt"}),
        ({"master_prompt": "\u200b\u202e\x07"}, {"master_prompt"}),
        ({"master_prompt": "x" * 33_000}, {"master_prompt"}),
        ({"master_prompt": "x", "scene_count": 0}, {"scene_count"}),
        ({"master_prompt": "x", "scene_count": -1}, {"scene_count"}),
        ({"master_prompt": "x", "scene_count": 1000}, {"scene_count"}),
        ({"master_prompt": "x", "scene_count": "4"}, {"scene_count"}),
        ({"master_prompt": "x", "scene_count": True}, {"scene_count"}),
        ({"master_prompt": ["x"], "aspect_ratio": "3:2", "secnds": 4}, {"master_prompt", "aspect_ratio", "secnds"}),
        ({"master_prompt": "x", "model": "nobody/nothing"}, {"model"}),
        ({"master_prompt": "x", "model": "nonsense", "clip_seconds": 0}, {"model", "clip_seconds"}),
        ({"master_prompt": "x", "clip_seconds": 1e999}, {"body"}),
        ({"master_prompt": "x", "logo": "file:///etc/passwd", "references": ["ftp://x"]}, {"logo", "references[0]"}),
        ({"master_prompt": "x", "references": ["https://x.test/a.png"] * 9}, {"references"}),
        ({"master_prompt": "x", "logo": "https://ex%00mple.test/a", "music": "https://x:99999/a"}, {"logo", "music"}),
        ({"master_prompt": "x", "music": "local/polka"}, {"music"}),
        ({"master_prompt": "x", "transition": "Wipe", "transition_seconds": 9}, {"transition", "transition_seconds"}),
        ({"scene_count": 3}, {"record_id", "master_prompt"}),
    ],
)
def test_every_wrong_field_of_an_order_is_named(harness: WebHarness, body: Any, wrong: set[str]) -> None:
    """All problems at once, and nothing is started."""
    answer = harness.post("/api/process-master-prompt", body)
    assert answer.status_code in {400, 422}
    assert set(fields(answer)) == wrong
    assert harness.runs() == []


def test_select_words_may_be_written_as_programs_write_them(harness: WebHarness) -> None:
    """`fade_black` is `Fade Black`."""
    body = {"master_prompt": "x", "transition": "fade_black", "fit": "letterbox", "captions": "BURNED"}
    order = harness.run(harness.post("/api/process-master-prompt", body).json["run_id"]).order
    assert order
    assert (order.transition, order.fit, order.captions) == ("Fade Black", "Letterbox", "Burned")


def test_what_the_model_cannot_do_is_refused_with_the_allowed_values_unless_adapt(harness: WebHarness) -> None:
    """The seconds and sizes of the catalogue decide, and each problem carries the request's own field name."""
    body = {"prompt": "A fox", "model": "sora/sora-2", "seconds": 5, "resolution": "1080p"}
    found = fields(harness.post("/api/generate-video", body))
    assert "4, 8 or 12" in found["seconds"]
    assert "720p" in found["resolution"]


def test_a_clip_is_one_scene(harness: WebHarness) -> None:
    """`generate-video` is a run with one scene, text or image to video."""
    answer = harness.post("/api/generate-video", {"prompt": "A fox", "seconds": 3, "title": "Fox"})
    run = harness.run(answer.json["run_id"])
    assert run.order
    assert run.source == "clip"
    assert [scene.prompt for scene in run.order.scenes] == ["A fox"]


def test_a_dry_run_answers_and_starts_nothing(harness: WebHarness) -> None:
    """Plan, quote and problems."""
    body = {"master_prompt": "A fox", "scene_count": 2, "dry_run": True}
    answer = harness.post("/api/process-master-prompt", body)
    assert answer.status_code == 200
    assert answer.json["ok"] is True
    assert len(answer.json["plan"]["scenes"]) == 2
    bad = harness.post("/api/generate-video", {"prompt": "x", "model": "nobody/nothing", "dry_run": True})
    assert bad.status_code == 200
    assert (bad.json["ok"], bad.json["problems"][0]["field"]) == (False, "model")
    assert harness.runs() == []


def test_above_the_limit_of_one_run_is_402_that_names_the_number(harness: WebHarness) -> None:
    """The refusal says what would do."""
    models = harness.get("/api/models").json["models"]
    paid = next(m for m in models if not m["free"] and not m["warning"])
    body = {"master_prompt": "x", "scene_count": 50, "model": paid["id"], "adapt": True, "max_cost_usd": 0.05}
    answer = harness.post("/api/process-master-prompt", body)
    assert answer.status_code == 402
    assert "$0.05" in answer.json["detail"]
    assert harness.runs() == []


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        (b"{not json", "application/json", 400),
        (b"[1, 2]", "application/json", 400),
        (b'"text"', "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"record_id": NaN}', "application/json", 400),
        (b'{"record_id": "\\ud800"}', "application/json", 400),
        (b'{"record_id": "a\\u0000b"}', "application/json", 400),
        (b"[" * 60_000, "application/json", 400),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "application/json", 400),
        (b"record_id=x", "application/x-www-form-urlencoded", 415),
        (b"{}", "text/plain", 415),
        (b'{"record_id": "' + b"x" * 70_000 + b'"}', "application/json", 413),
        (b'{"n": ' + b"9" * 6_000 + b"}", "application/json", 400),
    ],
)
def test_what_is_no_json_object_is_refused_as_a_problem_document(
    harness: WebHarness, data: bytes, kind: str, status: int
) -> None:
    """Never a 500, never a page of HTML."""
    answer = harness.client.post("/api/process-record", data=data, content_type=kind, headers=BEARER)
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    assert harness.runs() == []


def test_an_estimate_reads_the_row_and_says_what_is_wrong_with_it(airtable: WebHarness) -> None:
    """A base without our tables is the operator's business, said in a sentence."""
    answer = airtable.post("/api/estimate", {"record_id": RECORD})
    assert answer.status_code == 502
    assert "flask airtable setup" in answer.json["detail"]


def test_an_estimate_when_airtable_is_away_is_504_with_a_sentence(harness: WebHarness) -> None:
    """Bounded: a script waits 12 seconds at most."""
    answer = harness.post("/api/estimate", {"record_id": RECORD})
    assert answer.status_code == 504
    assert "Nothing was started" in answer.json["detail"]


@pytest.mark.parametrize("body", [{"master_prompt": "A fox"}, {"prompt": "A fox"}])
def test_an_estimate_takes_the_body_of_any_trigger(harness: WebHarness, body: dict[str, str]) -> None:
    """What is sent decides what it is."""
    answer = harness.post("/api/estimate", body)
    assert answer.status_code == 200
    assert answer.json["ok"] is True


def test_the_queue_is_swept_by_a_worker(harness: WebHarness) -> None:
    """One call for a scheduled automation."""
    answer = harness.post("/api/process-queue", {})
    assert answer.status_code == 202
    sweep = harness.get(f"/api/sweeps/{answer.json['sweep_id']}").json
    assert (sweep["base_id"], sweep["status"], sweep["started"]) == (BASE, "queued", [])
    assert harness.get("/api/sweeps/swp_unknown").status_code == 404


def test_the_same_idempotency_key_gives_the_same_answer_and_one_run(harness: WebHarness) -> None:
    """Another body under the key is an error, another key another run."""
    body = {"master_prompt": "A fox"}
    first = harness.post("/api/process-master-prompt", body, headers={"Idempotency-Key": "one"})
    again = harness.post("/api/process-master-prompt", body, headers={"Idempotency-Key": "one"})
    assert again.json == first.json
    assert again.headers["Idempotent-Replayed"] == "true"
    other = harness.post("/api/process-master-prompt", {"master_prompt": "B"}, headers={"Idempotency-Key": "one"})
    assert other.status_code == 422
    assert len(harness.runs()) == 1
    harness.post("/api/process-master-prompt", body, headers={"Idempotency-Key": "two"})
    assert len(harness.runs()) == 2


def test_an_idempotency_key_is_forgotten_after_a_day(harness: WebHarness) -> None:
    """A name like `daily` may come back."""
    headers = {"Idempotency-Key": "daily"}
    harness.post("/api/process-master-prompt", {"master_prompt": "A"}, headers=headers)
    harness.clock.shift = 25 * 3600
    assert harness.post("/api/process-master-prompt", {"master_prompt": "B"}, headers=headers).status_code == 202
    assert len(harness.runs()) == 2


def test_a_validation_error_is_replayed_too_and_a_bad_key_refused(harness: WebHarness) -> None:
    """A final refusal is an answer like any other."""
    headers = {"Idempotency-Key": "x"}
    first = harness.post("/api/process-record", {"record_id": "rec"}, headers=headers)
    again = harness.post("/api/process-record", {"record_id": "rec"}, headers=headers)
    assert (first.status_code, again.status_code) == (422, 422)
    assert json.loads(again.data) == json.loads(first.data)
    assert again.headers["Idempotent-Replayed"] == "true"
    bad = harness.post("/api/process-record", {"record_id": RECORD}, headers={"Idempotency-Key": "k" * 256})
    assert bad.status_code == 400


def test_a_trigger_does_not_need_the_broker_airtable_or_a_provider(harness: WebHarness) -> None:
    """All of them are away: the hints and providers of this house raise when they are asked."""
    assert harness.post("/api/process-record", {"record_id": RECORD}).status_code == 202


def test_a_request_whose_handling_died_finds_its_run_again(harness: WebHarness) -> None:
    """The run was committed, the answer never was: the repeat under the same key gets that run, not a second."""
    headers = {"Idempotency-Key": "once"}
    body = {"master_prompt": "A fox"}
    first = harness.post("/api/process-master-prompt", body, headers=headers).json
    with harness.store.write() as tx:
        (kept,) = tx.replays.find()
        tx.replays.change(kept.id, status=0, body=KeptAnswer(run_id=first["run_id"]))
    assert harness.post("/api/process-master-prompt", body, headers=headers).status_code == 409
    harness.clock.shift = 61
    again = harness.post("/api/process-master-prompt", body, headers=headers)
    assert (again.status_code, again.json["run_id"], again.json["existing"]) == (202, first["run_id"], True)
    assert len(harness.runs()) == 1


class Failure:
    """Something of ours goes wrong at a point, once."""

    failed = False

    def reach(self, name: str, **_: str) -> None:
        if name == "accept.committed" and not self.failed:
            self.failed = True
            raise RuntimeError("a fault of ours")


@pytest.mark.logs_errors
def test_an_order_whose_answer_failed_is_found_by_its_repeat_at_once(tmp_path: Path) -> None:
    """What was committed before the failure counts under the key, which takes no other order."""
    body, named = {"master_prompt": "A fox"}, {"headers": {"Idempotency-Key": "once"}}
    with WebHarness(tmp_path, points=Failure()) as harness:
        assert harness.post("/api/process-master-prompt", body, **named).status_code == 500
        assert harness.post("/api/process-master-prompt", {"master_prompt": "A hare"}, **named).status_code == 422
        again = harness.post("/api/process-master-prompt", body, **named)
        assert (again.status_code, again.json["existing"], len(harness.runs())) == (202, True, 1)


def use_up(harness: WebHarness) -> None:
    """The key of the tests has started so much that its next turn comes in a minute."""
    full = harness.clock.now() + accept.STARTS_AT_ONCE * accept.START_EVERY_S + 60
    with harness.store.write() as tx:
        tx.rate_limits.remove("start:env-tester")
        tx.rate_limits.add(RateLimit(id="start:env-tester", next_free_at=full))


def test_a_key_that_starts_too_much_is_told_when_to_try_again_and_has_started_nothing(harness: WebHarness) -> None:
    """A script that ran away is ended by its pace, not by the budget."""
    use_up(harness)
    film = {"master_prompt": "A fox"}
    for path, body in (("/api/process-master-prompt", film), ("/api/process-queue", {})):
        answer = harness.post(path, body, headers={"Idempotency-Key": "mine"})
        assert answer.status_code == 429
    assert harness.runs() == []
    harness.clock.shift = float(answer.headers["Retry-After"])
    again = harness.post("/api/process-master-prompt", film, headers={"Idempotency-Key": "mine"})
    assert again.status_code == 202


def test_what_is_under_way_is_answered_however_much_the_key_has_started(harness: WebHarness) -> None:
    """A 429 never takes back what was accepted, and a rehearsal starts nothing."""
    first = harness.post("/api/process-record", {"record_id": RECORD}, headers={"Idempotency-Key": "one"})
    use_up(harness)
    for headers in ({}, {"Idempotency-Key": "one"}):
        again = harness.post("/api/process-record", {"record_id": RECORD}, headers=headers)
        assert (again.status_code, again.json["run_id"]) == (202, first.json["run_id"])
    assert harness.post("/api/process-master-prompt", {"master_prompt": "x", "dry_run": True}).status_code == 200
    assert harness.post("/api/process-record", {"record_id": RECORD[:-1] + "8"}).status_code == 429


def test_a_key_may_start_hundreds_at_once_and_is_then_paced(harness: WebHarness) -> None:
    """As many as a big table sends; another key is not held up by it."""
    with harness.store.write() as tx:
        for _ in range(accept.STARTS_AT_ONCE):
            accept.acquire_turn(tx, "env-tester", 0.0)
        with pytest.raises(TooMany):
            accept.acquire_turn(tx, "env-tester", 0.0)
        accept.acquire_turn(tx, "env-other", 0.0)

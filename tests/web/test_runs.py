"""Looking at runs, waiting for them, and deciding about them."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from pipelines.domain.customers.batches import Batch
from pipelines.domain.lifecycle import GenerationStatus, RunStatus, SceneStatus
from pipelines.domain.orders.order import Order
from pipelines.domain.planning.plan import SceneSettings
from pipelines.domain.records import Event, Run
from pipelines.domain.state.attempts import AttemptLevel
from pipelines.domain.state.history import EventDetail
from pipelines.security import links
from pipelines.security.secret_keys import SecretKeys
from pipelines.stages.views.documents import RunView, SceneItem
from tests.web.web_fixtures import OUTSIDE, RECORD, WebHarness, as_described
from webapp import concurrency
from webapp.api import answers

NOWHERE = "/api/runs/run_unknown"


def a_run(id: str, status: RunStatus = RunStatus.GENERATING, **changes: Any) -> Run:
    return replace(Run(id=id, status=status, source="rest", order=Order(title=id)), **changes)


def other_generation(number: int) -> dict[str, Any]:
    """What no two generations have alike."""
    return {
        "id": f"gen_{number}",
        "idem_key": f"idem-{number}",
        "callback_token": f"token-{number}",
        "provider_id": f"video_{number}",
    }


def test_everything_about_a_run_is_as_described(harness: WebHarness) -> None:
    """The answer holds exactly what openapi.json says."""
    harness.finished(number=3)
    view = as_described(RunView, harness.get("/api/runs/run_finished").json)
    assert (view["status"], view["progress"], view["title"], view["number"]) == ("done", 1.0, "A fox at dawn", 3)
    assert view["scenes"][0]["clips"][0]["current"]
    assert view["cuts"][0]["url"]
    assert view["cuts"][0]["url"].startswith("https://films.example.com/v/")
    assert view["actions"] == ["regenerate"]
    assert [event["sentence"] for event in view["events"]] == ["Finished."]


_S = RunStatus
LATER = [
    ("/api/runs/run_a/retry", {}, _S.NEEDS_ATTENTION, _S.QUEUED, _S.NEEDS_ATTENTION),
    ("/api/runs/run_a/cancel", {}, _S.QUEUED, _S.CANCELLED, _S.QUEUED),
    ("/api/runs/run_a/approve", {}, _S.NEEDS_APPROVAL, _S.NEEDS_APPROVAL, _S.DONE),
    ("/api/generations/gen_1/decide", {"choice": "wait"}, _S.NEEDS_ATTENTION, _S.GENERATING, _S.DONE),
    ("/api/batches/bat_1/cancel", {}, _S.QUEUED, _S.CANCELLED, _S.QUEUED),
]
"""What somebody decides, the run's status then and just after, and what it has come to meanwhile."""


@pytest.mark.logs_errors
@pytest.mark.parametrize(("path", "body", "before", "after", "meanwhile"), LATER)
def test_a_decision_whose_answer_got_lost_is_not_made_again(
    harness: WebHarness, path: str, body: Any, before: RunStatus, after: RunStatus, meanwhile: RunStatus
) -> None:
    """The run has gone on meanwhile, or somebody has decided otherwise: the repeat changes nothing and is no error."""
    waits = {"approval": "asked"} if before is _S.NEEDS_APPROVAL else {}
    harness.put(
        a_run("run_a", before, batch_id="bat_1", **waits),
        harness.scene("run_a"),
        harness.generation("run_a", status=GenerationStatus.UNKNOWN if "decide" in path else GenerationStatus.FAILED),
    )
    with harness.store.write() as tx:
        tx.batches.add(Batch(id="bat_1", runs=("run_a",), created_at=harness.clock.now()))
        if "retry" in path:
            tx.scenes.remove("scene_run_a_1")
    named = {"headers": {"Idempotency-Key": "once"}}
    with harness.unanswered():
        assert harness.post(path, body, **named).status_code == 500
    assert harness.run("run_a").status is after
    harness.change("runs", "run_a", status=meanwhile)
    with harness.store.read() as tx:
        told = tx.events.count(run_id="run_a")
    assert harness.post(path, {**body, "dry_run": True}, **named).status_code == 422
    assert harness.post(path, body, **named).status_code == 200
    with harness.store.read() as tx:
        assert (harness.run("run_a").status, tx.events.count(run_id="run_a")) == (meanwhile, told)


@pytest.mark.logs_errors
def test_the_switch_is_not_turned_twice_by_one_request(harness: WebHarness) -> None:
    """Whoever turned it on meanwhile meant it."""
    off = {"on": False}, {"Idempotency-Key": "once"}
    harness.post("/api/stop", {"on": True, "reason": "a test"})
    with harness.unanswered():
        assert harness.post("/api/stop", off[0], headers=off[1]).status_code == 500
    harness.post("/api/stop", {"on": True, "reason": "a test"})
    assert harness.post("/api/stop", off[0], headers=off[1]).json["on"] is True


def test_runs_are_listed_newest_first_page_by_page(harness: WebHarness) -> None:
    """Also when many were made at the very same moment, none is skipped or shown twice."""
    harness.put(*(a_run(f"run_{n:02d}", created_at=1000.0 + n // 4) for n in range(10)))
    seen, cursor = [], None
    for _ in range(10):
        page = harness.get(f"/api/runs?limit=3{f'&cursor={cursor}' if cursor else ''}").json
        as_described(answers.RunList, page)
        seen += [run["run_id"] for run in page["runs"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"run_{n:02d}" for n in (9, 8, 7, 6, 5, 4, 3, 2, 1, 0)]


def test_runs_are_found_by_record_status_and_time(harness: WebHarness) -> None:
    """Filters add up."""
    harness.put(
        a_run("run_a", created_at=1000.0, record_id=RECORD),
        a_run("run_b", RunStatus.DONE, created_at=2000.0, record_id=RECORD, number=2),
        a_run("run_c", RunStatus.FAILED, created_at=3000.0),
    )

    def found(query: str) -> list[str]:
        return [run["run_id"] for run in harness.get(f"/api/runs?{query}").json["runs"]]

    assert found(f"record_id={RECORD}") == ["run_b", "run_a"]
    assert found("status=done,failed") == ["run_c", "run_b"]
    assert found("since=1970-01-01T00:33:20Z") == ["run_c", "run_b"]
    assert found("until=1970-01-01T00:33:20Z&status=generating") == ["run_a"]


def test_runs_are_found_by_what_made_them_and_by_price(harness: WebHarness) -> None:
    """Each answer says by what it was found."""
    harness.put(
        a_run("run_a", created_at=1000.0, model="acme/film", shape="9:16", quote_micro=5_000, key_id="key_1"),
        a_run("run_b", RunStatus.DONE, created_at=2000.0, model="acme/film", shape="16:9", quote_micro=7_000),
        a_run("run_c", created_at=3000.0, model="acme/other", shape="9:16", base_id="app1", quote_micro=6_000),
        a_run("run_d", created_at=4000.0),
    )

    def found(query: str) -> list[str]:
        page = harness.get(f"/api/runs?{query}").json
        as_described(answers.RunList, page)
        return [run["run_id"] for run in page["runs"]]

    assert found("model=acme/film") == ["run_b", "run_a"]
    assert found("aspect_ratio=9:16") == ["run_c", "run_a"]
    assert found("aspect_ratio=9:16&model=acme/film") == found("key=key_1") == ["run_a"]
    assert found("base_id=app1") == ["run_c"]
    assert found("order=dearest") == ["run_b", "run_c", "run_a"]
    assert found("order=dearest&model=acme/film&status=generating") == ["run_a"]
    page = harness.get("/api/runs?order=dearest&limit=1").json
    assert found(f"order=dearest&limit=1&cursor={page['next_cursor']}") == ["run_c"]
    assert (page["runs"][0]["model"], page["runs"][0]["aspect_ratio"]) == ("acme/film", "16:9")


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("order=cheapest", {"order"}),
        ("limit=0", {"limit"}),
        ("limit=201", {"limit"}),
        ("limit=x&record_id=y", {"limit", "record_id"}),
        ("status=nonsense&since=yesterday&cursor=zzz", {"status", "since", "cursor"}),
        ("stauts=done", {"stauts"}),
        ("limit=1&limit=2", {"limit"}),
        ("cursor=nan~x", {"cursor"}),
    ],
)
def test_every_wrong_filter_is_named(harness: WebHarness, query: str, wrong: set[str]) -> None:
    """A misspelt filter must not return everything."""
    answer = harness.get(f"/api/runs?{query}")
    assert answer.status_code == 422
    assert {problem["field"] for problem in answer.json["errors"]} == wrong


def test_waiting_ends_when_something_changes(harness: WebHarness) -> None:
    """The answer is there soon after the change, with the change in it."""
    harness.put(a_run("run_w"))
    version = harness.get("/api/runs/run_w").json["version"]
    box: dict[str, Any] = {}
    thread = threading.Thread(
        target=lambda: box.update(harness.get(f"/api/runs/run_w?wait=60&version={version}").json), daemon=True
    )
    thread.start()
    harness.change("runs", "run_w", detail="Scene 1 is here.", version=1, updated_at=5.0)
    thread.join(timeout=50)
    assert box["detail"] == "Scene 1 is here."


def test_waiting_for_a_run_that_has_stopped_ends_at_once(harness: WebHarness) -> None:
    """Nothing will change by itself."""
    harness.put(a_run("run_d", RunStatus.DONE))
    began = time.monotonic()
    assert harness.get("/api/runs/run_d?wait=60").status_code == 200
    assert time.monotonic() - began < 30


def test_waiting_takes_at_most_half_of_the_threads(harness: WebHarness) -> None:
    """Beyond that the answer comes at once, so that triggers are still answered."""
    harness.put(a_run("run_w"))
    with harness.app.app_context():
        slots = concurrency.slots()
    taken = [slots.wait() for _ in range(harness.settings.threads // 2)]
    assert all(taken)
    assert slots.wait() is None
    began = time.monotonic()
    assert harness.get("/api/runs/run_w?wait=60").status_code == 200
    assert time.monotonic() - began < 30


def test_what_is_not_there_is_404(harness: WebHarness) -> None:
    """For every way to name a run."""
    for path in ("approve", "cancel", "retry", "scenes/1/regenerate"):
        assert harness.post(f"{NOWHERE}/{path}", {}).status_code == 404
    assert harness.get(f"{NOWHERE}?wait=5").status_code == 404
    assert harness.post("/api/generations/gen_unknown/decide", {"choice": "wait"}).status_code == 404


def test_a_run_is_approved_cancelled_and_retried_in_its_time(harness: WebHarness) -> None:
    """What its status does not allow is 409, and says so."""
    harness.put(a_run("run_p", RunStatus.NEEDS_APPROVAL, approval="asked"))
    assert harness.post("/api/runs/run_p/retry", {}).status_code == 409
    approved = harness.post("/api/runs/run_p/approve")
    assert approved.status_code == 200
    assert approved.json["approval"] == "given"
    assert harness.post("/api/runs/run_p/cancel").json["status"] == "cancelled"
    assert harness.post("/api/runs/run_p/cancel").status_code == 200
    retried = harness.post("/api/runs/run_p/retry", {})
    assert retried.json["status"] == "queued"


def test_a_rehearsed_decision_costs_nothing_and_changes_nothing(harness: WebHarness) -> None:
    """`dry_run` on every POST that could spend."""
    harness.put(a_run("run_p", RunStatus.NEEDS_APPROVAL, approval="asked", quote_micro=2_000_000))
    answer = harness.post("/api/runs/run_p/approve", {"dry_run": True})
    assert (answer.status_code, answer.json["ok"], answer.json["quote_usd"]) == (200, True, 2.0)
    assert harness.post("/api/runs/run_p/retry", {"dry_run": True}).json["ok"] is False
    assert harness.run("run_p").approval == "asked"


def test_one_scene_is_made_again_and_its_problems_are_named(harness: WebHarness) -> None:
    """A new clip, then a new cut; the old clip stays."""
    harness.finished()
    wrong = harness.post("/api/runs/run_finished/scenes/1/regenerate", {"model": "nobody/nothing"})
    assert wrong.status_code == 422
    assert [problem["field"] for problem in wrong.json["errors"]] == ["model"]
    assert harness.post("/api/runs/run_finished/scenes/9/regenerate", {}).status_code == 404
    assert harness.post(f"/api/runs/run_finished/scenes/{10**20}/regenerate", {}).status_code == 404
    again = harness.post("/api/runs/run_finished/scenes/1/regenerate", {"prompt": "A hare."})
    assert again.status_code == 200, again.json
    assert (again.json["status"], again.json["scenes"][0]["prompt"]) == ("generating", "A hare.")
    assert len(again.json["scenes"][0]["clips"]) == 1


def test_money_in_doubt_comes_with_its_three_choices(harness: WebHarness) -> None:
    """Waiting, writing off and cancelling; anything else is refused."""
    harness.put(
        a_run("run_x", RunStatus.NEEDS_ATTENTION, error="One request is in doubt."),
        harness.scene("run_x"),
        harness.generation("run_x", status=GenerationStatus.UNKNOWN, provider_id=None),
    )
    run = harness.get("/api/runs/run_x").json
    as_described(RunView, run)
    assert set(run["choices"][0]["options"]) == {"wait", "write_off", "cancel"}
    assert run["choices"][0]["amount_usd"] == 0.4
    assert harness.post("/api/generations/gen_1/decide", {"choice": "pray"}).status_code == 422
    assert harness.post("/api/generations/gen_1/decide", {"choice": "wait"}).status_code == 200


def test_the_stop_switch_is_pressed_and_lifted(harness: WebHarness) -> None:
    """With its reason, for everybody to see."""
    pressed = harness.post("/api/stop", {"on": True, "reason": "Too dear"})
    assert (pressed.status_code, pressed.json["on"], pressed.json["reason"]) == (200, True, "Too dear")
    assert harness.get("/api/stop").json["on"] is True
    assert harness.post("/api/stop", {"on": False}).json["on"] is False
    assert harness.post("/api/stop", {"on": "yes"}).status_code == 422
    assert harness.post("/api/stop", {}).status_code == 422


def test_usage_is_grouped_as_asked(harness: WebHarness) -> None:
    """By several columns, too; a wrong one is named."""
    answer = harness.get("/api/usage?by=day,model,record,key,base&since=2026-01-01")
    as_described(answers.Usage, answer.json)
    assert harness.get("/api/usage?by=colour").status_code == 422
    assert harness.get("/api/usage?since=last-week").status_code == 422


def test_the_catalogue_says_what_is_set_up_and_what_ends(harness: WebHarness) -> None:
    """Capabilities, prices, sunset."""
    found = answers.ModelList.model_validate(harness.get("/api/models").json)
    models = {model.id: model for model in found.models}
    assert models["local/animatic"].configured
    assert models["local/animatic"].free
    assert models[found.default].default


def test_a_history_is_told_in_words(harness: WebHarness) -> None:
    """Not in statuses."""
    harness.put(a_run("run_h"), harness.scene("run_h", 2))
    scene = EventDetail(scene="scene_run_h_2", reason="refused")
    harness.put(
        Event(at=1, entity="generation", entity_id="g", run_id="run_h", name="status", new="failed", detail=scene),
        Event(at=2, entity="generation", entity_id="g", run_id="run_h", name="status", new="adopted", detail=scene),
        Event(at=3, entity="run", entity_id="run_h", run_id="run_h", name="approved", actor="Ann"),
    )
    told = [event["sentence"] for event in harness.get("/api/runs/run_h").json["events"]]
    assert told[0] == "Scene 2: did not work out: refused by the video service's moderation, at no cost."
    assert "nothing is bought twice" in told[1]
    assert told[2] == "Approved."


def test_a_reused_clip_is_shown_in_the_run_that_reuses_it(harness: WebHarness) -> None:
    """Although an earlier run paid for it."""
    harness.finished("run_a")
    harness.put(a_run("run_b"), harness.scene("run_b", clip_id="clip_run_a"))
    scene = harness.get("/api/runs/run_b").json["scenes"][0]
    assert [(clip["clip_id"], clip["current"]) for clip in scene["clips"]] == [("clip_run_a", True)]
    assert scene["progress"] == 1.0


def test_the_scenes_of_a_run_are_listed_with_the_clip_that_the_film_shows(harness: WebHarness) -> None:
    harness.finished()
    harness.put(*(harness.scene("run_finished", number) for number in range(2, 8)))
    seen: list[SceneItem] = []
    cursor = None
    for _ in range(9):
        answer = harness.get(f"/api/runs/run_finished/scenes?limit=3{f'&cursor={cursor}' if cursor else ''}").json
        page = as_described(answers.SceneList, answer)
        seen += page["scenes"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [scene["number"] for scene in seen] == [1, 2, 3, 4, 5, 6, 7]
    shown = seen[0]["clip"]
    assert shown is not None
    assert (shown["clip_id"], shown["current"], seen[0]["clips"]) == ("clip_run_finished", True, [shown])
    assert seen[1]["clip"] is None


def test_a_scene_says_what_it_cost_and_which_wording_may_pass(harness: WebHarness) -> None:
    refused = harness.scene(
        "run_a",
        status=SceneStatus.REFUSED,
        transition="Crossfade",
        settings=SceneSettings(price_micro=400_000),
        attempt_level=AttemptLevel(softened="A fox rests in dew."),
        airtable_record_id="recSceneRow000001",
    )
    failed = {"status": GenerationStatus.FAILED, "cost_micro": 100_000}
    harness.put(
        a_run("run_a"),
        refused,
        harness.generation("run_a", id="gen_1", **failed),
        harness.generation("run_a", **other_generation(2), attempt=2, **failed),
    )
    scene = harness.get("/api/runs/run_a/scenes").json["scenes"][0]
    told = ("status", "attempts", "price_usd", "cost_usd", "suggested_prompt", "transition", "continues")
    assert [scene[name] for name in told] == ["Refused", 2, 0.4, 0.2, "A fox rests in dew.", "Crossfade", False]
    assert scene["scene_record_id"] == "recSceneRow000001"


def test_page_and_api_say_alike_how_long_it_still_takes(harness: WebHarness) -> None:
    """By what the model took lately; a clip that is late does not make them fall silent."""
    now = harness.clock.now()
    before = {"status": GenerationStatus.FETCHED, "scene_id": "scene_run_0_1"}
    took = [
        harness.generation("run_0", **other_generation(n), attempt=n, updated_at=now, submitted_at=now - 600, **before)
        for n in range(2, 5)
    ]
    late = harness.generation("run_a", submitted_at=now - 1000.0)
    harness.put(a_run("run_0", RunStatus.DONE), harness.scene("run_0"), *took, a_run("run_a"), harness.scene("run_a"))
    assert harness.get("/api/runs/run_a").json["seconds_left"] is None
    harness.put(late)

    def is_left(seconds: float) -> bool:
        """As of `now`, however long it took to come here."""
        told: float = harness.get("/api/runs/run_a").json["seconds_left"]
        return abs(told - seconds) <= 5 + harness.clock.now() - now

    def page() -> str:
        token = links.sign_page(SecretKeys(OUTSIDE["SECRET_KEY"]), "run", "run_a", None)
        return harness.client.get(f"/runs/run_a?t={token}").text

    assert is_left(265)
    assert "About 5 min left." in page()
    harness.change("generations", "gen_1", submitted_at=now - 60.0)
    assert is_left(555)
    assert "About 10 min left, until " in page()


def test_a_list_of_scenes_says_what_is_wrong_with_its_question(harness: WebHarness) -> None:
    harness.finished()
    assert harness.get(f"{NOWHERE}/scenes").status_code == 404
    for query, field in (("limit=0", "limit"), ("limit=201", "limit"), ("cursor=-1", "cursor"), ("page=2", "page")):
        answer = harness.get(f"/api/runs/run_finished/scenes?{query}")
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field)

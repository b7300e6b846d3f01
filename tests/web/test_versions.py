"""Versions of a film: chosen again for nothing, and laid side by side, over HTTP, on the command line and on pages."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.order import Order
from pipelines.domain.records import Cut, Event
from pipelines.domain.state.delivery import JoinedScene, JoinReport
from pipelines.domain.state.history import EventDetail
from pipelines.stages.orders.plan_run import plan_order
from tests.web.test_pages import form
from tests.web.web_fixtures import BASE, RECORD, WebHarness

FIRST, SECOND = "cut_run_finished", "cut_second"


def twice_made(harness: WebHarness, **run: Any) -> Cut:
    """A run whose only scene was made twice: the older film remembers other words and another clip."""
    cut = harness.finished(**run)
    order = Order(master_prompt="A fox at dawn", title="A fox at dawn", scene_count=1)
    was = JoinedScene(
        scene_id="scene_run_finished_1", clip_id="clip_old", prompt="A hare walks through dew.", seconds=4
    )
    new = replace(was, clip_id="clip_run_finished", prompt="A fox walks through dew.", model="local/animatic")
    with harness.store.write() as tx:
        clip = tx.clips.get("clip_run_finished")
        assert clip
        tx.clips.add(replace(clip, id="clip_old", fingerprint="g", cost_micro=400_000))
        tx.runs.change("run_finished", take=1, order=order, plan=plan_order(harness.services, order))
        tx.cuts.change(cut.id, report=JoinReport(scenes=(replace(was, model="sora/sora-2"),)))
    harness.put(replace(cut, id=SECOND, take=1, token="t" * 43, report=JoinReport(scenes=(new,))))
    return cut


@pytest.mark.logs_errors
def test_a_restore_whose_answer_got_lost_does_not_undo_a_later_one(harness: WebHarness) -> None:
    """The repeat of the first finds that it was done, whatever was chosen since."""
    twice_made(harness)
    path, named = "/api/runs/run_finished/restore", {"headers": {"Idempotency-Key": "a"}}
    with harness.unanswered():
        assert harness.post(path, {"take": 0}, **named).status_code == 500
    harness.change("runs", "run_finished", status=RunStatus.DONE)
    assert harness.post(path, {"take": 1}).status_code == 200
    harness.change("runs", "run_finished", status=RunStatus.DONE)
    assert harness.post(path, {"take": 0}, **named).status_code == 200
    assert harness.run("run_finished").take == 3


def test_an_earlier_film_is_restored_over_http_for_nothing(harness: WebHarness) -> None:
    cut = twice_made(harness)
    path = "/api/runs/run_finished/restore"
    said = harness.post(path, {"take": 0, "dry_run": True}).json
    assert (said["ok"], said["quote_usd"]) == (True, 0)
    assert harness.run("run_finished").take == 1
    answer = harness.post(path, {"take": 0}, headers={"Idempotency-Key": "a"})
    again = harness.post(path, {"take": 0})
    assert (answer.status_code, again.status_code) == (200, 200)
    run = harness.run("run_finished")
    assert (run.status, run.take) == (RunStatus.STITCHING, 2)
    with harness.store.read() as tx:
        (made,) = tx.cuts.find(run_id=run.id, take=2)
        assert (made.key, tx.generations.count(), tx.ledger.count()) == (cut.key, 0, 0)
        (scene,) = tx.scenes.find(run_id=run.id)
    assert (scene.clip_id, scene.prompt) == ("clip_old", "A hare walks through dew.")
    assert harness.post(path, {"take": 9}).status_code == 404
    assert harness.post(path, {"take": -1}).status_code == 422
    refused = harness.post(path, {"take": 1, "dry_run": True}).json
    assert [problem["field"] for problem in refused["problems"]] == ["take"]
    assert harness.post(path, {"take": 1}).status_code == 409


def test_an_earlier_clip_is_chosen_over_http_and_on_the_command_line(harness: WebHarness) -> None:
    twice_made(harness)
    path = "/api/runs/run_finished/scenes/1/choose"
    assert harness.post(path, {"clip_id": "clip_old", "dry_run": True}).json["quote_usd"] == 0
    assert harness.post(path, {"clip_id": "clip_of_nobody"}).status_code == 404
    runner = harness.app.test_cli_runner()
    tried = runner.invoke(args=["runs", "restore", "run_finished", "--take", "0", "--dry-run"])
    assert "for $0.00" in tried.output
    assert harness.run("run_finished").take == 1
    done = runner.invoke(args=["runs", "restore", "run_finished", "--scene", "1", "--clip", "clip_old"])
    assert "stitching" in done.output
    assert harness.run("run_finished").take == 2


def test_the_runs_page_offers_both_with_their_price(home: WebHarness) -> None:
    twice_made(home)
    client = home.client
    page = client.get("/runs/run_finished").text
    assert re.search(r"Restore<span class=\"unseen\"> version 1</span> — \$0\.00", page)
    assert re.search(r"Choose this one<span[^>]*>[^<]*</span> — \$0\.00", page)
    assert f"/compare?left={FIRST}&amp;right={SECOND}" in page
    # Of several shapes the one that was ordered first is laid side by side, whichever was joined sooner.
    with home.store.read() as tx:
        cuts = [one for one in (tx.cuts.get(FIRST), tx.cuts.get(SECOND)) if one]
    home.put(*(replace(one, id=f"{one.id}_tall", token=one.id * 3, format="9:16", created_at=1.0) for one in cuts))
    assert f"/compare?left={FIRST}&amp;right={SECOND}" in client.get("/runs/run_finished").text
    sent = form(client.get("/runs/run_finished"), take="0")
    assert client.post("/runs/run_finished/restore", data=sent).status_code == 303
    assert home.run("run_finished").take == 2


def test_a_link_compares_what_it_opens_and_restores_nothing(harness: WebHarness) -> None:
    twice_made(harness, base_id=BASE, record_id=RECORD)
    harness.finished("run_other", base_id=BASE, record_id=RECORD, number=2)
    of_run, of_row = (
        url.partition("?t=")[2]
        for url in (
            harness.services.links.page(run_id="run_finished"),
            harness.services.links.row_page(BASE, RECORD, 0.0),
        )
    )
    assert "Restore<span" not in harness.client.get(f"/runs/run_finished?t={of_run}").text
    assert harness.client.get(f"/compare?left={FIRST}&right={SECOND}&t={of_run}").status_code == 200
    assert harness.client.get(f"/compare?left={FIRST}&right=cut_run_other&t={of_run}").status_code == 403
    assert harness.client.get(f"/compare?left={FIRST}&right=cut_run_other&t={of_row}").status_code == 200
    assert harness.client.get(f"/compare?left={FIRST}&right={SECOND}").status_code == 401
    assert harness.client.post(f"/runs/run_finished/restore?t={of_run}", data={"take": "0"}).status_code in {400, 401}
    assert harness.run("run_finished").take == 1


def test_two_films_are_laid_side_by_side(home: WebHarness) -> None:
    twice_made(home)
    page = " ".join(home.client.get(f"/compare?left={FIRST}&right={SECOND}").text.split())
    assert "<del>hare</del> <ins>fox</ins>" in page
    assert "Sora 2, 4 s → Animatic (free draft), 4 s" in page
    assert "$0.40" in page
    assert "Both films show the same clips" in home.client.get(f"/compare?left={SECOND}&right={SECOND}").text
    for query in ("", "?left=cut_of_nobody&right=cut_second"):
        assert home.client.get(f"/compare{query}").status_code == 404


@pytest.mark.parametrize(
    ("view", "seen", "hidden"),
    [
        ("milestones", {"clip is here", "Approved"}, {"being made", "Bo Example"}),
        ("money", {"clip is here, for $0.40", "Approved", "Bo Example"}, {"being made", "Finished"}),
        ("everything", {"clip is here", "being made", "Finished", "Approved"}, set()),
        ("nonsense", {"clip is here", "Finished"}, {"being made"}),
    ],
)
def test_the_history_is_filtered(home: WebHarness, view: str, seen: set[str], hidden: set[str]) -> None:
    home.finished()
    at = home.clock.now() + 68
    about: dict[str, Any] = {"run_id": "run_finished", "entity": "generation", "entity_id": "gen_1"}
    paid, scene = (
        EventDetail(cost_micro=400_000, scene="scene_run_finished_1"),
        EventDetail(scene="scene_run_finished_1"),
    )
    home.put(
        Event(
            at=at, name="approved", entity="run", entity_id="run_finished", run_id="run_finished", actor="Bo Example"
        ),
        Event(at=at, name="status", old="submitted", new="running", detail=scene, **about),
        Event(at=at, name="status", old="succeeded", new="fetched", detail=paid, **about),
    )
    page = home.client.get(f"/runs/run_finished?history={view}").text
    told = page[page.index('id="history"') :]
    assert {words for words in seen if words in told} == seen
    assert not {words for words in hidden if words in told}
    assert "+1:08" in told
    live = re.search(r'data-live="([^"]+)"', page)
    assert live
    answer: Any = home.client.get(live[1].replace("&amp;", "&")).json
    assert {words for words in seen if words in answer["parts"]["history"]["html"]} == seen

"""Drafts: bought while a run waits for approval, looked at, and made into the clips then; nothing is paid twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.catalogue import Ability
from pipelines.domain.footage import Preview
from pipelines.domain.lifecycle import GenerationStatus
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.planning.cast import CastMember
from pipelines.domain.planning.price_list import PriceList
from pipelines.domain.records import LotKind, Run
from pipelines.stages.commerce import accounts
from pipelines.stages.decisions import control
from pipelines.stages.orders import accept
from pipelines.stages.spending import credit_book, credit_lots, ledger
from pipelines.testing.provider import Outcome
from pipelines.testing.services import CATALOGUE
from tests.stages.stage_fixtures import StageHarness

DRAFT, CLIP, DAY = 80_000, 2_000_000, 86_400.0
SIZES = {"16:9 480p": "854x480", "16:9 720p": "1280x720", "16:9 1080p": "1920x1080"}
LOOK = "Please look at the drafts"


def built(folder: Path, ability: Ability = Ability.LIST, **overrides: Any) -> StageHarness:
    """A model that makes drafts: 2 cents a second, and clips of 50 cents a second from them."""
    drawn = replace(
        CATALOGUE["acme/film"],
        sizes=SIZES,
        prices={"480p": 20_000, "720p": 100_000, "1080p": 500_000},
        draft_resolution="480p",
        draft_finals=("1080p",),
        draft_kept_s=7 * DAY,
        ability=ability,
        list_grace_s=10.0,
        submit_timeout_s=10.0,
        max_references=3,
    )
    return StageHarness.build(folder, catalogue={**CATALOGUE, drawn.id: drawn}, **overrides)


@pytest.fixture
def house(tmp_path: Path) -> StageHarness:
    return built(tmp_path)


def waiting(house: StageHarness, **fields: Any) -> tuple[str, Run]:
    """A row that asks for drafts, until nothing more happens before somebody decides."""
    given = {"Prompt": "A cat\nA dog", "Preview": "Draft", "Resolution": "1080p", "Clip Seconds": 4, **fields}
    record, run = house.film(**given)
    house.settle(patience_s=3600.0)
    return record, house.run(run.id)


def approved(house: StageHarness, run: Run) -> Run:
    control.approve(house.services, run.id, "test")
    house.until(run.id, "done", "failed", "needs_attention")
    house.settle()
    return house.run(run.id)


def drafts(house: StageHarness) -> Counter[str]:
    return Counter(one.request.prompt for one in house.vendor().bought if one.request.draft)


def finals(house: StageHarness) -> dict[str, str | None]:
    """What was bought besides, and the draft that it was made from."""
    made = [one.request for one in house.vendor().bought if not one.request.draft]
    assert len({one.prompt for one in made}) == len(made)
    return {one.prompt: one.draft_job for one in made}


def spent(house: StageHarness, run: Run) -> int:
    with house.services.store.read() as tx:
        return ledger.of_run(tx, run.id).spent


def settled(house: StageHarness) -> bool:
    """Both books balance, and nothing is set aside or on its way."""
    with house.services.store.read() as tx:
        assert credit_book.audit(tx, everything=True).problems == ()
        assert ledger.of_all(tx, "").exposure == 0
    return house.balanced()


def test_the_drafts_are_bought_seen_and_made_into_the_clips(house: StageHarness) -> None:
    record, run = waiting(house)
    assert (run.status.value, run.approval) == ("needs_approval", "asked")
    assert ("Drafts: 2 clips to look at first", 2 * DRAFT) in run.known_plan.lines
    assert run.quote_micro == 2 * (DRAFT + CLIP)
    assert (drafts(house), finals(house)) == (Counter({"A cat": 1, "A dog": 1}), {})
    asked = house.vendor().bought[0].request
    assert (asked.resolution, asked.width, asked.height) == ("480p", 854, 480)
    assert (spent(house, run), house.held(), house.editor.cards) == (2 * DRAFT, 2 * CLIP, [])
    cells = house.cells(record)
    assert cells["Status"] == "Needs Approval"
    assert cells["Status Detail"].startswith(LOOK)
    assert [file["filename"] for file in cells["Final Video"]] == [f"{record}-r1-16x9-animatic.mp4"]
    assert "for at most $4.00" in cells["Decide"]
    done = approved(house, run)
    assert (done.status.value, done.quote_micro, spent(house, done)) == ("done", run.quote_micro, run.quote_micro)
    jobs = {one.request.prompt: one.job_id for one in house.vendor().bought if one.request.draft}
    assert (drafts(house), finals(house)) == (Counter({"A cat": 1, "A dog": 1}), jobs)
    assert {row["Cost"] for row in house.scene_rows()} == {2.0}
    assert house.cells(record)["Actual Cost"] == 4.16
    assert settled(house)
    again = house.make(record)
    assert (again.number, again.status.value, spent(house, again), len(house.bought)) == (2, "done", 0, 4)
    assert settled(house)


def test_a_scene_that_is_changed_at_approval_is_made_without_its_draft(house: StageHarness) -> None:
    _, run = waiting(house)
    house.airtable.edit("Scenes", house.scene_ids()[0], Prompt="A lion")
    done = approved(house, run)
    assert (done.status.value, spent(house, done)) == ("done", 2 * (DRAFT + CLIP))
    assert {prompt: bool(job) for prompt, job in finals(house).items()} == {"A lion": False, "A dog": True}
    assert sum(drafts(house).values()) == 2
    assert settled(house)


def test_who_approves_at_once_gets_the_clips_without_waiting_for_drafts(house: StageHarness) -> None:
    house.vendor().script("A dog", Outcome.AWAY, Outcome.SUCCEED)
    record = house.row(Prompt="A cat\nA dog", Preview="Draft", Resolution="1080p", **{"Clip Seconds": 4})
    run = house.until(house.trigger(record), "needs_approval")
    while not house.vendor().bought:
        assert house.work()
    done = approved(house, run)
    assert (done.status.value, drafts(house)) == ("done", Counter({"A cat": 1}))
    assert finals(house) == {"A cat": None, "A dog": None}
    assert spent(house, done) == DRAFT + 2 * CLIP
    assert settled(house)


@pytest.mark.parametrize("why", ["a week later", "forgotten"])
def test_a_draft_that_its_provider_keeps_no_longer_costs_no_film(why: str, house: StageHarness) -> None:
    _, run = waiting(house)
    if why == "forgotten":
        house.vendor().forgets_drafts = True
    else:
        house.clock.pass_by(7 * DAY)
    done = approved(house, run)
    assert (done.status.value, finals(house)) == ("done", {"A cat": None, "A dog": None})
    assert (spent(house, done), sum(drafts(house).values())) == (2 * (DRAFT + CLIP), 2)
    assert settled(house)


@pytest.mark.parametrize(
    ("ability", "outcome", "paid", "seen"),
    [
        (Ability.LIST, Outcome.AMBIGUOUS, 2, {"A cat": True, "A dog": True}),
        (Ability.NONE, Outcome.AMBIGUOUS, 2, {"A cat": False, "A dog": True}),
        (Ability.LIST, Outcome.FLAG, 1, {"A cat": False, "A dog": True}),
        (Ability.LIST, Outcome.FAIL, 1, {"A cat": False, "A dog": True}),
    ],
)
def test_a_lost_answer_is_found_again_and_what_does_not_come_is_told(
    ability: Ability, outcome: Outcome, paid: int, seen: dict[str, bool], tmp_path: Path
) -> None:
    house = built(tmp_path, ability)
    house.vendor().script("A cat", outcome, Outcome.SUCCEED)
    record, run = waiting(house)
    assert (run.status.value, spent(house, run), house.held()) == ("needs_approval", paid * DRAFT, 2 * CLIP)
    told = "draft of scene 1" in house.cells(record)["Status Detail"]
    assert (told, len(house.editor.cards)) == (not seen["A cat"], int(not seen["A cat"]))
    done = approved(house, run)
    assert (done.status.value, spent(house, done)) == ("done", paid * DRAFT + 2 * CLIP)
    assert {prompt: bool(job) for prompt, job in finals(house).items()} == seen
    assert sum(drafts(house).values()) == 2
    assert settled(house)


def test_a_cancelled_run_pays_what_is_on_its_way_and_the_next_one_shows_it(house: StageHarness) -> None:
    record = house.row(Prompt="A cat\nA dog", Preview="Draft", Resolution="1080p", **{"Clip Seconds": 4})
    run = house.until(house.trigger(record), "needs_approval")
    while not house.vendor().bought:
        assert house.work()
    control.cancel(house.services, run.id, "test")
    house.settle()
    assert (house.run(run.id).status.value, settled(house)) == ("cancelled", True)
    before = sum(drafts(house).values())
    assert spent(house, run) == before * DRAFT
    house.airtable.edit("Videos", record, Generate=True)
    second = house.make(record)
    house.settle()
    assert (second.number, second.status.value, drafts(house)) == (2, "needs_approval", {"A cat": 1, "A dog": 1})
    assert house.held() == 2 * CLIP
    done = approved(house, second)
    assert spent(house, done) + spent(house, run) == 2 * (DRAFT + CLIP)
    assert all(finals(house).values())
    assert settled(house)


@pytest.mark.slow
def test_an_old_draft_is_made_anew_for_a_new_run(house: StageHarness) -> None:
    record, run = waiting(house)
    control.cancel(house.services, run.id, "test")
    house.clock.pass_by(8 * DAY)
    second = house.make(record)
    house.settle(patience_s=3600.0)
    assert (second.status.value, drafts(house)) == ("needs_approval", {"A cat": 2, "A dog": 2})
    assert approved(house, second).status.value == "done"
    assert all(finals(house).values())
    assert settled(house)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"Model": "other/film", "Resolution": "720p"},
            "Preview Draft was not used, and the free animatic is shown: other/film makes no",
        ),
        ({"Resolution": "720p"}, "acme/film makes clips from drafts in 1080p only. Choose that Resolution"),
    ],
)
def test_where_there_are_no_drafts_the_row_says_why_and_nobody_is_asked(
    fields: dict[str, Any], said: str, house: StageHarness
) -> None:
    record, run = waiting(house, **fields)
    assert (run.status.value, drafts(house)) == ("done", {})
    assert said in house.cells(record)["Status Detail"]
    assert settled(house)


def test_without_money_for_them_nothing_starts_and_the_number_is_named(house: StageHarness) -> None:
    record, run = waiting(house, **{"Max Cost": 4.1})
    assert (run.status.value, house.bought) == ("needs_attention", [])
    assert "$4.16" in house.cells(record)["Error"]
    assert settled(house)


@pytest.mark.slow
def test_spending_that_is_stopped_buys_no_draft_and_approval_goes_on_without(house: StageHarness) -> None:
    control.set_stop(house.services, on=True, reason="test", actor="test")
    record = house.row(Prompt="A cat", Preview="Draft", Resolution="1080p", **{"Clip Seconds": 4})
    control.set_stop(house.services, on=False, reason="test", actor="test")
    run_id = house.trigger(record)
    house.until(run_id, "needs_approval")
    control.set_stop(house.services, on=True, reason="test", actor="test")
    house.settle(patience_s=60.0)
    assert (house.run(run_id).status.value, house.bought) == ("needs_approval", [])
    control.set_stop(house.services, on=False, reason="test", actor="test")
    house.settle(patience_s=3600.0)
    assert drafts(house) == {"A cat": 1}
    assert approved(house, house.run(run_id)).status.value == "done"
    assert settled(house)


def test_a_draft_shows_the_cast_as_its_clip_will(tmp_path: Path) -> None:
    house = built(tmp_path)
    house.writer.cast = (CastMember(token="the keeper", looks="an old man in a yellow coat"),)
    _, run = waiting(house, **{"Master Prompt": "A storm", "Prompt": None, "Scene Count": 2, "Consistency": "Pictures"})
    assert [len(one.request.references) for one in house.vendor().bought] == [1, 1]
    assert approved(house, run).status.value == "done"
    assert (len(finals(house)), all(finals(house).values())) == (2, True)
    assert settled(house)


def test_a_scene_that_goes_on_from_another_has_a_card(house: StageHarness) -> None:
    order = Order(
        scenes=(SceneOrder(prompt="A cat", seconds=4.0), SceneOrder(prompt="A dog", seconds=4.0, continues=True)),
        scene_count=2,
        resolution="1080p",
        preview=Preview.DRAFT,
    )
    run_id = accept.start(house.services, accept.StartRequest(source="rest", order=order)).run_id
    house.until(run_id, "needs_approval")
    house.settle(patience_s=3600.0)
    run = house.run(run_id)
    assert (drafts(house), [card.text for card in house.editor.cards]) == ({"A cat": 1}, ["A dog"])
    assert "No draft is made of scene 2" in " ".join(run.known_plan.warnings)
    assert approved(house, run).status.value == "done"
    assert {prompt: bool(job) for prompt, job in finals(house).items()} == {"A cat": True, "A dog": False}
    assert settled(house)


@pytest.mark.parametrize("ending", ["approved", "cancelled"])
def test_an_account_is_charged_for_the_drafts_that_came_and_both_books_balance(ending: str, tmp_path: Path) -> None:
    house = built(tmp_path, prices=PriceList(published=True, markup=Decimal("0.5")))
    account = accounts.create(house.services, "ada").id
    with house.services.store.write() as tx:
        credit_lots.grant(
            tx, house.clock.now(), account, 10_000_000, kind=LotKind.PAID, source="INV-1", expires_at=None
        )
    scenes = tuple(SceneOrder(prompt=prompt, seconds=4.0) for prompt in ("A cat", "A dog"))
    order = Order(scenes=scenes, scene_count=2, resolution="1080p", preview=Preview.DRAFT)
    mine = replace(house.services, store=house.services.store.of(account))
    house.vendor().script("A dog", Outcome.REFUSE, Outcome.SUCCEED)
    run_id = accept.start(mine, accept.StartRequest(source="rest", order=order)).run_id
    asked = house.until(run_id, "needs_approval")
    assert asked.price_micro == 2 * (CLIP + DRAFT) * 3 // 2
    if ending == "cancelled":
        while not house.vendor().bought:
            assert house.work()
        control.cancel(house.services, run_id, "test")
        house.settle()
        price = DRAFT * 3 // 2
    else:
        house.settle(patience_s=3600.0)
        price = (2 * CLIP + DRAFT) * 3 // 2
        assert house.run(run_id).price_micro == price
        assert approved(house, house.run(run_id)).status.value == "done"
    with house.services.store.read() as tx:
        assert credit_lots.funds(tx, account, house.clock.now()).reserved_micro == 0
        assert sum(credit_book.charged(tx, run_id).values()) == price
    assert settled(house)


def test_a_draft_whose_buyer_died_before_it_was_told_is_not_bought_again(tmp_path: Path) -> None:
    house = built(tmp_path, forgiving=True)

    def die() -> None:
        raise RuntimeError("the power is gone")

    for point in ("submit.answered", "fetch.stored"):
        house.points.at(point, die)
    _, run = waiting(house)
    assert (run.status.value, drafts(house)) == ("needs_approval", {"A cat": 1, "A dog": 1})
    done = approved(house, run)
    assert (done.status.value, spent(house, done)) == ("done", 2 * (DRAFT + CLIP))
    assert all(finals(house).values())
    assert {gen.status for gen in house.generations(run)} == {GenerationStatus.FETCHED}
    assert settled(house)


def test_a_run_without_drafts_is_stored_and_found_as_before(house: StageHarness) -> None:
    _, run = waiting(house, Preview=None)
    assert run.status.value == "done"
    assert all("draft" not in one.request.prompt and not one.request.draft for one in house.vendor().bought)
    assert [name for name, _ in run.known_plan.lines] == ["2 × 4 s of acme/film at 1080p"]

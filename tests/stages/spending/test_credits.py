"""What a customer paid: set aside with the order, used per delivered clip, and the rest given back."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest

from pipelines.domain.customers.notices import USUAL, Endpoint
from pipelines.domain.errors import InsufficientCredits, NotAllowed, OverBudget, Refused
from pipelines.domain.footage import Consistency, PosterStyle
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.order import Order, SceneChanges, SceneOrder
from pipelines.domain.planning.cast import CastMember
from pipelines.domain.planning.price_list import PriceList, PriceRule, Purchase, Start
from pipelines.domain.records import Base, Lot, LotKind, Run
from pipelines.domain.state.sealed_address import SealedAddress
from pipelines.stages.commerce import accounts
from pipelines.stages.decisions import control, dry_run, regenerate
from pipelines.stages.kernel.services import Services
from pipelines.stages.notices import messages
from pipelines.stages.orders import accept
from pipelines.stages.orders.accept import StartRequest
from pipelines.stages.scheduler import maintenance
from pipelines.stages.spending import credit_book, credit_lots, ledger
from pipelines.testing import ScriptedWriter
from pipelines.testing.airtable import BASE
from pipelines.testing.fakes import ScriptedSpeech
from pipelines.testing.provider import Outcome
from pipelines.testing.services import CATALOGUE
from tests.stages.stage_fixtures import STOPPED, StageHarness

CREDIT, DAY = 10_000, 86_400.0
LIST = PriceList(
    published=True,
    markup=Decimal("0.5"),
    rules=(
        PriceRule(model="acme/*", starts_from=Start.TEXT, per_clip_micro=100_000, per_second_micro=12_300),
        PriceRule(sells=Purchase.WRITING, per_text_micro=25_000),
    ),
)
"""A clip of 4 s made from text is $0.1492, which costs $0.40: Price and Cost have nothing to do with each other."""
CLIP = 149_200


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path, prices=LIST)


def customer(harness: StageHarness, credits: int = 0, *, days: float | None = None) -> str:
    account = accounts.create(harness.services, "ada").id
    if credits:
        give(harness, account, credits, days=days)
    return account


def give(harness: StageHarness, account: str, credits: int, *, days: float | None = None, source: str = "INV-1") -> Lot:
    now = harness.clock.now()
    until = None if days is None else now + days * DAY
    with harness.services.store.write() as tx:
        return credit_lots.grant(tx, now, account, credits * CREDIT, kind=LotKind.PAID, source=source, expires_at=until)


def view(harness: StageHarness, account: str) -> Services:
    return dataclasses.replace(harness.services, store=harness.services.store.of(account))


def order(harness: StageHarness, account: str, *prompts: str) -> str:
    scenes = tuple(SceneOrder(prompt=prompt, seconds=4.0) for prompt in prompts)
    wanted = Order(scenes=scenes, scene_count=len(scenes))
    return accept.start(view(harness, account), StartRequest(source="rest", order=wanted)).run_id


def has(harness: StageHarness, account: str) -> tuple[int, int]:
    """What is available and what is set aside, in micro-dollars."""
    with harness.services.store.read() as tx:
        found = credit_lots.funds(tx, account, harness.clock.now())
    return found.available_micro, found.reserved_micro


def used(harness: StageHarness, run: Run) -> int:
    with harness.services.store.read() as tx:
        return sum(part.used_micro for part in tx.reservations.find(run_id=run.id))


def balanced(harness: StageHarness) -> bool:
    with harness.services.store.read() as tx:
        assert credit_book.audit(tx, everything=True).problems == ()
    return harness.balanced()


def test_an_order_sets_its_price_aside_and_uses_it_when_the_clips_are_there(harness: StageHarness) -> None:
    account = customer(harness, 100)
    run_id = order(harness, account, "a fox", "a hare")
    assert has(harness, account) == (700_000, 300_000)
    run = harness.until(run_id, *STOPPED)
    assert (run.status, run.price_micro, run.quote_micro) == (RunStatus.DONE, 300_000, 800_000)
    assert (has(harness, account), used(harness, run)) == ((700_000, 0), 300_000)
    again = harness.until(order(harness, account, "a fox", "a hare"), *STOPPED)
    assert (again.status, used(harness, again), has(harness, account)) == (RunStatus.DONE, 0, (700_000, 0))
    assert balanced(harness)


def test_with_one_credit_too_little_nothing_is_started(harness: StageHarness) -> None:
    account = customer(harness, 29)
    with pytest.raises(InsufficientCredits) as refused:
        order(harness, account, "a fox", "a hare")
    told = refused.value
    assert (told.required, told.available, told.missing, told.price_micro) == (30, 29, 1, 300_000)
    assert told.marketer.startswith("This needs 30 credits; 29 are available. Nothing was bought.")
    with harness.services.store.read() as tx:
        assert tx.runs.count() == 0
    assert has(harness, account) == (290_000, 0)
    give(harness, account, 1, source="INV-2")
    assert harness.until(order(harness, account, "a fox", "a hare"), *STOPPED).status is RunStatus.DONE
    assert has(harness, account) == (0, 0)


def test_a_row_without_enough_says_so_and_goes_on_after_a_top_up(harness: StageHarness) -> None:
    account = customer(harness, 10)
    with harness.services.store.write() as tx:
        tx.bases.add(Base(id=BASE, account_id=account))
    record, run = harness.film(Prompt="a fox\na hare")
    assert run.status is RunStatus.NEEDS_ATTENTION
    assert (run.error or "").startswith("This needs 30 credits; 10 are available. Nothing was bought.")
    assert harness.cells(record)["Error"] == run.error
    assert harness.bought == []
    control.retry(harness.services, run.id, "ada")
    assert harness.until(run.id, *STOPPED).error == run.error
    give(harness, account, 20, source="INV-2")
    control.retry(harness.services, run.id, "ada")
    assert harness.until(run.id, *STOPPED).status is RunStatus.DONE
    harness.settle()
    cells = harness.cells(record)
    assert (cells["Estimated Cost"], cells["Actual Cost"]) == (0.3, 0.3)
    assert balanced(harness)


def test_a_row_above_a_limit_tells_no_cost_also_before_the_first_top_up(tmp_path: Path) -> None:
    """A clip costs $0.40; a published list is enough to be sold to."""
    harness = StageHarness.build(tmp_path, prices=LIST, run_cap_micro=300_000)
    account = customer(harness)
    with harness.services.store.write() as tx:
        tx.bases.add(Base(id=BASE, account_id=account))
    record, run = harness.film(Prompt="a fox", **{"Max Cost": 0.2})
    assert (run.error or "").startswith("This needs 15 credits; 0 are available.")
    give(harness, account, 15)
    control.retry(harness.services, run.id, "ada")
    run = harness.until(run.id, *STOPPED)
    assert (run.status, harness.cells(record)["Error"]) == (RunStatus.NEEDS_ATTENTION, run.error)
    assert "more than the limit for one run leaves room for" in (run.error or "")
    assert "$" not in (run.error or "")
    assert balanced(harness)


def test_writing_is_sold_as_well_and_the_order_is_rounded_once(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path, prices=LIST, writer=ScriptedWriter(cost_micro=500))
    account = customer(harness, 100)
    wanted = Order(master_prompt="A fox and a hare.", scene_count=2, clip_seconds=4.0)
    run_id = accept.start(view(harness, account), StartRequest(source="rest", order=wanted)).run_id
    assert has(harness, account) == (670_000, 330_000)
    run = harness.until(run_id, *STOPPED)
    assert (run.status, used(harness, run), run.price_micro) == (RunStatus.DONE, 330_000, 330_000)
    assert balanced(harness)


def test_finding_a_cast_is_sold_as_writing_is(tmp_path: Path) -> None:
    cards = {name: dataclasses.replace(card, max_references=3) for name, card in CATALOGUE.items()}
    writer = ScriptedWriter(cost_micro=500)
    writer.finds_cast, writer.cast = True, (CastMember(token="the fox", looks="red"),)
    harness = StageHarness.build(tmp_path, prices=LIST, writer=writer, catalogue=cards)
    account = customer(harness, 100)
    scenes = tuple(SceneOrder(prompt=f"the fox {does}", seconds=4.0) for does in ("runs", "sleeps"))
    wanted = Order(scenes=scenes, scene_count=2, consistency=Consistency.PICTURES)
    run_id = accept.start(view(harness, account), StartRequest(source="rest", order=wanted)).run_id
    run = harness.until(run_id, *STOPPED)
    pictures = harness.services.prices.pictures(run.known_plan.picture_micro // 2)
    assert (run.status, len(run.known_plan.cast)) == (RunStatus.DONE, 1)
    assert used(harness, run) == harness.services.prices.whole(2 * CLIP + 25_000 + pictures)
    assert (has(harness, account)[1], balanced(harness)) == (0, True)


def test_what_expires_first_is_spent_first_over_several_lots(harness: StageHarness) -> None:
    account = customer(harness)
    forever = give(harness, account, 50, source="a")
    late, soon = (give(harness, account, 20, days=days, source=str(days)) for days in (30, 5))
    harness.until(order(harness, account, "a fox", "a hare"), *STOPPED)
    with harness.services.store.read() as tx:
        left = [tx.lots.get(lot.id) for lot in (soon, late, forever)]
    assert [lot and lot.available_micro for lot in left] == [0, 100_000, 500_000]
    assert balanced(harness)


def test_a_lot_that_expires_while_it_is_set_aside_comes_back_for_a_week(harness: StageHarness) -> None:
    account = customer(harness, 30, days=1)
    run_id = order(harness, account, "a fox", "a hare")
    harness.clock.pass_by(2 * DAY)
    with harness.services.store.write() as tx:
        for lot in credit_lots.due_to_expire(tx, harness.clock.now()):
            credit_lots.expire(tx, harness.clock.now(), lot)
    assert has(harness, account) == (0, 300_000)
    control.cancel(harness.services, run_id, "ada")
    with harness.services.store.read() as tx:
        (back,) = credit_lots.funds(tx, account, harness.clock.now()).lots
    assert (back.kind, back.available_micro) == (LotKind.RETURNED, 300_000)
    assert back.expires_at == harness.clock.now() + credit_lots.RETURNED_S
    assert balanced(harness)


def test_of_a_film_that_misses_a_clip_the_rest_stays_until_a_person_decides(harness: StageHarness) -> None:
    account = customer(harness, 30)
    harness.vendor().script("a hare", *[Outcome.FAIL] * 3, Outcome.SUCCEED)
    run = harness.until(order(harness, account, "a fox", "a hare"), *STOPPED)
    assert (run.status, used(harness, run)) == (RunStatus.NEEDS_ATTENTION, CLIP)
    assert has(harness, account) == (0, 300_000 - CLIP)
    control.cancel(harness.services, run.id, "ada")
    # What was used is rounded up to a whole credit now.
    assert (used(harness, run), has(harness, account)) == (150_000, (150_000, 0))
    control.retry(harness.services, run.id, "ada")
    assert has(harness, account) == (0, 150_000)
    run = harness.until(run.id, *STOPPED)
    assert (run.status, used(harness, run), has(harness, account)) == (RunStatus.DONE, 300_000, (0, 0))
    assert balanced(harness)


def test_a_clip_on_its_way_when_its_run_is_cancelled_is_charged_when_it_arrives(harness: StageHarness) -> None:
    account = customer(harness, 30)
    run_id = order(harness, account, "a fox", "a hare")
    while len(harness.bought) < 2:
        harness.work()
    control.cancel(harness.services, run_id, "ada")
    assert has(harness, account) == (0, 300_000)
    harness.settle()
    assert has(harness, account) == (0, 0)
    give(harness, account, 30, source="INV-2")
    again = harness.until(order(harness, account, "a fox", "a hare"), *STOPPED)
    assert (again.status, used(harness, again)) == (RunStatus.DONE, 0)
    assert balanced(harness)


def test_a_new_clip_is_a_new_order_and_one_that_was_no_use_is_given_back_once(harness: StageHarness) -> None:
    account = customer(harness, 30, days=1)
    run = harness.until(order(harness, account, "a fox"), *STOPPED)
    (bad,) = harness.clips(run)
    regenerate.regenerate(harness.services, run.id, 1, {"prompt": "a red fox"}, "ada")
    assert has(harness, account) == (0, 150_000)
    run = harness.until(run.id, *STOPPED)
    assert used(harness, run) == 300_000
    with pytest.raises(InsufficientCredits):
        regenerate.regenerate(harness.services, run.id, 1, {"prompt": "a grey fox"}, "ada")
    for _ in range(2):
        with harness.services.store.write() as tx:
            (lot,) = credit_lots.refund(tx, harness.clock.now(), bad)
    assert (lot.kind, lot.granted_micro, has(harness, account)[0]) == (LotKind.RETURNED, CLIP, CLIP)
    assert (lot.expires_at or 0.0) >= harness.clock.now() + credit_lots.RETURNED_S - 1.0
    with harness.services.store.write() as tx, pytest.raises(NotAllowed):
        credit_lots.refund(tx, 0.0, dataclasses.replace(bad, generation_id="gen_other"))
    assert balanced(harness)


def test_an_order_is_rounded_up_once_however_often_its_scenes_are_made_anew(tmp_path: Path) -> None:
    """What it was rounded up by pays for the next clip, which counts whole all the same."""
    tiny = PriceList(published=True, rules=(PriceRule(model="acme/*", per_clip_micro=4_000),))
    harness = StageHarness.build(tmp_path, prices=tiny)
    account = customer(harness, 2)
    run = harness.until(order(harness, account, "a fox"), *STOPPED)
    charged = [used(harness, run)]
    for colour in ("red", "grey", "white", "black"):
        regenerate.regenerate(harness.services, run.id, 1, {"prompt": f"a {colour} fox"}, "ada")
        run = harness.until(run.id, *STOPPED)
        charged.append(used(harness, run))
    assert charged == [1 * CREDIT, 1 * CREDIT, 2 * CREDIT, 2 * CREDIT, 2 * CREDIT]
    with pytest.raises(InsufficientCredits):
        regenerate.regenerate(harness.services, run.id, 1, {"prompt": "a blue fox"}, "ada")
    assert (has(harness, account), balanced(harness)) == ((0, 0), True)


def test_whatever_it_comes_to_cost_what_was_agreed_is_charged(tmp_path: Path) -> None:
    """Another vendor makes the clip, at another price, and the list is another one by then."""
    harness = StageHarness.build(tmp_path, prices=LIST, fallback_models=("other/film",))
    account = customer(harness, 30)
    harness.vendor().script("a fox", *[Outcome.FAIL] * 5)
    run_id = order(harness, account, "a fox")
    dearer = dataclasses.replace(harness.services, prices=PriceList(published=True, markup=Decimal(9)))
    run = StageHarness(dearer).until(run_id, *STOPPED)
    assert (run.status, [clip.model for clip in harness.clips(run)]) == (RunStatus.DONE, ["other/film"])
    assert (used(harness, run), has(harness, account)) == (150_000, (150_000, 0))
    with harness.services.store.read() as tx:
        assert ledger.of_run(tx, run.id).spent == 400_000
    assert balanced(harness)


def test_a_spoken_line_is_charged_as_it_was_agreed(tmp_path: Path) -> None:
    """The list is another one by the time that it is said."""
    harness = StageHarness.build(tmp_path, prices=LIST)
    account = customer(harness, 100)
    scene = SceneOrder(prompt="a fox", seconds=4.0, narration="A fox wakes up.")
    wanted = Order(scenes=(scene,), scene_count=1, voiceover=True, voice="acme/anna")
    run_id = accept.start(view(harness, account), StartRequest(source="rest", order=wanted)).run_id
    agreed = has(harness, account)[1]
    dearer = dataclasses.replace(harness.services, prices=PriceList(published=True, markup=Decimal(9)))
    run = StageHarness(dearer).until(run_id, *STOPPED)
    assert (run.status, run.price_micro) == (RunStatus.DONE, agreed)
    assert CLIP < used(harness, run) <= agreed
    assert has(harness, account)[1] == 0
    assert balanced(harness)


def test_a_new_clip_of_a_scene_without_its_line_is_shown_at_what_is_set_aside_for_it(tmp_path: Path) -> None:
    """The line was refused, so it is still missing: it is bought with the new clip, and counts once."""
    harness = StageHarness.build(tmp_path, prices=LIST)
    account = customer(harness, 18)
    cast("ScriptedSpeech", harness.services.speech).fail = {"fox": Refused("no", marketer="It declined.")}
    scene = SceneOrder(prompt="a fox", seconds=4.0, narration="A fox wakes up.")
    wanted = Order(scenes=(scene,), scene_count=1, voiceover=True, voice="acme/anna")
    run_id = accept.start(view(harness, account), StartRequest(source="rest", order=wanted)).run_id
    harness.until(run_id, *STOPPED)
    assert has(harness, account) == (3 * CREDIT, 0)
    give(harness, account, 14, source="INV-2")
    preview = dry_run.regeneration(harness.services, run_id, 1, {})
    assert [problem.field for problem in preview.problems] == ["credits"]
    with pytest.raises(InsufficientCredits):
        regenerate.regenerate(harness.services, run_id, 1, {}, "me")
    give(harness, account, 1, source="INV-3")
    assert dry_run.regeneration(harness.services, run_id, 1, {}).problems == ()
    regenerate.regenerate(harness.services, run_id, 1, {}, "me")
    assert has(harness, account) == (0, 18 * CREDIT)
    assert balanced(harness)


def test_a_poster_and_that_of_a_new_clip_are_charged_as_they_were_agreed(harness: StageHarness) -> None:
    account, picture = customer(harness, 100), 45_000
    wanted = Order(
        title="Fox",
        scenes=(SceneOrder(prompt="a fox", seconds=4.0),),
        scene_count=1,
        poster_style=PosterStyle.DESIGNED,
    )
    run_id = accept.start(view(harness, account), StartRequest(source="rest", order=wanted)).run_id
    assert has(harness, account)[1] == 24 * CREDIT, "two tries at the picture are set aside"
    run = harness.until(run_id, *STOPPED)
    assert (run.status, used(harness, run)) == (RunStatus.DONE, 20 * CREDIT)
    assert CLIP + picture <= 20 * CREDIT
    regenerate.regenerate(harness.services, run_id, 1, {}, "me")
    assert has(harness, account)[1] == 24 * CREDIT
    run = harness.until(run_id, *STOPPED)
    assert run.status is RunStatus.DONE
    assert 2 * (CLIP + picture) <= used(harness, run) == 39 * CREDIT
    assert has(harness, account)[1] == 0
    assert balanced(harness)


def test_scenes_changed_at_approval_are_shown_with_all_that_is_charged_for_their_film(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path, prices=LIST, approval_above_micro=0)
    account = customer(harness, 100)
    edits: dict[int, SceneChanges] = {1: {"prompt": "a vixen"}}
    scenes = (SceneOrder(prompt="a fox", seconds=4.0),)
    wanted = Order(title="Fox", scenes=scenes, scene_count=1, poster_style=PosterStyle.DESIGNED)
    run_id = accept.start(view(harness, account), StartRequest(source="rest", order=wanted)).run_id
    harness.until(run_id, "needs_approval")
    assert dry_run.going_on(harness.services, run_id).shown_micro == 24 * CREDIT
    preview = dry_run.approving(harness.services, run_id, edits)
    assert (preview.shown_micro, preview.terms and preview.terms.price_micro) == (24 * CREDIT, 24 * CREDIT)
    with pytest.raises(OverBudget):
        control.approve(harness.services, run_id, "me", edits=edits, at_most_micro=24 * CREDIT - 1)
    control.approve(harness.services, run_id, "me", edits=edits, at_most_micro=24 * CREDIT)
    assert (has(harness, account)[1], harness.run(run_id).price_micro) == (24 * CREDIT, 24 * CREDIT)
    assert used(harness, harness.until(run_id, "done")) == 20 * CREDIT
    assert balanced(harness)


def test_without_a_list_an_account_pays_in_credits_from_its_first_lot_on(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    account = customer(harness)
    run = harness.until(order(harness, account, "a fox"), *STOPPED)
    assert (run.status, run.price_micro) == (RunStatus.DONE, None)
    give(harness, account, 39)
    with pytest.raises(InsufficientCredits):
        order(harness, account, "a hare")
    give(harness, account, 1, source="INV-2")
    run = harness.until(order(harness, account, "a hare"), *STOPPED)
    assert (run.status, run.price_micro, used(harness, run)) == (RunStatus.DONE, 400_000, 400_000)
    assert harness.until(harness.trigger(harness.row(Prompt="ours")), *STOPPED).status is RunStatus.DONE
    assert balanced(harness)


def heard(harness: StageHarness, account: str) -> list[tuple[str, dict[str, object]]]:
    """What the account's endpoint is told of its credits, as it is sent."""
    with harness.services.store.read() as tx:
        notices = tx.notices.find(account_id=account, order="created_at")
    return [
        (one.type, json.loads(messages.body_of(harness.services, one, "standard"))["data"])
        for one in notices
        if one.type.startswith("credits.")
    ]


def test_a_customer_is_told_of_credits_that_come_run_low_and_expire(harness: StageHarness) -> None:
    """Each once, whoever looks how often; and nobody else is."""
    account, other = customer(harness), customer(harness)
    for number, who in enumerate((account, other)):
        address = SealedAddress(sealed="", origin="https://shop.example")
        endpoint = Endpoint(id=f"ep_{number}", account_id=who, address=address, events=USUAL, sealed_secret="")
        with harness.services.store.write() as tx:
            tx.endpoints.add(endpoint)
    give(harness, account, 50, days=30)
    give(harness, account, 50, days=30)
    order(harness, account, "a fox")
    order(harness, account, "an owl")
    order(harness, account, "a dog")
    told = [(kind, data["credits"], data["available_credits"]) for kind, data in heard(harness, account)]
    # At one moment of the test's clock: neither is before the other.
    assert sorted(told) == [("credits.granted", 50, 50), ("credits.low", 15, 5)]
    for days in (22.0, 2.0, 1.0):
        harness.clock.pass_by(days * DAY)
        maintenance.expire_credits(harness.services)
        maintenance.expire_credits(harness.services)
    (kind, data) = heard(harness, account)[-1]
    assert (kind, data["credits"], data["expires_at"]) == ("credits.expiring", 5, "2026-12-24T12:00:00.000Z")
    assert len(heard(harness, account)) == 3
    assert heard(harness, other) == []

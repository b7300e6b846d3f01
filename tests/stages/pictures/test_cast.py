"""The cast of a film: pictures of who comes back, bought before the first clip, shown, and given to every clip."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from pipelines.domain.errors import Ambiguous, ReelgridError, Refused
from pipelines.domain.planning.cast import CastMember, seen_in, tidied
from pipelines.domain.records import Run
from pipelines.stages.decisions import control
from pipelines.stages.spending import ledger
from pipelines.stages.views import run_view
from pipelines.testing.fakes import ScriptedPictures
from pipelines.testing.services import CATALOGUE
from tests.stages.stage_fixtures import StageHarness

CLIP, PICTURE = 400_000, 30_000
KEEPER = CastMember(token="the keeper", looks="an old man in a yellow coat")
LIGHTHOUSE = CastMember(token="the lighthouse", looks="white, with a red band", place=True)


def built(folder: Path, *, most: int = 3, **overrides: Any) -> StageHarness:
    cards = {name: replace(card, max_references=0 if card.free else most) for name, card in CATALOGUE.items()}
    house = StageHarness.build(folder, catalogue=cards, forgiving=True, **overrides)
    house.writer.cast = (KEEPER, LIGHTHOUSE)
    return house


@pytest.fixture
def house(tmp_path: Path) -> StageHarness:
    return built(tmp_path)


def brush(house: StageHarness) -> ScriptedPictures:
    return cast("ScriptedPictures", house.services.pictures)


def film(house: StageHarness, **fields: Any) -> tuple[str, Run]:
    given = {"Master Prompt": "A storm", "Scene Count": 2, "Consistency": "Pictures", **fields}
    return house.film(**given)


def spent(house: StageHarness, run: Run) -> int:
    with house.services.store.read() as tx:
        return ledger.of_run(tx, run.id).spent


def test_each_member_is_bought_once_for_the_record_and_seen_by_every_clip(house: StageHarness) -> None:
    record, run = film(house)
    assert run.status.value == "done"
    assert ("Cast: 2 × acme/brush", 4 * PICTURE) in run.known_plan.lines
    assert run.quote_micro == 2 * CLIP + 4 * PICTURE
    assert spent(house, run) == 2 * CLIP + 2 * PICTURE
    assert [asked.sources for asked in brush(house).made] == [(), ()]
    assert all(who.looks in asked.prompt for who, asked in zip((KEEPER, LIGHTHOUSE), brush(house).made, strict=True))
    with house.services.store.read() as tx:
        sheets = {one.file for one in tx.purchases.find(kind="picture")}
    for bought in house.vendor().bought:
        assert set(bought.request.references) == sheets
        assert "Reference picture 1 shows the keeper" in bought.request.prompt
        assert "Reference picture 2 shows the lighthouse" in bought.request.prompt
    shown = run_view.run_view(house.services, run.id)["cast"]
    assert [(one["token"], bool(one["picture_url"])) for one in shown] == [
        ("the keeper", True),
        ("the lighthouse", True),
    ]
    again = house.make(record)
    assert (again.number, len(brush(house).made), len(house.vendor().bought), spent(house, again)) == (2, 2, 2, 0)
    assert (house.held(), house.balanced()) == (0, True)


def test_it_is_bought_and_shown_while_the_run_waits_for_approval(tmp_path: Path) -> None:
    house = built(tmp_path, approval_above_micro=0)
    _, run = film(house)
    house.settle()
    assert (run.status.value, len(brush(house).made), house.vendor().bought) == ("needs_approval", 2, [])
    assert spent(house, run) == 2 * PICTURE
    assert all(one["picture_url"] for one in run_view.run_view(house.services, run.id)["cast"])
    control.approve(house.services, run.id, "test")
    done = house.until(run.id, "done")
    assert (len(brush(house).made), spent(house, done)) == (2, 2 * CLIP + 2 * PICTURE)
    assert (house.held(), house.balanced()) == (0, True)


def test_scenes_that_are_changed_at_approval_keep_their_cast(tmp_path: Path) -> None:
    house = built(tmp_path, approval_above_micro=0)
    _, run = film(house)
    house.settle()
    with house.services.store.read() as tx:
        first, _ = tx.scenes.find(run_id=run.id, order="number")
    control.approve(house.services, run.id, "test", edits={1: {"prompt": f"{first.prompt} At dusk."}})
    done = house.until(run.id, "done")
    assert [len(bought.request.references) for bought in house.vendor().bought] == [2, 2]
    assert done.known_plan.cast == (KEEPER, LIGHTHOUSE)
    assert "was not used" not in " ".join(done.known_plan.warnings)
    assert (len(brush(house).made), spent(house, done)) == (2, 2 * CLIP + 2 * PICTURE)
    assert (house.held(), house.balanced()) == (0, True)


@pytest.mark.parametrize(
    ("errors", "paid", "seen"),
    [
        ([Refused("no", marketer="It declined.")], 1, ["the lighthouse"]),
        ([Ambiguous("lost"), Ambiguous("lost again")], 3, ["the lighthouse"]),
    ],
)
def test_a_member_that_does_not_come_is_told_in_words(
    errors: list[ReelgridError], paid: int, seen: list[str], house: StageHarness
) -> None:
    brush(house).fail = dict(zip(("keeper", "the keeper"), errors, strict=False))
    record, run = film(house)
    assert (run.status.value, spent(house, run)) == ("done", 2 * CLIP + paid * PICTURE)
    assert all(len(bought.request.references) == len(seen) for bought in house.vendor().bought)
    assert "A picture was not made." in house.cells(record)["Status Detail"]
    assert (house.held(), house.balanced()) == (0, True)


@pytest.mark.parametrize(
    ("most", "fields", "said"),
    [
        (0, {}, "no model of this video takes reference pictures"),
        (3, {"Master Prompt": None, "Prompt": "A storm"}, "not written from Master Prompt"),
    ],
)
def test_where_there_is_none_the_row_says_why_and_nothing_is_quoted(
    most: int, fields: dict[str, Any], said: str, tmp_path: Path
) -> None:
    house = built(tmp_path, most=most)
    record, run = film(house, **fields)
    assert (run.status.value, run.known_plan.picture_micro, brush(house).made) == ("done", 0, [])
    assert said in house.cells(record)["Status Detail"]


OWN = {
    "Master Prompt": None,
    "Prompt": "The keeper climbs the stairs of the lighthouse.\nRain hits the lighthouse while the keeper waits.\n"
    "A gull lands.",
}
FOUND = 5_000


def test_the_cast_of_scenes_that_people_wrote_is_found_once_and_their_words_stay(house: StageHarness) -> None:
    """Only who is named by several of them, in their words; an edited scene changes nobody's looks."""
    gull = CastMember(token="A gull", looks="white, with a yellow beak")
    house.writer.finds_cast, house.writer.cost_micro, house.writer.cast = True, FOUND, (gull, KEEPER, LIGHTHOUSE)
    record, run = film(house, **OWN)
    prompts = OWN["Prompt"].splitlines() if OWN["Prompt"] else []
    assert (run.status.value, [list(one) for one in house.writer.read]) == ("done", [prompts])
    assert [scene.prompt for scene in house.scenes(run)] == prompts
    assert run.known_plan.cast == (KEEPER, LIGHTHOUSE)
    assert {("Finding the cast", FOUND), ("Cast: 2 × acme/brush", 4 * PICTURE)} <= set(run.known_plan.lines)
    assert [len(bought.request.references) for bought in house.vendor().bought] == [2, 2, 0]
    assert (run.quote_micro, spent(house, run)) == (3 * CLIP + 4 * PICTURE + FOUND, 3 * CLIP + 2 * PICTURE + FOUND)
    again = house.make(record)
    assert (len(house.writer.read), len(brush(house).made), spent(house, again)) == (1, 2, 0)
    house.airtable.edit("Videos", record, Prompt=f"{OWN['Prompt']} The keeper laughs.")
    edited = house.make(record)
    assert (len(house.writer.read), edited.known_plan.cast) == (1, (KEEPER, LIGHTHOUSE))
    assert (len(brush(house).made), spent(house, edited)) == (2, CLIP)
    assert (house.held(), house.balanced()) == (0, True)


def test_a_cast_that_was_found_before_a_death_is_not_paid_again(house: StageHarness) -> None:
    house.writer.finds_cast, house.writer.cost_micro = True, FOUND

    def die() -> None:
        house.services.store.release_owner("test")
        raise KeyboardInterrupt

    house.points.at("script.written", die)
    record = house.row(**{"Consistency": "Pictures", **OWN})
    run_id = house.trigger(record)
    with pytest.raises(KeyboardInterrupt):
        house.until(run_id, "done")
    run = house.until(run_id, "done")
    assert (len(house.writer.read), run.known_plan.cast) == (1, (KEEPER, LIGHTHOUSE))
    assert (spent(house, run), house.balanced()) == (3 * CLIP + 2 * PICTURE + FOUND, True)


@pytest.mark.parametrize("declines", [True, False])
def test_a_film_whose_cast_is_not_found_is_made_in_words(house: StageHarness, declines: bool) -> None:
    house.writer.finds_cast, house.writer.cost_micro = True, FOUND
    if declines:
        house.writer.fail = Refused("no", marketer="The language model declined.")
    else:
        house.writer.cast = (CastMember(token="the captain", looks="tall"),)
    record, run = film(house, **OWN)
    paid = 0 if declines else FOUND
    assert (run.status.value, spent(house, run), brush(house).made) == ("done", 3 * CLIP + paid, [])
    assert "nobody was found who comes back" in house.cells(record)["Status Detail"]
    assert ("The language model declined." in house.cells(record)["Status Detail"]) is declines
    assert (house.held(), house.balanced()) == (0, True)


def test_where_nobody_comes_back_nothing_is_set_aside_and_the_row_says_so(house: StageHarness) -> None:
    house.writer.cast = ()
    record, run = film(house)
    assert (run.quote_micro, run.known_plan.picture_micro) == (2 * CLIP, 0)
    assert "nobody was found who comes back" in house.cells(record)["Status Detail"]


def test_after_three_scenes_that_continue_the_next_begins_from_the_cast_again(tmp_path: Path) -> None:
    house = built(tmp_path, approval_above_micro=0)
    record, run = film(house, **{"Scene Count": 6})
    for number, scene in enumerate(house.scene_ids(), start=1):
        if number > 1:
            house.airtable.edit("Scenes", scene, Continue=True)
    control.approve(house.services, run.id, "test")
    done = house.until(run.id, "done")
    asked = {bought.request.card.number: bought.request for bought in house.vendor().bought}
    pictures = {number: len(request.references) for number, request in asked.items()}
    assert pictures == {1: 2, 2: 0, 3: 0, 4: 0, 5: 2, 6: 0}
    assert [number for number, request in sorted(asked.items()) if request.first_frame] == [2, 3, 4, 6]
    house.settle()
    assert "Scene 5 begins from the pictures of the cast again" in house.cells(record)["Status Detail"]
    assert spent(house, done) == 6 * CLIP + 2 * PICTURE


def test_a_film_in_words_is_written_anew_when_its_row_asks_for_pictures(house: StageHarness) -> None:
    record, _ = film(house, Consistency="Words")
    house.airtable.edit("Videos", record, Consistency="Pictures")
    run = house.make(record)
    assert (run.status.value, [one.token for one in run.known_plan.cast]) == ("done", [KEEPER.token, LIGHTHOUSE.token])
    assert [len(bought.request.references) for bought in house.vendor().bought] == [0, 0, 2, 2]


def test_a_run_that_is_cancelled_at_approval_buys_no_more_of_its_cast(tmp_path: Path) -> None:
    house = built(tmp_path, approval_above_micro=0)

    def cancel() -> None:
        with house.services.store.read() as tx:
            (run,) = tx.runs.find()
        control.cancel(house.services, run.id, "test")

    house.points.at("picture.committed", cancel)
    _, run = film(house)
    house.settle()
    run = house.run(run.id)
    assert (run.status.value, len(brush(house).made), spent(house, run)) == ("cancelled", 1, PICTURE)
    with house.services.store.read() as tx:
        assert sorted(one.status.value for one in tx.purchases.find(run_id=run.id)) == ["cancelled", "fetched"]
    assert (house.held(), house.balanced()) == (0, True)


def test_without_it_nothing_is_asked_of_the_writer_and_nothing_bought(house: StageHarness) -> None:
    _, run = film(house, Consistency="Words")
    assert (house.writer.briefs[0].cast, run.known_plan.cast, brush(house).made) == (False, (), [])


def test_members_are_named_by_whole_words_two_of_a_kind_and_one_place() -> None:
    assert seen_in("The Keeper climbs.", [KEEPER, LIGHTHOUSE]) == [KEEPER]
    assert seen_in("the keepers climb", [KEEPER]) == []
    many = [CastMember(token=f"figure {n}", looks="tall") for n in range(4)]
    places = [LIGHTHOUSE, CastMember(token="the harbour", looks="grey", place=True)]
    kept = tidied([*many, *places, CastMember(token=" ", looks="x"), CastMember(token="nobody")])
    assert [one.token for one in kept] == ["figure 0", "figure 1", "the lighthouse"]

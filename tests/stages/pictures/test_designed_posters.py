"""A poster that an image model makes: quoted, bought once, and never in the way of a film."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from pipelines.domain.errors import Ambiguous, ReelgridError, Refused, Unavailable
from pipelines.domain.records import Run
from pipelines.stages.decisions import regenerate
from pipelines.stages.spending import ledger, stop_switch
from pipelines.stages.views import run_view
from pipelines.testing.fakes import ScriptedPictures
from tests.stages.stage_fixtures import StageHarness

CLIP, PICTURE = 400_000, 30_000


@pytest.fixture
def house(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path, forgiving=True)


def brush(house: StageHarness) -> ScriptedPictures:
    return cast("ScriptedPictures", house.services.pictures)


def film(house: StageHarness, **fields: Any) -> tuple[str, Run]:
    given = {"Title": "Lumen Four", "Prompt": "A lamp", "Poster Style": "Designed", **fields}
    return house.film(**given)


def spent(house: StageHarness, run: Run) -> int:
    with house.services.store.read() as tx:
        return ledger.of_run(tx, run.id).spent


def test_the_poster_is_made_from_the_films_frame_and_its_title_is_set_by_us(house: StageHarness) -> None:
    record, run = film(house, Formats=["9:16"])
    assert run.status.value == "done"
    assert ("Poster: 2 × acme/brush", 4 * PICTURE) in run.known_plan.lines
    assert run.quote_micro == CLIP + 4 * PICTURE
    assert spent(house, run) == CLIP + 2 * PICTURE
    assert [asked.aspect_ratio for asked in brush(house).made] == ["16:9", "9:16"]
    assert all("Lumen Four" in asked.prompt and len(asked.sources) == 1 for asked in brush(house).made)
    for cut in house.cuts(run):
        assert cut.poster_key != cut.extras["poster_typeset"]
        made = [look for look in house.editor.posters if look.ground is not None]
        assert [(look.title, look.ground and look.ground.exists()) for look in made] == [("Lumen Four", True)] * 2
    told = [event["sentence"] for event in run_view.run_view(house.services, run.id)["events"]]
    assert told.count("Picture: made.") == 2
    assert "not designed" not in house.cells(record)["Status Detail"]
    assert (house.held(), house.balanced()) == (0, True)


def test_the_same_frame_is_bought_once_and_another_film_anew(house: StageHarness) -> None:
    record, _ = film(house)
    again = house.make(record)
    assert (again.number, len(brush(house).made), spent(house, again)) == (2, 1, 0)
    assert house.cuts(again)[0].poster_key != house.cuts(again)[0].extras["poster_typeset"]
    regenerate.regenerate(house.services, again.id, 1, {"prompt": "Another lamp"}, "test")
    remade = house.until(again.id, "done")
    assert (len(brush(house).made), spent(house, remade)) == (2, CLIP + PICTURE)
    assert (house.held(), house.balanced()) == (0, True)


@pytest.mark.parametrize(
    ("errors", "paid", "made", "said"),
    [
        ([Refused("no", marketer="It declined.")], 0, 0, "It declined."),
        ([Ambiguous("lost")], 2, 1, None),
        ([Ambiguous("lost"), Ambiguous("lost again")], 2, 0, "may have charged"),
        ([Unavailable("away", marketer="It is away.")], 1, 1, None),
    ],
)
def test_a_picture_that_does_not_come_leaves_the_title_over_the_frame(
    errors: list[ReelgridError], paid: int, made: int, said: str | None, house: StageHarness
) -> None:
    brush(house).fail = dict(zip(("Lumen", "Four"), errors, strict=False))
    record, run = film(house)
    assert run.status.value == "done"
    assert spent(house, run) == CLIP + paid * PICTURE
    assert len(brush(house).made) == made
    (cut,) = house.cuts(run)
    assert ("poster_typeset" in cut.extras, house.editor.posters[0].title) == (bool(made), "Lumen Four")
    assert said is None or said in house.cells(record)["Status Detail"]
    assert (house.held(), house.balanced()) == (0, True)


@pytest.mark.parametrize(("point", "paid"), [("picture.intended", 2), ("picture.made", 2), ("picture.stored", 1)])
def test_a_death_is_counted_once_and_never_above_the_quote(point: str, paid: int, house: StageHarness) -> None:
    def die() -> None:
        raise ZeroDivisionError

    house.points.at(point, die)
    _, run = film(house)
    assert (run.status.value, spent(house, run)) == ("done", CLIP + paid * PICTURE)
    assert spent(house, run) <= (run.quote_micro or 0)
    assert house.cuts(run)[0].poster_key != house.cuts(run)[0].extras["poster_typeset"]
    assert (house.held(), house.balanced()) == (0, True)


def test_without_an_image_model_the_row_says_so_and_nothing_is_quoted(tmp_path: Path) -> None:
    house = StageHarness.build(tmp_path, pictures=ScriptedPictures(model=None))
    record, run = film(house)
    assert (run.status.value, run.quote_micro, run.known_plan.picture_micro) == ("done", CLIP, 0)
    assert "The poster is not designed" in house.cells(record)["Status Detail"]
    assert house.editor.posters[0].title == "Lumen Four"


def test_a_film_whose_clips_are_paid_does_not_wait_for_a_stopped_poster(house: StageHarness) -> None:
    def stop() -> None:
        with house.services.store.write() as tx:
            stop_switch.set_switch(tx, on=True, reason="enough", actor="test", now=house.clock.now())

    house.points.at("cut.assembled", stop)
    record, run = film(house)
    assert (run.status.value, len(brush(house).made)) == ("done", 0)
    assert "Spending is stopped." in house.cells(record)["Status Detail"]
    assert (house.held(), house.balanced()) == (0, True)

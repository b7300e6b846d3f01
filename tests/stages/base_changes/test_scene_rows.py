"""`Regenerate` in a row of `Scenes`: everything that a person changed there counts, and nothing that nobody changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.airtable.fields import AirtableTable
from pipelines.domain.errors import Expired, Unavailable
from pipelines.domain.footage import Transition
from pipelines.domain.orders.order import SceneChanges
from pipelines.domain.records import Run, Scene
from pipelines.stages.base_changes import checkboxes
from pipelines.stages.decisions import control, regenerate
from pipelines.testing.airtable import BASE
from tests.stages.people_fixtures import changed, look, pushed
from tests.stages.stage_fixtures import STOPPED, StageHarness

URL, OTHER = "https://dl.airtable.test/a.png", "https://dl.airtable.test/b.png"


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    harness = pushed(tmp_path)
    harness.intake.world |= {URL: b"a picture", OTHER: b"another picture"}
    return harness


def picture(url: str) -> list[dict[str, str]]:
    return [{"id": f"att{url[-5]}", "url": url, "filename": url.rpartition("/")[2], "type": "image/png"}]


def tick(harness: StageHarness, number: int, **cells: Any) -> dict[str, Any]:
    """A person changes the row of a scene and ticks Regenerate; the row afterwards."""
    row = harness.scene_ids()[number - 1]
    harness.airtable.edit("Scenes", row, Regenerate=True, **cells)
    look(harness)
    after = harness.airtable.cells(row, "Scenes")
    assert "Regenerate" not in after
    return after


def on_page(harness: StageHarness, run: Run, number: int, wish: SceneChanges) -> None:
    """Somebody makes the scene again on the run's page."""
    regenerate.regenerate(harness.services, run.id, number, wish, "page")
    harness.until(run.id, *STOPPED)
    harness.settle()


def scene(harness: StageHarness, run: Run, number: int) -> Scene:
    return harness.scenes(run)[number - 1]


def test_every_cell_that_was_changed_counts(harness: StageHarness) -> None:
    _, run = harness.film(Prompt="A cat\nA dog")
    row = tick(harness, 2, Model="other/film", Transition="Crossfade", Seconds=8, Reference_Image=picture(URL))
    dog = scene(harness, run, 2)
    assert (dog.model, dog.transition, dog.seconds) == ("other/film", "Crossfade", 8.0)
    (bought,) = harness.vendor("other").bought
    assert bought.request.first_frame is not None
    assert harness.services.media.stat(bought.request.first_frame) is not None
    assert (row["Status"], row["Model"], "Error" in row) == ("Done", "other/film", False)
    # Ticked once more, it is all still there, under another link to the same picture.
    harness.intake.world[OTHER] = b"a picture"
    tick(harness, 2, Prompt="A wolf", Reference_Image=picture(OTHER))
    assert harness.vendor("other").bought[-1].request.first_frame == bought.request.first_frame
    assert harness.vendor("other").prompts == ["A dog", "A wolf"]


def test_a_cell_that_was_emptied_counts_too(harness: StageHarness) -> None:
    _, run = harness.film(Prompt="A ship\nIt sails on", Model="acme/film")
    tick(harness, 2, Model="other/film", Transition="Crossfade", Continue=True, Caption="Ahoy", Seconds=8)
    assert scene(harness, run, 2).continues
    tick(harness, 2, Model=None, Transition=None, Continue=False, Caption=None, Seconds=None)
    sails = scene(harness, run, 2)
    assert (sails.model, sails.transition, sails.continues) == ("acme/film", None, False)
    assert (sails.caption or None, sails.seconds) == (None, 4.0)
    tick(harness, 2, Reference_Image=picture(URL))
    tick(harness, 2, Reference_Image=None)
    assert harness.vendor().bought[-1].request.first_frame is None


def test_what_was_ordered_on_the_page_stays_where_the_row_did_not_change(harness: StageHarness) -> None:
    """`Model` is what we wrote there, which may be older than what was ordered."""
    record = harness.row(Title="Farm")
    for number, prompt in ((1, "A cat"), (2, "A dog")):
        cells = {"Video": [record], "Scene #": number, "Prompt": prompt, "Status": "Draft", "Transition": "Dip White"}
        harness.airtable.add("Scenes", **cells)
    run = harness.make(record)
    wish: SceneChanges = {"references": (URL,), "transition": Transition.CROSSFADE, "seconds": 8.0}
    on_page(harness, run, 2, wish)
    tick(harness, 2, Prompt="A wolf")
    wolf = scene(harness, run, 2)
    assert (wolf.prompt, wolf.transition, wolf.seconds) == ("A wolf", "Crossfade", 8.0)
    assert len(wolf.pictures) == 1
    harness.airtable.refused.add("Scenes")
    on_page(harness, run, 2, {"model": "other/film"})
    harness.airtable.refused.clear()
    tick(harness, 2, Prompt="A bear")
    assert harness.vendor("other").prompts == ["A wolf", "A bear"]
    # Changed in the row after that, it is the row's word again.
    tick(harness, 2, Transition="Cut")
    assert scene(harness, run, 2).transition == "Cut"


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        ({"Model": "acme/flim"}, "Model: 'acme/flim' is not in the catalogue. Choose acme/film"),
        ({"Seconds": "soon"}, "Seconds: must be a number; it is “soon”."),
        ({"Prompt": None}, "Prompt: is empty. Write what the scene shows."),
        ({"Transition": "Swirl"}, "Transition: must be Cut, Crossfade"),
        ({"Reference_Image": picture("https://dl.airtable.test/gone.png")}, "Reference Image: The file could not be"),
    ],
)
def test_what_cannot_be_made_is_said_in_the_row_and_buys_nothing(
    harness: StageHarness, cells: dict[str, Any], sentence: str
) -> None:
    harness.intake.world["https://dl.airtable.test/gone.png"] = Expired("the download answered 404")
    _, run = harness.film(Prompt="A cat\nA dog")
    row = tick(harness, 2, **cells)
    assert row["Error"].startswith(sentence)
    assert (harness.bought, harness.held(), scene(harness, run, 2).take) == (["A cat", "A dog"], 0, 0)


def test_nothing_is_bought_on_a_guess_while_a_picture_cannot_be_fetched(harness: StageHarness) -> None:
    _, run = harness.film(Prompt="A cat\nA dog")
    tick(harness, 2, Reference_Image=picture(URL))
    before, bought = scene(harness, run, 2), len(harness.bought)
    harness.intake.troubles = [Unavailable("it answers 503")]
    row = tick(harness, 2, Prompt="A wolf")
    assert row["Error"].startswith("Reference Image: cannot be fetched right now. Nothing was bought.")
    assert (scene(harness, run, 2), len(harness.bought), harness.held()) == (before, bought, 0)
    assert "Error" not in tick(harness, 2)
    assert harness.vendor().prompts[-1] == "A wolf"
    assert harness.vendor().bought[-1].request.first_frame == before.settings.first_frame


def test_a_base_without_a_column_takes_nothing_away(harness: StageHarness) -> None:
    harness.airtable.missing |= {"Caption", "Narration", "Transition", "Continue", "Model", "Seconds"}
    _, run = harness.film(**{"Master Prompt": "A farm", "Scene Count": 2, "Captions": "Burned"})
    before = scene(harness, run, 2)
    on_page(harness, run, 2, {"caption": "Moo", "transition": Transition.CROSSFADE})
    tick(harness, 2, Prompt="A cow")
    after = scene(harness, run, 2)
    assert (after.caption, after.transition, after.prompt) == ("Moo", "Crossfade", "A cow")
    assert (after.model, after.seconds, after.narration) == (before.model, before.seconds, before.narration)


def test_a_column_that_is_added_later_takes_nothing_away(harness: StageHarness) -> None:
    harness.airtable.missing |= {"Caption", "Model", "Seconds"}
    _, run = harness.film(**{"Master Prompt": "A farm", "Scene Count": 2, "Captions": "Burned"})
    on_page(harness, run, 2, {"caption": "Moo", "model": "other/film", "seconds": 8.0})
    harness.airtable.missing.clear()
    for prompt in ("A cow", "A bull"):
        tick(harness, 2, Prompt=prompt)
        cow = scene(harness, run, 2)
        assert (cow.caption, cow.model, cow.seconds, cow.prompt) == ("Moo", "other/film", 8.0, prompt)
    tick(harness, 2, Caption="Low")
    tick(harness, 2, Caption=None)
    assert not scene(harness, run, 2).caption


def test_a_picture_that_the_film_took_from_the_row_can_be_emptied(harness: StageHarness) -> None:
    record, _ = harness.film(Prompt="A cat\nA dog")
    harness.airtable.edit("Scenes", harness.scene_ids()[1], Status="Draft", Reference_Image=picture(URL))
    harness.make(record)
    assert harness.vendor().bought[-1].request.first_frame is not None
    tick(harness, 2, Reference_Image=None)
    assert harness.vendor().bought[-1].request.first_frame is None


def test_a_picture_that_the_row_never_showed_stays(tmp_path: Path) -> None:
    """It came from the run before, and the film was approved with an edited row of the scene."""
    harness = StageHarness.build(tmp_path, approval_above_micro=0)
    harness.intake.world[URL] = b"a picture"
    record, first = harness.film(**{"Master Prompt": "A farm", "Scene Count": 2})
    approved(harness, first)
    on_page(harness, first, 2, {"references": (URL,)})
    harness.airtable.edit("Videos", record, Aspect_Ratio="9:16")
    run = harness.make(record)
    row = scene(harness, run, 2).airtable_record_id or ""
    harness.airtable.edit("Scenes", row, Prompt="A cow")
    approved(harness, run)
    assert [(one.prompt, len(one.pictures)) for one in harness.scenes(run)][1] == ("A cow", 1)
    harness.airtable.edit("Scenes", row, Prompt="A bull", Regenerate=True)
    look(harness)
    bull = scene(harness, run, 2)
    assert (bull.prompt, len(bull.pictures)) == ("A bull", 1)


def approved(harness: StageHarness, run: Run) -> None:
    control.approve(harness.services, run.id, "page")
    harness.until(run.id, *STOPPED)
    harness.settle()


def test_what_the_page_ordered_stays_though_nobody_remembered_the_row_then(harness: StageHarness) -> None:
    """A scene that was made again by a release that kept nothing of its row."""
    _, run = harness.film(**{"Master Prompt": "A farm", "Scene Count": 2, "Captions": "Burned"})
    on_page(harness, run, 2, {"references": (URL,), "caption": "Moo", "seconds": 8.0, "transition": Transition.CUT})
    moo = scene(harness, run, 2)
    with harness.services.store.write() as tx:
        tx.scenes.change(moo.id, settings=replace(moo.settings, row_cells=None))
    tick(harness, 2, Prompt="A cow")
    cow = scene(harness, run, 2)
    assert (cow.caption, cow.seconds, cow.transition, cow.pictures) == ("Moo", 8.0, "Cut", moo.pictures)
    assert (cow.prompt, len(cow.pictures)) == ("A cow", 1)


def test_a_length_that_was_emptied_once_is_not_emptied_at_every_tick(harness: StageHarness) -> None:
    _, run = harness.film(Prompt="A cat\nA dog", Model="acme/film")
    tick(harness, 2, Seconds=None)
    on_page(harness, run, 2, {"seconds": 8.0})
    tick(harness, 2, Prompt="A wolf")
    assert (scene(harness, run, 2).seconds, scene(harness, run, 2).prompt) == (8.0, "A wolf")


def test_a_clip_above_max_cost_is_refused_and_buys_nothing(harness: StageHarness) -> None:
    _, run = harness.film(Prompt="A cat\nA dog", Max_Cost=1.0)
    row = tick(harness, 2, Model="other/film", Seconds=8)
    assert "Raise Max Cost in the row, then tick Regenerate in the row of the scene." in row["Error"]
    assert (harness.bought, harness.held(), scene(harness, run, 2).take) == (["A cat", "A dog"], 0, 0)


def test_the_max_cost_that_the_row_says_by_now_counts_for_a_scene_made_again(harness: StageHarness) -> None:
    record, _ = harness.film(Prompt="A cat\nA dog", Max_Cost=1.0)
    harness.airtable.edit("Videos", record, Max_Cost=2.0)
    row = tick(harness, 2, Prompt="A wolf")
    assert (harness.bought, "Error" in row) == (["A cat", "A dog", "A wolf"], False)
    harness.airtable.edit("Videos", record, Max_Cost=1.3)
    row = tick(harness, 2, Prompt="A bear")
    assert "Max Cost leaves $0.10 of $1.30" in row["Error"]
    harness.airtable.edit("Videos", record, Max_Cost=None)
    row = tick(harness, 2, Prompt="A bear")
    assert (harness.bought[2:], "Error" in row) == (["A wolf", "A bear"], False)
    assert harness.balanced()


def test_a_max_cost_that_was_emptied_counts_beside_a_cell_that_cannot_be_read(harness: StageHarness) -> None:
    record, _ = harness.film(Prompt="A cat\nA dog", Max_Cost=1.0)
    harness.airtable.edit("Videos", record, Max_Cost="lots", Clip_Seconds="soon")
    assert "Max Cost leaves $0.20 of $1.00" in tick(harness, 2, Prompt="A wolf")["Error"]
    harness.airtable.edit("Videos", record, Max_Cost=None)
    row = tick(harness, 2, Prompt="A wolf")
    assert (harness.bought[2:], "Error" in row) == (["A wolf"], False)


def test_a_box_that_nothing_comes_of_changes_no_max_cost(harness: StageHarness) -> None:
    record, run = harness.film(Prompt="A cat\nA dog", Max_Cost=1.3)
    harness.airtable.edit("Videos", record, Max_Cost=0.1, Approve=True)
    look(harness)
    assert "There is nothing to approve." in harness.cells(record)["Status Detail"]
    assert "Max Cost leaves $0.00 of $0.10" in tick(harness, 1, Prompt="A wolf")["Error"]
    on_page(harness, run, 2, {"prompt": "A bear"})
    assert harness.bought[2:] == ["A bear"]


def test_the_row_of_a_video_is_read_once_for_all_its_boxes_and_holds_up_no_other(harness: StageHarness) -> None:
    harness.film(Prompt="A cat\nA dog\nA cow")
    wolf, pig, hen = harness.scene_ids()
    for row, cells in ((wolf, {"Prompt": "A wolf"}), (pig, {"Seconds": "soon"}), (hen, {"Prompt": "A hen"})):
        harness.airtable.edit("Scenes", row, Regenerate=True, **cells)
    scenes = harness.airtable.ticked(BASE, {AirtableTable.SCENES})[1]
    harness.airtable.calls.clear()
    harness.airtable.away = True
    with pytest.raises(Unavailable):
        checkboxes.act_on(harness.services, BASE, [], scenes)
    assert harness.calls("row") == 1
    harness.airtable.away = False
    harness.settle()
    ticked = [harness.airtable.cells(row, "Scenes").get("Regenerate") for row in (wolf, pig, hen)]
    assert (ticked, "Error" in harness.airtable.cells(pig, "Scenes")) == ([True, None, True], True)
    look(harness)
    assert harness.bought[3:] == ["A wolf"]


def test_a_scene_is_stale_by_its_transition_and_not_by_what_the_page_ordered(harness: StageHarness) -> None:
    _, run = harness.film(Prompt="A cat\nA dog")
    on_page(harness, run, 2, {"caption": "Woof"})
    dog = harness.scene_ids()[1]
    for transition, status in (("Crossfade", "Stale"), (None, "Done")):
        harness.airtable.edit("Scenes", dog, Transition=transition)
        changed(harness, "Scenes", dog, "Transition")
        assert harness.airtable.cells(dog, "Scenes")["Status"] == status

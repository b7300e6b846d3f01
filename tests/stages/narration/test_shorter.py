"""Lines that take too long for their clips: said shorter once, within the quote, and as they are where that fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from pipelines.domain.errors import Ambiguous, ReelgridError, Refused, Unavailable
from pipelines.domain.lifecycle import GenerationStatus
from pipelines.domain.records import Purchase, Run
from pipelines.stages.decisions import regenerate
from pipelines.stages.spending import ledger
from pipelines.stages.views import run_view
from pipelines.testing.fakes import ScriptedSpeech, shorter
from tests.stages.stage_fixtures import STOPPED, StageHarness

LONG = "One fox wakes up in the snow, and two more wake up in the barn behind the old mill"
OTHER = "One hare wakes up in the snow, and two more wake up in the barn behind the old mill"
ASKED, LINE, CLIP = 3_000, 10_000, 400_000


@pytest.fixture
def house(tmp_path: Path) -> StageHarness:
    house = StageHarness.build(tmp_path)
    house.writer.cost_micro = ASKED
    return house


def order(house: StageHarness, *texts: str, **fields: Any) -> str:
    """A row with clips of four seconds, each with what is said over it."""
    record_id = house.row(Voiceover=True, Voice="acme/anna", **fields)
    for number, text in enumerate(texts, start=1):
        words = {"Prompt": f"shot {number}", "Narration": text, "Scene #": number, "Status": "Draft"}
        house.airtable.add("Scenes", Video=[record_id], **words)
    return record_id


def said(house: StageHarness) -> list[str]:
    return [line.text for line in cast("ScriptedSpeech", house.services.speech).said]


def asked(house: StageHarness) -> list[Purchase]:
    with house.services.store.read() as tx:
        return tx.purchases.find(kind="translation", order="created_at")


def spent(house: StageHarness, run: Run) -> int:
    with house.services.store.read() as tx:
        return ledger.of_run(tx, run.id).spent


def test_a_line_that_is_twice_too_long_is_said_shorter_once(house: StageHarness) -> None:
    record_id = order(house, LONG, "It runs.", Captions="Karaoke")
    run = house.make(record_id)
    assert run.status.value == "done", run.error
    assert sorted(said(house)) == ["It runs.", shorter(LONG)]
    assert ("Voiceover: 2 × acme/anna, 1 of them said shorter", 4 * LINE + 2 * ASKED) in run.known_plan.lines
    assert run.quote_micro == 2 * CLIP + 4 * LINE + 2 * ASKED
    assert spent(house, run) == 2 * CLIP + 2 * LINE + ASKED
    assert (house.held(), house.balanced()) == (0, True)
    # The words of the row stay, and everybody is told what is said instead.
    assert [row["Narration"] for row in house.scene_rows()] == [LONG, "It runs."]
    assert f"so the narrator says: “{shorter(LONG)}”" in house.cells(record_id)["Status Detail"]
    assert "ends early" not in house.cells(record_id)["Status Detail"]
    scenes = run_view.run_view(house.services, run.id)["scenes"]
    assert [(scene["narration"], scene["said"]) for scene in scenes] == [(LONG, shorter(LONG)), ("It runs.", None)]
    told = house.services.media.local_path(house.cuts(run)[0].extras["provenance"])
    assert told is not None
    lines = [(line["voice"], line["text"], line["shortened_from"]) for line in json.loads(told.read_text())["narrator"]]
    assert lines == [("acme/anna", shorter(LONG), LONG), ("acme/anna", "It runs.", None)]
    assert shorter(LONG) in [work.caption for work in house.editor.prepared]
    history = [event["sentence"] for event in run_view.run_view(house.services, run.id)["events"]]
    assert history.count("Narrator: a line is said shorter, to fit its clip.") == 1
    assert history.count("Narrator: a line is spoken.") == 2


def test_the_same_line_again_costs_nothing_and_another_one_alone(house: StageHarness) -> None:
    record_id = order(house, LONG, "It runs.")
    house.make(record_id)
    again = house.make(record_id)
    assert (again.status.value, spent(house, again), len(asked(house)), len(said(house))) == ("done", 0, 1, 2)
    assert again.quote_micro == 0
    house.airtable.edit("Scenes", house.scene_ids()[0], Narration=OTHER, Status="Draft")
    third = house.make(record_id)
    assert (third.status.value, spent(house, third)) == ("done", ASKED + LINE)
    assert said(house)[-1] == shorter(OTHER)
    # A new clip with the words of before has them said as before.
    regenerate.regenerate(house.services, third.id, 1, {"narration": LONG}, "test")
    last = house.until(third.id, *STOPPED)
    assert (last.status.value, len(asked(house)), len(said(house))) == ("done", 2, 3)
    assert [scene.settings.said for scene in house.scenes(last)] == [shorter(LONG), None]
    assert house.balanced()


@pytest.mark.parametrize(
    ("errors", "paid", "shortened"),
    [
        ([Refused("no", marketer="It declined.")], 0, False),
        ([Ambiguous("lost")], 2, True),
        ([Unavailable("away")], 1, True),
    ],
)
def test_a_writer_that_fails_leaves_the_line_as_it_is(
    house: StageHarness, errors: list[ReelgridError], paid: int, shortened: bool
) -> None:
    record_id = order(house, LONG)
    house.writer.fail = errors[0]
    run = house.make(record_id)
    assert run.status.value == "done", run.error
    assert said(house) == [shorter(LONG) if shortened else LONG]
    assert spent(house, run) == CLIP + LINE + paid * ASKED
    detail = house.cells(record_id)["Status Detail"]
    assert ("the language model declined to say them shorter" in detail) is not shortened
    assert ("ends early" in detail) is not shortened
    assert (house.held(), house.balanced()) == (0, True)


def test_words_that_still_take_too_long_are_corrected_once_and_then_left(house: StageHarness) -> None:
    house.writer.mistranslations = {"": [OTHER, LONG[:60]]}
    record_id = order(house, LONG)
    run = house.make(record_id)
    assert run.status.value == "done", run.error
    assert said(house) == [LONG]
    assert spent(house, run) == CLIP + LINE + 2 * ASKED
    corrections = [one.correction for one in house.writer.translations]
    assert corrections == [None, f"has {len(OTHER)} characters, and at most 49 fit"]
    detail = house.cells(record_id)["Status Detail"]
    assert (
        "Scene 1: its words take too long for its clip; the shorter line has 60 characters, and at most 49 fit"
        in detail
    )
    assert house.balanced()


@pytest.mark.parametrize("point", ["translation.intended", "translation.answered", "translation.committed"])
def test_a_death_while_it_is_asked_never_goes_above_the_quote(house: StageHarness, point: str) -> None:
    def die() -> None:
        raise ZeroDivisionError

    house = StageHarness.build(house.services.work.parent / "forgiving", forgiving=True)
    house.writer.cost_micro = ASKED
    house.points.at(point, die)
    run = house.make(order(house, LONG))
    assert (run.status.value, said(house)) == ("done", [shorter(LONG)])
    (bought,) = asked(house)
    tries = 1 if point == "translation.committed" else 2
    assert (bought.status, bought.cost_micro) == (GenerationStatus.FETCHED, tries * ASKED)
    assert spent(house, run) == CLIP + LINE + tries * ASKED <= (run.quote_micro or 0)
    assert house.balanced()


def test_a_max_cost_that_has_no_room_for_it_buys_nothing(house: StageHarness) -> None:
    refused = house.make(order(house, LONG, **{"Max Cost": (CLIP + 2 * LINE) / 1e6}))
    assert refused.status.value == "needs_attention"
    assert (said(house), asked(house)) == ([], [])


def test_other_languages_are_translated_to_what_fits(house: StageHarness) -> None:
    run = house.make(order(house, LONG, Languages=["en", "de"]))
    assert run.status.value == "done", run.error
    (line,) = [one.lines[0] for one in house.writer.translations if not one.shorter]
    assert (line.text, line.most) == (LONG, 49)
    assert [cut.language for cut in house.cuts(run)] == ["en", "de"]
    assert shorter(LONG) in said(house)
    assert len([one for one in house.writer.translations if one.shorter]) == 1
    assert house.balanced()

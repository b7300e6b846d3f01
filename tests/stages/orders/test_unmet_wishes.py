"""A wish with nothing to work on is said: in the row, in the history and in an estimate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.footage import Transition
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.orders.unused_settings import unmet
from pipelines.stages.orders import accept
from pipelines.testing.airtable import BASE
from tests.stages.stage_fixtures import StageHarness

SHORT = (SceneOrder(prompt="a cat", seconds=4.0),)
FADED = SceneOrder(prompt="a fade", transition=Transition.CROSSFADE)
WITHOUT = "No captions were made, because no scene has a text for them"


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path)


def estimate(harness: StageHarness, record: str) -> accept.Estimate:
    return accept.dry_run(harness.services, accept.StartRequest(source="record", base_id=BASE, record_id=record))


@pytest.mark.parametrize("kind", ["Sidecar", "Burned", "Karaoke"])
def test_captions_without_a_text_are_said_and_the_way_that_is_named_works(harness: StageHarness, kind: str) -> None:
    record, run = harness.film(Prompt="A cat\nA dog", Captions=kind)
    assert run.status == "done"
    assert harness.cells(record)["Status Detail"].startswith(f"The film is ready. {WITHOUT}")
    bought = list(harness.bought)
    for scene, words in zip(harness.scene_ids(), ("Miaow", "Woof"), strict=True):
        harness.airtable.edit("Scenes", scene, Caption=words, Status="Draft")
    again = harness.make(record)
    assert (again.status, harness.bought) == ("done", bought)
    assert harness.cells(record)["Status Detail"] == "The film is ready."


def test_an_estimate_says_it_before_anything_is_bought(harness: StageHarness) -> None:
    plan = estimate(harness, harness.row(Prompt="A cat\nA dog", Captions="Sidecar")).plan
    assert plan
    assert plan.adapted[0].startswith(WITHOUT)


def test_captions_that_the_writer_wrote_are_there_and_nothing_is_said(harness: StageHarness) -> None:
    record, _ = harness.film(**{"Master Prompt": "A day", "Scene Count": 2}, Captions="Sidecar")
    assert harness.cells(record)["Status Detail"] == "The film is ready."


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"Master Prompt": "A day at the sea"}, "so Master Prompt was not used"),
        ({"Scene Count": 7}, "Scene Count 7 was not used: 2 scenes are given one by one."),
        ({"Logo Position": "Bottom Left"}, "because there is no Logo"),
        ({"Logo Opacity": 0.2}, "because there is no Logo"),
        ({"Transition Seconds": 1.5}, "Transition Seconds was not used"),
    ],
)
def test_what_a_row_wishes_in_vain_is_said(harness: StageHarness, fields: dict[str, Any], said: str) -> None:
    record = harness.row(Prompt="A cat\nA dog", **fields)
    plan = estimate(harness, record).plan
    assert plan
    assert [sentence for sentence in plan.adapted if said in sentence]
    run = harness.make(record)
    with harness.services.store.read() as tx:
        notes = [event.detail.sentence or "" for event in tx.events.find(run_id=run.id, name="note")]
    assert [sentence for sentence in notes if said in sentence]


def test_a_transition_needs_something_to_go_over_to(harness: StageHarness) -> None:
    bare, framed = (
        estimate(harness, harness.row(Prompt="A cat", Transition="Crossfade", **cards_of(cards))).plan
        for cards in (False, True)
    )
    assert bare
    assert framed
    assert "nothing to go over to" in " ".join(bare.adapted)
    assert "nothing to go over to" not in " ".join(framed.adapted)


def cards_of(wanted: bool) -> dict[str, str]:
    return {"Title Card": "Cats"} if wanted else {}


def test_an_order_whose_wishes_all_work_says_nothing(harness: StageHarness) -> None:
    plan = estimate(harness, harness.row(Prompt="A cat\nA dog", Transition="Crossfade")).plan
    assert plan
    assert plan.adapted == ()


def test_scenes_that_an_earlier_run_wrote_come_from_the_master_prompt(harness: StageHarness) -> None:
    record, _ = harness.film(**{"Master Prompt": "A day", "Scene Count": 2})
    again = harness.make(record)
    assert again.number == 2
    assert again.plan
    assert again.plan.adapted == ()


def test_lines_of_prompt_that_a_start_leaves_out_are_said(harness: StageHarness) -> None:
    """`process-master-prompt` always has Master Prompt written; what stands in Prompt waits for another start."""
    record = harness.row(Prompt="A cat\nA dog", **{"Master Prompt": "A day at the sea", "Scene Count": 2})
    request = accept.StartRequest(source="master_prompt", base_id=BASE, record_id=record)
    plan = accept.dry_run(harness.services, request).plan
    assert plan
    said = "Prompt was not used: this start has Master Prompt written into scenes. Tick Generate to film the lines of"
    assert plan.adapted[-1].startswith(said)
    run = harness.make(record, source="master_prompt")
    assert (run.status, "A cat" in harness.bought) == ("done", False)
    assert said in harness.cells(record)["Status Detail"]


def test_lines_of_prompt_beside_other_rows_of_scenes_are_said(harness: StageHarness) -> None:
    record, _ = harness.film(Prompt="A cat\nA dog")
    scene = harness.scene_ids()[0]
    harness.airtable.edit("Scenes", scene, Prompt="A hare", Status="Draft")
    run = harness.make(record)
    assert (run.status, harness.bought[2:]) == ("done", ["A hare"])
    assert "so Prompt was not used" in harness.cells(record)["Status Detail"]


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (
            Order(clip_seconds=8.0, scenes=SHORT),
            "Clip Seconds was not used, because every scene has a length of its own.",
        ),
        (Order(clip_seconds=8.0, scenes=(SHORT[0], SceneOrder(prompt="a dog"))), None),
        (Order(transition_seconds=1.5, scenes=SHORT), "Transition Seconds was not used"),
        (Order(transition_seconds=1.5, scenes=(SHORT[0], FADED)), None),
        (
            Order(scenes=(FADED, SHORT[0])),
            "The transition Crossfade into scene 1 was not used: nothing comes before it.",
        ),
        (Order(scenes=(FADED, SHORT[0]), title_card="Cats"), None),
    ],
)
def test_lengths_and_transitions_that_work_on_nothing_are_said(order: Order, said: str | None) -> None:
    sentences = unmet(order, order.scenes)
    assert [sentence for sentence in sentences if said is None or not sentence.startswith(said)] == []
    assert bool(sentences) is (said is not None)

"""What happens round the join: seams ahead of it, a second path for a faulty film, a sheet and a preview after."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from pipelines.domain.errors import UnplayableMedia
from pipelines.domain.lifecycle import CutStatus, RunStatus
from pipelines.domain.records import Cut
from pipelines.stages.decisions import control, regenerate
from pipelines.testing import tiny_mp4
from tests.stages.stage_fixtures import StageHarness


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path)


def test_a_film_with_a_fault_is_made_again_by_encoding_everything(harness: StageHarness) -> None:
    harness.editor.faults, harness.editor.mendable = ("black for 2.0 s from 00:03",), True
    record, run = harness.film(Prompt="A cat\nA dog")
    assert harness.cells(record)["Status"] == "Done"
    assert len(harness.editor.films) == 2
    with harness.services.store.read() as tx:
        (cut,) = tx.cuts.find(run_id=run.id)
    assert "black for 2.0 s" in cut.report.notes[-1]


def test_a_fault_that_stays_is_delivered_and_said(harness: StageHarness) -> None:
    harness.editor.faults = ("black for 2.0 s from 00:03",)
    record = harness.row(Prompt="A cat\nA dog")
    harness.until(harness.trigger(record), "needs_attention")
    harness.settle()
    cells = harness.cells(record)
    assert cells["Status"] == "Needs Attention"
    assert cells["Final Video"]
    assert "black for 2.0 s" in cells["Error"]


def test_the_film_that_is_there_is_delivered_when_the_second_path_fails(harness: StageHarness) -> None:
    harness.editor.faults, harness.editor.broken_again = ("it is too short",), UnplayableMedia("the encoder fell over")
    record = harness.row(Prompt="A cat\nA dog")
    harness.until(harness.trigger(record), "needs_attention")
    harness.settle()
    assert harness.cells(record)["Final Video"]
    assert "it is too short" in harness.cells(record)["Error"]


def test_what_a_killed_try_left_does_not_keep_the_film_back(harness: StageHarness) -> None:
    run_id = harness.trigger(harness.row(Prompt="A cat\nA dog"))
    harness.until(run_id, "stitching")
    planned = Cut(
        id="cut_left", run_id=run_id, take=0, format="16:9", status=CutStatus.PLANNED, token="x", created_at=0.0
    )
    with harness.services.store.write() as tx:
        assert tx.cuts.add(planned)
    left = harness.services.work / "cuts" / planned.id / "tmp0123"
    left.mkdir(parents=True)
    (left / "sound.wav").write_bytes(b"half")
    harness.until(run_id, "done")


def test_seams_are_rendered_as_soon_as_both_neighbours_are_there(harness: StageHarness) -> None:
    harness.film(Prompt="A cat\nA dog\nA fox", Transition="Crossfade", **{"Transition Seconds": 0.5})
    assert len(set(harness.editor.seams)) == 2


CARDS = {"Title Card": "Spring", "End Card": "Buy now"}


def order_of_two(harness: StageHarness, **fields: object) -> str:
    """A row whose second scene is bought only when the first is there, triggered."""
    record = harness.row(**CARDS, **fields)
    harness.airtable.add("Scenes", Video=[record], Scene_no=1, Prompt="A ship")
    harness.airtable.add("Scenes", Video=[record], Scene_no=2, Prompt="It sails on", Continue=True)
    return harness.trigger(record)


def when_the_second_scene_is_bought(harness: StageHarness, act: Callable[[], object]) -> None:
    harness.points.at("submit.committed", lambda: harness.points.at("submit.committed", act))


def test_cards_are_rendered_once_for_each_format_while_clips_are_still_being_made(harness: StageHarness) -> None:
    ahead: list[tuple[str, int]] = []
    run_id = order_of_two(harness, Formats=["9:16"])
    made = harness.editor.cards
    when_the_second_scene_is_bought(harness, lambda: ahead.extend((card.text, card.target.width) for card in made))
    harness.until(run_id, "done")
    assert ahead == [("Spring", 1280), ("Buy now", 1280), ("Spring", 720), ("Buy now", 720)]
    assert len(made) == 4
    for film, first in zip(harness.editor.films, (0, 2), strict=True):
        shown = [tiny_mp4(card.seconds, repr(card)) for card in made[first : first + 2]]
        assert [film.pieces[0].read_bytes(), film.pieces[-1].read_bytes()] == shown


def test_the_seams_between_a_card_and_its_clip_are_rendered_ahead_too(harness: StageHarness) -> None:
    ahead: list[tuple[str, str]] = []
    run_id = order_of_two(harness, Transition="Crossfade")
    when_the_second_scene_is_bought(harness, lambda: ahead.extend(harness.editor.seams))
    harness.until(run_id, "done")
    joins = list(pairwise(piece.name for piece in harness.editor.films[-1].pieces))
    assert ahead == joins[:1]
    assert set(harness.editor.seams) == set(joins)


@pytest.mark.parametrize("slow", ["acme", "other"])
def test_a_clip_that_clashes_with_the_first_is_mended_ahead_whichever_of_them_comes_later(
    harness: StageHarness, slow: str
) -> None:
    harness.editor.clashing = True
    harness.vendor(slow).ready_after_s = 60.0
    record = harness.row(Transition="Crossfade")
    for number, model in enumerate(("acme/film", "other/film", "other/film"), 1):
        fields = {"Video": [record], "Scene #": number, "Prompt": f"Shot {number}", "Model": model, "Status": "Draft"}
        harness.airtable.add("Scenes", **fields)
    harness.until(harness.trigger(record), "done")
    assert harness.vendor("other").prompts == ["Shot 2", "Shot 3"]
    first, second, third = (piece.name for piece in harness.editor.films[-1].pieces)
    beside = (first, f"mended-0.5-0.5-{second}", f"mended-0.5-0-{third}")
    assert set(pairwise(beside)) <= set(harness.editor.seams)


def test_a_scene_made_again_finds_the_cards_and_seams_that_it_needs(harness: StageHarness) -> None:
    run_id = order_of_two(harness)
    harness.until(run_id, "done")
    regenerate.regenerate(harness.services, run_id, 2, {"prompt": "A wolf"}, "test")
    harness.until(run_id, "done")
    assert (len(harness.editor.films), len(harness.editor.cards)) == (2, 2)


def test_cards_whose_copies_are_gone_are_rendered_for_the_film(harness: StageHarness) -> None:
    run_id = order_of_two(harness)
    harness.until(run_id, "stitching")
    shutil.rmtree(harness.services.work)
    harness.until(run_id, "done")
    assert [card.text for card in harness.editor.cards] == ["Spring", "Buy now"] * 2


def test_a_card_that_cannot_be_rendered_keeps_no_clip_back_and_is_named_in_the_end(harness: StageHarness) -> None:
    harness.editor.broken_card = UnplayableMedia("the encoder fell over")
    record, run = harness.film(Prompt="A cat", **CARDS)
    assert run.status is RunStatus.NEEDS_ATTENTION
    assert harness.cells(record)["Error"].startswith("The film could not be put together")
    assert harness.events(run, "not_prepared") == []
    harness.editor.broken_card = None
    control.retry(harness.services, run.id, "test")
    harness.until(run.id, "done")


def test_hard_cuts_have_no_seams(harness: StageHarness) -> None:
    harness.film(Prompt="A cat\nA dog")
    assert harness.editor.seams == []


def test_a_contact_sheet_and_a_preview_follow_the_delivery(harness: StageHarness) -> None:
    _, run = harness.film(Prompt="A cat\nA dog")
    harness.settle()
    with harness.services.store.read() as tx:
        (cut,) = tx.cuts.find(run_id=run.id)
    for name in ("contact_sheet", "preview"):
        assert harness.services.media.stat(cut.extras[name]) is not None


def test_the_row_says_what_was_adapted(harness: StageHarness) -> None:
    record, _ = harness.film(Prompt="A cat", Clip_Seconds=3, Aspect_Ratio="1:1")
    assert "1:1" in harness.cells(record)["Status Detail"]

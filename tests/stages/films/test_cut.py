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
from pipelines.stages.decisions import control
from pipelines.testing import tiny_mp4
from tests.stages.stage_fixtures import StageHarness


@pytest.fixture
def world(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path)


def test_a_film_with_a_fault_is_made_again_by_encoding_everything(world: StageHarness) -> None:
    world.editor.faults, world.editor.mendable = ("black for 2.0 s from 00:03",), True
    record, run = world.film(Prompt="A cat\nA dog")
    assert world.cells(record)["Status"] == "Done"
    assert len(world.editor.films) == 2
    with world.services.store.read() as tx:
        (cut,) = tx.cuts.find(run_id=run.id)
    assert "black for 2.0 s" in cut.report["notes"][-1]


def test_a_fault_that_stays_is_delivered_and_said(world: StageHarness) -> None:
    world.editor.faults = ("black for 2.0 s from 00:03",)
    record = world.row(Prompt="A cat\nA dog")
    world.until(world.trigger(record), "needs_attention")
    world.settle()
    cells = world.cells(record)
    assert cells["Status"] == "Needs Attention"
    assert cells["Final Video"]
    assert "black for 2.0 s" in cells["Error"]


def test_the_film_that_is_there_is_delivered_when_the_second_path_fails(world: StageHarness) -> None:
    world.editor.faults, world.editor.broken_again = ("it is too short",), UnplayableMedia("the encoder fell over")
    record = world.row(Prompt="A cat\nA dog")
    world.until(world.trigger(record), "needs_attention")
    world.settle()
    assert world.cells(record)["Final Video"]
    assert "it is too short" in world.cells(record)["Error"]


def test_what_a_killed_try_left_does_not_keep_the_film_back(world: StageHarness) -> None:
    run_id = world.trigger(world.row(Prompt="A cat\nA dog"))
    world.until(run_id, "stitching")
    planned = Cut(
        id="cut_left", run_id=run_id, take=0, format="16:9", status=CutStatus.PLANNED, token="x", created_at=0.0
    )
    with world.services.store.write() as tx:
        assert tx.cuts.add(planned)
    left = world.services.work / "cuts" / planned.id / "tmp0123"
    left.mkdir(parents=True)
    (left / "sound.wav").write_bytes(b"half")
    world.until(run_id, "done")


def test_seams_are_rendered_as_soon_as_both_neighbours_are_there(world: StageHarness) -> None:
    world.film(Prompt="A cat\nA dog\nA fox", Transition="Crossfade", **{"Transition Seconds": 0.5})
    assert len(set(world.editor.seams)) == 2


CARDS = {"Title Card": "Spring", "End Card": "Buy now"}


def order_of_two(world: StageHarness, **fields: object) -> str:
    """A row whose second scene is bought only when the first is there, triggered."""
    record = world.row(**CARDS, **fields)
    world.airtable.add("Scenes", Video=[record], Scene_no=1, Prompt="A ship")
    world.airtable.add("Scenes", Video=[record], Scene_no=2, Prompt="It sails on", Continue=True)
    return world.trigger(record)


def when_the_second_scene_is_bought(world: StageHarness, act: Callable[[], object]) -> None:
    world.points.at("submit.committed", lambda: world.points.at("submit.committed", act))


def test_cards_are_rendered_once_for_each_format_while_clips_are_still_being_made(world: StageHarness) -> None:
    ahead: list[tuple[str, int]] = []
    run_id = order_of_two(world, Formats=["9:16"])
    made = world.editor.cards
    when_the_second_scene_is_bought(world, lambda: ahead.extend((card.text, card.target.width) for card in made))
    world.until(run_id, "done")
    assert ahead == [("Spring", 1280), ("Buy now", 1280), ("Spring", 720), ("Buy now", 720)]
    assert len(made) == 4
    for film, first in zip(world.editor.films, (0, 2), strict=True):
        shown = [tiny_mp4(card.seconds, repr(card)) for card in made[first : first + 2]]
        assert [film.pieces[0].read_bytes(), film.pieces[-1].read_bytes()] == shown


def test_the_seams_between_a_card_and_its_clip_are_rendered_ahead_too(world: StageHarness) -> None:
    ahead: list[tuple[str, str]] = []
    run_id = order_of_two(world, Transition="Crossfade")
    when_the_second_scene_is_bought(world, lambda: ahead.extend(world.editor.seams))
    world.until(run_id, "done")
    joins = list(pairwise(piece.name for piece in world.editor.films[-1].pieces))
    assert ahead == joins[:1]
    assert set(world.editor.seams) == set(joins)


@pytest.mark.parametrize("slow", ["acme", "other"])
def test_a_clip_that_clashes_with_the_first_is_mended_ahead_whichever_of_them_comes_later(
    world: StageHarness, slow: str
) -> None:
    world.editor.clashing = True
    world.vendor(slow).ready_after_s = 60.0
    record = world.row(Transition="Crossfade")
    for number, model in enumerate(("acme/film", "other/film", "other/film"), 1):
        fields = {"Video": [record], "Scene #": number, "Prompt": f"Shot {number}", "Model": model, "Status": "Draft"}
        world.airtable.add("Scenes", **fields)
    world.until(world.trigger(record), "done")
    assert world.vendor("other").prompts == ["Shot 2", "Shot 3"]
    first, second, third = (piece.name for piece in world.editor.films[-1].pieces)
    beside = (first, f"mended-0.5-0.5-{second}", f"mended-0.5-0-{third}")
    assert set(pairwise(beside)) <= set(world.editor.seams)


def test_a_scene_made_again_finds_the_cards_and_seams_that_it_needs(world: StageHarness) -> None:
    run_id = order_of_two(world)
    world.until(run_id, "done")
    control.regenerate(world.services, run_id, 2, {"prompt": "A wolf"}, "test")
    world.until(run_id, "done")
    assert (len(world.editor.films), len(world.editor.cards)) == (2, 2)


def test_cards_whose_copies_are_gone_are_rendered_for_the_film(world: StageHarness) -> None:
    run_id = order_of_two(world)
    world.until(run_id, "stitching")
    shutil.rmtree(world.services.work)
    world.until(run_id, "done")
    assert [card.text for card in world.editor.cards] == ["Spring", "Buy now"] * 2


def test_a_card_that_cannot_be_rendered_keeps_no_clip_back_and_is_named_in_the_end(world: StageHarness) -> None:
    world.editor.broken_card = UnplayableMedia("the encoder fell over")
    record, run = world.film(Prompt="A cat", **CARDS)
    assert run.status is RunStatus.NEEDS_ATTENTION
    assert world.cells(record)["Error"].startswith("The film could not be put together")
    assert world.events(run, "not_prepared") == []
    world.editor.broken_card = None
    control.retry(world.services, run.id, "test")
    world.until(run.id, "done")


def test_hard_cuts_have_no_seams(world: StageHarness) -> None:
    world.film(Prompt="A cat\nA dog")
    assert world.editor.seams == []


def test_a_contact_sheet_and_a_preview_follow_the_delivery(world: StageHarness) -> None:
    _, run = world.film(Prompt="A cat\nA dog")
    world.settle()
    with world.services.store.read() as tx:
        (cut,) = tx.cuts.find(run_id=run.id)
    for name in ("contact_sheet", "preview"):
        assert world.services.media.stat(cut.extras[name]) is not None


def test_the_row_says_what_was_adapted(world: StageHarness) -> None:
    record, _ = world.film(Prompt="A cat", Clip_Seconds=3, Aspect_Ratio="1:1")
    assert "1:1" in world.cells(record)["Status Detail"]

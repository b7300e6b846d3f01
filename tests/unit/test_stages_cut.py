"""What happens round the join: seams ahead of it, a second path for a faulty film, a sheet and a preview after."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.domain.errors import UnplayableMedia
from pipelines.domain.lifecycle import CutStatus
from pipelines.domain.run import Cut
from tests.unit.stage_house import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.build(tmp_path)


def test_a_film_with_a_fault_is_made_again_by_encoding_everything(world: World) -> None:
    world.studio.faults, world.studio.mendable = ("black for 2.0 s from 00:03",), True
    record, run = world.film(Prompt="A cat\nA dog")
    assert world.cells(record)["Status"] == "Done"
    assert len(world.studio.films) == 2
    with world.services.store.read() as tx:
        (cut,) = tx.cuts.find(run_id=run.id)
    assert "black for 2.0 s" in cut.report["notes"][-1]


def test_a_fault_that_stays_is_delivered_and_said(world: World) -> None:
    world.studio.faults = ("black for 2.0 s from 00:03",)
    record = world.row(Prompt="A cat\nA dog")
    world.until(world.trigger(record), "needs_attention")
    world.settle()
    cells = world.cells(record)
    assert cells["Status"] == "Needs Attention"
    assert cells["Final Video"]
    assert "black for 2.0 s" in cells["Error"]


def test_the_film_that_is_there_is_delivered_when_the_second_path_fails(world: World) -> None:
    world.studio.faults, world.studio.broken_again = ("it is too short",), UnplayableMedia("the encoder fell over")
    record = world.row(Prompt="A cat\nA dog")
    world.until(world.trigger(record), "needs_attention")
    world.settle()
    assert world.cells(record)["Final Video"]
    assert "it is too short" in world.cells(record)["Error"]


def test_what_a_killed_try_left_does_not_keep_the_film_back(world: World) -> None:
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


def test_seams_are_rendered_as_soon_as_both_neighbours_are_there(world: World) -> None:
    world.film(Prompt="A cat\nA dog\nA fox", Transition="Crossfade", **{"Transition Seconds": 0.5})
    assert len(set(world.studio.seams)) == 2


def test_hard_cuts_have_no_seams(world: World) -> None:
    world.film(Prompt="A cat\nA dog")
    assert world.studio.seams == []


def test_a_contact_sheet_and_a_preview_follow_the_delivery(world: World) -> None:
    _, run = world.film(Prompt="A cat\nA dog")
    world.settle()
    with world.services.store.read() as tx:
        (cut,) = tx.cuts.find(run_id=run.id)
    for name in ("contact_sheet", "preview"):
        assert world.services.media.stat(cut.extras[name]) is not None


def test_the_row_says_what_was_adapted(world: World) -> None:
    record, _ = world.film(Prompt="A cat", Clip_Seconds=3, Aspect_Ratio="1:1")
    assert "1:1" in world.cells(record)["Status Detail"]

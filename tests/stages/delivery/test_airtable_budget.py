"""What a film costs in calls to Airtable, however long its clips take, and how fresh its row is all the while."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.airtable.fields import AirtableTable
from pipelines.domain.lifecycle import AIRTABLE_STATUS, MOVING, RunStatus
from pipelines.domain.progress.pacing import CALLS, CALLS_WITH_APPROVAL, FIRST_S, calls_left, next_progress_s
from pipelines.domain.records import Event, Run
from pipelines.stages.base_changes import webhook_push
from pipelines.stages.decisions import control, regenerate
from pipelines.stages.views import run_view
from pipelines.testing import Outcome
from pipelines.testing.airtable import BASE
from pipelines.testing.services import CATALOGUE
from tests.stages.stage_fixtures import STOPPED, StageHarness

SIX = "\n".join(f"Animal number {n}" for n in range(1, 7))
TWELVE = "\n".join(f"Animal number {n}" for n in range(1, 13))
TAKES = [pytest.param(30.0, marks=pytest.mark.slow), 300.0, pytest.param(1800.0, marks=pytest.mark.slow)]
STAGE_WITHIN_S, MINUTE_S = 5.0, 61.5


PATIENT = {name: replace(card, maximum_s=7200.0) for name, card in CATALOGUE.items()}
"""Vendors that may take half an hour."""


def world_of(folder: Path, **overrides: Any) -> StageHarness:
    return StageHarness.build(folder, catalogue=PATIENT, **overrides)


def fresh_base(harness: StageHarness, *, pushed: bool) -> StageHarness:
    """A base that was never looked at, with or without pings."""
    webhook_push.turn_on(harness.services, BASE) if pushed else webhook_push.turn_off(harness.services, BASE)
    webhook_push.schedule_polls(harness.services)
    harness.settle(patience_s=60)
    return harness


def film(harness: StageHarness, record: str, *, takes_s: float) -> Run:
    """Made to its end, approved when it asks, with everything that is looked after later."""
    harness.vendor().ready_after_s = takes_s
    run = harness.until(harness.trigger(record), *STOPPED)
    if run.status is RunStatus.NEEDS_APPROVAL:
        harness.settle(patience_s=30)
        control.approve(harness.services, run.id, "test")
        run = harness.until(run.id, "done", "needs_attention", "failed")
    harness.settle(patience_s=3600)
    return harness.run(run.id)


def all_calls(harness: StageHarness) -> list[tuple[str, str]]:
    """Everything that left, but for the looks at Settings, which are the base's own."""
    return [(call.verb, call.table) for call in harness.airtable.calls if call.verb != "settings"]


def stages_of(harness: StageHarness, run: Run) -> list[Event]:
    with harness.services.store.read() as tx:
        return tx.events.find(run_id=run.id, entity="run", name="status")


@pytest.mark.parametrize("pushed", [True, False])
@pytest.mark.parametrize("takes_s", TAKES)
def test_six_scenes_cost_twelve_calls_at_most_with_the_first_look_at_their_base(
    tmp_path: Path, takes_s: float, pushed: bool
) -> None:
    harness = fresh_base(world_of(tmp_path), pushed=pushed)
    record = harness.row(Prompt=SIX)
    run = film(harness, record, takes_s=takes_s)
    assert harness.cells(record)["Status"] == "Done"
    assert len(harness.cells(record)["Final Video"]) == 1
    assert len(all_calls(harness)) <= CALLS, all_calls(harness)
    told = run_view.run_view(harness.services, run.id)
    assert 0 < told["airtable_calls"] <= CALLS


@pytest.mark.parametrize("pushed", [True, False])
@pytest.mark.parametrize("takes_s", TAKES)
def test_with_approval_they_cost_fourteen(tmp_path: Path, takes_s: float, pushed: bool) -> None:
    harness = fresh_base(world_of(tmp_path, approval_above_micro=0), pushed=pushed)
    record = harness.row(Prompt=SIX)
    run = film(harness, record, takes_s=takes_s)
    assert harness.cells(record)["Status"] == "Done"
    assert len(all_calls(harness)) <= CALLS_WITH_APPROVAL, all_calls(harness)
    assert run_view.run_view(harness.services, run.id)["airtable_calls"] <= CALLS_WITH_APPROVAL


@pytest.mark.parametrize("approval", [True, False])
@pytest.mark.parametrize("takes_s", TAKES)
def test_a_new_stage_is_in_the_row_within_five_seconds_and_progress_every_minute_at_first(
    tmp_path: Path, takes_s: float, approval: bool
) -> None:
    harness = fresh_base(world_of(tmp_path, approval_above_micro=0 if approval else None), pushed=True)
    record = harness.row(Prompt=SIX)
    run = film(harness, record, takes_s=takes_s)
    words = [one for one in harness.airtable.said if one.record_id == record]
    moves = stages_of(harness, run)
    for move, after in pairwise(moves):
        said = [one for one in words if one.cells.get("Status") == AIRTABLE_STATUS[RunStatus(move.new or "")]]
        late = min((one.at - move.at for one in said if one.at >= move.at), default=after.at - move.at)
        assert late <= STAGE_WITHIN_S or after.at - move.at <= STAGE_WITHIN_S, move
    [began] = [move.at for move in moves if move.new == RunStatus.GENERATING]
    ended = next(move.at for move in moves if move.old == RunStatus.GENERATING)
    until = min(began + FIRST_S, ended)
    told = [one.at for one in words if began <= one.at <= until and "Last Update" in one.cells]
    assert all(later - sooner <= MINUTE_S for sooner, later in pairwise([began, *told, until]))


@pytest.mark.parametrize("takes_s", TAKES[1:])
def test_the_row_says_about_how_long_it_still_takes(tmp_path: Path, takes_s: float) -> None:
    """By the catalogue at first, by what the last clips took afterwards."""
    harness = world_of(tmp_path)
    first, second = harness.row(Prompt="A cat"), harness.row(Prompt="A dog")
    for record in (first, second):
        film(harness, record, takes_s=takes_s)
    words = [
        str(one.cells["Status Detail"])
        for one in harness.airtable.said
        if one.record_id == second and "Status Detail" in one.cells
    ]
    going = [text for text in words if "left" in text]
    minutes = int(takes_s / 60) + 1
    assert going[0].startswith(f"0 of 1 clips are ready. About {minutes} min left, until "), going
    assert len(going) >= 4
    assert words[-1] == "The film is ready."


def test_clips_that_come_one_after_the_other_cost_no_call_each(tmp_path: Path) -> None:
    harness = fresh_base(world_of(tmp_path), pushed=True)
    harness.vendor().ready_after_s = 60.0
    record = harness.row(Prompt=SIX)
    run = harness.trigger(record)
    harness.until(run, "generating")
    slower = iter(range(1, 40))
    while harness.run(run).status in MOVING:
        harness.vendor().ready_after_s = 60.0 + 20.0 * next(slower)
        harness.settle(patience_s=30.0)
        harness.clock.pass_by(30.0)
    harness.settle(patience_s=3600)
    assert harness.cells(record)["Status"] == "Done"
    assert len(all_calls(harness)) <= CALLS, all_calls(harness)


@pytest.mark.slow
@pytest.mark.slow
def test_more_than_ten_scenes_cost_two_calls_more(tmp_path: Path) -> None:
    harness = fresh_base(world_of(tmp_path), pushed=True)
    record = harness.row(Prompt=TWELVE)
    film(harness, record, takes_s=1800.0)
    assert [row["Status"] for row in harness.scene_rows()] == ["Done"] * 12
    assert len(all_calls(harness)) <= CALLS + 2, all_calls(harness)


@pytest.mark.slow
@pytest.mark.slow
def test_films_of_a_base_with_many_scenes_in_it_cost_no_more(tmp_path: Path) -> None:
    harness = fresh_base(world_of(tmp_path), pushed=True)
    film(harness, harness.row(Prompt=TWELVE), takes_s=30.0)
    for takes_s in (30.0, 300.0):
        harness.airtable.calls.clear()
        record = harness.row(Prompt=SIX + f"\nAnd so on for {takes_s}")
        film(harness, record, takes_s=takes_s)
        assert harness.cells(record)["Status"] == "Done"
        assert len(all_calls(harness)) <= CALLS, all_calls(harness)


@pytest.mark.parametrize("takes_s", TAKES)
def test_a_scene_made_again_costs_no_more_than_a_film(tmp_path: Path, takes_s: float) -> None:
    harness = fresh_base(world_of(tmp_path), pushed=True)
    record = harness.row(Prompt=SIX)
    run = film(harness, record, takes_s=30.0)
    harness.airtable.calls.clear()
    harness.vendor().ready_after_s = takes_s
    regenerate.regenerate(harness.services, run.id, 3, {}, "test")
    harness.until(run.id, "done")
    harness.settle(patience_s=3600)
    assert harness.cells(record)["Status"] == "Done"
    assert len(all_calls(harness)) <= CALLS, all_calls(harness)


@pytest.mark.parametrize("takes_s", TAKES)
@pytest.mark.parametrize("trouble", [Outcome.REFUSE, Outcome.FAIL, Outcome.NO_CREDIT])
def test_trouble_with_a_scene_is_in_its_row_and_does_not_cost_a_call_a_try(
    tmp_path: Path, takes_s: float, trouble: Outcome
) -> None:
    harness = fresh_base(world_of(tmp_path), pushed=True)
    harness.vendor().script("number 3", trouble)
    record = harness.row(Prompt=SIX)
    run = film(harness, record, takes_s=takes_s)
    assert run.status is RunStatus.NEEDS_ATTENTION
    assert harness.cells(record)["Status"] == "Needs Attention"
    assert [row["Status"] for row in harness.scene_rows()].count("Done") == 5
    assert len(all_calls(harness)) <= CALLS, all_calls(harness)


def test_a_provider_that_fails_twice_and_is_tried_again_costs_no_more(tmp_path: Path) -> None:
    harness = fresh_base(world_of(tmp_path), pushed=True)
    harness.vendor().script("number 3", Outcome.FAIL, Outcome.SUCCEED)
    record = harness.row(Prompt=SIX)
    assert film(harness, record, takes_s=300.0).status is RunStatus.DONE
    assert len(all_calls(harness)) <= CALLS, all_calls(harness)


def test_what_our_server_saw_airtable_fetch_is_not_read_again(tmp_path: Path) -> None:
    harness = world_of(tmp_path)
    harness.film(Prompt=SIX)
    assert harness.calls("attachments") == 0


def test_a_film_that_was_fetched_and_still_vanished_is_looked_after_when_its_row_shows_it(tmp_path: Path) -> None:
    """The answer to the last word about a film tells whether it is in its cell."""
    harness = world_of(tmp_path)
    record = harness.row(Prompt="A cat")
    run = harness.until(harness.trigger(record), "delivering")
    harness.points.at(
        "deliver.verified", lambda: harness.airtable.tables[AirtableTable.VIDEOS][record].pop("Final Video")
    )
    harness.until(run.id, "done")
    harness.settle()
    assert len(harness.cells(record)["Final Video"]) == 1
    assert harness.events(harness.run(run.id), "attached_again")


def test_the_pace_is_a_function_of_time_and_of_the_calls_that_are_left() -> None:
    assert calls_left(3, scenes=6, approval=False, first_look=False) == 5
    assert calls_left(3, scenes=6, approval=True, first_look=True) == 6
    assert calls_left(4, scenes=12, approval=False, first_look=False) == 5, "a second page at the start and at the end"
    told, at, left = [], 2.5, 6
    while (pause := next_progress_s(at, left)) is not None:
        at, left = at + pause, left - 1
        told.append(round(at))
    assert told == [62, 122, 182, 241, 603, 1508]
    assert next_progress_s(90.0, 0) is None

"""Seed, negative prompt, frames and the length of the film, ordered in the row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.domain.lifecycle import RunStatus
from pipelines.testing import CATALOGUE
from tests.stages.stage_fixtures import StageHarness


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    models = dict(CATALOGUE)
    models["acme/film"] = replace(models["acme/film"], seed=True, negative_prompt=True, first_last_frame=True)
    return StageHarness.build(tmp_path, catalogue=models)


def test_a_seed_and_a_negative_prompt_go_to_every_scene(harness: StageHarness) -> None:
    _, run = harness.film(Prompt="A cat\nA dog", Seed=7, **{"Negative Prompt": "rain"})
    assert run.status is RunStatus.DONE
    asked = [purchase.request for purchase in harness.vendor().bought]
    assert [(request.seed, request.negative_prompt) for request in asked] == [(7, "rain")] * 2


def test_another_seed_in_the_row_buys_again_and_the_same_one_does_not(harness: StageHarness) -> None:
    record, _ = harness.film(**{"Master Prompt": "a fox", "Scene Count": 2, "Seed": 7})
    harness.make(record)
    assert len(harness.bought) == 2
    harness.airtable.edit("Videos", record, Seed=8)
    harness.make(record)
    assert [purchase.request.seed for purchase in harness.vendor().bought] == [7, 7, 8, 8]
    harness.airtable.edit("Videos", record, Prompt="A cat")
    harness.make(record)
    harness.airtable.edit("Videos", record, Seed=9)
    harness.make(record)
    assert [purchase.request.seed for purchase in harness.vendor().bought][4:] == [8, 9]


def test_a_model_that_cannot_follow_them_says_so_in_the_row(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    record, _ = harness.film(Prompt="A cat", Seed=7)
    cells = harness.cells(record)
    told = f"{cells.get('Error', '')} {cells.get('Status Detail', '')}"
    assert "acme/film" in told
    assert "seed" in told.casefold()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"Seed": -1}, "Seed: must be a whole number from 0"),
        ({"Seed": 1.5}, "Seed: must be a whole number"),
        ({"Film Seconds": 12, "Clip Seconds": 4}, "Film Seconds: cannot go with Clip Seconds"),
    ],
)
def test_what_cannot_be_is_named_by_its_field(harness: StageHarness, fields: dict[str, float], said: str) -> None:
    record, run = harness.film(Prompt="A cat", **fields)
    assert run.status is RunStatus.FAILED
    assert said in harness.cells(record)["Error"]


def test_a_film_of_so_many_seconds_is_written_in_as_many_scenes_as_suit_it(harness: StageHarness) -> None:
    _, run = harness.film(**{"Master Prompt": "a fox", "Film Seconds": 12})
    assert run.status is RunStatus.DONE
    assert sum(scene.seconds for scene in harness.scenes(run)) == pytest.approx(12)


def test_scenes_written_by_hand_share_the_length_of_the_film(harness: StageHarness) -> None:
    _, run = harness.film(Prompt="A cat\nA dog\nA hare", **{"Film Seconds": 12})
    assert [scene.seconds for scene in harness.scenes(run)] == pytest.approx([4, 4, 4])

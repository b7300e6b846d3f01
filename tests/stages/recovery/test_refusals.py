"""What happens when a video service refuses, fails, or is broken: rung by rung, and never at its siblings' cost."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.records import Event, Run
from pipelines.stages.spending.circuit_breaker import OPEN_S, is_open
from pipelines.testing import Outcome, ScriptedWriter
from tests.stages.stage_fixtures import StageHarness

PRICE = 400_000
"""Of four seconds at both vendors."""


def harness(folder: Path, **overrides: Any) -> StageHarness:
    return StageHarness.build(folder, **{"fallback_models": ("other/film",), **overrides})


def film(harness: StageHarness, *prompts: str, **fields: Any) -> tuple[str, Run]:
    return harness.film(**{"Prompt": "\n".join(prompts), "Clip Seconds": 4, "Model": "acme/film", **fields})


def rungs(harness: StageHarness, run: Run) -> list[tuple[str | None, str | None]]:
    return [(event.detail.rung, event.detail.model) for event in harness.events(run, "ladder")]


def told(events: list[Event], name: str) -> list[Any]:
    return [getattr(event.detail, name) for event in events]


def test_a_refused_scene_goes_to_the_next_model_and_its_sibling_keeps_its_clip(tmp_path: Path) -> None:
    house = harness(tmp_path)
    house.vendor("acme").script("fight", Outcome.REFUSE)
    _, run = film(house, "a lake", "a fight")
    assert run.status == "done"
    assert rungs(house, run) == [("other_model", "other/film")]
    assert [clip.model for clip in house.clips(run)] == ["acme/film", "other/film"]
    assert house.bought == ["a lake", "a fight"]
    assert house.balanced()


def test_a_softer_wording_is_used_only_where_the_row_allows_it(tmp_path: Path) -> None:
    """And it is quoted for, so that the clip can still be paid for."""
    house = harness(tmp_path, writer=ScriptedWriter(cost_micro=500))
    house.vendor("acme").script("gently", Outcome.SUCCEED)
    house.vendor("acme").script("fight", Outcome.REFUSE)
    house.vendor("other").script("fight", Outcome.REFUSE)
    _, allowed = film(house, "a fight", **{"Allow Rewrite": True})
    assert (allowed.status, rungs(house, allowed)) == ("done", [("rewrite", None)])
    assert house.scenes(allowed)[0].prompt == "gently: a fight"
    assert allowed.quote_micro == PRICE + 500
    _, forbidden = film(house, "another fight")
    assert forbidden.status == "needs_attention"
    assert [attempt_level for attempt_level, _ in rungs(house, forbidden)] == ["other_model", "placeholder"]
    assert house.scenes(forbidden)[0].prompt == "another fight"
    assert forbidden.quote_micro == PRICE
    assert house.balanced()


def test_the_marketer_reads_the_culprit_and_a_suggestion_when_nothing_else_helped(tmp_path: Path) -> None:
    """The suggestion is paid for with the money of the scene that was not bought."""
    house = harness(tmp_path, writer=ScriptedWriter(cost_micro=500))
    house.moderator.sentence = "the prompt (violence)"
    for vendor in ("acme", "other"):
        house.vendor(vendor).script("fight", Outcome.REFUSE)
    record, run = film(house, "a lake", "a fight")
    error = house.cells(record)["Error"]
    assert "Scene 2 is a placeholder" in error
    assert "the prompt (violence)" in error
    assert "gently: a fight" in error
    explained = house.events(run, "explained")
    assert told(explained, "cost_micro") == [0, 500]
    assert house.cells(record)["Actual Cost"] == pytest.approx(0.4005)
    assert house.balanced()


def test_every_step_of_the_ladder_says_what_it_cost(tmp_path: Path) -> None:
    house = harness(tmp_path)
    for vendor in ("acme", "other"):
        house.vendor(vendor).script("fight", Outcome.REFUSE)
    _, run = film(house, "a fight")
    steps = house.events(run, "ladder")
    assert told(steps, "after") == ["refused", "refused"]
    assert told(steps, "cost_micro") == [0, 0]
    assert told(steps, "price_micro") == [PRICE, 0]


def test_a_fickle_filter_is_asked_again_before_anything_else(tmp_path: Path) -> None:
    house = harness(tmp_path)
    house.vendor("acme").script("fight", Outcome.REFUSE, Outcome.SUCCEED)
    _, run = film(house, "a fight", Model="acme/fickle")
    assert (run.status, rungs(house, run)) == ("done", [("again", None)])
    assert house.writer.softened == []


def test_a_dearer_model_is_offered_with_its_price_and_not_taken(tmp_path: Path) -> None:
    """Automatic only within what is set aside; here the other vendor has nothing shorter than eight seconds."""
    house = harness(tmp_path, catalogue=_dearer())
    house.vendor("acme").script("storm", Outcome.FAIL)
    record, run = film(house, "a storm")
    assert run.status == "needs_attention"
    assert house.vendor("other").bought == []
    assert "other/film could make it for $0.80" in house.cells(record)["Error"]


def _dearer() -> Any:
    from dataclasses import replace

    from pipelines.testing.services import CATALOGUE

    return {**CATALOGUE, "other/film": replace(CATALOGUE["other/film"], durations=(8.0,), default_seconds=8.0)}


def test_money_that_a_waiting_scene_needs_is_not_spent_on_a_dearer_model(tmp_path: Path) -> None:
    """The second scene continues the first, so its part of the hold is not committed yet."""
    house = harness(tmp_path, catalogue=_dearer())
    house.vendor("acme").script("storm", Outcome.FAIL)
    rows: list[dict[str, Any]] = [{"Prompt": "a storm"}, {"Prompt": "the calm after", "Continue": True}]
    record = house.row(**{"Clip Seconds": 4, "Model": "acme/film"})
    for number, row in enumerate(rows, start=1):
        house.airtable.add("Scenes", **{"Scene #": number, "Status": "Draft", "Video": [record], **row})
    run = house.make(record)
    assert run.status == "needs_attention"
    assert house.vendor("other").bought == []


def test_a_broken_model_hands_over_to_the_next_one(tmp_path: Path) -> None:
    """Five jobs fail; what is bought after that goes elsewhere, at once and without a try."""
    house = harness(tmp_path)
    house.vendor("acme").script("storm", Outcome.FAIL)
    storms = "\n".join(f"storm {n}" for n in range(4))
    first = house.row(**{"Prompt": storms, "Clip Seconds": 4, "Model": "acme/film"})
    house.until(house.trigger(first), "done", "needs_attention")
    failed = len(house.vendor("acme").bought)
    with house.services.store.read() as tx:
        assert is_open(tx, "acme/film", house.clock.now())
    _, run = film(house, "a lake", "a hill")
    assert run.status == "done"
    assert {clip.model for clip in house.clips(run)} == {"other/film"}
    assert told(house.events(run, "ladder"), "after") == ["circuit open", "circuit open"]
    assert len(house.vendor("acme").bought) == failed
    assert house.balanced()


def test_purchases_wait_for_a_broken_model_that_nobody_can_replace_and_one_tries_it_again(tmp_path: Path) -> None:
    house = harness(tmp_path, fallback_models=())
    house.vendor("acme").script("storm", Outcome.FAIL)
    film(house, *(f"storm {n}" for n in range(4)))
    tries = [purchase.at for purchase in house.vendor("acme").bought]
    assert all(after - before >= OPEN_S for before, after in itertools.pairwise(tries[8:]))
    _, run = film(house, "a lake", "a hill")
    assert run.status == "done"
    first, second = house.vendor("acme").bought[len(tries) :]
    assert second.at >= first.at + house.vendor("acme").ready_after_s, "only one may try, until it has succeeded"


def test_rate_limits_break_no_circuit(tmp_path: Path) -> None:
    house = harness(tmp_path)
    house.vendor("acme").script("lake", *[Outcome.RATE_LIMIT] * 8, Outcome.SUCCEED)
    _, run = film(house, "a lake")
    assert [clip.model for clip in house.clips(run)] == ["acme/film"]
    with house.services.store.read() as tx:
        assert tx.circuits.find() == []

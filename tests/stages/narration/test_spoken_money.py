"""What a paid voice costs: quoted, set aside, spent to the cent, and counted where nobody knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from pipelines.domain.errors import Ambiguous, ReelgridError, Refused, Unavailable
from pipelines.domain.records import Run
from pipelines.ports import Stored
from pipelines.stages.files import keep
from pipelines.stages.spending import ledger
from pipelines.stages.views import run_view
from pipelines.storage import FileStore
from pipelines.testing import Outcome
from pipelines.testing.fakes import ScriptedSpeech
from pipelines.testing.services import CATALOGUE
from tests.stages.stage_fixtures import StageHarness

LINE = 10_000
CLIP = 400_000


def narrated(house: StageHarness, *texts: str, **fields: Any) -> Run:
    record_id = house.row(Voiceover=True, Voice="acme/anna", **fields)
    for number, text in enumerate(texts, start=1):
        words = {"Prompt": f"shot {number}", "Narration": text, "Scene #": number, "Status": "Draft"}
        house.airtable.add("Scenes", Video=[record_id], **words)
    return house.make(record_id)


def spent(house: StageHarness, run: Run) -> int:
    with house.services.store.read() as tx:
        return ledger.of_run(tx, run.id).spent


@pytest.fixture
def house(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path, forgiving=True)


def voice(house: StageHarness) -> ScriptedSpeech:
    return cast("ScriptedSpeech", house.services.speech)


def test_two_tries_are_quoted_and_one_is_paid(house: StageHarness) -> None:
    run = narrated(house, "A fox wakes up.", "It runs.")
    assert run.quote_micro == 2 * CLIP + 4 * LINE
    assert spent(house, run) == 2 * CLIP + 2 * LINE
    assert (house.held(), house.balanced()) == (0, True)
    told = [event["sentence"] for event in run_view.run_view(house.services, run.id)["events"]]
    assert told.count("Narrator: a line is spoken.") == 2
    assert not any("Purchase" in sentence for sentence in told)


def test_the_caption_of_a_hook_is_quoted_where_no_scene_has_a_text(house: StageHarness) -> None:
    """A hook is written after the quote, and its caption is spoken and shown."""
    run = narrated(house, "", "", Hooks=2, Captions="Burned")
    assert (run.status.value, len(voice(house).said)) == ("done", 1)
    assert ("Voiceover: 1 × acme/anna", 2 * LINE) in run.known_plan.lines
    assert spent(house, run) == 3 * CLIP + LINE + run.known_plan.hook_text_micro
    assert (house.held(), house.balanced()) == (0, True)
    told = " ".join((*run.known_plan.adapted, *run.known_plan.warnings))
    assert "Nothing is spoken" not in told
    assert "No captions were made" not in told
    assert "No caption is shown in scene 1, 2" in told


@pytest.mark.parametrize(
    ("errors", "paid"),
    [
        ([Refused("no", marketer="It declined.")], 0),
        ([Ambiguous("lost")], 2),
        ([Ambiguous("lost"), Ambiguous("lost again")], 2),
    ],
)
def test_a_lost_answer_is_spent_and_asked_for_once_more_a_refusal_costs_nothing(
    errors: list[ReelgridError], paid: int, house: StageHarness
) -> None:
    voice(house).fail = dict(zip(("fox", "A fox"), errors, strict=False))
    run = narrated(house, "A fox wakes up.")
    assert run.status.value == "done"
    assert spent(house, run) == CLIP + paid * LINE
    assert (house.held(), house.balanced()) == (0, True)


@pytest.mark.parametrize("point", ["speech.intended", "speech.said"])
def test_a_death_with_a_question_open_is_counted_and_never_above_the_quote(point: str, house: StageHarness) -> None:
    def die() -> None:
        raise ZeroDivisionError

    house.points.at(point, die)
    run = narrated(house, "A fox wakes up.")
    assert run.status.value == "done"
    assert spent(house, run) == CLIP + 2 * LINE
    assert spent(house, run) <= (run.quote_micro or 0)
    with house.services.store.read() as tx:
        assert [line.cost_micro for line in tx.purchases.find()] == [2 * LINE]
    assert house.balanced()


def test_a_death_after_the_answer_was_stored_costs_nothing_more(house: StageHarness) -> None:
    def die() -> None:
        raise ZeroDivisionError

    house.points.at("speech.stored", die)
    run = narrated(house, "A fox wakes up.")
    assert (run.status.value, len(voice(house).said)) == ("done", 1)
    assert spent(house, run) == CLIP + LINE
    assert house.balanced()


def test_who_slept_through_its_lease_moves_no_money_when_it_wakes(tmp_path: Path) -> None:
    """Another step held its question for lost, asked once more, and is done: its late error says nothing any more."""
    house = StageHarness.build(tmp_path)

    def sleep_through_it() -> None:
        house.clock.pass_by(120.0)
        house.settle()
        raise Refused("late", marketer="Too late.")

    voice(house).meanwhile = sleep_through_it
    run = narrated(house, "A fox wakes up.")
    assert (run.status.value, len(voice(house).said)) == ("done", 1)
    assert spent(house, run) == CLIP + 2 * LINE
    assert house.balanced()


def test_max_cost_counts_the_voice_and_a_line_bought_before_is_not_quoted_again(house: StageHarness) -> None:
    refused = narrated(house, "A fox wakes up.", **{"Max Cost": 0.41})
    assert refused.status.value == "needs_attention"
    assert voice(house).said == []
    again = narrated(house, "A fox wakes up.", **{"Max Cost": 0.42})
    assert again.status.value == "done"
    third = narrated(house, "A fox wakes up.")
    assert third.quote_micro == 0
    assert len(voice(house).said) == 1


def test_a_line_whose_file_is_gone_is_held_for_and_takes_no_money_of_a_clip(house: StageHarness) -> None:
    first = narrated(house, "A fox wakes up.")
    with house.services.store.read() as tx:
        (scene,) = tx.scenes.find(run_id=first.id)
    keep.remove(house.services, [scene.sound or ""])
    again = narrated(house, "A fox wakes up.")
    assert again.quote_micro == 2 * LINE
    assert (spent(house, again), len(voice(house).said)) == (LINE, 2)
    assert (house.held(), house.balanced()) == (0, True)


class _RestartingStorage(FileStore):
    """Away for a moment, when a spoken line is to be stored."""

    away = True

    def put_file(self, path: Path, key: str, content_type: str, filename: str | None = None) -> Stored:
        if self.away and key.startswith("sounds/"):
            self.away = False
            raise Unavailable("storage restarts")
        return super().put_file(path, key, content_type, filename)


def test_a_line_that_was_paid_for_outlives_a_restart_of_the_storage(tmp_path: Path) -> None:
    house = StageHarness.build(tmp_path, media=_RestartingStorage(tmp_path / "media"))
    run = narrated(house, "A fox wakes up.")
    assert (spent(house, run), len(voice(house).said)) == (CLIP + LINE, 1)


def test_a_scene_that_another_model_makes_keeps_its_line_and_its_silence(tmp_path: Path) -> None:
    loud = {name: replace(card, audio=True) for name, card in CATALOGUE.items()}
    house = StageHarness.build(tmp_path, catalogue=loud, fallback_models=("other/film",))
    house.vendor().script("shot", Outcome.FAIL)
    run = narrated(house, "A fox wakes up.")
    (scene,) = house.scenes(run)
    assert (run.status.value, scene.model) == ("done", "other/film")
    assert (scene.settings.speech_micro, scene.settings.quiet) == (2 * LINE, True)
    assert all("No dialogue, no voice-over" in prompt for prompt in house.vendor("other").prompts)

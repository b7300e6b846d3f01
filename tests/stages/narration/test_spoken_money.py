"""What a paid voice costs: quoted, set aside, spent to the cent, and counted where nobody knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from pipelines.domain.errors import Ambiguous, Busy, ReelgridError, Refused, Unavailable
from pipelines.domain.lifecycle import GenerationStatus
from pipelines.domain.records import Purchase, Run
from pipelines.ports import Stored
from pipelines.stages.decisions import control, dry_run, regenerate
from pipelines.stages.files import keep
from pipelines.stages.kernel.transitions import Actor, transition_purchase
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


def test_a_death_with_a_question_open_is_counted_and_never_above_the_quote(house: StageHarness) -> None:
    def die() -> None:
        raise ZeroDivisionError

    house.points.at("speech.intended", die)
    run = narrated(house, "A fox wakes up.")
    assert run.status.value == "done"
    assert spent(house, run) == CLIP + 2 * LINE
    assert spent(house, run) <= (run.quote_micro or 0)
    with house.services.store.read() as tx:
        assert [line.cost_micro for line in tx.purchases.find()] == [2 * LINE]
    assert house.balanced()


@pytest.mark.parametrize("point", ["speech.said", "speech.stored"])
def test_a_death_after_the_answer_was_there_costs_nothing_more(point: str, house: StageHarness) -> None:
    def die() -> None:
        raise ZeroDivisionError

    house.points.at(point, die)
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


class _FullDisk(FileStore):
    """No room for a spoken line, until somebody makes some."""

    full = True

    def put_file(self, path: Path, key: str, content_type: str, filename: str | None = None) -> Stored:
        if self.full and key.startswith("sounds/"):
            raise Busy("the disk is full")
        return super().put_file(path, key, content_type, filename)


def test_a_line_for_which_the_disk_has_no_room_waits_and_is_not_bought_again(tmp_path: Path) -> None:
    disk = _FullDisk(tmp_path / "media")
    house = StageHarness.build(tmp_path, media=disk)
    record_id = house.row(Voiceover=True, Voice="acme/anna")
    house.airtable.add("Scenes", Video=[record_id], Prompt="a fox", Narration="A fox wakes up.", Status="Draft")
    run_id = house.trigger(record_id)
    house.settle(patience_s=30.0)
    assert house.run(run_id).status.value == "stitching"
    disk.full = False
    run = house.until(run_id, "done")
    assert (spent(house, run), len(voice(house).said)) == (CLIP + LINE, 1)
    assert [path for path in (tmp_path / "work" / "sounds").iterdir() if path.is_file()] == []
    assert (house.held(), house.balanced()) == (0, True)


def test_paid_lines_wait_while_spending_is_stopped(house: StageHarness) -> None:
    record_id = house.row(Voiceover=True, Voice="acme/anna")
    house.airtable.add("Scenes", Video=[record_id], Prompt="a fox", Narration="A fox wakes up.", Status="Draft")
    run_id = house.trigger(record_id)
    house.points.at("scenes.planned", lambda: control.set_stop(house.services, on=True, reason="", actor="me"))
    house.settle(patience_s=30.0)
    assert (voice(house).said, house.bought) == ([], [])
    control.set_stop(house.services, on=False, reason="", actor="me")
    run = house.until(run_id, "done")
    assert (spent(house, run), len(voice(house).said)) == (CLIP + LINE, 1)


def test_who_judges_a_line_late_does_not_move_one_that_was_begun_again(house: StageHarness) -> None:
    """Its run is over, the next has ordered the same line and is at its first try: the old question is another."""
    first, second = (house.trigger(house.row(Prompt="a fox")) for _ in range(2))
    with house.services.store.write() as tx:
        now = house.clock.now()
        old = Purchase(id="pur_1", run_id=first, kind="speech", fingerprint="f", status=GenerationStatus.SUBMITTING)
        old = replace(old, tries=1, intent_at=now, created_at=now)
        tx.purchases.add(replace(old, intent_at=now + 60.0))
        assert not transition_purchase(tx, Actor("late", now), old, GenerationStatus.FAILED)
        assert transition_purchase(
            tx, Actor("now", now), replace(old, intent_at=now + 60.0), GenerationStatus.PLANNED, tries=0
        )
        tx.purchases.change("pur_1", run_id=second, intent_at=None)
        planned = replace(old, status=GenerationStatus.PLANNED, tries=0, intent_at=None)
        assert not transition_purchase(tx, Actor("late", now), planned, GenerationStatus.CANCELLED)


def test_a_new_clip_whose_line_is_there_is_quoted_without_it(house: StageHarness) -> None:
    run = narrated(house, "A fox wakes up.")
    preview = dry_run.regeneration(house.services, run.id, 1, {})
    other = dry_run.regeneration(house.services, run.id, 1, {"narration": "A hare."})
    assert (preview.price_micro, other.price_micro) == (CLIP, CLIP + 2 * LINE)
    again = regenerate.regenerate(house.services, run.id, 1, {}, "me", at_most_micro=preview.shown_micro)
    assert house.held() == CLIP
    assert house.until(again.id, "done").quote_micro == 2 * CLIP + LINE
    assert (len(voice(house).said), house.balanced()) == (1, True)


def test_a_scene_that_another_model_makes_keeps_its_line_and_its_silence(tmp_path: Path) -> None:
    loud = {name: replace(card, audio=True) for name, card in CATALOGUE.items()}
    house = StageHarness.build(tmp_path, catalogue=loud, fallback_models=("other/film",))
    house.vendor().script("shot", Outcome.FAIL)
    run = narrated(house, "A fox wakes up.")
    (scene,) = house.scenes(run)
    assert (run.status.value, scene.model) == ("done", "other/film")
    assert (scene.settings.speech_micro, scene.settings.quiet) == (2 * LINE, True)
    assert all("No dialogue, no voice-over" in prompt for prompt in house.vendor("other").prompts)


@pytest.mark.parametrize(("factor", "said"), [(2, 2), (4, 1)])
def test_a_line_that_costs_more_by_now_is_said_as_long_as_the_hold_reaches(
    factor: int, said: int, house: StageHarness
) -> None:
    """As when a price changes with the year between the quote and the line: four tries were set aside for two lines."""

    def dearer() -> None:
        voice(house).price_micro = factor * LINE

    voice(house).meanwhile = dearer
    run = narrated(house, "A fox wakes up.", "It runs.")
    assert (run.status.value, len(voice(house).said)) == ("done", said)
    assert spent(house, run) == 2 * CLIP + LINE + (said - 1) * factor * LINE
    assert spent(house, run) <= (run.quote_micro or 0)
    assert (house.held(), house.balanced()) == (0, True)
    assert ("set aside" in house.cells(run.record_id or "")["Status Detail"]) is (said == 1)


def test_a_voice_that_ends_before_the_second_try_is_not_asked_again(house: StageHarness) -> None:
    def ends() -> None:
        voice(house).away = "The voice has ended on 2027-01-06."
        raise Ambiguous("lost")

    voice(house).meanwhile = ends
    run = narrated(house, "A fox wakes up.")
    assert (run.status.value, voice(house).said) == ("done", [])
    assert spent(house, run) == CLIP + LINE
    assert (house.held(), house.balanced()) == (0, True)
    assert "has ended on 2027-01-06" in house.cells(run.record_id or "")["Status Detail"]

"""What a narrator says over the scenes of a film: bought once, fitted in, and never a reason for no film."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from pipelines.domain.errors import Ambiguous, ProviderFailed, ReelgridError, Unavailable
from pipelines.domain.footage import Voice
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.records import Purchase, Run
from pipelines.stages.decisions import control
from pipelines.stages.files import keep
from pipelines.stages.orders import plan_run
from pipelines.testing.fakes import ScriptedSpeech
from pipelines.testing.services import CATALOGUE
from pipelines.writers import DeterministicWriter
from tests.stages.stage_fixtures import StageHarness


@pytest.fixture
def house(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path)


def speech(house: StageHarness) -> ScriptedSpeech:
    return cast("ScriptedSpeech", house.services.speech)


def said(house: StageHarness) -> list[str]:
    return [line.text for line in speech(house).said]


def bought(house: StageHarness) -> list[Purchase]:
    with house.services.store.read() as tx:
        return tx.purchases.find(order="created_at")


def voices(house: StageHarness) -> list[Voice]:
    return [work.voice for work in house.editor.prepared if work.voice]


def order_scenes(house: StageHarness, *texts: str | None, **fields: Any) -> tuple[str, Run]:
    """A row with scenes of its own, each with what is said over it."""
    record_id = house.row(Voiceover=True, **fields)
    for number, text in enumerate(texts, start=1):
        house.airtable.add("Scenes", **_scene(record_id, text, number))
    return record_id, house.make(record_id)


def test_each_scene_is_spoken_over_by_one_narrator_while_its_clip_is_made(house: StageHarness) -> None:
    record_id, run = order_scenes(house, "A fox wakes up in the snow.", "And then it runs.")
    assert run.status.value == "done"
    assert sorted(said(house)) == ["A fox wakes up in the snow.", "And then it runs."]
    assert speech(house).calls == ["local/heart"]
    assert sorted(voice.text for voice in voices(house)) == sorted(said(house))
    assert {(voice.begins_s, voice.room_s) for voice in voices(house)} == {(0.3, 3.5)}
    assert [scene.sound is not None for scene in house.scenes(run)] == [True, True]
    assert [row["Narration"] for row in house.scene_rows()] == ["A fox wakes up in the snow.", "And then it runs."]
    assert "narrator" not in house.cells(record_id)["Status Detail"]
    assert house.balanced()


def test_without_voiceover_nothing_is_bought_or_laid_over(house: StageHarness) -> None:
    record_id = house.row(**{"Master Prompt": "A fox", "Voice": "acme/anna"})
    run = house.make(record_id)
    assert run.status.value == "done"
    assert (said(house), bought(house), voices(house)) == ([], [], [])
    assert house.writer.briefs[0].narration_words is None


def test_the_writer_is_told_how_many_words_fit_and_nobody_else_is_to_speak(tmp_path: Path) -> None:
    loud = {name: replace(card, audio=True) for name, card in CATALOGUE.items()}
    house = StageHarness.build(tmp_path, catalogue=loud)
    house.film(**{"Master Prompt": "A fox", "Voiceover": True, "Clip Seconds": 8})
    assert house.writer.briefs[0].narration_words == 17
    assert all("No dialogue, no voice-over" in prompt for prompt in house.bought)


def test_a_film_made_again_with_a_narrator_keeps_its_clips_and_speaks_its_captions(house: StageHarness) -> None:
    """Ticking a box must not buy what is there: the scenes of before are taken, and their captions are said."""
    record_id, _ = house.film(**{"Master Prompt": "A fox", "Scene Count": 2})
    clips = len(house.bought)
    house.airtable.edit("Videos", record_id, Voiceover=True)
    run = house.make(record_id)
    assert (run.status.value, len(house.bought)) == ("done", clips)
    assert sorted(said(house)) == ["Shot 1", "Shot 2"]


def test_the_same_lines_again_are_not_bought_and_a_changed_one_is_bought_alone(house: StageHarness) -> None:
    record_id, _ = order_scenes(house, "A fox wakes up.", "It runs.", Voice="acme/anna")
    first = sorted(said(house))
    house.make(record_id)
    assert sorted(said(house)) == first
    second = house.scene_ids()[-1]
    house.airtable.edit("Scenes", second, Narration="It sleeps again.", Status="Draft")
    clips = len(house.bought)
    run = house.make(record_id)
    assert (run.status.value, len(house.bought)) == ("done", clips)
    assert sorted(said(house)) == sorted([*first, "It sleeps again."])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ProviderFailed("no", marketer="The voice broke."), "The voice broke."),
        (Ambiguous("lost"), "may have charged"),
        (Unavailable("away"), None),
    ],
)
def test_a_line_that_fails_never_fails_the_film(house: StageHarness, error: ReelgridError, words: str | None) -> None:
    speech(house).fail = {"fox": error}
    if isinstance(error, Ambiguous):
        speech(house).fail = {"fox": error, "A fox": Ambiguous("lost again")}
    record_id, run = order_scenes(house, "A fox wakes up.", "It runs.", Voice="acme/anna")
    assert run.status.value == "done"
    assert "It runs." in said(house)
    detail = house.cells(record_id)["Status Detail"]
    if words is None:
        assert "A fox wakes up." in said(house)
    else:
        assert "A fox wakes up." not in said(house)
        assert f"Scene 1 has no narrator. {words}" in detail or words in detail


def test_scenes_without_a_text_are_told_of_instead_of_a_silent_narrator(house: StageHarness) -> None:
    record_id, run = house.film(Voiceover=True, Prompt="A fox wakes up\nThe fox runs")
    assert (run.status.value, said(house)) == ("done", [])
    assert "Nothing is spoken, because no scene has a Narration" in house.cells(record_id)["Status Detail"]


def test_a_voice_that_cannot_be_had_is_said_before_and_the_film_is_made(house: StageHarness) -> None:
    speech(house).away = "The built-in voice cannot be had on this machine."
    record_id, run = order_scenes(house, "A fox wakes up.")
    assert run.status.value == "done"
    assert "cannot be had" in house.cells(record_id)["Status Detail"]


def test_another_language_is_not_read_in_an_english_voice(house: StageHarness) -> None:
    record_id, run = order_scenes(house, "Der Fuchs ist wach und läuft.", "The fox is awake.")
    assert run.status.value == "done"
    assert said(house) == ["The fox is awake."]
    assert "Scene 1 has no narrator. local/heart speaks English only." in house.cells(record_id)["Status Detail"]


def test_a_line_too_long_for_its_clip_says_so_in_the_row(tmp_path: Path) -> None:
    house = StageHarness.build(tmp_path, writer=DeterministicWriter())
    record_id, run = order_scenes(house, "one two three four five six seven eight nine ten eleven twelve")
    assert run.status.value == "done"
    assert "Scene 1: what is said is too long for its clip" in house.cells(record_id)["Status Detail"]


def test_an_unknown_voice_is_named_and_the_quote_has_a_line_of_its_own(house: StageHarness) -> None:
    order = Order(scenes=(SceneOrder(prompt="a fox", narration="The fox."),), voiceover=True, voice="acme/anna")
    plan = plan_run.plan_order(house.services, order)
    assert ("Voiceover: 1 × acme/anna", 20_000) in plan.lines
    assert plan.quote_micro == sum(micro for _, micro in plan.lines)
    record_id, run = order_scenes(house, "A fox.", Voice="acme/nobody")
    assert run.status.value == "failed"
    assert "Voice: There is no voice 'acme/nobody' here." in house.cells(record_id)["Error"]


def test_a_step_that_dies_with_a_question_open_asks_once_more(house: StageHarness) -> None:
    """Whoever takes over sees that the answer is lost: that try counts, and one more is in the quote."""
    harness = StageHarness(house.services, forgiving=True)
    harness.points.at("speech.intended", _die)
    record_id = harness.row(Voiceover=True, Voice="acme/anna", Prompt="A fox wakes up")
    harness.airtable.add("Scenes", **_scene(record_id, "A fox wakes up."))
    run = harness.make(record_id)
    assert run.status.value == "done"
    assert said(harness) == ["A fox wakes up."]
    assert [(one.status.value, one.tries) for one in bought(harness)] == [("fetched", 2)]


def test_a_run_that_is_cancelled_has_nothing_more_said(house: StageHarness) -> None:
    record_id = house.row(Voiceover=True)
    house.airtable.add("Scenes", **_scene(record_id, "A fox wakes up."))
    run_id = house.trigger(record_id)
    house.points.at("scenes.planned", lambda: control.cancel(house.services, run_id, "a person"))
    house.until(run_id, "cancelled")
    house.settle()
    assert said(house) == []
    assert [one.status.value for one in bought(house)] == ["cancelled"]


def _die() -> None:
    raise ZeroDivisionError


def _scene(record_id: str, narration: str | None, number: int = 1) -> dict[str, Any]:
    words = {"Prompt": f"shot {number}", "Narration": narration}
    return {"Video": [record_id], "Scene #": number, "Status": "Draft", **words}


def test_a_line_that_another_run_was_buying_when_it_stopped_is_bought_by_the_next(house: StageHarness) -> None:
    first, second = (house.row(Voiceover=True) for _ in range(2))
    for record_id in (first, second):
        house.airtable.add("Scenes", **_scene(record_id, "A fox wakes up."))
    speech(house).fail = {"fox": Unavailable("away")}
    stopped = house.trigger(first)
    house.points.at("speech.intended", lambda: control.cancel(house.services, stopped, "a person"))
    run = house.make(second)
    house.settle()
    assert (run.status.value, house.run(stopped).status.value) == ("done", "cancelled")
    assert [scene.sound is not None for scene in house.scenes(run)] == [True]


def test_a_line_whose_file_has_outlived_its_retention_is_said_again(house: StageHarness) -> None:
    record_id, run = order_scenes(house, "A fox wakes up.")
    (scene,) = house.scenes(run)
    keep.remove(house.services, [scene.sound or ""])
    house.airtable.edit("Videos", record_id, **{"Logo Opacity": 0.5, "Loudness": -16})
    again = house.make(record_id)
    assert (again.status.value, said(house)) == ("done", ["A fox wakes up.", "A fox wakes up."])


def test_a_deployment_whose_usual_voice_is_unknown_says_so_and_makes_the_film(tmp_path: Path) -> None:
    house = StageHarness.build(tmp_path, speech=ScriptedSpeech(usual="acme/nobody"))
    record_id, run = order_scenes(house, "A fox wakes up.")
    assert run.status.value == "done"
    assert "There is no voice 'acme/nobody' here." in house.cells(record_id)["Status Detail"]


def test_karaoke_shows_what_is_said_with_the_times_that_the_voice_told(house: StageHarness) -> None:
    record_id, run = order_scenes(house, "A fox wakes up.", None, Captions="Karaoke")
    assert run.status.value == "done"
    (work,) = [work for work in house.editor.prepared if work.voice]
    assert (work.caption, work.karaoke) == ("A fox wakes up.", True)
    assert work.voice is not None
    assert [word.text for word in work.voice.words] == ["A", "fox", "wakes", "up."]
    assert [word.start for word in work.voice.words] == [0.0, 0.4, 0.8, 1.2]
    # What is said is a caption: only the other scene has none.
    assert "No caption is shown in scene 2" in house.cells(record_id)["Status Detail"]
    house.airtable.edit("Videos", record_id, Captions="Burned")
    bought_before = (len(said(house)), len(house.bought))
    assert house.make(record_id).status.value == "done"
    assert (len(said(house)), len(house.bought)) == bought_before


def test_burned_captions_under_a_narrator_ask_for_no_times(house: StageHarness) -> None:
    order_scenes(house, "A fox wakes up.", Captions="Burned")
    assert [work.voice.words for work in house.editor.prepared if work.voice] == [()]

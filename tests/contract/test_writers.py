"""The GPT writer and the moderator with the real SDK against the sandbox's OpenAI."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from pipelines.domain.errors import NotConfigured, OutOfCredit, RateLimited, Refused, Unavailable
from pipelines.domain.planning.cast import seen_in
from pipelines.ports import Brief, SceneWriter
from pipelines.sandbox.app import Sandbox
from pipelines.settings import load_settings
from pipelines.testing.fakes import ScriptedSpeech
from pipelines.writers import build_moderator, build_writer
from tests.contract.bills import spent_micro
from tests.stages.stage_fixtures import StageHarness

FOX = "A red fox crosses a snowy forest. It finds a lantern. The lantern glows. The fox sleeps."
Build = Callable[..., SceneWriter]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Sandbox() as sandbox:
        yield sandbox.url


@pytest.fixture
def build(url: str, tmp_path: Path) -> Build:
    def make(key: str = "sk-sandbox", **changes: str) -> SceneWriter:
        environ = {"OPENAI_API_KEY": key, "OPENAI_BASE_URL": f"{url}/openai/v1", **changes}
        return build_writer(load_settings(environ, tmp_path))

    return make


def brief(master_prompt: str = FOX, scenes: int = 4, **changes: Any) -> Brief:
    return replace(Brief(master_prompt=master_prompt, scenes=scenes, seconds=4.0, aspect_ratio="16:9"), **changes)


@pytest.mark.parametrize("scenes", [1, 4, 50])
def test_as_many_scenes_as_asked_each_with_a_caption(build: Build, scenes: int) -> None:
    script = build().write(brief(scenes=scenes))
    assert len(script.scenes) == scenes
    assert script.writer == "gpt-6-luna expand-v1"
    assert script.notes == ()
    assert all(scene.prompt and scene.caption and len(scene.caption) <= 60 for scene in script.scenes)


def test_the_cost_is_what_the_service_bills_and_within_the_quote(url: str, build: Build) -> None:
    writer, asked = build(), brief("A fox in the forest, billed for this test", title="Bill")
    before = spent_micro(url)
    script = writer.write(asked)
    billed = spent_micro(url) - before
    assert billed <= script.cost_micro <= billed + 1.001
    assert script.cost_micro <= writer.quote_micro(asked)


def test_style_notes_reach_the_scenes(build: Build) -> None:
    script = build().write(brief(style_notes="pastel\ncolours"))
    assert all("pastel colours" in scene.prompt for scene in script.scenes)


def test_a_model_that_declines_is_a_refusal(build: Build) -> None:
    with pytest.raises(Refused):
        build().write(brief("A fox [[refuse-text]]"))


@pytest.mark.parametrize(("word", "said"), [("truncate", "cut off twice"), ("wrong", "could not be used")])
def test_an_answer_that_cannot_be_used_leads_to_the_offline_writer_with_a_note(
    build: Build, word: str, said: str
) -> None:
    script = build().write(brief(f"A fox [[{word}-text]]. It sleeps."))
    assert (len(script.scenes), script.writer) == (4, "deterministic")
    assert said in script.notes[0]
    assert script.cost_micro > 0


@pytest.mark.parametrize(("word", "ends"), [("refuse", "failed"), ("truncate", "done"), ("wrong", "done")])
def test_a_run_costs_what_was_billed_for_its_words_even_where_they_are_of_no_use(
    url: str, build: Build, tmp_path: Path, word: str, ends: str
) -> None:
    harness, before = StageHarness.build(tmp_path, writer=build()), spent_micro(url)
    record, run = harness.film(**{"Master Prompt": f"A fox [[{word}-text]]. It sleeps.", "Model": "local/animatic"})
    billed = spent_micro(url) - before
    assert (run.status, billed > 0) == (ends, True)
    assert billed <= round(harness.cells(record)["Actual Cost"] * 1_000_000) <= billed + 2
    assert harness.balanced()
    vain = [event.detail.cost_micro for event in harness.events(run, "paid_in_vain")]
    assert len(vain) == (1 if ends == "failed" else 0)


TOO_LONG = "One fox wakes up in the snow, and two more wake up in the barn behind the old mill"


@pytest.mark.parametrize(
    ("word", "told", "tries", "spoken"),
    [
        ("refuse", "take too long for its clip; the language model declined to say them shorter.", 1, TOO_LONG),
        ("wrong", f"the shorter line has {len(TOO_LONG)} characters, and at most 49 fit, twice.", 2, TOO_LONG),
        ("lost", "so the narrator says: “One fox wakes up in the snow", 2, "One fox wakes up in the snow"),
    ],
)
def test_a_line_that_the_service_does_not_say_shorter_is_spoken_as_it_was(
    url: str, build: Build, tmp_path: Path, word: str, told: str, tries: int, spoken: str
) -> None:
    """What was answered is paid, once, of use or not; an answer that got lost is asked for once more."""
    harness, before = StageHarness.build(tmp_path, writer=build()), spent_micro(url)
    record = harness.row(Title=f"Barn [[{word}-shortening]]", Voiceover=True, Voice="acme/anna")
    scene = {"Prompt": "A fox", "Narration": TOO_LONG, "Scene #": 1, "Status": "Draft"}
    harness.airtable.add("Scenes", Video=[record], **scene)
    run = harness.make(record)
    billed = spent_micro(url) - before
    assert run.status == "done", run.error
    assert told in harness.cells(record)["Status Detail"]
    (line,) = cast("ScriptedSpeech", harness.services.speech).said
    assert line.text.startswith(spoken)
    with harness.services.store.read() as tx:
        (asked,) = tx.purchases.find(kind="translation")
    assert (asked.tries, billed > 0) == (tries, True)
    assert billed <= asked.cost_micro <= tries * asked.reserve_micro
    assert (harness.held(), harness.balanced()) == (0, True)


def test_a_busy_service_is_asked_again_by_the_stage_and_not_by_us(build: Build) -> None:
    writer, asked = build(), brief("A fox [[busy-text]], once")
    with pytest.raises(RateLimited) as caught:
        writer.write(asked)
    assert caught.value.retry_after == 1
    assert writer.write(asked).writer == "gpt-6-luna expand-v1"


def test_a_failing_service_is_unavailable_and_never_replaced_silently(build: Build) -> None:
    writer, asked = build(), brief("A fox [[fail-text]], once")
    with pytest.raises(Unavailable):
        writer.write(asked)
    assert writer.write(asked).writer == "gpt-6-luna expand-v1"


def test_a_wrong_key_an_empty_account_and_an_unknown_model_name_what_to_check(build: Build) -> None:
    with pytest.raises(NotConfigured, match="OPENAI_API_KEY"):
        build("bad-key").write(brief())
    with pytest.raises(OutOfCredit):
        build("empty-account").write(brief())
    with pytest.raises(NotConfigured, match="OPENAI_MODEL"):
        build(OPENAI_MODEL="gpt-0").write(brief())


def test_the_doctor_learns_whether_key_address_and_model_are_right(url: str, build: Build, tmp_path: Path) -> None:
    before = spent_micro(url)
    assert build().check() == f"gpt-6-luna: {url}/openai/v1 answers and has it."
    with pytest.raises(NotConfigured, match="OPENAI_API_KEY"):
        build("bad-key").check()
    with pytest.raises(NotConfigured, match="OPENAI_MODEL"):
        build(OPENAI_MODEL="gpt-0").check()
    with pytest.raises(Unavailable):
        build(OPENAI_BASE_URL="http://127.0.0.1:9/v1").check()
    assert "without a language model" in build_writer(load_settings({}, tmp_path)).check()
    assert spent_micro(url) == before


def test_a_softened_prompt_keeps_its_subject_and_loses_its_directives(build: Build) -> None:
    (scene,) = build().soften("Two foxes in the snow [[refuse]]", "the prompt (violence)").scenes
    assert "Two foxes in the snow" in scene.prompt
    assert "[[" not in scene.prompt


def test_moderation_names_the_prompt_that_it_flags(url: str, tmp_path: Path) -> None:
    environ = {"OPENAI_API_KEY": "sk-sandbox", "OPENAI_BASE_URL": f"{url}/openai/v1"}
    moderator = build_moderator(load_settings(environ, tmp_path))
    assert moderator.culprit("A fox [[flag]]", ()) == "the prompt (violence)"
    assert moderator.culprit("A fox", ()) is None


def test_with_a_narrator_each_scene_says_something_that_fits_and_without_one_nothing(build: Build) -> None:
    said = build().write(brief(narration_words=6)).scenes
    assert all(scene.narration and len(scene.narration.split()) <= 6 for scene in said)
    assert len({scene.narration for scene in said}) > 1
    assert [scene.narration for scene in build().write(brief()).scenes] == [None] * 4


def test_what_is_posted_is_written_where_it_is_asked_for(build: Build) -> None:
    script = build().write(brief(post=True, narration_words=6))
    assert bool(script.post_text) is (script.writer != "deterministic")
    assert "[[" not in script.post_text
    assert all(scene.narration for scene in script.scenes)
    assert build().write(brief()).post_text == ""


def test_who_comes_back_is_said_only_where_it_is_asked_for(build: Build) -> None:
    script = build().write(brief(cast=True, narration_words=6))
    assert script.scenes[0].narration
    assert build().write(brief()).cast == ()
    for member in script.cast:
        assert member.looks
        assert any(seen_in(scene.prompt, [member]) for scene in script.scenes)
    assert bool(script.cast) is (script.writer != "deterministic")

"""What the operator does not allow: refused in a sentence before money is set aside, and never bought."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from pipelines.domain.errors import Unavailable
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.sandbox.app import Sandbox
from pipelines.settings import Origin, load_settings
from pipelines.stages.decisions import regenerate
from pipelines.stages.orders import accept
from pipelines.stages.orders.accept import StartRequest
from pipelines.testing.fakes import ScriptedSpeech
from pipelines.testing.services import CATALOGUE
from pipelines.writers.prompt_check import OperatorsCheck, build_prompt_check
from tests.stages.stage_fixtures import STOPPED, StageHarness


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def house(folder: Path, *words: str, url: str | None = None) -> StageHarness:
    trusted = [Origin.of(url)] if url else []
    return StageHarness.build(folder, prompt_check=OperatorsCheck(words, url, "sk-sandbox", trusted))


def order(harness: StageHarness, *prompts: str, **wanted: str) -> str:
    scenes = tuple(SceneOrder(prompt=prompt) for prompt in prompts)
    asked = Order(scenes=scenes, scene_count=len(scenes), title="A film", **wanted)  # type: ignore[arg-type]
    return accept.start(harness.services, StartRequest(source="rest", order=asked)).run_id


def test_a_word_of_the_list_is_refused_before_anything_is_set_aside(tmp_path: Path) -> None:
    """Whole words, however they are written; what only sounds alike is filmed."""
    harness = house(tmp_path, "Acme Cola", "ass")
    refused = harness.until(order(harness, "A fox", "Drink ACME\u00a0cola"), *STOPPED)
    assert refused.status is RunStatus.FAILED
    assert refused.error == (
        "prompt: This is not filmed here because of “acme cola”. Nothing was bought for it. Please word it differently "
        "and start again."
    )
    assert harness.bought == []
    with harness.services.store.read() as tx:
        assert tx.ledger.count(run_id=refused.id) == 0
    assert harness.until(order(harness, "A glass of water"), *STOPPED).status is RunStatus.DONE


def test_what_the_moderation_server_flags_is_refused(tmp_path: Path, sandbox: Sandbox) -> None:
    harness = house(tmp_path, url=f"{sandbox.url}/openai/v1")
    refused = harness.until(order(harness, "A duel [[refuse]]"), *STOPPED)
    assert (refused.status, harness.bought) == (RunStatus.FAILED, [])
    assert (refused.error or "").startswith("prompt: This is not filmed here because of ")
    assert harness.until(order(harness, "A fox"), *STOPPED).status is RunStatus.DONE


def test_a_scene_that_is_worded_anew_is_asked_about_before_it_is_bought(tmp_path: Path) -> None:
    harness = house(tmp_path, "acme")
    run = harness.until(order(harness, "A fox"), *STOPPED)
    regenerate.regenerate(harness.services, run.id, 1, {"prompt": "An Acme fox"}, "ada")
    again = harness.until(run.id, "needs_attention", "done", "failed")
    assert harness.bought == ["A fox"]
    assert again.status is not RunStatus.DONE
    assert harness.balanced()


def test_a_narration_that_is_worded_anew_is_asked_about_before_it_is_spoken(tmp_path: Path) -> None:
    harness = house(tmp_path, "acme")
    scenes = (SceneOrder(prompt="A fox", narration="It runs."),)
    asked = Order(scenes=scenes, scene_count=1, voiceover=True, voice="acme/anna")
    run = harness.until(accept.start(harness.services, StartRequest(source="rest", order=asked)).run_id, *STOPPED)
    regenerate.regenerate(harness.services, run.id, 1, {"narration": "An Acme fox."}, "ada")
    again = harness.until(run.id, *STOPPED)
    assert again.status is RunStatus.DONE
    assert [line.text for line in cast("ScriptedSpeech", harness.services.speech).said] == ["It runs."]
    assert "Scene 1 has no narrator. This is not filmed here because of “acme”." in " ".join(again.known_plan.warnings)
    assert harness.balanced()


class _Away(OperatorsCheck):
    """Does not answer when it is asked about one spoken line."""

    def __init__(self) -> None:
        super().__init__((), None, None, [])

    def objection(self, texts: Sequence[str]) -> str | None:
        if tuple(texts) == ("It runs.",):
            raise Unavailable("moderation: 503")
        return super().objection(texts)


def test_a_line_that_nobody_can_check_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path, prompt_check=_Away())
    scenes = (SceneOrder(prompt="A fox", narration="It runs."),)
    asked = Order(scenes=scenes, scene_count=1, voiceover=True, voice="acme/anna")
    run = harness.until(accept.start(harness.services, StartRequest(source="rest", order=asked)).run_id, *STOPPED)
    assert run.status is RunStatus.DONE
    assert cast("ScriptedSpeech", harness.services.speech).said == []
    told = " ".join(run.known_plan.warnings)
    assert "The film has no narrator, or not in every scene: nobody could check its words." in told
    assert harness.balanced()


class _Counting(OperatorsCheck):
    """Remembers what it was asked about."""

    def __init__(self) -> None:
        super().__init__((), None, None, [])
        self.asked: list[tuple[str, ...]] = []

    def objection(self, texts: Sequence[str]) -> str | None:
        self.asked.append(tuple(texts))
        return super().objection(texts)


@pytest.mark.parametrize("limit", [{"max_in_flight": 1}, {"creates_per_minute": 2.0}])
def test_a_clip_that_waits_for_its_turn_is_not_asked_about_again_and_again(
    tmp_path: Path, limit: dict[str, float]
) -> None:
    """A server that is asked by all that waits, every second, answers none of it in the end."""
    check, cards = _Counting(), dict(CATALOGUE)
    cards["acme/film"] = replace(cards["acme/film"], **limit)  # type: ignore[arg-type]
    harness = StageHarness.build(tmp_path, catalogue=cards, prompt_check=check)
    harness.vendor().ready_after_s = 60.0
    prompts = [f"Cat {number}" for number in range(4)]
    assert harness.until(order(harness, *prompts), *STOPPED).status is RunStatus.DONE
    assert sorted(harness.bought) == prompts
    assert sorted(asked for (asked, *others) in check.asked if not others) == prompts


def test_while_the_server_is_away_nothing_is_bought(tmp_path: Path) -> None:
    harness = house(tmp_path, url="http://127.0.0.1:9/v1")
    run = order(harness, "A fox")
    for _ in range(3):
        harness.work()
        harness.clock.pass_by(5.0)
    assert (harness.run(run).status, harness.bought) == (RunStatus.QUEUED, [])


def test_it_is_off_until_the_operator_names_something(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("# brands\n\nAcme\n", "utf-8")
    assert build_prompt_check(load_settings({}, tmp_path)) is None
    check = build_prompt_check(load_settings({"MODERATION_WORDS": str(words)}, tmp_path))
    assert check is not None
    assert check.objection(["an acme film", "a # sign"]) == "“acme”"
    assert check.objection(["a # sign about brands"]) is None

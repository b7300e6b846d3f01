"""The GPT writer and the moderator on answers that the sandbox does not give, from `tests/wire/openai_text`."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.errors import (
    Ambiguous,
    NotConfigured,
    OutOfCredit,
    RateLimited,
    ReelgridError,
    Refused,
    Unavailable,
)
from pipelines.domain.orders.order import Order
from pipelines.domain.planning.translation import TextLine, Translation, fault_of, shortening
from pipelines.ports import Brief, HookBrief, MediaInput, Moderator, SceneWriter
from pipelines.settings import Settings, load_settings
from pipelines.writers import DeterministicWriter, build_moderator, build_writer
from pipelines.writers.prices import OPENAI_URL, prices, retirement
from tests.writers.played_server import Server

BRIEF = Brief(
    master_prompt="A red fox crosses a snowy forest. It finds a lantern. The lantern glows. The fox sleeps.",
    scenes=4,
    seconds=4,
    aspect_ratio="9:16",
    style_notes="pastel,\nno text",
    title="Fox",
    max_prompt=1000,
)


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    thread = threading.Thread(target=found.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()
    assert not found.exchanges, "an exchange was not asked for"


Configure = Callable[..., Settings]


@pytest.fixture
def configured(server: Server, tmp_path: Path) -> Configure:
    def build(**changes: str) -> Settings:
        return load_settings({"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": server.url, **changes}, tmp_path)

    return build


@pytest.fixture
def writer(configured: Configure) -> SceneWriter:
    return build_writer(configured())


@pytest.fixture
def moderator(configured: Configure) -> Moderator:
    return build_moderator(configured())


OFFLINE = DeterministicWriter().write(BRIEF)


def test_the_request_has_the_binding_lines_the_schema_and_nothing_kept(server: Server, writer: SceneWriter) -> None:
    server.play("four_scenes")
    writer.write(BRIEF)
    ((path, body),) = server.asked
    assert path == "/v1/responses"
    head, _, material = body["input"].partition("\n\n")
    assert head.splitlines() == [
        "Scenes: 4",
        "Seconds per scene: 4",
        "Aspect ratio: 9:16",
        "Longest prompt: 1000 characters",
        "Title: Fox",
        "Style notes: pastel, no text",
    ]
    assert material == f"Master prompt: {BRIEF.master_prompt}"
    assert (body["store"], body["reasoning"], body["model"]) == (False, {"effort": "low"}, "gpt-6-luna")
    schema = body["text"]["format"]
    assert (schema["type"], schema["strict"]) == ("json_schema", True)
    assert schema["schema"]["required"] == ["title", "continuity", "scenes"]
    assert schema["schema"]["additionalProperties"] is False


def test_a_script_carries_its_cost_its_author_and_the_row_s_own_title(server: Server, writer: SceneWriter) -> None:
    server.play("four_scenes")
    script = writer.write(BRIEF)
    assert len(script.scenes) == 4
    assert script.scenes[1].caption == "The fox finds a lantern"
    assert (script.title, script.writer, script.notes) == ("Fox", "gpt-6-luna expand-v1", ())
    assert script.cost_micro == 238  # 300 fresh × 0.10 + 512 cached × 0.01 + 405 out × 0.50, rounded up


@pytest.mark.parametrize(
    ("recorded", "cost"),
    [
        ("refusal", 284),
        ("refused_by_policy", 0),
        ("content_filter", 0),
        ("filtered_answer", 284),
        ("chat_refusal", 270),
        ("chat_filtered", 270),
    ],
)
def test_a_refusal_in_whatever_form_is_a_refusal_and_says_what_it_cost(
    server: Server, writer: SceneWriter, recorded: str, cost: int
) -> None:
    server.play(recorded)
    with pytest.raises(Refused) as caught:
        writer.write(BRIEF)
    assert "Master Prompt" in caught.value.marketer
    assert "sorry" not in caught.value.marketer
    assert caught.value.cost_micro == cost


@pytest.mark.parametrize("recorded", ["truncated_then_whole", "chat_truncated_then_whole"])
def test_a_truncated_answer_is_asked_again_with_a_higher_limit(
    server: Server, writer: SceneWriter, recorded: str
) -> None:
    server.play(recorded)
    script = writer.write(BRIEF)
    assert len(script.scenes) == 4
    assert script.notes == ()
    limits = [body.get("max_output_tokens") or body["max_completion_tokens"] for _, body in server.asked]
    assert limits[-1] == 2 * limits[-2]


def test_an_answer_truncated_twice_is_written_offline_and_said_and_charged(server: Server, writer: SceneWriter) -> None:
    server.play("truncated_twice")
    script = writer.write(BRIEF)
    assert script.scenes == OFFLINE.scenes
    assert script.writer == "deterministic"
    assert "cut off twice" in script.notes[0]
    assert script.cost_micro == 2082 + 4082


def test_a_wrong_number_of_scenes_is_corrected_once(server: Server, writer: SceneWriter) -> None:
    server.play("three_then_four")
    script = writer.write(BRIEF)
    assert (len(script.scenes), script.notes) == (4, ())
    assert "Correction: the last answer had 3 usable scenes; write exactly 4." in server.asked[1][1]["input"]
    assert script.cost_micro == 2 * 284


@pytest.mark.parametrize("recorded", ["three_twice", "three_then_away"])
def test_missing_scenes_are_filled_and_said(server: Server, writer: SceneWriter, recorded: str) -> None:
    server.play(recorded)
    script = writer.write(BRIEF)
    assert "The lantern glows" in script.scenes[2].prompt
    assert script.scenes[3] == OFFLINE.scenes[3]
    assert script.notes == ("The language model wrote only 3 of 4 scenes; the rest was written without it.",)


def test_surplus_scenes_are_left_out_and_said(server: Server, writer: SceneWriter) -> None:
    server.play("six_twice")
    script = writer.write(BRIEF)
    assert [scene.caption for scene in script.scenes][-1] == "The fox sleeps"
    assert script.notes == ("The language model wrote 6 scenes; only the first 4 were kept.",)


def test_json_in_a_code_fence_is_read(server: Server, writer: SceneWriter) -> None:
    server.play("fenced")
    assert len(writer.write(BRIEF).scenes) == 4


def test_prompts_longer_than_the_model_takes_are_shortened_and_said(server: Server, writer: SceneWriter) -> None:
    server.play("too_long")
    script = writer.write(Brief(master_prompt="A fox.", scenes=4, seconds=4, aspect_ratio="16:9", max_prompt=300))
    assert all(100 < len(scene.prompt) <= 300 and scene.prompt.endswith(".") for scene in script.scenes)
    assert script.notes == ("Shortened to the 300 characters that the model takes: scene 1, 2, 3, 4.",)


def test_an_answer_without_usage_is_never_free(server: Server, writer: SceneWriter) -> None:
    server.play("no_usage")
    assert 100 < writer.write(BRIEF).cost_micro <= writer.quote_micro(BRIEF)


def test_a_gateway_without_responses_is_asked_by_chat_and_remembered(server: Server, writer: SceneWriter) -> None:
    server.play("no_responses_route")
    for _ in range(2):
        script = writer.write(BRIEF)
        assert (len(script.scenes), script.notes, script.cost_micro) == (4, (), 270)
    assert [path for path, _ in server.asked] == ["/v1/responses", "/v1/chat/completions", "/v1/chat/completions"]
    body = server.asked[1][1]
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["response_format"]["json_schema"]["strict"] is True
    assert set(body) == {"model", "messages", "response_format", "max_completion_tokens", "stream"}


def test_a_page_of_html_instead_of_an_answer_is_asked_by_chat(server: Server, writer: SceneWriter) -> None:
    server.play("html_instead_of_responses")
    assert len(writer.write(BRIEF).scenes) == 4


def test_a_server_that_speaks_neither_protocol_leads_to_the_offline_writer_with_a_note(
    server: Server, writer: SceneWriter
) -> None:
    server.play("no_structured_output")
    script = writer.write(BRIEF)
    assert (script.scenes, script.cost_micro) == (OFFLINE.scenes, 0)
    assert "OPENAI_BASE_URL" in script.notes[0]


def test_a_model_that_does_not_think_is_asked_without_effort(server: Server, writer: SceneWriter) -> None:
    server.play("does_not_think")
    assert len(writer.write(BRIEF).scenes) == 4
    assert ["reasoning" in body for _, body in server.asked] == [True, False]


@pytest.mark.parametrize(
    ("status", "error", "raised"),
    [
        (401, {"code": "invalid_api_key"}, NotConfigured),
        (403, {"code": "country_not_supported"}, NotConfigured),
        (404, {"code": "model_not_found"}, NotConfigured),
        (402, {"message": "no credits"}, OutOfCredit),
        (429, {"type": "insufficient_quota", "code": "insufficient_quota"}, OutOfCredit),
        (429, {"code": "rate_limit_exceeded"}, RateLimited),
        (500, {"type": "server_error"}, Unavailable),
        (503, {"message": "overloaded"}, Unavailable),
        (301, {}, NotConfigured),
    ],
)
def test_every_trouble_has_its_error_and_is_asked_once(
    server: Server, writer: SceneWriter, status: int, error: dict[str, Any], raised: type[ReelgridError]
) -> None:
    server.answer(status, {"message": "vendor words", **error})
    with pytest.raises(raised) as caught:
        writer.write(BRIEF)
    assert "vendor words" not in caught.value.marketer
    assert len(server.asked) == 1


def test_the_wait_that_the_server_asks_for_is_passed_on(server: Server, writer: SceneWriter) -> None:
    server.answer(429, {"code": "rate_limit_exceeded"}, **{"Retry-After": "7"})
    with pytest.raises(RateLimited) as caught:
        writer.write(BRIEF)
    assert caught.value.retry_after == 7


def test_a_failure_inside_a_200_is_tried_again_later(server: Server, writer: SceneWriter) -> None:
    server.play("failed_in_200")
    with pytest.raises(Unavailable) as caught:
        writer.write(BRIEF)
    assert caught.value.cost_micro == 284


def test_half_an_answer_is_paid_for_where_the_service_is_away_for_the_whole(
    server: Server, writer: SceneWriter
) -> None:
    server.play("truncated_twice")
    server.exchanges[1] |= {"status": 503, "body": {"error": {"type": "server_error"}}}
    with pytest.raises(Unavailable) as caught:
        writer.write(BRIEF)
    assert caught.value.cost_micro == 2082


def test_a_server_that_is_not_there_is_unavailable(configured: Configure, server: Server) -> None:
    gone = Server()
    url = gone.url
    gone.server_close()
    with pytest.raises(Unavailable):
        build_writer(configured(OPENAI_BASE_URL=url)).write(BRIEF)


def test_an_answer_that_breaks_off_on_the_way_is_unavailable(server: Server, writer: SceneWriter) -> None:
    server.play("four_scenes")
    server.exchanges[0]["missing_bytes"] = 10
    with pytest.raises(Unavailable):
        writer.write(BRIEF)
    assert len(server.asked) == 1


def test_a_model_of_unknown_price_is_charged_like_the_dearest_and_says_so(
    server: Server, configured: Configure
) -> None:
    server.play("four_scenes")
    writer = build_writer(configured(OPENAI_MODEL="llama-9"))
    script = writer.write(BRIEF)
    assert script.cost_micro == 812 * 10 + 405 * 50
    assert "price of llama-9 is not known" in script.notes[0]


@pytest.mark.parametrize("model", [*prices(), "llama-9"])
@pytest.mark.parametrize("recorded", ["truncated_twice", "three_twice", "no_usage"])
def test_no_script_costs_more_than_its_quote(server: Server, configured: Configure, model: str, recorded: str) -> None:
    server.play(recorded)
    writer = build_writer(configured(OPENAI_MODEL=model))
    assert 0 < writer.write(BRIEF).cost_micro <= writer.quote_micro(BRIEF)


@pytest.mark.parametrize(
    ("model", "url", "ends"),
    [
        ("gpt-5-mini", OPENAI_URL, date(2026, 12, 11)),
        ("gpt-4o-2024-08-06", f"{OPENAI_URL}/", date(2027, 1, 14)),
        ("gpt-5.6-luna", OPENAI_URL, None),
        ("gpt-4o", "https://gateway.example/v1", None),
    ],
)
def test_openai_switches_its_models_off_on_days_that_are_known(model: str, url: str, ends: date | None) -> None:
    assert retirement(model, url) == ends


def test_a_server_that_does_not_list_its_models_may_still_write(server: Server, writer: SceneWriter) -> None:
    assert writer.check() == f"gpt-6-luna: {server.url} answers, but does not list its models."


# ---------------------------------------------------------------- softening


def test_softening_sends_the_bare_prompt_and_returns_one_bare_scene(server: Server, writer: SceneWriter) -> None:
    server.play("softened")
    script = writer.soften("Two men fight in the snow [[refuse]]", "the prompt\n(violence)")
    (scene,) = script.scenes
    assert scene.prompt == "Medium shot. Two friends laugh and throw snowballs."
    assert (script.writer, script.cost_micro) == ("gpt-6-luna soften-v1", 284)
    body = server.asked[0][1]
    assert body["input"] == "Two men fight in the snow"
    assert body["instructions"].endswith("the prompt (violence)")


def test_a_model_that_will_not_soften_leaves_it_to_the_word_list(server: Server, writer: SceneWriter) -> None:
    server.play("softening_refused")
    script = writer.soften("Two men fight in the snow", "violence")
    assert "fight" not in script.scenes[0].prompt
    assert script.writer == "deterministic"
    assert script.cost_micro == 284
    assert "word list" in script.notes[0]


# ---------------------------------------------------------------- moderation


def pictures(folder: Path, count: int) -> list[MediaInput]:
    found = []
    for number in range(count):
        path = folder / f"{number}.png"
        path.write_bytes(b"\x89PNG" + bytes([number]))
        found.append(MediaInput(key=path.name, path=path, content_type="image/png"))
    return found


def test_moderation_names_the_prompt_and_the_very_picture(server: Server, moderator: Moderator, tmp_path: Path) -> None:
    server.play("moderation_prompt_and_picture")
    found = moderator.culprit("Two men wrestle", pictures(tmp_path, 2))
    assert found == "the prompt (graphic violence, violence) and reference image 2 (sexual)"
    assert server.asked[0][1]["input"] == [{"type": "text", "text": "Two men wrestle"}]
    assert server.asked[2][1]["input"][0]["image_url"]["url"] == "data:image/png;base64,iVBORwE="


def test_what_is_no_moderation_category_is_found_by_the_word_lists(server: Server, moderator: Moderator) -> None:
    server.play("moderation_clean")
    assert moderator.culprit("Batman walks", ()) == "the prompt (a brand or a protected character)"


def test_a_server_without_moderation_leaves_it_to_the_word_lists(server: Server, moderator: Moderator) -> None:
    server.play("moderation_missing")
    assert moderator.culprit("A man with a gun", ()) == "the prompt (weapons)"


def test_a_clean_prompt_has_no_culprit_and_a_missing_picture_does_no_harm(
    server: Server, moderator: Moderator, tmp_path: Path
) -> None:
    server.play("moderation_clean")
    gone = MediaInput(key="gone", path=tmp_path / "gone.png", content_type="image/png")
    assert moderator.culprit("A fox in the snow", [gone]) is None


ASKED = Translation(
    language="de",
    lines=(TextLine(text="From $9.99 a month", most=60), TextLine(text="Lumen shines", most=40)),
    keep=("Lumen",),
    title="Spring",
    correction="has lost the number 999 in line 1",
)


def _translates(lines: list[str], *, status: str = "completed") -> list[dict[str, Any]]:
    output = [{"type": "message", "content": [{"type": "output_text", "text": json.dumps({"lines": lines})}]}]
    usage = {"input_tokens": 300, "output_tokens": 60}
    body = {"object": "response", "status": status, "output": output, "usage": usage}
    return [{"path": "/v1/responses", "status": 200, "headers": {}, "body": body}]


def test_a_translation_is_one_call_with_the_room_of_each_line(server: Server, writer: SceneWriter) -> None:
    server.exchanges = _translates(["Ab 9,99 $ im Monat", "Lumen leuchtet"])
    found = writer.translate(ASKED)
    assert found.lines == ("Ab 9,99 $ im Monat", "Lumen leuchtet")
    assert fault_of(ASKED, found.lines) is None
    ((_, asked),) = server.asked
    assert asked["input"] == (
        "Language: German (de)\nKeep: Lumen\nCorrection: the last answer has lost the number 999 in line 1\n"
        "Title: Spring\n\n"
        "1. (at most 60 characters) From $9.99 a month\n2. (at most 40 characters) Lumen shines"
    )
    assert 0 < found.cost_micro < writer.quote_translation_micro(ASKED)


def test_a_line_is_said_shorter_in_its_own_language_under_rules_of_its_own(server: Server, writer: SceneWriter) -> None:
    text = "From $9.99 a month Lumen shines in every room of your house, from the cellar to the attic"
    asked = shortening(Order(title="Spring"), text, 4.0, "en")
    server.exchanges = _translates(["From $9.99 a month, Lumen shines everywhere."])
    found = writer.translate(asked)
    assert fault_of(asked, found.lines) is None
    ((_, sent),) = server.asked
    assert sent["input"] == f"Spoken in: English (en)\nTitle: Spring\n\n1. (at most 49 characters) {text}"
    assert sent["instructions"].startswith("A narrator speaks over a clip")
    assert 0 < found.cost_micro < writer.quote_translation_micro(asked)
    assert fault_of(asked, ["Lumen shines everywhere."]) == "has lost the number 999"
    server.exchanges = _translates(["From $9.99 a month, Lumen shines everywhere."])
    writer.translate(replace(asked, language=""))
    assert "Spoken in: the language that it is written in\n" in server.asked[-1][1]["input"]


def test_a_translation_that_is_cut_off_is_paid_and_one_that_got_lost_is_in_doubt(
    server: Server, writer: SceneWriter
) -> None:
    server.exchanges = _translates(["Ab 9,99"], status="incomplete")
    assert (cut_off := writer.translate(ASKED)).lines == ()
    assert cut_off.cost_micro > 0
    server.exchanges = [{"path": "/v1/responses", "status": 200, "headers": {}, "body": {}, "missing_bytes": 100}]
    with pytest.raises(Ambiguous):
        writer.translate(ASKED)


HOOKS = HookBrief(brief=BRIEF, scenes=tuple(replace(scene, caption=None) for scene in OFFLINE.scenes), count=2)


def _says(hooks: list[str], *, status: str = "completed") -> list[dict[str, Any]]:
    text = json.dumps({"hooks": [{"prompt": prompt, "caption": None} for prompt in hooks]})
    output = [{"type": "message", "content": [{"type": "output_text", "text": text}]}]
    usage = {"input_tokens": 400, "output_tokens": 100}
    body = {"object": "response", "status": status, "output": output, "usage": usage}
    return [{"path": "/v1/responses", "status": 200, "headers": {}, "body": body}]


def test_hooks_are_asked_for_with_the_scenes_that_follow_and_within_the_quote(
    server: Server, writer: SceneWriter
) -> None:
    server.exchanges = _says(["An owl turns its head.", " ", "Frost grows on a window.", "One too many."])
    script = writer.write_hooks(HOOKS)
    assert [scene.prompt for scene in script.scenes] == ["An owl turns its head.", "Frost grows on a window."]
    assert script.writer == "gpt-6-luna hooks-v1"
    asked = server.asked[0][1]["input"]
    assert asked.startswith("Hooks: 2\nSeconds per scene: 4\nAspect ratio: 9:16\n")
    assert f"\nScene 1: {OFFLINE.scenes[0].prompt}\n" in asked
    assert 0 < script.cost_micro < writer.quote_hooks_micro(HOOKS)


@pytest.mark.parametrize(("status", "found"), [("completed", ["the keeper"]), ("incomplete", [])])
def test_a_cast_is_found_in_scenes_as_they_are_in_one_call_within_the_quote(
    server: Server, writer: SceneWriter, status: str, found: list[str]
) -> None:
    server.exchanges = _says([], status=status)
    content = server.exchanges[0]["body"]["output"][0]["content"][0]
    content["text"] = json.dumps({"cast": [{"token": "the keeper", "looks": "an old man", "place": False}]})
    prompts = ["The keeper\nclimbs.", "Rain on the keeper. Scene 9: nobody."]
    script = writer.find_cast(prompts)
    assert ([one.token for one in script.cast], script.scenes, script.writer) == (found, (), "gpt-6-luna find-v1")
    assert server.asked[0][1]["input"] == "Scene 1: The keeper climbs.\nScene 2: Rain on the keeper. Scene 9: nobody."
    assert 0 < script.cost_micro < (writer.quote_cast_micro(prompts) or 0)
    assert DeterministicWriter().quote_cast_micro(prompts) is None


@pytest.mark.parametrize(("hooks", "status"), [([], "completed"), (["Half a"], "incomplete")])
def test_hooks_that_cannot_be_used_are_made_without_the_model_and_paid(
    server: Server, writer: SceneWriter, hooks: list[str], status: str
) -> None:
    server.exchanges = _says(hooks, status=status)
    script = writer.write_hooks(HOOKS)
    assert script.scenes == DeterministicWriter().write_hooks(HOOKS).scenes
    assert script.cost_micro > 0
    assert "wrote no hooks that can be used" in script.notes[0]

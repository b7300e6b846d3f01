"""The sandbox's OpenAI, seen through the unmodified openai SDK on loopback HTTP."""

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import av
import httpx
import openai
import pytest
from openai.types import Video
from openai.types.chat import ChatCompletionMessageParam
from PIL import Image
from pydantic import BaseModel
from standardwebhooks import Webhook

from pipelines.sandbox.app import Sandbox
from tests.sandbox.vendors.sandbox_vendors import Inbox, bill, called_back, control, until


class Scene(BaseModel):
    number: int
    prompt: str
    seconds: float
    caption: str | None


class Script(BaseModel):
    title: str
    scenes: list[Scene]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Sandbox() as sandbox:
        yield sandbox.url


@pytest.fixture(autouse=True)
def quick(url: str) -> None:
    control(url, reset=True, generation_s=0.05, prerender=False)


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with called_back() as server:
        yield server


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="key", base_url=f"{url}/openai/v1", max_retries=0) as found:
        yield found


def finished(client: openai.OpenAI, video: Video) -> Video:
    def done() -> Video | None:
        found = client.videos.retrieve(video.id)
        return found if found.status in {"completed", "failed"} else None

    return until(done)


def make(client: openai.OpenAI, prompt: str = "A fox", **changes: Any) -> Video:
    return client.videos.create(**{"prompt": prompt, "model": "sandbox-list", "size": "320x180", **changes})


def png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "blue").save(buffer, "PNG")
    return buffer.getvalue()


def test_a_video_goes_from_create_to_bytes_as_the_protocol_says(url: str, client: openai.OpenAI) -> None:
    created = client.videos.create(prompt="A fox in snow", model="sora-2", seconds="4", size="1280x720")
    assert (created.object, created.seconds, created.size, created.progress) == ("video", "4", "1280x720", 0)
    done = finished(client, created)
    assert (done.status, done.progress, done.error) == ("completed", 100, None)
    assert done.expires_at
    assert done.completed_at
    assert done.expires_at > done.completed_at >= done.created_at
    clip = client.videos.download_content(done.id)
    assert clip.response.headers["content-type"] == "video/mp4"
    with av.open(io.BytesIO(clip.read())) as box:
        assert (box.streams.video[0].width, box.streams.video[0].height) == (1280, 720)
    assert bill(url)["total_usd"] == pytest.approx(0.40)


def test_content_answers_400_before_it_is_ready_and_ranges_after(url: str, client: openai.OpenAI) -> None:
    control(url, generation_s=60)
    video = make(client)
    with pytest.raises(openai.BadRequestError) as early:
        client.videos.download_content(video.id)
    assert early.value.code == "video_not_ready"
    control(url, finish=True)
    whole = client.videos.download_content(video.id).read()
    address = f"{url}/openai/v1/videos/{video.id}/content"
    part = httpx.get(address, headers={"Authorization": "Bearer key", "Range": "bytes=0-99"}, timeout=60.0)
    assert part.status_code == 206
    assert part.content == whole[:100]


def test_thumbnail_and_spritesheet_are_pictures(client: openai.OpenAI) -> None:
    video = finished(client, make(client))
    for answer, kind in (
        (client.videos.download_content(video.id, variant="thumbnail"), "WEBP"),
        (client.videos.download_content(video.id, variant="spritesheet"), "JPEG"),
    ):
        assert Image.open(io.BytesIO(answer.read())).format == kind


def test_the_list_pages_in_both_orders_and_forgets_what_is_deleted(client: openai.OpenAI) -> None:
    made = [make(client, f"clip {index}").id for index in range(5)]
    assert [video.id for video in client.videos.list(limit=2)] == made[::-1]
    assert [video.id for video in client.videos.list(order="asc", after=made[1])] == made[2:]
    page = client.videos.list(limit=2)
    assert page.has_more
    assert client.videos.delete(made[0]).deleted
    assert made[0] not in [video.id for video in client.videos.list()]
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve(made[0])


@pytest.mark.parametrize(
    ("field", "value"), [("seconds", "5"), ("size", "832x480"), ("prompt", ""), ("model", "sora-9")]
)
def test_what_the_model_cannot_do_is_refused_by_field_and_not_billed(
    url: str, client: openai.OpenAI, field: str, value: str
) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        make(client, **{"model": "sora-2", "size": "1280x720", field: value})
    assert refused.value.status_code in {400, 404}
    assert refused.value.param == field
    assert bill(url)["count"] == 0


def test_a_reference_image_arrives_as_file_and_as_json_and_shows_in_the_clip(url: str, client: openai.OpenAI) -> None:
    image = png(320, 180)
    data_url = f"data:image/png;base64,{base64.b64encode(image).decode()}"
    by_file = make(client, input_reference=("a.png", image, "image/png"))
    make(
        client,
        extra_body={"input_reference": {"image_url": data_url}},
        extra_headers={"Content-Type": "application/json"},
    )
    assert [line["image"] for line in bill(url)["generations"]] == [True, True]
    clip = client.videos.download_content(finished(client, by_file).id).read()
    with av.open(io.BytesIO(clip), "r") as box:
        picture = next(box.decode(video=0)).to_ndarray(format="rgb24")
    red, green, blue = picture[180 * 80 // 100, 320 * 88 // 100]
    assert blue > 200 > max(red, green)


def test_a_reference_of_another_size_or_kind_is_refused(client: openai.OpenAI) -> None:
    for content in (png(100, 100), b"no picture"):
        with pytest.raises(openai.BadRequestError) as refused:
            make(client, input_reference=("a.png", content, "image/png"))
        assert refused.value.param == "input_reference"


def test_refuse_is_a_moderation_400_that_costs_nothing(url: str, client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        make(client, "A duel [[refuse]]")
    assert (refused.value.code, refused.value.type) == ("moderation_blocked", "image_generation_user_error")
    assert bill(url)["count"] == 0


def test_fickle_is_refused_once_and_then_taken(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        make(client, "A duel [[fickle]]")
    assert make(client, "A duel [[fickle]]").id


def test_flag_fails_after_acceptance_without_charge(url: str, client: openai.OpenAI) -> None:
    video = finished(client, make(client, "A duel [[flag]]"))
    assert video.error
    assert (video.status, video.error.code) == ("failed", "moderation_blocked")
    assert bill(url)["total_usd"] == 0
    assert bill(url)["count"] == 1


def test_fail_once_fails_the_first_job_and_makes_the_second(url: str, client: openai.OpenAI) -> None:
    first = finished(client, make(client, "A fox [[fail-once]]"))
    assert first.error
    assert (first.status, first.error.code) == ("failed", "internal_error")
    assert finished(client, make(client, "A fox [[fail-once]]")).status == "completed"
    assert bill(url)["charged_count"] == 1


def test_lost_bills_the_job_and_drops_the_connection_once(url: str, client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIConnectionError):
        make(client, "A fox [[lost]]")
    lines = bill(url)["generations"]
    assert [line["charged"] for line in lines] == [True]
    assert [video.id for video in client.videos.list()] == [lines[0]["id"]]
    assert make(client, "A fox [[lost]]").id != lines[0]["id"]
    assert bill(url)["repeated_prompts"] == {"A fox [[lost]]": 2}


@pytest.mark.parametrize("damage", ["truncated", "html"])
def test_corrupt_damages_the_first_fetch_only(client: openai.OpenAI, damage: str) -> None:
    video = finished(client, make(client, f"A fox [[corrupt:{damage}]]"))
    first, second = (client.videos.download_content(video.id).read() for _ in range(2))
    assert first.startswith(b"<!doctype html>") if damage == "html" else second.startswith(first)
    assert first != second
    assert second[4:8] == b"ftyp"


def test_never_stays_in_progress_and_slow_takes_ten_times_as_long(url: str, client: openai.OpenAI) -> None:
    control(url, generation_s=1, generation_jitter=0)
    never, slow, plain = (make(client, f"A fox {word}") for word in ("[[never]]", "[[slow]]", ""))
    assert finished(client, plain).status == "completed"
    assert client.videos.retrieve(slow.id).status in {"queued", "in_progress"}
    control(url, finish=True)
    assert client.videos.retrieve(slow.id).status == "completed"
    assert client.videos.retrieve(never.id).status in {"queued", "in_progress"}


def test_the_key_model_returns_the_same_job_for_the_same_key(url: str, client: openai.OpenAI) -> None:
    headers = {"Idempotency-Key": "attempt-1"}
    with pytest.raises(openai.APIConnectionError):
        make(client, "A fox [[lost]]", model="sandbox-key", extra_headers=headers)
    first, again = (make(client, "A fox [[lost]]", model="sandbox-key", extra_headers=headers) for _ in range(2))
    assert first.id == again.id
    assert bill(url)["count"] == 1
    assert list(client.videos.list()) == []
    assert make(client, model="sandbox-key", extra_headers={"Idempotency-Key": "attempt-2"}).id != first.id


def test_the_none_model_ignores_the_key_and_is_not_listed(url: str, client: openai.OpenAI) -> None:
    headers = {"Idempotency-Key": "attempt-1"}
    ids = {make(client, model="sandbox-none", extra_headers=headers).id for _ in range(2)}
    assert len(ids) == 2
    assert list(client.videos.list()) == []


@pytest.mark.parametrize("as_json", [True, False])
def test_the_callback_model_tells_the_given_address_at_acceptance_and_at_the_end(
    client: openai.OpenAI, inbox: Inbox, as_json: bool
) -> None:
    extra = {"extra_headers": {"Content-Type": "application/json"}} if as_json else {}
    inbox.refusals = 1
    with pytest.raises(openai.APIConnectionError):
        make(
            client,
            f"A fox {as_json} [[lost]]",
            model="sandbox-callback",
            extra_body={"callback_url": f"{inbox.url}/token"},
            **extra,
        )
    until(lambda: {json.loads(body)["status"] for _, _, body in inbox.posts} == {"queued", "completed"})
    ids = {json.loads(body)["id"] for _, _, body in inbox.posts}
    assert len(ids) == 1
    assert client.videos.retrieve(ids.pop()).prompt == f"A fox {as_json} [[lost]]"


def test_webhooks_are_signed_retried_and_doubled_on_request(url: str, client: openai.OpenAI, inbox: Inbox) -> None:
    endpoint = client.webhooks.create(name="mine", url=inbox.url, event_types=["video.completed", "video.failed"])
    secret = endpoint.signing_secret
    inbox.refusals = 1
    control(url, webhook_duplicate_percent=100)
    good, bad = make(client), make(client, "A duel [[flag]]")
    until(lambda: len(inbox.posts) >= 5)
    events = [Webhook(secret).verify(body, {k.lower(): v for k, v in heads.items()}) for _, heads, body in inbox.posts]
    assert {(event["type"], event["data"]["id"]) for event in events} == {
        ("video.completed", good.id),
        ("video.failed", bad.id),
    }
    _, headers, body = inbox.posts[0]
    checker = openai.OpenAI(api_key="key", webhook_secret=secret)
    checker.webhooks.verify_signature(body, headers)
    with pytest.raises(openai.InvalidWebhookSignatureError):
        checker.webhooks.verify_signature(body + b" ", headers)


def test_webhook_endpoints_can_be_managed_and_given_a_secret(url: str, client: openai.OpenAI, inbox: Inbox) -> None:
    secret = f"whsec_{base64.b64encode(b'0' * 32).decode()}"
    body = {"url": inbox.url, "secret": secret}
    headers = {"Authorization": "Bearer key"}
    made = httpx.post(f"{url}/openai/v1/webhook_endpoints", json=body, headers=headers, timeout=60.0).json()
    assert made["signing_secret"] == secret
    assert [one.id for one in client.webhooks.list()] == [made["id"]]
    assert client.webhooks.test(made["id"], event_type="video.completed").status_code == 200
    assert client.webhooks.rotate_secret(made["id"]).signing_secret != secret
    assert client.webhooks.delete(made["id"]).deleted


def test_responses_write_as_many_scenes_as_asked_about_the_master_prompt(url: str, client: openai.OpenAI) -> None:
    asked = "Scenes: 5\nSeconds per scene: 6\nStyle notes: film noir\nMaster prompt: A red fox runs. It finds a lamp."
    answer = client.responses.parse(model="gpt-6-luna", instructions="Write 9 scenes.", input=asked, text_format=Script)
    assert answer.output_parsed
    scenes = answer.output_parsed.scenes
    assert [scene.number for scene in scenes] == [1, 2, 3, 4, 5]
    assert {scene.seconds for scene in scenes} == {6.0}
    assert all("red fox" in scene.prompt and "film noir" in scene.prompt for scene in scenes)
    assert len({scene.prompt for scene in scenes}) == 5
    assert answer.usage
    assert answer.usage.total_tokens > 0
    assert bill(url)["text_usd"] > 0


def test_magic_words_of_a_master_prompt_go_to_one_scene_each(client: openai.OpenAI) -> None:
    asked = "Scenes: 4\nMaster prompt: A fox runs. [[refuse]] [[slow]]"
    script = client.responses.parse(model="gpt-6-luna", input=asked, text_format=Script).output_parsed
    assert script
    found = [("[[refuse]]" in scene.prompt, "[[slow]]" in scene.prompt) for scene in script.scenes]
    assert found == [(False, False), (True, False), (False, True), (False, False)]


def test_chat_completions_write_scenes_too(client: openai.OpenAI) -> None:
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "You write scenes."},
        {"role": "user", "content": "3 scenes about tea"},
    ]
    answer = client.chat.completions.parse(model="gpt-6-luna", messages=messages, response_format=Script)
    script = answer.choices[0].message.parsed
    assert script
    assert len(script.scenes) == 3


def test_a_refused_text_has_no_parsed_answer(client: openai.OpenAI) -> None:
    answer = client.responses.parse(model="gpt-6-luna", input="A fox [[refuse-text]]", text_format=Script)
    assert answer.output_parsed is None
    message = answer.output[0]
    assert message.type == "message"
    assert message.content[0].type == "refusal"


@pytest.mark.parametrize("how", [{"max_output_tokens": 16}, {"input": "Scenes: 9\nA fox [[truncate-text]]"}])
def test_a_truncated_text_is_incomplete(client: openai.OpenAI, how: dict[str, Any]) -> None:
    schema = {"type": "json_schema", "name": "s", "strict": True, "schema": Script.model_json_schema()}
    answer = client.responses.create(**{"model": "gpt-6-luna", "input": "A fox", "text": {"format": schema}, **how})
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.output_text)


def test_busy_and_failing_text_requests_succeed_the_second_time(client: openai.OpenAI) -> None:
    for word, error in (("busy", openai.RateLimitError), ("fail", openai.InternalServerError)):
        with pytest.raises(error):
            client.responses.create(model="gpt-6-luna", input=f"A fox [[{word}-text]]")
        assert client.responses.create(model="gpt-6-luna", input=f"A fox [[{word}-text]]").output_text


def test_moderation_flags_what_a_video_model_would_refuse(client: openai.OpenAI) -> None:
    answer = client.moderations.create(model="omni-moderation-latest", input=["A fox", "A duel [[refuse]]"])
    assert [result.flagged for result in answer.results] == [False, True]
    assert answer.results[1].categories.violence


def test_keys_are_asked_for_and_an_empty_account_cannot_buy(url: str) -> None:
    stranger, broke = (
        openai.OpenAI(api_key=key, base_url=f"{url}/openai/v1", max_retries=0) for key in ("bad-key", "empty")
    )
    with stranger, pytest.raises(openai.AuthenticationError):
        stranger.models.list()
    with broke, pytest.raises(openai.RateLimitError) as refused:
        make(broke)
    assert refused.value.code == "insufficient_quota"


def test_a_remix_is_a_new_paid_job(url: str, client: openai.OpenAI) -> None:
    original = finished(client, make(client))
    remixed = client.videos.remix(original.id, prompt="The same at night")
    assert remixed.remixed_from_video_id == original.id
    assert bill(url)["count"] == 2

"""The sandbox's Gemini and Vertex, seen through the unmodified google-genai SDK on loopback HTTP."""

import base64
import io
import json
import warnings
from collections.abc import Iterator
from typing import Any

import av
import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from google.oauth2.credentials import Credentials
from PIL import Image
from standardwebhooks import Webhook

from pipelines.sandbox.app import Sandbox
from tests.sandbox.vendors.sandbox_vendors import Inbox, bill, called_back, control, until

with warnings.catch_warnings():
    # google-genai 3.3.0 has an invalid escape in a docstring, told whenever it is compiled anew.
    warnings.filterwarnings("ignore", "invalid escape sequence", DeprecationWarning)
    from google import genai
    from google.genai import types
    from google.genai._gaos.lib import compat_errors

MODEL = "gemini-omni-1.2-flash"


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


def gemini(url: str, key: str = "key") -> genai.Client:
    options = types.HttpOptions(base_url=f"{url}/gemini", retry_options=types.HttpRetryOptions(attempts=1))
    return genai.Client(api_key=key, http_options=options)


@pytest.fixture
def client(url: str) -> Iterator[genai.Client]:
    with gemini(url) as found:
        yield found


@pytest.fixture
def vertex(url: str) -> Iterator[genai.Client]:
    token = Credentials("token")  # type: ignore[no-untyped-call]
    options = types.HttpOptions(base_url=f"{url}/veo", retry_options=types.HttpRetryOptions(attempts=1))
    with genai.Client(
        vertexai=True, project="p", location="us-central1", credentials=token, http_options=options
    ) as found:
        yield found


def make(
    client: genai.Client,
    text: str | list[dict[str, str]] = "A fox",
    *,
    more: dict[str, str] | None = None,
    **changes: Any,
) -> Any:
    form = {"type": "video", "duration": "3s", "resolution": "360p", "aspect_ratio": "9:16", "delivery": "uri"}
    wanted = {"model": MODEL, "input": text, "background": True, "response_format": {**form, **(more or {})}, **changes}
    return client.interactions.create(**wanted)


def finished(client: genai.Client, interaction: Any) -> Any:
    def done() -> Any:
        found = client.interactions.get(interaction.id)
        return found if found.status not in {"queued", "in_progress"} else None

    return until(done)


def png() -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "blue").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_an_interaction_yields_a_file_that_is_downloaded_with_the_key(url: str, client: genai.Client) -> None:
    started = make(client, labels={"generation": "g1"})
    assert started.status in {"queued", "in_progress"}
    done = finished(client, started)
    assert (done.status, done.labels) == ("completed", {"generation": "g1"})
    uri = done.output_video.uri
    assert "key" not in uri
    name = f"files/{uri.split('files/')[1].split(':')[0]}"
    with av.open(io.BytesIO(client.files.download(file=name))) as box:
        assert (box.streams.video[0].width, box.streams.video[0].height) == (360, 640)
    assert httpx.get(uri, timeout=60.0).status_code == 401
    assert httpx.get(uri, headers={"x-goog-api-key": "key"}, timeout=60.0).content[4:8] == b"ftyp"
    tokens = done.usage.output_tokens_by_modality[0]
    assert (tokens.modality, tokens.tokens) == ("video", 3 * 1931)
    assert bill(url)["total_usd"] == pytest.approx(3 * 0.0232, rel=0.01)


def test_without_background_the_answer_waits_and_the_video_is_inline(client: genai.Client) -> None:
    done = make(client, background=False, more={"delivery": "inline"})
    assert done.status == "completed"
    assert base64.b64decode(done.output_video.data)[4:8] == b"ftyp"


def test_a_reference_image_is_taken_from_the_input_parts(url: str, client: genai.Client) -> None:
    parts = [{"type": "text", "text": "A fox"}, {"type": "image", "data": png(), "mime_type": "image/png"}]
    make(client, parts)
    assert [(line["prompt"], line["image"]) for line in bill(url)["generations"]] == [("A fox", True)]


@pytest.mark.parametrize("more", [{"duration": "2s"}, {"aspect_ratio": "1:1"}, {"resolution": "480p"}])
def test_what_the_model_cannot_do_is_a_400(url: str, client: genai.Client, more: dict[str, str] | None) -> None:
    with pytest.raises(compat_errors.BadRequestError):
        make(client, more=more)
    assert bill(url)["count"] == 0


def test_refusals_failures_and_flags_are_differing_prices_and_cost_nothing(url: str, client: genai.Client) -> None:
    with pytest.raises(compat_errors.BadRequestError) as refused:
        make(client, "A duel [[refuse]]")
    assert "PROHIBITED_CONTENT" in json.dumps(refused.value.body)
    flagged = finished(client, make(client, "A duel [[flag]]"))
    failed = finished(client, make(client, "A fox [[fail-once]]"))
    assert [(one.status, one.errors[0].code) for one in (flagged, failed)] == [
        ("failed", "PROHIBITED_CONTENT"),
        ("failed", "INTERNAL"),
    ]
    assert bill(url)["total_usd"] == 0


def test_a_lost_answer_is_billed_and_seen_as_a_connection_error(url: str, client: genai.Client) -> None:
    with pytest.raises(compat_errors.APIConnectionError):
        make(client, "A fox [[lost]]")
    assert bill(url)["charged_count"] == 1


def test_an_unfinished_interaction_can_be_cancelled_and_deleted(url: str, client: genai.Client) -> None:
    control(url, generation_s=60)
    started = make(client)
    assert client.interactions.cancel(started.id).status == "cancelled"
    client.interactions.delete(started.id)
    with pytest.raises(compat_errors.NotFoundError):
        client.interactions.get(started.id)
    assert bill(url)["total_usd"] == 0


def test_rate_limits_and_bad_keys_come_as_their_own_errors(url: str, client: genai.Client) -> None:
    control(url, vendor="gemini", rate_limit_percent=100, retry_after_s=7)
    with pytest.raises(compat_errors.RateLimitError) as limited:
        make(client)
    assert limited.value.response.headers["retry-after"] == "7"
    control(url, vendor="gemini", rate_limit_percent=0)
    with gemini(url, "bad") as stranger, pytest.raises(compat_errors.AuthenticationError):
        make(stranger)


def test_a_static_webhook_is_signed_by_standard_webhooks(client: genai.Client, inbox: Inbox) -> None:
    webhook = client.webhooks.create(
        name="mine", uri=inbox.url, subscribed_events=["interaction.completed", "interaction.failed"]
    )
    assert webhook.id
    assert webhook.new_signing_secret
    started = make(client)
    _, headers, body = until(lambda: inbox.posts)[0]
    event = Webhook(webhook.new_signing_secret).verify(body, {key.lower(): value for key, value in headers.items()})
    assert (event["type"], event["data"]["id"]) == ("interaction.completed", started.id)
    assert client.webhooks.get(webhook.id).new_signing_secret is None
    client.webhooks.delete(webhook.id)


def test_a_dynamic_webhook_carries_a_token_of_the_published_key_and_the_metadata(
    url: str, client: genai.Client, inbox: Inbox
) -> None:
    started = make(client, webhook_config={"uris": [inbox.url], "user_metadata": {"token": "t1"}})
    _, headers, body = until(lambda: inbox.posts)[0]
    event = json.loads(body)
    assert (event["data"]["id"], event["user_metadata"]) == (started.id, {"token": "t1"})
    head, claims, signature = ({key.lower(): value for key, value in headers.items()})["webhook-signature"].split(".")
    key = httpx.get(f"{url}/gemini/.well-known/jwks.json", timeout=60.0).json()["keys"][0]
    assert json.loads(decoded(head))["kid"] == key["kid"]
    public = rsa.RSAPublicNumbers(*(int.from_bytes(decoded(key[part])) for part in "en")).public_key()
    public.verify(decoded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(InvalidSignature):
        public.verify(decoded(signature), f"{head}.{claims}x".encode(), padding.PKCS1v15(), hashes.SHA256())
    told = json.loads(decoded(claims))
    assert (told["aud"], told["user_metadata"]) == (inbox.url, {"token": "t1"})


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def veo(vertex: genai.Client, prompt: str = "A fox", **config: Any) -> types.GenerateVideosOperation:
    source = types.GenerateVideosSource(prompt=prompt)
    wanted = types.GenerateVideosConfig(**{"duration_seconds": 4, "aspect_ratio": "9:16", **config})
    return vertex.models.generate_videos(model="veo-3.1-fast-generate-001", source=source, config=wanted)


def veo_done(vertex: genai.Client, operation: types.GenerateVideosOperation) -> types.GenerateVideosOperation:
    def done() -> types.GenerateVideosOperation | None:
        found: types.GenerateVideosOperation = vertex.operations.get(
            types.GenerateVideosOperation.model_validate({"name": operation.name})
        )
        return found if found.done else None

    return until(done)


def test_veo_yields_bytes_through_an_operation_rebuilt_from_its_name(url: str, vertex: genai.Client) -> None:
    done = veo_done(vertex, veo(vertex))
    assert done.response
    assert done.response.generated_videos
    [made] = done.response.generated_videos
    assert made.video
    assert made.video.video_bytes
    with av.open(io.BytesIO(made.video.video_bytes)) as box:
        assert (box.streams.video[0].width, box.streams.video[0].height) == (720, 1280)
    assert bill(url)["total_usd"] == pytest.approx(0.40)


def test_veo_is_done_without_videos_when_filtered(url: str, vertex: genai.Client) -> None:
    done = veo_done(vertex, veo(vertex, "A duel [[flag]]"))
    assert done.response
    assert not done.response.generated_videos
    assert done.response.rai_media_filtered_count == 1
    assert bill(url)["total_usd"] == 0


def test_veo_fails_with_an_operation_error_and_refuses_with_a_400(vertex: genai.Client) -> None:
    failed = veo_done(vertex, veo(vertex, "A fox [[fail-once]]"))
    assert failed.error
    assert failed.error["code"] == 13
    with pytest.raises(genai.errors.ClientError) as refused:
        veo(vertex, "A duel [[refuse]]")
    assert refused.value.code == 400

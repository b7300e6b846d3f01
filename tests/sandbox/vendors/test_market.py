"""The sandbox's kie.ai and OpenRouter, seen through plain HTTP as their clients do."""

import base64
import hashlib
import hmac
import io
import json
from collections.abc import Iterator
from typing import Any

import av
import httpx
import pytest
from PIL import Image

from pipelines.sandbox.app import Sandbox
from tests.sandbox.vendors.sandbox_vendors import Inbox, bill, called_back, control, until


@pytest.fixture
def url() -> Iterator[str]:
    with Sandbox() as sandbox:
        control(sandbox.url, generation_s=0.05, prerender=False)
        yield sandbox.url


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with called_back() as server:
        yield server


@pytest.fixture
def kie(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{url}/kie", headers={"Authorization": "Bearer key"}, timeout=60.0) as client:
        yield client


@pytest.fixture
def router(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=f"{url}/openrouter/api/v1", headers={"Authorization": "Bearer key"}, timeout=60.0
    ) as client:
        yield client


def data_url() -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "blue").save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def task(
    kie: httpx.Client,
    prompt: str = "A fox",
    *,
    callback: str | None = None,
    model: str = "bytedance/seedance-2-mini",
    **more: Any,
) -> httpx.Response:
    asked = {"prompt": prompt, "duration": 4, "resolution": "480p", "aspect_ratio": "16:9", **more}
    return kie.post("/api/v1/jobs/createTask", json={"model": model, "callBackUrl": callback, "input": asked})


def record(kie: httpx.Client, task_id: str) -> dict[str, Any]:
    def done() -> dict[str, Any] | None:
        found: dict[str, Any] = kie.get("/api/v1/jobs/recordInfo", params={"taskId": task_id}).json()["data"]
        return found if found["state"] in {"success", "fail"} else None

    return until(done)


def taken(kie: httpx.Client, *args: str, **more: Any) -> str:
    return str(task(kie, *args, **more).json()["data"]["taskId"])


def test_a_kie_task_yields_result_urls_in_a_json_string_and_consumes_credits(url: str, kie: httpx.Client) -> None:
    before = kie.get("/api/v1/chat/credit").json()["data"]
    made = record(kie, taken(kie, callback="http://127.0.0.1:9/token"))
    assert made["state"] == "success"
    assert json.loads(made["param"])["callBackUrl"] == "http://127.0.0.1:9/token"
    assert made["creditsConsumed"] == pytest.approx(4 * 3.8)
    assert kie.get("/api/v1/chat/credit").json()["data"] == pytest.approx(before - 4 * 3.8)
    assert bill(url)["total_usd"] == pytest.approx(4 * 3.8 * 0.005)
    result = json.loads(made["resultJson"])["resultUrls"][0]
    with av.open(io.BytesIO(httpx.get(result, timeout=60.0).content)) as box:
        assert box.streams.video[0].height == 480
    link = kie.post("/api/v1/common/download-url", json={"url": result}).json()["data"]
    assert httpx.get(link, timeout=60.0).status_code == 200


def test_kie_says_what_is_wrong_with_http_200_and_a_code(url: str, kie: httpx.Client) -> None:
    answers = [
        task(kie, model="nobody/nothing"),
        task(kie, duration=99),
        task(kie, "A duel [[refuse]]"),
        kie.get("/api/v1/jobs/recordInfo", params={"taskId": "none"}),
        kie.get("/api/v1/chat/credit", headers={"Authorization": "Bearer bad"}),
        kie.post("/api/v1/jobs/createTask", json={}, headers={"Authorization": "Bearer empty"}),
    ]
    assert [answer.status_code for answer in answers] == [200] * 6
    assert [answer.json()["code"] for answer in answers] == [422, 422, 422, 404, 401, 402]
    assert bill(url)["count"] == 0


def test_kie_reports_flags_and_failures_by_code_and_refunds_them(url: str, kie: httpx.Client) -> None:
    flagged = record(kie, taken(kie, "A duel [[flag]]"))
    failed = record(kie, taken(kie, "A fox [[fail-once]]"))
    assert [(one["state"], one["failCode"], one["creditsConsumed"]) for one in (flagged, failed)] == [
        ("fail", "422", 0),
        ("fail", "501", 0),
    ]
    assert bill(url)["total_usd"] == 0


def test_kie_takes_20_tasks_in_10_seconds_and_answers_the_next_with_a_real_429(url: str, kie: httpx.Client) -> None:
    answers = [task(kie) for _ in range(21)]
    assert [answer.status_code for answer in answers] == [200] * 20 + [429]
    assert bill(url)["count"] == 20
    control(url, kie_creates_per_10s=0)
    assert task(kie).status_code == 200


def test_kie_calls_back_with_a_signature_over_task_and_time_only(url: str, kie: httpx.Client, inbox: Inbox) -> None:
    control(url, secrets={"kie": "hmac-key"})
    task_id = taken(kie, callback=inbox.url)
    _, headers, body = until(lambda: inbox.posts)[0]
    assert json.loads(body)["data"]["taskId"] == task_id
    signed = f"{task_id}.{headers['X-Webhook-Timestamp']}".encode()
    expected = base64.b64encode(hmac.new(b"hmac-key", signed, hashlib.sha256).digest()).decode()
    assert headers["X-Webhook-Signature"] == expected


def test_a_lost_kie_task_still_calls_back(kie: httpx.Client, inbox: Inbox) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        task(kie, "A fox [[lost]]", callback=inbox.url)
    task_id = json.loads(until(lambda: inbox.posts)[0][2])["data"]["taskId"]
    assert record(kie, task_id)["state"] == "success"


def test_kie_takes_a_reference_image(url: str, kie: httpx.Client) -> None:
    taken(kie, image_urls=[data_url()])
    assert bill(url)["generations"][0]["image"]


def order(router: httpx.Client, prompt: str = "A fox", **more: Any) -> httpx.Response:
    return router.post("/videos", json={"model": "sandbox/clip", "prompt": prompt, "duration": 2, **more})


def polled(router: httpx.Client, job_id: str) -> dict[str, Any]:
    def done() -> dict[str, Any] | None:
        found: dict[str, Any] = router.get(f"/videos/{job_id}").json()
        return found if found["status"] not in {"pending", "in_progress"} else None

    return until(done)


def test_openrouter_takes_with_202_and_reports_its_real_cost_and_links(url: str, router: httpx.Client) -> None:
    answer = order(router, size="360x640")
    assert answer.status_code == 202
    job = polled(router, answer.json()["id"])
    assert (job["status"], job["usage"]["cost"]) == ("completed", pytest.approx(0.02))
    assert bill(url)["total_usd"] == pytest.approx(0.02)
    signed, unsigned = job["urls"][0], job["unsigned_urls"][0]
    with av.open(io.BytesIO(httpx.get(signed, timeout=60.0).content)) as box:
        assert (box.streams.video[0].width, box.streams.video[0].height) == (360, 640)
    assert httpx.get(signed[:-1] + "x", timeout=60.0).status_code == 401
    assert httpx.get(unsigned, timeout=60.0).status_code == 401
    assert router.get(unsigned).content == httpx.get(signed, timeout=60.0).content


def test_openrouter_lists_what_each_model_can_do_and_costs(router: httpx.Client) -> None:
    models = {model["id"]: model for model in router.get("/videos/models").json()["data"]}
    veo = models["google/veo-3.1"]
    assert veo["supported_durations"] == [4, 6, 8]
    assert "1280x720" in veo["supported_sizes"]
    assert veo["pricing_skus"]["duration_seconds_with_audio_720p"] == "0.4"
    assert models["alibaba/wan-3.0"]["pricing_skus"]["cents_per_second_output_1080p"] == "20"


def test_openrouter_answers_errors_by_status(url: str, router: httpx.Client) -> None:
    answers = [
        order(router, model="nobody/nothing"),
        order(router, duration=99),
        order(router, resolution="4K"),
        order(router, "A duel [[refuse]]"),
        router.get("/videos/none"),
        router.post("/videos", json={}, headers={"Authorization": "Bearer empty"}),
    ]
    assert [answer.status_code for answer in answers] == [400, 400, 400, 403, 404, 402]
    assert answers[3].json()["error"]["metadata"]["reasons"]
    assert bill(url)["count"] == 0


def test_openrouter_failures_carry_an_error_and_cost_nothing(url: str, router: httpx.Client) -> None:
    flagged = polled(router, order(router, "A duel [[flag]]").json()["id"])
    assert flagged["status"] == "failed"
    assert "content_policy" in flagged["error"]
    assert bill(url)["total_usd"] == 0


def test_openrouter_results_expire(url: str, router: httpx.Client) -> None:
    control(url, vendor="openrouter", lifetime_s=0)
    job = polled(router, order(router).json()["id"])
    assert job["status"] == "expired"
    assert router.get(f"/videos/{job['id']}/content").status_code == 410


def test_openrouter_webhooks_are_signed_over_time_and_body(url: str, router: httpx.Client, inbox: Inbox) -> None:
    control(url, secrets={"openrouter": "secret"})
    with pytest.raises(httpx.RemoteProtocolError):
        order(router, "A fox [[lost]]", callback_url=inbox.url)
    _, headers, body = until(lambda: inbox.posts)[0]
    event = json.loads(body)
    assert event["type"] == "video.generation.completed"
    assert headers["X-OpenRouter-Idempotency-Key"] == f"{event['data']['id']}-completed"
    stamp, signature = (part.partition("=")[2] for part in headers["X-OpenRouter-Signature"].split(","))
    assert signature == hmac.new(b"secret", f"{stamp},".encode() + body, hashlib.sha256).hexdigest()

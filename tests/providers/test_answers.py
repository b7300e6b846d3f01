"""Answers as servers really write them: words, wrappers, ids, numbers and links of all sorts, in every adapter."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import pytest

from pipelines.domain.errors import Expired, RateLimited, Unavailable
from pipelines.domain.keys import job_key
from pipelines.domain.lifecycle import GenerationStatus, Reason
from pipelines.domain.state.generation import JobResult
from pipelines.providers import kie, load_catalogue, omni
from pipelines.providers.links import clip_in, links_of
from pipelines.providers.video_object import answered_job, epoch, id_of, job_from, listed_in, percent
from pipelines.providers.vocabulary import known_status, words_of
from tests.wire.replay import CLIP

G = GenerationStatus
LINK = "https://cdn.example/x.mp4"
OMNI = load_catalogue()["omni/gemini-omni-1.2-flash"]

ENDS = [
    "SUCCESS", "done", "complete", "completed", "finished", "Succeeded", "succeed", "ready", "TASK_STATUS_SUCCEED",
    "completed_successfully", "SUCCEEDED_WITH_WARNINGS", "MEDIA_GENERATION_STATUS_SUCCESSFUL", "output_ready",
    "isCompleted", "SUCCESSED",
]  # fmt: skip
FAILURES = [
    "FAILED", "failure", "error", "rejected", "expired", "Timed-Out", "JOB_STATE_FAILED", "nsfw", "INTERNAL_ERROR",
    "contentPolicyViolation", "FAILED_TO_GENERATE", "safety_filtered", "quota_exceeded",
]  # fmt: skip
WAITS = ["queued", "PENDING", "in_queue", "Not Started", "submitted"]
OPEN = [
    "unheard-of",
    "error_retrying",
    "ready_to_start",
    "no_error",
    "blocked_by_dependency",
    "recovering_from_failure",
]
"""Words that nobody has told us about, or that only look like an end."""
RUNS = ["in-progress", "IN_PROGRESS", "inProgress", "processing", "generating", "running"]


@pytest.mark.parametrize(
    ("word", "status"),
    [
        *((word, G.SUCCEEDED) for word in ENDS),
        *((word, G.FAILED) for word in FAILURES),
        *((word, G.SUBMITTED) for word in WAITS),
        *((word, G.RUNNING) for word in RUNS),
        ("canceled", G.CANCELLED),
        ("ABORTED", G.CANCELLED),
        *((word, None) for word in OPEN),
    ],
)
def test_a_status_is_known_however_it_is_spelt(word: str, status: G | None) -> None:
    assert known_status(word) is status


def test_an_answer_without_an_id_is_about_the_job_that_was_asked_for() -> None:
    job = answered_job({"status": "SUCCESS", "progress": "100%", "task_id": "task_abc123"}, "task_abc123", vendor="v")
    assert (job.id, job.status, job.progress) == ("task_abc123", G.SUCCEEDED, 100)
    bare = answered_job({"status": "processing", "progress": "42%"}, "task_abc123", vendor="v")
    assert (bare.id, bare.status, bare.progress) == ("task_abc123", G.RUNNING, 42)


@pytest.mark.parametrize("name", ["id", "task_id", "taskId", "generation_id", "jobId", "video_id"])
def test_an_id_may_be_spelt_in_many_ways(name: str) -> None:
    assert id_of({name: "task_abc123", "status": "queued"}) == "task_abc123"
    assert id_of({"code": 200, "data": {name: "task_abc123", "status": "queued"}}) == "task_abc123"
    assert answered_job({name: "task_abc123", "status": "done"}, "task_abc123", vendor="v").status is G.SUCCEEDED


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"task_id": 987654}, "987654"),
        ({"id": 0, "task_id": "abc123"}, "abc123"),
        ({"id": " abc123\n"}, "abc123"),
        ({"data": '{"task_id": "abc123"}'}, "abc123"),
        ({"data": ["abc123"]}, "abc123"),
        ({"code": 0, "data": 123456789}, "123456789"),
        ({"request_id": "r-1", "data": {"task_id": "abc123"}}, "abc123"),
        ({"request_id": "abc123", "status": "IN_QUEUE"}, "abc123"),
        ({"tasks": [{"id": "abc123"}]}, "abc123"),
        ({"request_id": "abc123"}, None),
        ({"id": None}, None),
        ({"id": ".."}, None),
        ({"id": ".", "task_id": "abc123"}, "abc123"),
        ({"message": "no"}, None),
    ],
)
def test_the_id_of_a_create_is_found_where_servers_write_it(body: dict[str, Any], found: str | None) -> None:
    assert id_of(body) == found


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"code": 404, "message": "task not exist", "data": None}, Expired),
        ({"error": {"code": "404", "message": "gone"}}, Expired),
        ({"status": 429, "message": "slow down"}, RateLimited),
        ({"code": 500, "msg": "upstream"}, Unavailable),
        ({"code": 200, "data": None}, Unavailable),
    ],
)
def test_a_refusal_that_comes_as_a_good_answer_means_what_it_says(body: dict[str, Any], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        answered_job(body, "task_abc123", vendor="v")


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "E1", "message": "too dark"}},
        {"Error": {"Code": "E1", "Message": "too dark"}},
        {"ERROR": [{"errorCode": "E1", "errorMessage": "too dark"}]},
        {"code": "E1", "msg": "too dark"},
        {"error_code": "E1", "error_message": "too dark"},
        {"errCode": "E1", "errMsg": "too dark", "error": None},
        {"Detail": {"code": "E1", "message": "too dark"}},
    ],
    ids=str,
)
def test_the_words_of_an_error_are_found_however_their_fields_are_spelt(body: dict[str, Any]) -> None:
    words = words_of(body)
    assert (words.code, words.message) == ("E1", "too dark")


@pytest.mark.parametrize(
    ("page", "listed"),
    [
        ({"object": "list", "data": [{"id": "v"}]}, [{"id": "v"}]),
        ({"object": "list", "data": None, "has_more": False}, []),
        ({"data": {"items": [{"id": "v"}]}}, [{"id": "v"}]),
        ([{"id": "v"}], [{"id": "v"}]),
        ({"data": None}, None),
        ({"object": "list"}, None),
        ({"error": {"message": "no such route"}}, None),
        ("<html>", None),
    ],
)
def test_a_list_of_none_is_empty_and_what_is_no_list_is_none(page: object, listed: list[dict[str, Any]] | None) -> None:
    assert listed_in(page) == listed


@pytest.mark.parametrize(("flag", "status"), [(0, G.RUNNING), (1, G.SUCCEEDED), (2, G.FAILED), ("3", G.FAILED)])
def test_the_flag_of_kies_first_products_is_read(flag: object, status: G) -> None:
    assert job_from({"taskId": "task_abc123", "successFlag": flag}).status is status


@pytest.mark.parametrize(
    "body",
    [
        {"id": "video_other99", "status": "completed"},
        {"data": {"task_id": "video_other99", "status": "SUCCESS", "url": LINK}},
        {"message": "who are you?"},
        ["nothing"],
        "an outage",
    ],
)
def test_what_is_about_another_job_or_about_none_is_asked_again(body: Any) -> None:
    with pytest.raises(Unavailable):
        answered_job(body, "video_abc123", vendor="v")


def _wrapped(job_id: str, routed: str = "") -> str:
    inside = f"litellm:custom_llm_provider:openai;model_id:sora-2;video_id:{job_id}{routed}"
    return f"video_{base64.b64encode(inside.encode()).decode()}"


@pytest.mark.parametrize(
    "told",
    [
        _wrapped("video_1a2b", ";deployment_id:7f"),
        _wrapped("video_1a2b", ";served_model:x;deployment_id:7f;requested_model:y"),
        _wrapped("video_1a2b").rstrip("="),
        quote(_wrapped("video_1a2b")),
        "video_1a2b",
    ],
)
def test_an_id_that_a_gateway_wraps_is_the_one_inside(told: str) -> None:
    assert job_key(told) == "video_1a2b"
    assert answered_job({"id": told, "status": "completed"}, _wrapped("video_1a2b"), vendor="v").id
    with pytest.raises(Unavailable):
        answered_job({"id": _wrapped("video_other99"), "status": "completed"}, told, vendor="v")


@pytest.mark.parametrize(
    "job_id", ["", "video_", "video_bGl0ZWxsbTp4", "task_1", "models/veo/operations/1", _wrapped("")]
)
def test_an_id_that_wraps_nothing_stays_as_it_is(job_id: str) -> None:
    assert job_key(job_id) == job_id


PLACES: list[dict[str, Any]] = [
    {"url": LINK},
    {"video_url": LINK},
    {"videoUrl": LINK},
    {"video": LINK},
    {"video": {"url": LINK}},
    {"output": LINK},
    {"output": [LINK]},
    {"output": {"url": LINK}},
    {"output": {"video_url": LINK}},
    {"outputs": [{"url": LINK}]},
    {"data": [{"url": LINK}]},
    {"data": {"video_url": LINK}},
    {"data": {"output": LINK}},
    {"result": {"videos": [{"url": [LINK]}]}},
    {"result": LINK},
    {"results": [LINK]},
    {"metadata": {"url": LINK}},
    {"metadata": {"video_url": LINK}},
    {"resultJson": '{"resultUrls": ["' + LINK + '"]}'},
    {"resultUrls": [LINK]},
    {"assets": {"video": LINK, "thumbnail": "https://cdn.example/t.jpg"}},
    {"unsigned_urls": [LINK]},
    {"urls": ["https://cdn.example/cover.png", LINK]},
    {"videos": [{"url": LINK}]},
    {"content": {"video_url": LINK}},
    {"task_result": {"videos": [{"url": LINK}]}},
    {"response": {"generateVideoResponse": {"generatedSamples": [{"video": {"uri": LINK}}]}}},
    {"fail_reason": LINK},
    {"output": {"video_urls": {"720p": LINK}}},
    {"videos": {"0": {"url": LINK}}},
    {"output": {"0": LINK}},
    {"output": [[LINK]]},
    {"hd_video_url": LINK},
    {"originVideoUrl": LINK},
    {"videoInfo": {"no_watermark_url": LINK}},
    {"final_video": {"location": LINK}},
    {"presigned_url": LINK},
    {"downloads": [{"link": LINK}]},
    {"url": f"<{LINK}>"},
    {"url": LINK.replace("/", "\\/")},
    {"output": '[{"url": "' + LINK + '"}]'},
    {"VIDEO_URL": LINK},
    {"urls": None, "videos": None, "data": None, "url": LINK},
    {"urls": [None, LINK]},
    {"urls": {"get": "https://api.example/jobs/1", "cancel": "https://api.example/jobs/1/x"}, "output": [LINK]},
    {"choices": [{"message": {"content": f"Here it is: [download]({LINK})"}}]},
    {"output": f'<video src="{LINK}"></video>'},
    {"images": ["https://cdn.example/a"], "anything": {"of": {"theirs": LINK}}},
    {"data": '{"status": "SUCCESS", "video": {"url": "' + LINK + '"}}'},
]


@pytest.mark.parametrize("place", PLACES, ids=str)
@pytest.mark.parametrize("word", ["completed", "finished", "SUCCESS", "a-new-word", None])
def test_a_link_is_found_in_every_place_that_servers_have(place: dict[str, Any], word: str | None) -> None:
    assert links_of(place) == [LINK]
    job = answered_job({"status": word, **place}, "video_abc123", vendor="v")
    assert (job.status, job.result) == (G.SUCCEEDED, JobResult(url=LINK))


@pytest.mark.parametrize(
    "body",
    [
        {"input": {"url": LINK}},
        {"image": {"url": LINK}},
        {"polling_url": LINK},
        {"param": LINK},
        {"url": "a b"},
        {"request": {"video_url": LINK}},
        {"reference_video": LINK},
        {"callback_url": LINK},
        {"thumbnail_video": LINK},
        {"urls": {"get": "https://api.example/jobs/1"}},
        {"anything": "https://api.example/jobs/1"},
    ],
)
def test_what_was_sent_and_what_is_no_clip_is_no_link(body: dict[str, Any]) -> None:
    assert links_of(body) == []


def test_a_playlist_and_a_copy_with_a_watermark_come_last() -> None:
    body = {
        "url": "https://cdn.example/y.m3u8",
        "url_with_watermark": "https://cdn.example/watermark/x.mp4",
        "mp4": LINK,
    }
    assert links_of(body)[0] == LINK


MP4 = base64.b64encode(CLIP).decode()
INSIDE: list[dict[str, Any]] = [
    {"url": f"data:video/mp4;base64,{MP4}"},
    {"video": {"b64_json": MP4}},
    {"data": [{"b64_json": MP4}]},
    {"output": [{"video_base64": MP4.rstrip("=")}]},
    {"result": '{"video": "' + MP4 + '"}'},
    {"response": {"generateVideoResponse": {"generatedSamples": [{"video": {"encodedVideo": MP4}}]}}},
    {"anything": {"bytesBase64Encoded": base64.urlsafe_b64encode(CLIP).decode()}},
]


@pytest.mark.parametrize("body", INSIDE, ids=lambda body: next(iter(body)))
def test_a_clip_may_stand_in_the_answer_itself(body: dict[str, Any]) -> None:
    assert clip_in(body) == CLIP
    assert links_of(body) == []


@pytest.mark.parametrize(
    "body", [{"input": {"video": MP4}}, {"thumbnail": MP4}, {"text": "A" * 4000}, {"data": MP4[8:]}]
)
def test_what_was_sent_and_what_is_no_video_is_no_clip(body: dict[str, Any]) -> None:
    assert clip_in(body) is None


@pytest.mark.parametrize("word", FAILURES)
def test_a_link_beside_a_word_of_failure_is_no_success(word: str) -> None:
    assert job_from({"id": "v", "status": word, "url": LINK}).status is G.FAILED


def test_a_link_beside_a_word_of_waiting_counts_at_a_hundred_per_cent_only() -> None:
    assert job_from({"id": "v", "status": "processing", "progress": 60, "url": LINK}).status is G.RUNNING
    assert job_from({"id": "v", "status": "processing", "progress": "100%", "url": LINK}).status is G.SUCCEEDED


def test_success_outside_may_be_the_wrappers_own() -> None:
    wrapped = {"status": "success", "data": {"task_id": "task_abc123", "task_status": "processing"}}
    assert answered_job(wrapped, "task_abc123", vendor="v").status is G.RUNNING
    failed = {"status": "success", "data": {"status": "FAILURE", "fail_reason": "flagged by moderation"}}
    job = answered_job(failed, "task_abc123", vendor="v")
    assert (job.status, job.reason, job.error) == (G.FAILED, Reason.REFUSED, "flagged by moderation")


@pytest.mark.parametrize("error", [None, "", {}, "none", {"code": 0, "message": "success"}, {"code": None}])
def test_an_error_that_says_there_is_none_is_none(error: Any) -> None:
    assert job_from({"id": "v", "status": "completed", "error": error}).status is G.SUCCEEDED


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("100%", 100), ("50", 50), (0.5, 50), ("0.5", 50), (100, 100), ("37 %", 37), (1, 1), (1.0, 100), (250, 100),
        (-3, 0), ("soon", 0), (None, 0), (True, 0), (float("nan"), 0), ({"percent": 12}, 12),
    ],
)  # fmt: skip
def test_progress_is_read_as_servers_write_it(said: object, read: int) -> None:
    assert percent(said) == read


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (1790000000, 1790000000.0), ("1790000000", 1790000000.0), (1790000000000, 1790000000.0),
        ("2026-09-21T14:13:20Z", 1790000000.0), (3600, None), (0, None), ("soon", None),
    ],
)  # fmt: skip
def test_a_time_is_read_as_servers_write_it(said: object, read: float | None) -> None:
    assert epoch(said) == read


@pytest.mark.parametrize("result", ["", None, "{", "null", "[]", "{}", '{"resultUrls": []}', {"resultUrls": [None]}])
def test_a_success_of_kie_without_its_result_is_asked_again(result: Any) -> None:
    assert kie.job_from_record("t", {"taskId": "t", "state": "success", "resultJson": result}).status is G.RUNNING


@pytest.mark.parametrize(
    "result", [{"resultUrls": [LINK]}, '"{\\"resultUrls\\": [\\"' + LINK + '\\"]}"', f'["{LINK}"]']
)
def test_a_result_of_kie_may_be_written_in_other_ways(result: Any) -> None:
    job = kie.job_from_record("t", {"taskId": "t", "state": "success", "resultJson": result})
    assert (job.status, job.result) == (G.SUCCEEDED, JobResult(url=LINK))


def test_an_interaction_that_is_done_before_its_steps_are_there_is_asked_again() -> None:
    assert omni.job_from({"id": "v1_a", "status": "completed", "steps": []}, OMNI).status is G.RUNNING
    for held in (
        {"outputs": [{"type": "video", "uri": LINK}]},
        {"output_video": {"uri": LINK}},
        {"video": {"uri": LINK}},
    ):
        job = omni.job_from({"id": "v1_a", "status": "DONE", **held}, OMNI)
        assert (job.status, job.result) == (G.SUCCEEDED, JobResult(url=LINK))


IN_BASE64 = base64.b64encode(CLIP).decode()
SPELT: list[dict[str, Any]] = [
    {"type": "VIDEO", "uri": LINK},
    {"type": "video", "fileUri": LINK},
    {"mimeType": "video/mp4", "fileUri": LINK},
    {"video": {"uri": LINK}},
    {"type": "output_video", "video_url": LINK},
    {"fileData": {"mimeType": "video/mp4", "fileUri": LINK}},
    {"inlineData": {"mimeType": "video/mp4", "data": IN_BASE64}},
    {"type": "video", "data": IN_BASE64},
    {"type": "file", "uri": LINK},
]
PICTURE = {"type": "image", "mime_type": "image/png", "uri": "https://cdn.example/files/1"}


@pytest.mark.parametrize("part", SPELT, ids=str)
def test_a_clip_of_an_interaction_is_found_however_its_part_is_spelt(part: dict[str, Any]) -> None:
    asked = {"type": "user_input", "content": [PICTURE, {"type": "video", "uri": "https://cdn.example/ours.mp4"}]}
    made = {"type": "model_output", "content": [{"type": "text", "text": "Here it is."}, PICTURE, part]}
    body = {"id": "v1_a", "status": "completed", "steps": [asked, made]}
    job = omni.job_from(body, OMNI)
    assert (job.status, job.result.links) == (G.SUCCEEDED, (LINK,) if LINK in str(part) else ())


def test_of_several_clips_of_an_interaction_the_last_counts() -> None:
    parts = [{"type": "video", "uri": "https://cdn.example/draft.mp4"}, {"type": "video", "uri": LINK}]
    job = omni.job_from({"id": "v1_a", "status": "completed", "steps": [{"content": parts}]}, OMNI)
    assert job.result.url == LINK


def test_what_an_interaction_was_asked_with_is_not_what_it_made() -> None:
    asked = {"type": "user_input", "content": [{"type": "video", "uri": LINK}]}
    made = {"type": "model_output", "content": [{"type": "text", "text": "I cannot."}]}
    job = omni.job_from({"id": "v1_a", "status": "completed", "steps": [asked, made]}, OMNI)
    assert (job.status, job.error) == (G.FAILED, "I cannot.")

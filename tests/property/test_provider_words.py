"""Whatever JSON a server answers with, an adapter makes a job or an error of ours of it, and never falls over."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.database.codec import encode
from pipelines.domain.errors import Ambiguous, ReelgridError
from pipelines.domain.lifecycle import GenerationStatus
from pipelines.domain.state.generation import JobResult
from pipelines.ports import Job
from pipelines.providers import kie, load_catalogue, omni, video_object
from pipelines.providers.vocabulary import create_error, read_error, words_of

CARD = load_catalogue()["omni/gemini-omni-1.2-flash"]
NAMES = [
    "status", "state", "error", "errors", "code", "message", "msg", "detail", "details", "usage", "cost", "url",
    "urls", "video_url", "progress", "created_at", "expires_at", "steps", "content", "type", "uri", "data",
    "resultJson", "failCode", "failMsg", "creditsConsumed", "createTime", "created", "retryDelay",
    "output_tokens_by_modality", "modality", "tokens", "metadata", "reasons", "loc", "total_input_tokens",
]  # fmt: skip
WORDS = st.sampled_from(
    ["completed", "success", "failed", "fail", "expired", "running", "video", "text", "", "7s", "NaN"]
)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=8)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=25,
)
bodies = st.dictionaries(st.sampled_from(NAMES), values, max_size=8)


def assert_sound(job: Job) -> None:
    assert 0 <= job.progress <= 100
    assert (job.reason is not None) is (job.status is GenerationStatus.FAILED)
    assert job.cost_micro is None or job.cost_micro >= 0
    assert isinstance(job.result, JobResult)
    encode(JobResult, job.result)


@given(bodies)
def test_any_video_object_becomes_a_job(body: dict[str, Any]) -> None:
    assert_sound(video_object.job_from({**body, "id": "v"}))


@given(bodies)
def test_any_record_of_kie_becomes_a_job(body: dict[str, Any]) -> None:
    assert_sound(kie.job_from_record("t", body))


@given(bodies)
def test_any_interaction_becomes_a_job(body: dict[str, Any]) -> None:
    assert_sound(omni.job_from({**body, "id": "v"}, CARD))


entries = st.fixed_dictionaries({}, optional={"loc": leaves | st.lists(leaves, max_size=3), "msg": leaves})
delays = st.fixed_dictionaries({"retryDelay": leaves | st.text(max_size=4).map(lambda text: f"{text}s")})
refusals = (
    values
    | st.fixed_dictionaries({"detail": st.lists(entries | leaves, max_size=3)})
    | st.fixed_dictionaries({"error": st.fixed_dictionaries({"details": st.lists(delays | leaves, max_size=3)})})
)
"""Anything, and what looks most like FastAPI's and Google's own refusals."""


@given(st.integers(300, 599), refusals)
@example(422, {"detail": [{"loc": None, "msg": "no"}]})
@example(422, {"detail": [{"loc": 7}]})
@example(429, {"error": {"details": [{"retryDelay": "²s"}]}})
@example(400, {"detail": [{"status": None}], "status": None})
def test_any_refusal_becomes_one_of_our_errors_and_a_server_error_stays_open(status: int, body: Any) -> None:
    words_of(body)
    bought = create_error(status, body, vendor="acme", headers={})
    assert isinstance(bought, ReelgridError)
    assert isinstance(read_error(status, body, vendor="acme", headers={}), ReelgridError)
    assert isinstance(bought, Ambiguous) or status < 500

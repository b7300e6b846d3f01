"""What all vendors of the sandbox share: clips, dials, counts, memory, and the writer behind the text routes."""

import io
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import flask
import numpy as np
import pytest
from flask.testing import FlaskClient
from pydantic import BaseModel, Field
from werkzeug.test import TestResponse

from pipelines.sandbox import vendors
from pipelines.sandbox.vendors import byteplus, fal, minimax
from pipelines.sandbox.vendors.google import gemini, veo
from pipelines.sandbox.vendors.kernel.faults import Faults
from pipelines.sandbox.vendors.kie import models as kie_models
from pipelines.sandbox.vendors.openai import models as openai_models
from pipelines.sandbox.vendors.openai.scenes import brief, fill
from pipelines.sandbox.vendors.openrouter import models as openrouter_models
from tests.media.clip_factory import seconds_of

KEY = {"Authorization": "Bearer key"}


@pytest.fixture
def sandbox() -> FlaskClient:
    return start()


def start(folder: Path | None = None) -> FlaskClient:
    app = flask.Flask("sandbox")
    app.config["STATE_DIR"] = folder
    vendors.register(app, public_url=lambda: "http://127.0.0.1:9")
    client = app.test_client()
    assert client.post("/vendors/_control", json={"generation_s": 0, "prerender": False}).status_code == 200
    return client


def create(client: FlaskClient, prompt: str = "A fox", **changes: Any) -> TestResponse:
    body = {"prompt": prompt, "model": "sandbox-list", "seconds": "2", "size": "320x180", **changes}
    return client.post("/openai/v1/videos", json=body, headers=KEY)


def clip(client: FlaskClient, *args: str, **changes: Any) -> bytes:
    job = create(client, *args, **changes).get_json()
    return bytes(client.get(f"/openai/v1/videos/{job['id']}/content", headers=KEY).data)


def line(client: FlaskClient) -> dict[str, Any]:
    return dict(client.get("/bill").get_json()["generations"][-1])


def pictures(content: bytes) -> list[np.ndarray]:
    with av.open(io.BytesIO(content), "r") as box:
        return [frame.to_ndarray(format="rgb24", src_colorspace="ITU709") for frame in box.decode(video=0)]


def sound(content: bytes) -> np.ndarray:
    with av.open(io.BytesIO(content), "r") as box:
        return np.concatenate([frame.to_ndarray() for frame in box.decode(audio=0)], axis=1)


def test_a_clip_is_what_a_stitcher_likes_best(sandbox: FlaskClient) -> None:
    content = clip(sandbox)
    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(io.BytesIO(content)) as box:
        video, audio = box.streams.video[0], box.streams.audio[0]
        assert (video.codec_context.name, video.codec_context.profile, video.pix_fmt) == ("h264", "High", "yuv420p")
        assert (video.average_rate, video.frames, video.sample_aspect_ratio) == (Fraction(24), 48, Fraction(1))
        assert seconds_of(video.duration, video.time_base) == seconds_of(audio.duration, audio.time_base) == 2
        codec = video.codec_context
        assert (codec.color_primaries, codec.color_trc, codec.colorspace, codec.color_range) == (1, 1, 1, 1)
        assert (audio.codec_context.name, audio.rate, audio.layout.name) == ("aac", 48000, "stereo")


def test_clips_of_one_size_have_equal_parameter_sets(sandbox: FlaskClient) -> None:
    headers = set()
    for prompt in ("A fox", "A lamp in the snow"):
        with av.open(io.BytesIO(clip(sandbox, prompt))) as box:
            headers.add(box.streams.video[0].codec_context.extradata)
    assert len(headers) == 1


def test_colour_bar_and_tone_of_a_clip_tell_which_job_and_when(sandbox: FlaskClient) -> None:
    clip(sandbox, "the job before")
    content = clip(sandbox)
    told = line(sandbox)
    frames = pictures(content)
    expected = [int(told["colour"][at : at + 2], 16) for at in (1, 3, 5)]
    assert np.abs(frames[24][5, 160].astype(int) - expected).max() <= 4
    left = int(np.argmax(frames[24][round(180 * 0.92)].astype(int).sum(axis=1) > 600))
    assert left == pytest.approx((320 - 320 // 24) / 2, abs=3)
    wave = sound(content)[0]
    half = wave[4_800:43_200] * np.hanning(38_400)
    assert np.argmax(np.abs(np.fft.rfft(half))) * 48000 / half.size == pytest.approx(told["tone_hz"], abs=2)
    gap = wave[48_000 + 500 : 48_000 + 1_400]
    assert np.abs(gap).max() < np.abs(wave[:48_000]).max() / 5


def test_neighbouring_jobs_have_colours_far_apart(sandbox: FlaskClient) -> None:
    for index in range(8):
        create(sandbox, f"clip {index}")
    colours = [one["colour"] for one in sandbox.get("/bill").get_json()["generations"]]
    values = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in colours])
    distances = np.abs(values[:, None] - values[None]).sum(axis=2) + np.eye(len(values)) * 999
    assert distances.min() > 30


def test_a_word_may_name_the_vendor_that_it_is_for(sandbox: FlaskClient) -> None:
    assert create(sandbox, "A fox [[refuse:openai]]").status_code == 400
    assert create(sandbox, "A fox [[refuse:kie]]").status_code == 200
    for prompt in ("A fox [[fail]]", "A fox [[fail:openai]]", "A fox [[fail:kie]]"):
        for _ in range(2):
            create(sandbox, prompt)
    sandbox.post("/vendors/_control", json={"finish": True})
    statuses = [one["status"] for one in sandbox.get("/bill").get_json()["generations"]]
    assert statuses == ["succeeded", *["failed"] * 4, *["succeeded"] * 2]


@pytest.mark.parametrize("way", ["size", "fps", "sar", "mono", "silent"])
def test_odd_changes_one_property_of_the_clip(sandbox: FlaskClient, way: str) -> None:
    with av.open(io.BytesIO(clip(sandbox, f"A fox [[odd:{way}]]"))) as box:
        video, audio = box.streams.video[0], next(iter(box.streams.audio), None)
        seen = {
            "size": (video.width, video.height) != (320, 180),
            "fps": video.average_rate != 24,
            "sar": video.sample_aspect_ratio == Fraction(4, 3),
            "mono": audio is not None and audio.layout.name == "mono",
            "silent": audio is None,
        }
    assert {name for name, different in seen.items() if different} == {way}


def test_a_palette_bounds_how_many_different_clips_are_drawn(sandbox: FlaskClient) -> None:
    sandbox.post("/vendors/_control", json={"palette": 2})
    assert len({clip(sandbox, f"clip {index}") for index in range(5)}) == 2


def test_a_create_answers_queued_even_if_the_job_takes_no_time(sandbox: FlaskClient) -> None:
    job = create(sandbox).get_json()
    assert (job["status"], job["progress"]) == ("queued", 0)
    assert sandbox.get(f"/openai/v1/videos/{job['id']}", headers=KEY).get_json()["status"] == "completed"


def test_jobs_bill_and_memory_of_prompts_survive_a_kill_in_the_middle_of_a_write(tmp_path: Path) -> None:
    before = start(tmp_path / "before")
    job = create(before, "A fox [[fail-once]]").get_json()
    create(before, model="sandbox-key")
    before.post("/openai/v1/responses", json={"model": "gpt-6-luna", "input": "A fox"}, headers=KEY)
    bill = before.get("/bill").get_json()
    (tmp_path / "after").mkdir()
    journal = (tmp_path / "before" / "vendors.jsonl").read_bytes()
    (tmp_path / "after" / "vendors.jsonl").write_bytes(journal + b'{"kind": "job", "val')
    after = start(tmp_path / "after")
    assert after.get("/bill").get_json() == bill
    assert after.get(f"/openai/v1/videos/{job['id']}", headers=KEY).get_json()["status"] == "failed"
    again = create(after, "A fox [[fail-once]]").get_json()
    assert after.get(f"/openai/v1/videos/{again['id']}", headers=KEY).get_json()["status"] == "completed"


def test_an_idempotency_key_is_remembered_across_a_kill(tmp_path: Path) -> None:
    headers = {**KEY, "Idempotency-Key": "k1"}
    body = {"prompt": "A fox", "model": "sandbox-key", "size": "320x180"}
    first, second = (
        start(tmp_path).post("/openai/v1/videos", json=body, headers=headers).get_json()["id"] for _ in range(2)
    )
    assert first == second


def test_dials_make_faults_for_all_vendors_or_for_one(sandbox: FlaskClient) -> None:
    sandbox.post("/vendors/_control", json={"error_percent": 100})
    assert create(sandbox).status_code == 500
    sandbox.post("/vendors/_control", json={"vendor": "openai", "error_percent": 0, "rate_limit_percent": 100})
    limited = create(sandbox)
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "1")
    assert sandbox.get("/gemini/v1/models", headers={"x-goog-api-key": "k"}).status_code == 500
    assert sandbox.get("/bill").get_json()["count"] == 0


def test_an_error_after_acceptance_is_billed(sandbox: FlaskClient) -> None:
    sandbox.post("/vendors/_control", json={"error_after_percent": 100})
    assert create(sandbox).status_code == 500
    assert sandbox.get("/bill").get_json()["charged_count"] == 1


def test_the_same_seed_gives_the_same_faults(sandbox: FlaskClient) -> None:
    def run() -> list[int]:
        sandbox.post("/vendors/_control", json={"reset": True, "seed": 7, "error_percent": 50, "prerender": False})
        return [create(sandbox).status_code for _ in range(20)]

    first = run()
    assert set(first) == {200, 500}
    assert run() == first


def test_too_many_jobs_in_flight_are_refused(sandbox: FlaskClient) -> None:
    sandbox.post("/vendors/_control", json={"generation_s": 600, "max_in_flight": 2})
    assert [create(sandbox).status_code for _ in range(3)] == [200, 200, 429]
    sandbox.post("/vendors/_control", json={"finish": True})
    assert create(sandbox).status_code == 200


def test_results_expire_when_told(sandbox: FlaskClient) -> None:
    sandbox.post("/vendors/_control", json={"lifetime_s": 0})
    job = create(sandbox).get_json()
    assert sandbox.get(f"/openai/v1/videos/{job['id']}/content", headers=KEY).status_code == 404


@pytest.mark.parametrize("body", [{"nonsense": 1}, {"lost_percent": 101}, {"vendor": "nobody"}, []])
def test_a_wrong_dial_is_a_400(sandbox: FlaskClient, body: object) -> None:
    assert sandbox.post("/vendors/_control", json=body).status_code == 400


def test_stats_count_requests_polls_lists_and_jobs_at_once(sandbox: FlaskClient) -> None:
    sandbox.post("/vendors/_control", json={"generation_s": 600})
    ids = [create(sandbox).get_json()["id"] for _ in range(3)]
    sandbox.get(f"/openai/v1/videos/{ids[0]}", headers=KEY)
    sandbox.get("/openai/v1/videos", headers=KEY)
    stats = sandbox.get("/vendors/_control/stats").get_json()
    assert (stats["creates"], stats["polls"], stats["lists"], stats["max_concurrent_jobs"]) == (3, 1, 1, 3)
    assert stats["requests"]["openai"]["POST /openai/v1/videos"] == 3
    sandbox.delete(f"/openai/v1/videos/{ids[0]}", headers=KEY)
    assert sandbox.get("/vendors/_control/stats").get_json()["running"] == 2


def test_the_front_page_gets_its_tables(sandbox: FlaskClient) -> None:
    create(sandbox, "A fox in snow")
    with sandbox.application.app_context():
        tables = dict(vendors.summary())
    assert tables["Videos"][0]["Prompt"] == "A fox in snow"
    assert tables["Bill"][-1] == {"Model": "Total", "Generations": "1", "Cost": "$0.200"}


class Move(StrEnum):
    PAN = "pan"
    TILT = "tilt"


class Shot(BaseModel):
    scene_number: int
    visual_prompt: str = Field(max_length=80)
    duration_seconds: int = Field(ge=4, le=8)
    camera: Move
    transition: str | None
    tags: list[str]


class Film(BaseModel):
    language: str
    total_seconds: float
    shots: list[Shot] = Field(min_length=2, max_length=6)


@pytest.mark.parametrize(("scenes", "count"), [(1, 2), (4, 4), (40, 6)])
def test_any_schema_is_filled_within_its_bounds(scenes: int, count: int) -> None:
    request = brief("You are a director.", f"Scenes: {scenes}\nSeconds per scene: 12\nMaster prompt: {'A fox. ' * 40}")
    film = Film.model_validate(fill(Film.model_json_schema(), request))
    assert len(film.shots) == count
    assert [shot.scene_number for shot in film.shots] == list(range(1, count + 1))
    assert {shot.duration_seconds for shot in film.shots} == {8}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**Scenes:** 7\nA fox", 7),
        ("number of scenes = 3\nA fox", 3),
        ("Write exactly 5 scenes about a fox", 5),
        ("A fox", 4),
    ],
)
def test_the_number_of_scenes_is_read_as_people_write_it(text: str, expected: int) -> None:
    assert brief("Between 1 and 50 allowed.", text).scenes == expected


@pytest.mark.parametrize(
    "text",
    [
        "Scenes: 2\nMaster prompt: A red fox.\nAspect ratio: 16:9",
        "Scenes: 2\nAspect ratio: 16:9\n\nA red fox.",
        "<master_prompt>\nA red fox.\n</master_prompt>",
        "A red fox.",
    ],
)
def test_the_master_prompt_is_found_among_other_lines(text: str) -> None:
    assert brief("", text).subject == "A red fox."


def test_the_reference_page_names_every_dial_word_and_model() -> None:
    page = (Path(__file__).parents[3] / "docs/reference/sandbox-vendors.md").read_text(encoding="utf-8")
    words = ["refuse", "fickle", "flag", "slow", "fail-once", "fail", "lost", "corrupt", "never", "odd"]
    words += ["badlink", "insidelink", "nolink"]
    models = [*openai_models.MODELS, *kie_models.MODELS, *openrouter_models.MODELS, *gemini.USD_PER_M, *veo.PRICES]
    models += [*minimax.MODELS, *byteplus.MODELS, *fal.MODELS]
    expected = [*Faults.model_fields, *(f"[[{word}]]" for word in words), *models]
    assert [name for name in expected if f"`{name}`" not in page] == []


def test_the_writer_obeys_what_must_not_be_said_instead_of_repeating_it() -> None:
    asked = "Scenes: 1\nStyle notes: film noir Never use these words: cheap, free trial.\nMaster prompt: A fox runs."
    assert brief("", asked).style == "Style: film noir"
    assert brief("", asked.replace("film noir ", "")).style == ""

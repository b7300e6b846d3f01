"""A row goes in, a finished video comes back in the row: judged from outside, by pixels, sound, bill and calls."""

from __future__ import annotations

import io
import itertools
import ssl
import threading
from dataclasses import dataclass
from typing import Any

import av
import httpx
import numpy as np
import pytest

from tools.stack import BASE, Stack, until

pytestmark = [pytest.mark.xdist_group("acceptance"), pytest.mark.timeout(600)]

SCENES, SECONDS, FPS = 3, 4, 24


@dataclass(frozen=True)
class Film:
    """One finished order and everything that can be seen of it from outside."""

    record_id: str
    row: dict[str, Any]
    scenes: list[dict[str, Any]]
    bill: list[dict[str, Any]]
    view: dict[str, Any]
    stats: dict[str, Any]
    bytes: bytes
    trigger: dict[str, Any]


@pytest.fixture(scope="module")
def film(outside: tuple[Stack, str, ssl.SSLContext]) -> Film:
    stack, url, trust = outside
    stack.sandbox("DELETE", "/airtable/_control/stats")
    record = stack.add_row(
        {
            "Title": "Teacup",
            "Master Prompt": "A teacup crosses a mountain village. Then it rides a tram. Then it stands on a sill.",
            "Scene Count": SCENES,
            "Clip Seconds": SECONDS,
            "Model": "sora/sora-2",
            "Generate": True,
        }
    )
    body = {"base_id": BASE, "table": "Videos", "record_id": record}
    answer = httpx.post(f"{url}/api/process-record", json=body, verify=trust, timeout=30)
    assert answer.status_code == 202
    view = stack.wait_run(answer.json()["run_id"])
    until(lambda: stack.row(record).get("Status") == "Done", "the row to say Done")
    row = stack.row(record)
    attached = httpx.get(row["Final Video"][0]["url"], timeout=30).content
    return Film(
        record_id=record,
        row=row,
        scenes=sorted((stack.row(scene, "Scenes") for scene in row["Scenes"]), key=lambda scene: scene["Scene #"]),
        bill=stack.sandbox("GET", "/bill")["generations"],
        view=view,
        stats=stack.sandbox("GET", "/airtable/_control/stats")["bases"][BASE],
        bytes=attached,
        trigger=answer.json(),
    )


def frames(data: bytes) -> list[np.ndarray]:
    with av.open(io.BytesIO(data), "r") as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_the_row_says_done_with_cost_quote_duration_and_links(film: Film) -> None:
    row = film.row
    assert row["Status"] == "Done"
    assert row["Progress"] == 1
    assert "Error" not in row
    assert (
        row["Estimated Cost"] == pytest.approx(row["Actual Cost"]) == pytest.approx(SCENES * SECONDS * 0.10, abs=0.01)
    )
    assert row["Duration"] == pytest.approx(SCENES * SECONDS, abs=0.05)
    assert row["Run"] == 1
    assert row["Run ID"] == film.view["run_id"]
    assert "looks right" in row["Verdict"]
    assert row["Poster"][0]["type"] == "image/jpeg"


def test_the_box_that_started_it_is_cleared(film: Film) -> None:
    assert "Generate" not in film.row


def test_the_attachment_is_the_film_behind_the_permanent_link(
    film: Film, outside: tuple[Stack, str, ssl.SSLContext]
) -> None:
    _, url, trust = outside
    assert film.row["Video URL"].startswith(f"{url}/v/")
    answer = httpx.get(film.row["Video URL"], verify=trust, timeout=30)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.content == film.bytes
    part = httpx.get(film.row["Video URL"], headers={"Range": "bytes=0-99"}, verify=trust, timeout=30)
    assert (part.status_code, part.content) == (206, film.bytes[:100])


def test_the_scenes_are_in_order_and_as_long_as_ordered_to_the_frame(film: Film) -> None:
    pictures = frames(film.bytes)
    assert len(pictures) == SCENES * SECONDS * FPS
    colours = {line["prompt"]: line["colour"] for line in film.bill}
    for number, scene in enumerate(film.scenes):
        wanted = np.array([int(colours[scene["Prompt"]][at : at + 2], 16) for at in (1, 3, 5)])
        for at in (0, SECONDS * FPS // 2, SECONDS * FPS - 1):
            seen = pictures[number * SECONDS * FPS + at][4:40, 8:-8].reshape(-1, 3).mean(axis=0)
            assert np.abs(seen - wanted).max() < 12, f"scene {number + 1}, frame {at}: {seen} instead of {wanted}"


def test_each_scene_sounds_from_its_first_to_its_last_moment(film: Film) -> None:
    with av.open(io.BytesIO(film.bytes), "r") as container:
        stream = container.streams.audio[0]
        assert (stream.rate, stream.channels) == (48_000, 2)
        sound = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)[0]
    assert abs(len(sound) / 48_000 - SCENES * SECONDS) < 0.05
    tones = {line["prompt"]: line["tone_hz"] for line in film.bill}
    for number, scene in enumerate(film.scenes):
        middle = sound[int((number * SECONDS + 1.2) * 48_000) : int((number * SECONDS + 1.8) * 48_000)]
        spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
        peak = np.argmax(spectrum) * 48_000 / len(middle)
        assert peak == pytest.approx(tones[scene["Prompt"]], abs=4)


def test_every_scene_was_bought_once(film: Film) -> None:
    prompts = [scene["Prompt"] for scene in film.scenes]
    assert sorted(line["prompt"] for line in film.bill if line["prompt"] in prompts) == sorted(prompts)


def test_the_scenes_have_rows_of_their_own_with_clip_and_cost(film: Film) -> None:
    assert [scene["Scene Key"] for scene in film.scenes] == [f"{film.record_id}-r1-{n:02d}" for n in (1, 2, 3)]
    assert {scene["Status"] for scene in film.scenes} == {"Done"}
    assert all(scene["Clip"] and scene["Cost"] == pytest.approx(0.4) for scene in film.scenes)


def test_a_video_costs_at_most_twelve_calls_and_airtable_never_sees_more_than_five_a_second(film: Film) -> None:
    calls = film.view["airtable_calls"]
    assert 0 < calls <= 12
    assert film.stats["max_per_second"] <= 5
    assert film.stats["refused_429"] == 0


def test_the_same_trigger_five_times_at_once_is_one_run(stack: Stack) -> None:
    record = stack.add_row({"Master Prompt": "One wave on a beach", "Scene Count": 1, "Clip Seconds": 4})
    barrier, answers = threading.Barrier(5), []

    def fire() -> None:
        barrier.wait()
        answers.append(stack.post("/api/process-record", {"record_id": record, "base_id": BASE}).json())

    threads = [threading.Thread(target=fire) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({answer["run_id"] for answer in answers}) == 1
    assert sorted(answer["existing"] for answer in answers) == [False, True, True, True, True]
    assert stack.wait_run(answers[0]["run_id"])["status"] == "done"


def test_a_record_that_does_not_exist_ends_its_run_with_that_reason(stack: Stack) -> None:
    run = stack.post("/api/process-record", {"record_id": "recDoesNotExist00", "base_id": BASE}).json()["run_id"]
    view = stack.wait_run(run)
    assert view["status"] == "failed"
    assert "row" in view["error"]


def test_a_row_with_wrong_fields_says_which_ones_to_change(stack: Stack) -> None:
    record = stack.add_row({"Scene Count": 0, "Clip Seconds": -1, "Model": "sora/sora-2"})
    run = stack.post("/api/process-record", {"record_id": record, "base_id": BASE}).json()["run_id"]
    assert stack.wait_run(run)["status"] == "failed"
    until(lambda: stack.row(record).get("Status") == "Failed", "the row to say Failed")
    error = stack.row(record)["Error"]
    assert all(name in error for name in ("Master Prompt", "Scene Count", "Clip Seconds")), error


def test_the_progress_page_opens_by_its_signed_link_only(
    film: Film, outside: tuple[Stack, str, ssl.SSLContext]
) -> None:
    _, url, trust = outside
    link = film.row["Progress Page"]
    assert link.startswith(f"{url}/r/")
    page = httpx.get(link, verify=trust, timeout=30)
    assert page.status_code == 200
    assert "Teacup" in page.text
    forged = httpx.get(link[:-2] + "xx", verify=trust, timeout=30)
    assert forged.status_code in {401, 403}


def test_history_is_complete_one_event_for_each_change_of_status(film: Film) -> None:
    moves = [event for event in film.view["events"] if event["name"] == "status"]
    steps = [(move["old"], move["new"]) for move in moves if move["entity"] == "run"]
    assert steps == list(
        itertools.pairwise([None, "queued", "writing", "generating", "stitching", "delivering", "done"])
    )

"""A scene goes on where the one before ended, and a whole run looks at the same pictures: seen in bill and pixels."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from tests.acceptance.films import FPS, Ordered, bill, pictures, trigger
from tools.stack import Stack

pytestmark = [pytest.mark.xdist_group("acceptance"), pytest.mark.timeout(600), pytest.mark.slow]

SECONDS = 4
PASTED = (0.80, 0.858)
"""Where the sandbox shows the picture that a clip starts from: down and across, as parts of the frame."""
STARTING = ("omni/gemini-omni-1.2-flash", "kie/bytedance/seedance-2-mini", "openrouter/alibaba/wan-3.0")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a picture somewhere in the world, all in one red."""
    folder = tmp_path_factory.mktemp("pictures")
    Image.new("RGB", (640, 480), (200, 30, 30)).save(folder / "house.png")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/house.png"
    server.shutdown()
    server.server_close()
    thread.join()


def two_scenes(stack: Stack, model: str, prompts: list[str]) -> Ordered:
    """Rows that a person made: the second continues the first."""
    record = stack.add_row({"Title": f"Continued by {model}", "Model": model, "Clip Seconds": SECONDS})
    for number, prompt in enumerate(prompts, start=1):
        row = {"Video": [record], "Scene #": number, "Prompt": prompt, "Status": "Draft", "Continue": number > 1}
        stack.add_row(row, "Scenes")
    return trigger(stack, record)


def colour(frame: np.ndarray, place: tuple[float, float]) -> np.ndarray:
    row, column = (round(part * edge) for part, edge in zip(place, frame.shape[:2], strict=True))
    return np.asarray(np.median(frame[row - 8 : row + 8, column - 8 : column + 8].reshape(-1, 3), axis=0))


def check_continued(stack: Stack, model: str) -> None:
    prompts = [f"A door opens, by {model}", f"Somebody steps out, by {model}"]
    result = two_scenes(stack, model, prompts).wait()
    lines = bill(stack, prompts)
    assert [(line["image"], line["charged"]) for line in lines] == [(False, True), (True, True)]
    frames = pictures(result.film(stack))
    shown, before = frames[SECONDS * FPS + 5], frames[SECONDS * FPS - 1]
    # The middle of the pasted picture shows the middle of the frame that it was cut from.
    assert np.abs(colour(shown, PASTED) - colour(before, (0.75, 0.5))).max() < 30
    assert np.abs(colour(shown, PASTED) - colour(shown, (0.05, 0.5))).max() > 30


def test_a_scene_that_continues_starts_from_the_very_last_picture_before_it(stack: Stack) -> None:
    """The second clip is ordered with a picture, and shows it."""
    check_continued(stack, "sora/sandbox-key")


@pytest.mark.slow
@pytest.mark.parametrize("model", STARTING)
def test_each_vendor_takes_the_picture_in_its_own_way(stack: Stack, model: str) -> None:
    check_continued(stack, model)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["omni/gemini-omni-1.2-flash", "sora/sandbox-key"])
def test_the_reference_images_of_a_row_go_with_every_scene(stack: Stack, picture: str, model: str) -> None:
    """As pictures to look at where the model takes some, else as the picture to start from."""
    prompts = [f"The house at dawn, by {model}", f"The house at night, by {model}"]
    fields = {"Prompt": "\n".join(prompts), "Model": model, "Clip Seconds": SECONDS}
    record = stack.add_row({**fields, "Reference Images": [{"url": picture}]})
    result = trigger(stack, record).wait()
    assert [line["image"] for line in bill(stack, prompts)] == [True, True]
    for frame in (pictures(result.film(stack))[at] for at in (5, SECONDS * FPS + 5)):
        assert np.abs(colour(frame, PASTED) - (200, 30, 30)).max() < 30


@pytest.mark.slow
def test_what_a_row_says_of_its_clip_reaches_the_vendor(stack: Stack, picture: str) -> None:
    """Seed, negative prompt, the frames it starts and ends on, and how long the film is."""
    prompt, model = "A harbour, once", "veo/veo-3.1-fast-generate-001"
    fields = {"Prompt": prompt, "Model": model, "Film Seconds": 8, "Seed": 7, "Negative Prompt": "rain"}
    record = stack.add_row({**fields, "First Frame": [{"url": picture}], "Last Frame": [{"url": picture}]})
    result = trigger(stack, record).wait()
    [line] = bill(stack, [prompt])
    told = ("seconds", "seed", "negative_prompt", "images", "charged")
    assert [line[name] for name in told] == [8, 7, "rain", 2, True]
    assert result.row["Duration"] == pytest.approx(8, abs=0.05)
    assert np.abs(colour(pictures(result.film(stack))[5], PASTED) - (200, 30, 30)).max() < 30


def test_what_a_model_cannot_follow_is_said_in_the_row_and_nothing_is_bought(stack: Stack, picture: str) -> None:
    prompt = "A harbour, twice"
    fields = {"Prompt": prompt, "Model": "sora/sora-2", "Seed": 7, "Negative Prompt": "rain"}
    row = trigger(stack, stack.add_row({**fields, "Last Frame": [{"url": picture}]})).wait("failed").row
    for field in ("Seed", "Negative Prompt", "Last Frame"):
        assert f"{field}: " in row["Error"]
    assert row["Error"].count("sora/sora-2") == 3
    assert bill(stack, [prompt]) == []

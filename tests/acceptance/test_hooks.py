"""Three hooks in two formats: six films from the clips of one and two more, seen in bill and pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.acceptance.films import FPS, pictures, trigger
from tools.stack import Stack

pytestmark = [pytest.mark.xdist_group("acceptance"), pytest.mark.timeout(600)]

SCENES, SECONDS = 2, 4


def sold(stack: Stack) -> list[dict[str, Any]]:
    return [line for line in stack.sandbox("GET", "/bill")["generations"] if line["charged"]]


@pytest.mark.slow
def test_three_hooks_in_two_formats_are_six_films_for_two_more_clips(stack: Stack) -> None:
    fields = {
        "Title": "Kite",
        "Master Prompt": "A kite leaves a child's hand on a beach. It crosses the bay and lands on a fishing boat.",
        "Scene Count": SCENES,
        "Clip Seconds": SECONDS,
        "Model": "sora/sora-2",
        "Formats": ["9:16"],
        "Hooks": 3,
    }
    before = len(sold(stack))
    result = trigger(stack, stack.add_row(fields)).wait()
    bought = sold(stack)[before:]
    assert len(bought) == SCENES + 2
    lines = result.view["plan"]["lines"]
    assert [line["label"].partition(":")[0] for line in lines[1:3]] == ["Hook b", "Hook c"]
    cuts = [cut for cut in result.view["cuts"] if cut["current"]]
    assert sorted((cut["hook"], cut["format"]) for cut in cuts) == [
        (hook, shape) for hook in "abc" for shape in ("16:9", "9:16")
    ]
    assert len(result.row["Final Video"]) == 6
    assert len(result.row["Variants"].splitlines()) == 6
    assert [(scene["Scene Key"].partition("-r1-")[2], scene.get("Hook")) for scene in result.scenes] == [
        ("01", "a"), ("02", None), ("01-b", "b"), ("01-c", "c"),
    ]  # fmt: skip
    colours = {line["prompt"]: line["colour"] for line in bought}
    hooks = {scene["Hook"]: scene["Prompt"] for scene in result.scenes if scene.get("Hook")}
    for cut in cuts:
        film = stack.get("/v/" + cut["url"].rpartition("/")[2]).content
        seen = pictures(film)
        assert len(seen) == SCENES * SECONDS * FPS
        assert seen[0].shape[:2] == ((720, 1280) if cut["format"] == "16:9" else (1280, 720))
        for at, prompt in ((5, hooks[cut["hook"]]), (SECONDS * FPS + 5, result.scenes[1]["Prompt"])):
            wanted = np.array([int(colours[prompt][place : place + 2], 16) for place in (1, 3, 5)])
            # The middle of the upper part, where the sandbox writes nothing, whatever the picture was cropped to.
            found = np.median(seen[at][4:40, 8:-8].reshape(-1, 3), axis=0)
            assert np.abs(found - wanted).max() < 12, (cut["hook"], cut["format"], at)

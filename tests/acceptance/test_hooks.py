"""Hooks, formats and languages: many films from the clips of one and one more a hook, seen in bill and pixels."""

from __future__ import annotations

import hashlib
import io
import zipfile
from itertools import product
from typing import Any

import av
import numpy as np
import pytest

from tests.acceptance.films import FPS, Result, pictures, trigger
from tools.stack import Stack, until

pytestmark = [pytest.mark.xdist_group("acceptance"), pytest.mark.timeout(600)]

SCENES, SECONDS = 2, 4
CODES = {"en": "eng", "de": "deu", "ar": "ara", "ja": "jpn"}
"""Languages, and how an MP4 names them (ISO 639-2)."""


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


@pytest.mark.slow
def test_three_hooks_in_four_languages_and_two_formats_are_24_films_of_the_same_clips(stack: Stack) -> None:
    """The campaign that `make demo CAMPAIGN=1` shows."""
    fields = {
        "Title": "Lantern",
        "Master Prompt": "A lantern drifts down a river at dusk. It comes to rest under a bridge where somebody waits.",
        "Scene Count": SCENES,
        "Clip Seconds": SECONDS,
        # Another model than above: an equal hook that was bought there would not be bought again.
        "Model": "sora/sandbox-list",
        "Formats": ["9:16"],
        "Hooks": 3,
        "Languages": list(CODES),
        "Captions": "Sidecar",
        "Pack": ["YouTube"],
    }
    before = len(sold(stack))
    result = trigger(stack, stack.add_row(fields)).wait()
    assert len(sold(stack)) - before == SCENES + 2, result.row["Status Detail"]
    cuts = [cut for cut in result.view["cuts"] if cut["current"]]
    made = {(cut["hook"], cut["language"], cut["format"]) for cut in cuts}
    assert made == set(product("abc", CODES, ("16:9", "9:16")))
    assert len(cuts) == len(result.row["Variants"].splitlines()) == 24
    pictures_of: dict[tuple[str, str], set[bytes]] = {}
    for cut in cuts:
        film = stack.get("/v/" + cut["url"].rpartition("/")[2]).content
        with av.open(io.BytesIO(film), "r") as opened:
            seen = b"".join(bytes(packet) for packet in opened.demux(video=0))
            assert (
                opened.streams.video[0].language
                == {"en": "eng", "de": "deu", "ar": "ara", "ja": "jpn"}[cut["language"]]
            )
        pictures_of.setdefault((cut["hook"], cut["format"]), set()).add(hashlib.sha256(seen).digest())
    assert [len(one) for one in pictures_of.values()] == [1] * 6
    _pack_has_every_language(stack, result, {cut["language"]: cut["duration_s"] for cut in cuts})


def _pack_has_every_language(stack: Stack, result: Result, seconds: dict[str, float]) -> None:
    """What to paste, and for each film a sound of its length."""
    run = f"/api/runs/{result.view['run_id']}"
    until(lambda: stack.get(run).json()["pack_url"] is not None, "its pack", patience_s=120)
    link = stack.get(run).json()["pack_url"]
    answer = stack.get("/v/" + link.partition("/v/")[2] + ".zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as pack:
        names = set(pack.namelist())
        assert {f"YouTube/post.{language}.txt" for language in CODES} <= names
        sounds = {f"audio/{language}-{hook}.m4a": language for hook, language in product("abc", CODES)}
        assert sounds.keys() <= names
        for name, language in sounds.items():
            with av.open(io.BytesIO(pack.read(name)), "r") as opened:
                assert [(one.type, one.language) for one in opened.streams] == [("audio", CODES[language])]
                assert abs(float(opened.duration or 0) / av.time_base - seconds[language]) < 0.05


@pytest.mark.slow
def test_more_films_than_a_run_may_have_are_refused_with_the_number_that_would_pass(stack: Stack) -> None:
    fields = {
        "Prompt": "a\nb",
        "Hooks": 5,
        "Languages": ["en", "de", "ar", "ja"],
        "Formats": ["9:16"],
        "Model": "sora/sora-2",
    }
    before = len(sold(stack))
    result = trigger(stack, stack.add_row(fields)).wait("failed")
    assert "24" in result.row["Error"]
    assert len(sold(stack)) == before

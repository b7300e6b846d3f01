"""Narrated films as the product's own processes make them, with voices of the machine and without a key."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.acceptance.films import trigger
from tools.chaos.killer import children
from tools.stack import Stack

pytestmark = [pytest.mark.xdist_group("acceptance"), pytest.mark.timeout(600), pytest.mark.slow]
LOADED_TO_SPEAK = ("onnxruntime", "hibari")


def family(stack: Stack) -> list[int]:
    """All processes of the product that are there now: its services, and whatever they started."""
    found = [service.process.pid for name, service in stack.services.items() if name != "sandbox" and service.process]
    for pid in found:
        found += children(pid)
    return found


def holds(pid: int) -> list[str]:
    """What speaks, of all that a process has in its memory."""
    try:
        mapped = Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return []
    return [name for name in LOADED_TO_SPEAK if name in mapped]


def test_a_voice_speaks_over_each_scene_and_no_process_of_the_product_has_it_in_memory(stack: Stack) -> None:
    record = stack.add_row({"Title": "Pier", "Clip Seconds": 4, "Model": "sora/sandbox-list", "Voiceover": True})
    lines = ["Light, wherever you are.", "Watch the room change."]
    for number, line in enumerate(lines, 1):
        scene = {"Prompt": f"A lamp on pier {number}", "Narration": line, "Scene #": number, "Status": "Draft"}
        stack.add_row({"Video": [record], **scene}, "Scenes")
    result = trigger(stack, record).wait()
    (cut,) = [cut for cut in result.view["cuts"] if cut["current"]]
    told = stack.get("/media/" + cut["extras"]["provenance"].partition("/media/")[2]).json()
    said = [(one["scene"], one["voice"], one["text"]) for one in told["narrator"]]
    assert said == [(number, "local/heart", line) for number, line in enumerate(lines, 1)]
    processes = family(stack)
    assert len(processes) > len(stack.services), "whoever made the film is among them"
    assert {pid: holds(pid) for pid in processes if holds(pid)} == {}


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed on this machine")
def test_a_film_in_german_is_spoken_by_the_program_that_is_installed(stack: Stack) -> None:
    wanted = {"Title": "Steg", "Clip Seconds": 4, "Model": "sora/sandbox-list", "Voiceover": True, "Languages": ["de"]}
    record = stack.add_row(wanted)
    line = "Das Licht ist überall."
    scene = {"Prompt": "A lamp on a German pier", "Narration": line, "Scene #": 1, "Status": "Draft"}
    stack.add_row({"Video": [record], **scene}, "Scenes")
    result = trigger(stack, record).wait()
    (cut,) = [cut for cut in result.view["cuts"] if cut["current"]]
    told = stack.get("/media/" + cut["extras"]["provenance"].partition("/media/")[2]).json()
    assert [(one["voice"], one["text"]) for one in told["narrator"]] == [("local/espeak", line)]
    assert "narrator" not in result.row["Status Detail"]

"""Drafts on the command line: shown as a file of their own, asked about, and made into the film."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from tools.stack import Stack, free_port, write_google_account

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]
MODEL = "byteplus/dreamina-seedance-2-5-260628"


@pytest.fixture
def vendors(tmp_path: Path) -> Iterator[Stack]:
    """The vendors alone: no web, no worker, no base."""
    stack = Stack(tmp_path / "var", port=free_port())
    stack.var.mkdir()
    stack.start_sandbox()
    write_google_account(stack.var / "google.json", f"{stack.sandbox_url}/veo/token")
    yield stack
    stack.stop()


def sold(stack: Stack) -> list[dict[str, Any]]:
    return [line for line in stack.sandbox("GET", "/bill")["generations"] if line["charged"]]


def height(path: Path) -> int:
    with av.open(path) as film:
        return film.streams.video[0].height


def test_drafts_are_shown_before_the_film_is_paid_for(vendors: Stack, tmp_path: Path) -> None:
    out = tmp_path / "film.mp4"
    size = ("--scenes", "1", "--seconds", "4", "--resolution", "1080p", "--model", MODEL)
    words = ("video", "make", "A heron lifts off", "--out", str(out), *size, "--preview", "Draft")
    plan = json.loads(vendors.flask(*words, "--dry-run", "--json").stdout)["plan"]
    assert [line["label"] for line in plan["lines"] if line["label"].startswith("Drafts")] == [
        "Drafts: 1 clip to look at first"
    ]
    assert sold(vendors) == []
    no = vendors.flask(*words, check=False, told="n\n")
    assert no.returncode == 1, no.stderr
    shown = tmp_path / "film-drafts.mp4"
    assert f"The drafts are in {shown}." in no.stderr
    assert shown.is_file()
    assert (out.exists(), [line["draft"] for line in sold(vendors)]) == (False, [True])
    yes = vendors.flask(*words, check=False, told="y\n")
    assert yes.returncode == 0, yes.stderr
    assert height(out) == 1080
    # The draft of before is taken, and the clip is made from it.
    draft, clip = sold(vendors)
    assert (draft["draft"], clip["draft"], clip["made_from"]) == (True, False, draft["id"])

"""Ordering films from outside and looking at what came back: the row, the bill, the pixels."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import av
import numpy as np

from tools.stack import BASE, Stack, until

FPS = 24
OVER = ("Done", "Needs Attention", "Failed", "Cancelled")


@dataclass(frozen=True, kw_only=True)
class Ordered:
    """A row that was triggered."""

    stack: Stack
    record_id: str
    run_id: str

    def wait(self, status: str = "done", patience_s: float = 400.0) -> Result:
        """The outcome, which must be `status`."""
        view = self.stack.wait_run(self.run_id, patience_s=patience_s)
        assert view["status"] == status, (view["status"], view.get("error"), history(view))
        until(lambda: self.stack.row(self.record_id).get("Status") in OVER, "the row's last status")
        row = self.stack.row(self.record_id)
        scenes = [self.stack.row(scene, "Scenes") for scene in row.get("Scenes", [])]
        return Result(view=view, row=row, scenes=sorted(scenes, key=lambda scene: scene["Scene #"]))


@dataclass(frozen=True, kw_only=True)
class Result:
    """A run that has stopped."""

    view: dict[str, Any]
    row: dict[str, Any]
    scenes: list[dict[str, Any]]

    def film(self, stack: Stack) -> bytes:
        """The current cut, by its permanent link."""
        cut = next(cut for cut in self.view["cuts"] if cut["current"])
        answer = stack.get("/v/" + cut["url"].rpartition("/")[2])
        assert answer.status_code == 200
        return answer.content

    def told(self, name: str) -> list[str]:
        """The history's sentences about one kind of event."""
        return [event["sentence"] for event in self.view["events"] if event["name"] == name]


def history(view: dict[str, Any]) -> list[str]:
    """The history in short lines, for the message of a failed assertion."""
    return [f"{event['name']}: {event['sentence']}" for event in view["events"]]


def order(stack: Stack, prompts: list[str], **fields: Any) -> Ordered:
    """Trigger a row with one scene for each prompt."""
    return trigger(stack, stack.add_row({"Prompt": "\n".join(prompts), "Clip Seconds": 4, **fields}))


def trigger(stack: Stack, record: str) -> Ordered:
    """Trigger a row that is there."""
    answer = stack.post("/api/process-record", {"base_id": BASE, "table": "Videos", "record_id": record})
    assert answer.status_code == 202, answer.text
    return Ordered(stack=stack, record_id=record, run_id=answer.json()["run_id"])


def bill(stack: Stack, prompts: list[str]) -> list[dict[str, Any]]:
    """What the sandbox sold for these prompts, in their order, oldest first; Gemini is told the length as well."""
    lines = stack.sandbox("GET", "/bill")["generations"]
    return [line for prompt in prompts for line in lines if line["prompt"].startswith(prompt)]


def pictures(film: bytes) -> list[np.ndarray]:
    """Every frame that decodes, as RGB."""
    with av.open(io.BytesIO(film), "r") as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def rate(film: bytes) -> int:
    """Frames a second that the file says, whole."""
    with av.open(io.BytesIO(film), "r") as container:
        return round(float(container.streams.video[0].average_rate or 0))


def assert_shows(film: bytes, lines: list[dict[str, Any]], seconds: float = 4.0, fps: int = FPS) -> None:
    """The film is one clip of `seconds` after another, each in the colour that the bill says, to the frame."""
    seen, length = pictures(film), round(seconds * fps)
    assert len(seen) == len(lines) * length, f"{len(seen)} frames of {len(lines)} clips of {length}"
    for number, line in enumerate(lines):
        wanted = np.array([int(line["colour"][at : at + 2], 16) for at in (1, 3, 5)])
        for at in (0, length // 2, length - 1):
            found = seen[number * length + at][4:40, 8:-8].reshape(-1, 3).mean(axis=0)
            assert np.abs(found - wanted).max() < 12, f"scene {number + 1}, frame {at}: {found} instead of {wanted}"

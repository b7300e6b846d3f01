"""What goes wrong at Airtable while a film is made, with real processes: nothing is lost, no person is needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.control_room import Room
from tools.stack import BASE, until

pytestmark = [pytest.mark.xdist_group("acceptance"), pytest.mark.timeout(600), pytest.mark.slow]

PATIENCE_S = 180.0
"""Airtable's own penalty is 30 s, and we look for the quota's return after 30 s, then 60 s."""


@pytest.fixture(autouse=True)
def _mended(room: Room) -> Iterator[None]:
    """Whatever a test broke at Airtable is whole again for the next."""
    yield
    room.stack.sandbox("DELETE", "/airtable/_control/faults")


def faults(room: Room, **wishes: Any) -> None:
    room.stack.sandbox("POST", "/airtable/_control/faults", wishes)


def start(room: Room, words: str) -> tuple[str, str]:
    """A film of two bought scenes; its row and run, at the moment when its clips are being made."""
    prompts = f"{words}, first\n{words}, second"
    record = room.row(Prompt=prompts, Model="sora/sora-2", Clip_Seconds=4, Resolution="720p", Max_Cost=2)
    answer = room.stack.post("/api/process-record", {"record_id": record, "base_id": BASE}, headers=room.bearer)
    run = str(answer.json()["run_id"])
    until(lambda: view(room, run)["status"] == "needs_approval", "the question")
    until(lambda: room.cells(record).get("Status") == "Needs Approval", "the question in the row", PATIENCE_S)
    assert room.stack.post(f"/api/runs/{run}/approve", headers=room.bearer).status_code == 200
    until(lambda: view(room, run)["status"] == "generating", "the clips to be ordered", pause_s=0.02)
    return record, run


def view(room: Room, run: str) -> dict[str, Any]:
    return dict(room.stack.get(f"/api/runs/{run}", headers=room.bearer).json())


def arrives(room: Room, record: str, words: str) -> None:
    """In the end the row is as if nothing had happened, and every scene was paid for once."""
    until(lambda: _is_whole(room.cells(record)), f"{words} in its row", PATIENCE_S)
    assert sorted(room.bought(words)) == [f"{words}, first", f"{words}, second"]


def _is_whole(cells: dict[str, Any]) -> bool:
    return _is_mp4(cells.get("Final Video")) and cells.get("Status") == "Done" and "Error" not in cells


def _is_mp4(cell: list[dict[str, Any]] | None) -> bool:
    """Whether Airtable has fetched what a cell should hold."""
    file = (cell or [{}])[0]
    return file.get("type") == "video/mp4" and file.get("size", 0) > 10_000


def test_a_monthly_quota_that_ends_at_delivery_delays_only_the_row(room: Room) -> None:
    record, run = start(room, "A blue heron")
    faults(room, quota_exhausted=True)
    until(lambda: view(room, run)["status"] == "done", "the run to be done all the same", PATIENCE_S)
    said = view(room, run)
    assert "quota" in said["detail"]
    assert next(cut["url"] for cut in said["cuts"] if cut["current"] and not cut["animatic"])
    assert room.cells(record)["Status"] != "Done"
    faults(room, quota_exhausted=False)
    arrives(room, record, "A blue heron")


def test_a_lock_out_in_the_middle_only_delays(room: Room) -> None:
    record, _ = start(room, "A grey heron")
    faults(room, lockout_now_s=5, base=BASE)
    arrives(room, record, "A grey heron")


def test_a_token_that_is_revoked_is_said_and_its_return_is_enough(room: Room) -> None:
    record, run = start(room, "A white heron")
    faults(room, revoke_token=True)
    until(lambda: "token" in f"{view(room, run)['detail']} {view(room, run)['error']}", "the reason", PATIENCE_S)
    assert room.cells(record)["Status"] != "Done"
    faults(room, revoke_token=False)
    arrives(room, record, "A white heron")


@pytest.mark.parametrize("failure", ["empty", "dead_url"])
def test_a_film_whose_fetch_fails_silently_twice_arrives_by_the_third_link(room: Room, failure: str) -> None:
    """Airtable answers every write with 200 and says nothing: only reading again shows it, and Done waits for that."""
    words = f"A heron, {failure}"
    video = {"field": "Final Video", "filename": "*.mp4"}
    lost = [{"count": 2, "table": table, **video} for table in ("Videos", "Versions")]
    # An emptied cell is noticed at once; a file that never gets a size is waited for, so one loss of those will do.
    lost = lost if failure == "empty" else [{"count": 1, "table": "Videos", **video}]
    clip = {"count": 1, "table": "Scenes", "field": "Clip"} if failure == "empty" else {"count": 0}
    faults(room, attachment_fetch_fails=[*lost, clip], attachment_failure=failure)
    record = room.row(Prompt=words)
    run = room.start(record)
    seen = until(lambda: _truthful(room.cells(record)), "the film in its row", PATIENCE_S)
    assert len(seen["Final Video"]) == 1
    again = [event for event in view(room, run)["events"] if event["name"] == "attached_again"]
    assert len(again) == lost[0]["count"]
    if failure == "empty":
        until(lambda: all(_is_mp4(scene.get("Clip")) for scene in room.scenes(record)), "the clip", PATIENCE_S)
        assert "Final Video" in until(lambda: _copied(room, record), "the copy in Versions", PATIENCE_S)


def _truthful(cells: dict[str, Any]) -> dict[str, Any] | None:
    """The row once it is Done; it never says so without the film."""
    if cells.get("Status") != "Done":
        assert "Error" not in cells
        return None
    assert _is_whole(cells)
    return cells


def _copied(room: Room, record: str) -> dict[str, Any] | None:
    version = room.versions(record).get(1, {})
    return version if _is_whole({**version, "Status": "Done"}) else None

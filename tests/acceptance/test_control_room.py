"""Airtable as the control room, with real processes: connect, start in five ways, decide, change, restore."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.acceptance.control_room import Browser, Room, hidden, run_in_airtable
from tools.stack import BASE, until

pytestmark = [pytest.mark.xdist_group("acceptance"), pytest.mark.timeout(600), pytest.mark.slow]


def asked(room: Room) -> dict[str, Any]:
    """How the base was asked so far."""
    return dict(room.stack.sandbox("GET", "/airtable/_control/stats")["bases"][BASE])


@pytest.fixture(scope="module", autouse=True)
def refused_before(room: Room) -> int:
    """Other tests of the same room provoke refusals."""
    return int(asked(room)["refused_429"])


@pytest.fixture
def pushed(room: Room) -> Iterator[Room]:
    """Airtable pings this deployment."""
    room.stack.flask("airtable", "push", "on")
    yield room
    room.stack.flask("airtable", "push", "off")


def test_the_doctor_finds_nothing_wrong_after_setup(room: Room) -> None:
    assert [check for check in room.json("airtable", "doctor") if not check["ok"] and not check["warning"]] == []


def test_the_script_of_an_automation_starts_its_row(room: Room) -> None:
    """The very text that `flask airtable script` prints, in Node, with the key as a secret."""
    record = room.row(Prompt="A paper boat, by a script")
    outputs = run_in_airtable(room.json("airtable", "script")["script"], record, room.key)
    assert room.shows(record, "Done")["Run ID"] == outputs["run_id"]
    assert run_in_airtable(room.json("airtable", "script")["script"], record, room.key)["run_id"] != outputs["run_id"]
    until(lambda: room.cells(record).get("Run") == 2, "the second run")


def test_a_scheduled_automation_starts_what_is_ready(room: Room) -> None:
    ready = [room.row(Prompt=f"A paper boat, ready {number}", Status="Ready") for number in (1, 2)]
    draft = room.row(Prompt="A paper boat, not ready", Status="Draft")
    answer = room.stack.post("/api/process-queue", {"base_id": BASE}, headers=room.bearer)
    assert answer.status_code == 202
    for record in ready:
        room.shows(record, "Done")
    assert room.runs(draft) == []


def test_the_button_opens_a_safe_page_and_a_double_click_starts_one_run(room: Room) -> None:
    record = room.row(Prompt="A paper boat, by a button")
    formula = room.json("airtable", "script")["button_formula"]
    _, _, otherwise = formula.removeprefix("IF(").removesuffix(")").split(", ")
    address = otherwise.replace('" & RECORD_ID()', record).strip('"')
    stranger = httpx.get(address, headers={"Accept": "text/html", "Sec-Purpose": "prefetch"}, timeout=30)
    assert stranger.status_code == 401
    with Browser(room) as browser:
        for _ in range(2):
            assert "Nothing starts" in browser.get(f"{address}?estimate=1").text
        assert room.runs(record) == [], "looking starts nothing"
        page = browser.get(f"{address}?estimate=1").text
        form = {name: hidden(page, name) for name in ("csrf_token", "once")}
        target = re.search(r'action="([^"]*/start[^"]*)"', page)
        assert target
        assert browser.post(target.group(1), data={"once": form["once"]}).status_code == 400, "no token, no run"
        with ThreadPoolExecutor(2) as clicks:
            answers = list(clicks.map(lambda _: browser.post(target.group(1), data=form).status_code, range(2)))
    assert answers == [200, 200]
    assert len(room.runs(record)) == 1
    room.shows(record, "Done")


def test_a_ticked_box_starts_by_push_without_any_script(pushed: Room) -> None:
    record = pushed.row(Prompt="A paper boat, by push")
    pushed.edit(record, {"Generate": True})
    cells = pushed.shows(record, "Done")
    assert "Generate" not in cells
    assert cells["Run"] == 1


def test_without_push_a_look_finds_what_was_ticked(room: Room) -> None:
    """The slow poll, called for instead of waited for."""
    record = room.row(Prompt="A paper boat, found", Generate=True)
    room.stack.flask("airtable", "look")
    assert "Generate" not in room.shows(record, "Done")


def test_a_film_is_approved_edited_made_again_in_one_scene_and_restored(pushed: Room) -> None:
    """All by boxes and cells: exactly what stands in the rows is bought, and nothing else."""
    room = pushed
    lines = "\n".join(f"A red kite over a field, number {number}" for number in (1, 2, 3))
    record = room.row(Prompt=lines, Model="sora/sora-2", Clip_Seconds=4, Resolution="720p", Generate=True)
    asked = room.shows(record, "Needs Approval")
    assert asked["Estimated Cost"] == pytest.approx(1.2)
    until(lambda: room.cells(record).get("Final Video"), "the free preview in the row")
    first, second, third = until(lambda: scenes if len(scenes := room.scenes(record)) == 3 else None, "three scenes")
    assert room.bought("red kite") == []

    room.edit(first["id"], {"Prompt": "A red kite over the sea"}, "Scenes")
    room.stack.sandbox("DELETE", f"/airtable/_control/person/{BASE}/Scenes/{second['id']}")
    room.edit(record, {"Approve": True})
    done = room.shows(record, "Done")
    assert "Approve" not in done
    assert sorted(room.bought("red kite")) == sorted(["A red kite over the sea", third["Prompt"]])

    room.edit(third["id"], {"Prompt": "A red kite at night"}, "Scenes")
    room.shows(third["id"], "Stale", "Scenes")
    assert len(room.bought("red kite")) == 2, "nothing is bought unasked"
    before = room.cells(record)["Video URL"]
    room.edit(third["id"], {"Model": "sora/sora-2-pro", "Transition": "Crossfade", "Regenerate": True}, "Scenes")
    until(lambda: room.cells(record).get("Video URL") != before, "a new film", 90)
    again = room.shows(third["id"], "Done", "Scenes")
    assert (again["Model"], again["Transition"], again["Cost"]) == ("sora/sora-2-pro", "Crossfade", pytest.approx(1.6))
    assert room.bought("red kite")[2:] == ["A red kite at night"]
    room.shows(record, "Done")

    kept = room.cells(record)["Video URL"]
    room.edit(record, {"Prompt": "A red kite in a box", "Generate": True})
    room.shows(record, "Needs Approval")
    room.edit(record, {"Approve": True})
    until(lambda: room.cells(record).get("Run") == 2 and room.cells(record).get("Status") == "Done", "run 2", 90)
    versions = until(lambda: found if len(found := room.versions(record)) == 2 else None, "two versions")
    room.edit(versions[1]["id"], {"Restore": True}, "Versions")
    until(lambda: room.cells(record).get("Video URL") == kept, "the first film", 60)
    assert len(room.bought("red kite")) == 4
    until(lambda: "Restore" not in room.cells(versions[1]["id"], "Versions"), "the box to be cleared")


def test_the_base_was_never_asked_faster_than_it_allows(room: Room, refused_before: int) -> None:
    stats = asked(room)
    assert stats["max_per_second"] <= 5
    assert stats["refused_429"] == refused_before

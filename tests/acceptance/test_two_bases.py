"""Two teams, one deployment, real processes: each base has its own token, budget, Stop box, pace and page."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.control_room import Browser, Room
from tools.stack import BASE, TOKEN, until

pytestmark = [pytest.mark.xdist_group("acceptance"), pytest.mark.timeout(600), pytest.mark.slow]

NORTH, NORTH_TOKEN = "appTeamNorth00001", "patNorth.a-token-of-its-own"
STRANGER = "appNobodyKnows001"
PAID = {"Model": "sora/sora-2", "Clip Seconds": 4, "Resolution": "720p"}
"""A clip of 40 cents."""


@pytest.fixture(scope="module")
def north(room: Room) -> Iterator[Room]:
    """A second base, connected as the page says; each token opens one base only, and a day there may cost 30 cents."""
    stack = room.stack
    stack.sandbox("POST", "/airtable/_control/bases", {"id": NORTH, "name": "Team North"})
    for token, base in ((TOKEN, BASE), (NORTH_TOKEN, NORTH)):
        stack.sandbox("POST", "/airtable/_control/tokens", {"token": token, "bases": [base]})
    stack.flask("bases", "add", NORTH, "--name", "Team North", "--token", "-", "--day-budget", "0.3", told=NORTH_TOKEN)
    stack.flask("airtable", "setup", "--base", NORTH)
    yield Room(stack, room.key, NORTH)
    stack.flask("bases", "remove", NORTH)
    for token in (TOKEN, NORTH_TOKEN):
        stack.sandbox("POST", "/airtable/_control/tokens", {"token": token})
    stack.sandbox("DELETE", f"/airtable/_control/bases/{NORTH}")


def test_each_token_opens_its_own_base_only(north: Room) -> None:
    """The premise of all that follows: whoever mixed up the tokens would be refused by Airtable."""
    north.stack.sandbox("POST", "/airtable/_control/faults", {"rate_limit": 0})
    for token, base, status in ((TOKEN, NORTH, 403), (NORTH_TOKEN, BASE, 403), (NORTH_TOKEN, NORTH, 200)):
        url = f"{north.stack.sandbox_url}/airtable/v0/{base}/Videos"
        assert httpx.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=30).status_code == status
    north.stack.sandbox("DELETE", "/airtable/_control/faults")


def test_a_trigger_that_names_the_second_base_makes_its_film_there(north: Room, room: Room) -> None:
    record = north.row(Prompt="A snowy owl")
    run = north.start(record)
    cells = north.shows(record, "Done")
    assert (cells["Run ID"], len(cells["Final Video"])) == (run, 1)
    assert north.view(run)["base_id"] == NORTH
    assert run not in [row["fields"].get("Run ID") for row in room.person("GET", "Videos")["records"]]


def test_a_ticked_box_in_the_second_base_is_pushed_with_a_secret_of_its_own(north: Room) -> None:
    record = north.row(Prompt="A snowy owl, by a box", Generate=True)
    assert "Generate" not in north.shows(record, "Done")


def test_a_base_that_nobody_connected_is_refused_with_a_sentence(north: Room) -> None:
    record = north.row(Prompt="A snowy owl, nowhere")
    named = {"record_id": record}
    for path, body in (("process-record", named), ("process-master-prompt", named), ("process-queue", {})):
        answer = north.stack.post(f"/api/{path}", {**body, "base_id": STRANGER}, headers=north.bearer)
        assert answer.status_code == 403, path
        [error] = answer.json()["errors"]
        assert error["field"] == "base_id"
        assert f"flask bases add {STRANGER}" in error["message"]
    assert north.runs(record) == []


def test_a_row_of_another_base_is_not_found_under_the_first(north: Room, room: Room) -> None:
    """A trigger that forgets `base_id` means AIRTABLE_BASE_ID, and says that the row is not there."""
    record = north.row(Prompt="A snowy owl, astray")
    run = room.start(record)
    failed = until(lambda: found if (found := room.view(run))["status"] == "failed" else None, "the run to fail")
    assert "row" in failed["error"]
    assert north.cells(record).get("Status") is None


def test_the_budget_of_the_second_base_refuses_there_and_not_in_the_first(north: Room, room: Room) -> None:
    dear = north.row(Prompt="A snowy owl in gold", **PAID)
    north.start(dear)
    assert "this base's Day Budget leaves $0.30 of $0.30" in north.shows(dear, "Needs Attention")["Error"]
    same = room.row(Prompt="A barn owl in gold", **PAID)
    room.start(same)
    room.shows(same, "Needs Approval")
    room.edit(same, {"Cancel": True})
    room.stack.flask("airtable", "look")
    room.shows(same, "Cancelled")
    assert north.bought("owl in gold") == []


def test_stop_spending_in_the_second_base_stops_it_and_not_the_first(north: Room, room: Room) -> None:
    switch = north.person("GET", "Settings")["records"][0]["id"]
    north.edit(switch, {"Stop Spending": True}, "Settings")
    until(lambda: "stopped" in north.cells(switch, "Settings").get("Status", ""), "the Stop box to be seen")
    held, free = north.row(Prompt="A snowy owl, held"), room.row(Prompt="A barn owl, free")
    run = north.start(held)
    room.start(free)
    room.shows(free, "Done")
    assert north.view(run)["status"] == "queued"
    until(lambda: "Spending is stopped" in north.cells(held).get("Status Detail", ""), "the row to say so")
    north.edit(switch, {"Stop Spending": False}, "Settings")
    north.shows(held, "Done")
    assert north.cells(switch, "Settings")["Status"] == "Running."


def test_the_button_of_the_second_base_opens_the_quote_of_its_row(north: Room) -> None:
    record = north.row(Prompt="A snowy owl, by a button")
    formula = north.json("airtable", "script", "--base", NORTH)["button_formula"]
    _, _, otherwise = formula.removeprefix("IF(").removesuffix(")").split(", ")
    address = otherwise.replace('" & RECORD_ID() & "', record).strip('"')
    with Browser(north) as browser:
        page = browser.get(f"{address}&estimate=1").text
    assert "Nothing starts" in page
    assert re.search(rf'action="[^"]*base_id={NORTH}', page)


def test_the_token_is_sealed_wherever_it_is_kept(north: Room) -> None:
    """Neither the database's file nor its journal, nor any log, nor anything else on disk has it in the clear."""
    var = north.stack.var
    with sqlite3.connect(f"file:{var / 'reelgrid.db'}?mode=ro", uri=True) as database:
        [(sealed,)] = database.execute("SELECT sealed_token FROM bases WHERE id = ?", (NORTH,))
    assert len(sealed) > len(NORTH_TOKEN)
    assert [path for path in var.rglob("*") if path.is_file() and _holds(path, NORTH_TOKEN.encode())] == []
    listed = north.stack.flask("bases", "list", "--json").stdout
    assert NORTH in listed
    assert NORTH_TOKEN not in listed


def _holds(path: Path, secret: bytes) -> bool:
    try:
        return secret in path.read_bytes()
    except FileNotFoundError:
        return False


def test_the_doctor_of_each_base_is_content(north: Room, room: Room) -> None:
    for base in (NORTH, BASE):
        found = room.json("airtable", "doctor", "--base", base)
        assert [check for check in found if not check["ok"] and not check["warning"]] == []
    assert north.calls()["refused_429"] == 0

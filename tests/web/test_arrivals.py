"""Clips in `Scenes`: the emulated Airtable fetches them through our own signed links, and loses some in silence."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from werkzeug.serving import make_server

from pipelines.domain.records import Cut
from pipelines.stages.delivery import extras, flush, verify_attachments
from pipelines.stages.kernel import outbox
from pipelines.stages.scheduler import steps
from tests.web.web_fixtures import BASE, WebHarness
from tools.stack import until

FILM = b"\0" * 3000


@pytest.fixture
def served(tmp_path: Path) -> Iterator[WebHarness]:
    """The application on a port of this machine, which the emulated Airtable reaches."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(32)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with WebHarness(tmp_path, airtable=True, PUBLIC_URL=url) as house:
            house.services.base_tools.setup(BASE, ["local/animatic"])
            server = make_server("127.0.0.1", 0, house.app, threaded=True, fd=listener.fileno())
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            yield house
            server.shutdown()
            thread.join()


def airtable(house: WebHarness, verb: str, path: str, doc: Any = None) -> Any:
    """Its control plane."""
    assert house.sandbox
    answer = requests.request(verb, f"{house.sandbox.url}/airtable/_control/{path}", json=doc, timeout=20)
    answer.raise_for_status()
    return answer.json()


def cells(house: WebHarness) -> dict[str, Any]:
    """The only row of `Scenes`."""
    [row] = airtable(house, "GET", f"person/{BASE}/Scenes")["records"]
    return dict(row["fields"])


def delivered(house: WebHarness) -> Cut:
    """A film in its row, whose clip was just given to Airtable."""
    record = airtable(house, "POST", f"person/{BASE}/Videos", {"fields": {"Title": "A fox"}})["id"]
    cut = house.finished("run_a", film=FILM, record_id=record, base_id=BASE)
    with house.store.write() as tx:
        run = tx.runs.get("run_a")
        assert run
        outbox.show_scenes(house.services, tx, run, urgent=True)
        known = {**verify_attachments.look_later(cut, "Scenes"), extras.TRIED: True}
        tx.cuts.change(cut.id, attachment=known, next_at=house.clock.now())
    return cut


def look(house: WebHarness, cut: Cut) -> dict[str, Any]:
    """What is due is sent; then the moment of the next look has come. What is still to be looked after."""
    flush.flush_due(house.services)
    until(lambda: _is_settled(cells(house)), "Airtable to have tried")
    house.clock.shift += verify_attachments.PAUSES_S[0] + 1
    assert steps.step(house.services, "cuts", cut.id)
    with house.store.read() as tx:
        found = tx.cuts.get(cut.id)
    assert found
    return dict(found.attachment[verify_attachments.LOOKS])


def _is_settled(row: dict[str, Any]) -> bool:
    return all("size" in file for file in row.get("Clip", ()))


def test_a_clip_that_airtable_lost_silently_is_found_missing_and_sent_under_a_fresh_link(served: WebHarness) -> None:
    lost = [{"count": 1, "table": "Scenes", "field": "Clip"}]
    airtable(served, "POST", "faults", {"attachment_fetch_fails": lost, "attachment_failure": "empty"})
    cut = delivered(served)
    assert look(served, cut)["Scenes"]["tries"] == 1
    assert "Clip" not in cells(served)
    assert look(served, cut) == {}
    [file] = cells(served)["Clip"]
    assert (file["filename"], file["size"], file["type"]) == ("scene-01.mp4", len(FILM), "video/mp4")
    told = [event["sentence"] for event in served.client.get("/api/runs/run_a").json["events"]]
    assert "Airtable has not fetched a scene's clip; it is sent once more." in told


def test_a_clip_that_has_arrived_is_neither_looked_at_nor_sent_again(served: WebHarness) -> None:
    cut = delivered(served)
    assert look(served, cut) == {}
    before = airtable(served, "GET", "stats")["bases"][BASE]["total"]
    with served.store.write() as tx:
        run, current = tx.runs.get("run_a"), tx.cuts.get(cut.id)
        assert run
        assert current
        assert current.next_at is None
        outbox.show_scenes(served.services, tx, run, urgent=True)
        attachment = verify_attachments.look_later(current, "Scenes")
        tx.cuts.change(cut.id, attachment=attachment, next_at=served.clock.now())
    [first] = cells(served)["Clip"]
    assert look(served, cut) == {}
    assert [file["id"] for file in cells(served)["Clip"]] == [first["id"]]
    assert airtable(served, "GET", "stats")["bases"][BASE]["total"] == before, "not one call"

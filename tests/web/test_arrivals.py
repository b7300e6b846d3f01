"""Clips in `Scenes`: the emulated Airtable fetches them through our own signed links, and loses some in silence."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from werkzeug.serving import make_server

from pipelines.domain.records import Cut
from pipelines.domain.state.delivery import Verification
from pipelines.stages.base_rows import scene_rows
from pipelines.stages.delivery import flush, verify_attachments
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
        with WebHarness(tmp_path, {"PUBLIC_URL": url}, airtable=True) as harness:
            harness.services.base_tools.setup(BASE, ["local/animatic"])
            server = make_server("127.0.0.1", 0, harness.app, threaded=True, fd=listener.fileno())
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            yield harness
            server.shutdown()
            thread.join()


def airtable(harness: WebHarness, verb: str, path: str, doc: Any = None) -> Any:
    """Its control plane."""
    assert harness.sandbox
    answer = requests.request(verb, f"{harness.sandbox.url}/airtable/_control/{path}", json=doc, timeout=20)
    answer.raise_for_status()
    return answer.json()


def cells(harness: WebHarness) -> dict[str, Any]:
    """The only row of `Scenes`."""
    [row] = airtable(harness, "GET", f"person/{BASE}/Scenes")["records"]
    return dict(row["fields"])


def delivered(harness: WebHarness) -> Cut:
    """A film in its row, whose clip was just given to Airtable."""
    record = airtable(harness, "POST", f"person/{BASE}/Videos", {"fields": {"Title": "A fox"}})["id"]
    cut = harness.finished("run_a", film=FILM, record_id=record, base_id=BASE)
    with harness.store.write() as tx:
        run = tx.runs.get("run_a")
        assert run
        scene_rows.show_all(harness.services, tx, run, urgent=True)
        known = replace(verify_attachments.schedule_verification(cut, "Scenes"), extras=True)
        tx.cuts.change(cut.id, attachment=known, next_at=harness.clock.now())
    return cut


def look(harness: WebHarness, cut: Cut) -> dict[str, Verification]:
    """What is due is sent; then the moment of the next look has come. What is still to be looked after."""
    flush.flush_due(harness.services)
    until(lambda: _is_settled(cells(harness)), "Airtable to have tried")
    harness.clock.shift += verify_attachments.PAUSES_S[0] + 1
    assert steps.step(harness.services, "cuts", cut.id)
    with harness.store.read() as tx:
        found = tx.cuts.get(cut.id)
    assert found
    return dict(found.attachment.verifications)


def _is_settled(row: dict[str, Any]) -> bool:
    return all("size" in file for file in row.get("Clip", ()))


@pytest.mark.slow
def test_a_clip_that_airtable_lost_silently_is_found_missing_and_sent_under_a_fresh_link(served: WebHarness) -> None:
    lost = [{"count": 1, "table": "Scenes", "field": "Clip"}]
    airtable(served, "POST", "faults", {"attachment_fetch_fails": lost, "attachment_failure": "empty"})
    cut = delivered(served)
    assert look(served, cut)["Scenes"].tries == 1
    assert "Clip" not in cells(served)
    assert look(served, cut) == {}
    [file] = cells(served)["Clip"]
    assert (file["filename"], file["size"], file["type"]) == ("scene-01.mp4", len(FILM), "video/mp4")
    run: Any = served.client.get("/api/runs/run_a").json
    told = [event["sentence"] for event in run["events"]]
    assert "Airtable has not fetched a scene's clip; it is sent once more." in told


@pytest.mark.slow
def test_a_clip_that_has_arrived_is_neither_looked_at_nor_sent_again(served: WebHarness) -> None:
    cut = delivered(served)
    assert look(served, cut) == {}
    before = airtable(served, "GET", "stats")["bases"][BASE]["total"]
    with served.store.write() as tx:
        run, current = tx.runs.get("run_a"), tx.cuts.get(cut.id)
        assert run
        assert current
        assert current.next_at is None
        scene_rows.show_all(served.services, tx, run, urgent=True)
        attachment = verify_attachments.schedule_verification(current, "Scenes")
        tx.cuts.change(cut.id, attachment=attachment, next_at=served.clock.now())
    [first] = cells(served)["Clip"]
    assert look(served, cut) == {}
    assert [file["id"] for file in cells(served)["Clip"]] == [first["id"]]
    assert airtable(served, "GET", "stats")["bases"][BASE]["total"] == before, "not one call"

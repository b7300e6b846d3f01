"""What waits for what, for everybody's own; and how the service is, for its operator: the worst first."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from pipelines.domain.lifecycle import GenerationStatus, RunStatus
from pipelines.domain.limits import BaseOutage, Circuit
from pipelines.domain.orders.order import Order
from pipelines.domain.records import Process, Run
from pipelines.queueing import RqHints
from tests.web.test_pages import SORA_KEY, form
from tests.web.two_accounts import MARK, belongings, customer, signed_in
from tests.web.web_fixtures import WebHarness
from webapp import create_app

G = GenerationStatus


@pytest.fixture
def home(tmp_path: Path) -> Iterator[WebHarness]:
    with WebHarness(tmp_path, SORA_KEY) as made:
        yield made


def waiting(home: WebHarness, name: str, status: RunStatus, *requests: GenerationStatus, **run: object) -> None:
    """A film of that name, with requests at sora."""
    ordered = home.clock.now() - 600.0
    made = Run(id=f"run_{name}", status=status, source="rest", order=Order(title=name), **run)  # type: ignore[arg-type]
    home.put(replace(made, created_at=ordered, updated_at=ordered))
    for number, one in enumerate(requests):
        key = f"{name}_{number}"
        names = {"idem_key": key, "callback_token": key, "provider_id": key}
        home.put(home.generation(made.id, id=f"gen_{key}", status=one, **names))


def text_of(page: str) -> str:
    """What a reader sees of it."""
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", page[page.index("<main") :]).split()))


def test_the_queue_says_what_each_film_waits_for(home: WebHarness) -> None:
    waiting(home, "Asks", RunStatus.NEEDS_APPROVAL)
    waiting(home, "InLine", RunStatus.GENERATING, G.PLANNED, G.PLANNED)
    waiting(home, "Being", RunStatus.GENERATING, G.RUNNING, G.PLANNED)
    waiting(home, "Silence", RunStatus.GENERATING, G.UNKNOWN)
    waiting(home, "Writes", RunStatus.WRITING)
    waiting(home, "Row", RunStatus.DELIVERING)
    waiting(home, "Later", RunStatus.QUEUED, next_at=home.clock.now() + 7_200.0)
    home.finished()
    text = text_of(home.client.get("/queue").get_data(as_text=True))
    told = [
        *("Waiting for you 1", "Asks", "Waiting for a place at a provider 1", "InLine"),
        *("2 clips waiting for a place at Sora 2.", "Waiting for a provider 1", "Being"),
        "1 clip being made at Sora 2, 1 clip waiting for a place at Sora 2.",
        *("Waiting for a provider's word 1", "Silence", "1 clip in doubt at Sora 2."),
        *("Waiting for us 1", "Writes", "Waiting for Airtable 1", "Row", "Waiting for its time 1", "Later", "until"),
    ]
    places = [text.index(words) for words in told]
    assert places == sorted(places)
    assert text.count("since") == 6
    assert "A fox at dawn" not in text, "what is done waits for nothing"


def test_a_queue_is_ones_own_and_operating_is_the_operators(harness: WebHarness) -> None:
    first, second = customer(harness, MARK), customer(harness, "second")
    belongings(harness, first)
    assert MARK in signed_in(harness, first).get("/queue").get_data(as_text=True)
    assert "Nothing waits." in signed_in(harness, second).get("/queue").get_data(as_text=True)
    assert harness.client.get("/operate", headers={"Accept": "application/json"}).status_code == 401
    assert signed_in(harness, first).get("/operate").status_code == 403


def test_what_is_worst_comes_first_and_says_what_to_do(home: WebHarness) -> None:
    home.clock.stop()
    now = home.clock.now()
    fresh = text_of(home.client.get("/operate").get_data(as_text=True))
    assert "Act now Processes No worker service beats: nothing moves. Start the worker service" in fresh
    waiting(home, "Doubt", RunStatus.NEEDS_ATTENTION, G.UNKNOWN)
    waiting(home, "Stuck", RunStatus.QUEUED, next_at=now - 900.0)
    with home.store.write() as tx:
        for kind in ("pump", "steps0", "steps1"):
            tx.processes.add(Process(id=kind, kind=kind, host="h", pid=1, started_at=now, beat_at=now))
        failures = tuple((now - n, False) for n in range(8))
        tx.circuits.add(Circuit(id="sora/sora-2", is_open=True, at=now, outcomes=failures))
        tx.base_outages.add(BaseOutage(id="app1", on=True, at=now - 60.0, sentence="The token was revoked."))
    page = home.client.get("/operate").get_data(as_text=True)
    text = text_of(page)
    told = [
        "Stop switch: off",
        "Act now Money in doubt 1 clip, $0.40: the provider did not say.",
        "run_Doubt",
        "Look Films 1 moving, 1 waiting for a person.",
        "1 should have gone on by now",
        "Look Base app1 The token was revoked.",
        "Look Provider sora sora/sora-2 fails again and again.",
        "Fine",
    ]
    places = [text.index(words) for words in told]
    assert places == sorted(places)
    assert "Processes pump 1, steps 2; last beat 0 s ago." in text
    bad = [item for item in re.findall(r"<li>.*?</li>", page, re.DOTALL) if re.search(r"chip (bad|warn)", item)]
    assert len(bad) == 4
    assert all("advice" in item for item in bad)


def test_providers_without_a_key_are_named_with_what_they_need(home: WebHarness) -> None:
    text = text_of(home.client.get("/operate").get_data(as_text=True))
    assert re.search(
        r"Fine Providers not set up byteplus needs BYTEPLUS_API_KEY, .*kie needs KIE_API_KEY, .*veo needs GOOGLE_", text
    )
    assert "sora needs" not in text


def test_spending_is_stopped_there_with_a_reason(home: WebHarness) -> None:
    client = home.client
    sent = form(client.get("/operate"), on="1", reason=" Too dear today ")
    answer = client.post("/stop", data={**sent, "from": "operate"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/operate")
    text = text_of(client.get("/operate").get_data(as_text=True))
    assert "Stop switch: on" in text
    assert "Nothing new is bought: Too dear today." in text
    assert "Spending is stopped" in text_of(client.get("/queue").get_data(as_text=True))


class SlowHints:
    """A broker that answers once `answered` is set, or after a minute: whoever waits for it hears that all is well."""

    def __init__(self) -> None:
        self.asked, self.answered = threading.Event(), threading.Event()

    def send(self, hints: Sequence[tuple[str, str]], *, media: bool = False, at_once: bool = False) -> bool:
        return True

    def check(self) -> None:
        self.asked.set()
        self.answered.wait(60.0)


def test_a_broker_that_takes_its_time_is_not_waited_for(home: WebHarness) -> None:
    """It answers only after the page has: a page that waited would say that it does."""
    hints = SlowHints()
    app = create_app(replace(home.services, hints=hints), home.settings)
    try:
        page = app.test_client().get("/operate").get_data(as_text=True)
        assert hints.asked.wait(60.0)
    finally:
        hints.answered.set()
    assert "It does not answer." in page


def test_a_frozen_broker_is_told(home: WebHarness) -> None:
    """Somebody accepts the connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        hints = RqHints(f"redis://127.0.0.1:{frozen.getsockname()[1]}/0")
        app = create_app(replace(home.services, hints=hints), home.settings)
        page = app.test_client().get("/operate").get_data(as_text=True)
    assert "It does not answer." in page

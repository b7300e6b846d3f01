"""Films found by their words, each with why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.web.web_fixtures import WebHarness


def _ordered(home: WebHarness, **wish: Any) -> str:
    answer: Any = home.client.post("/api/process-master-prompt", json=wish)
    assert answer.status_code == 202, answer.json
    run_id: str = answer.json["run_id"]
    return run_id


def _found(home: WebHarness, query: str) -> list[dict[str, Any]]:
    answer: Any = home.client.get(f"/api/search?{query}")
    assert answer.status_code == 200, answer.json
    results: list[dict[str, Any]] = answer.json["results"]
    return results


def test_films_have_all_the_words_in_any_order_and_say_where(home: WebHarness) -> None:
    spring = _ordered(home, title="Spring Sale", master_prompt="A lighthouse keeper climbs the stairs.")
    cat = _ordered(home, title="Katze", master_prompt="灯台守が階段を上る。 Ein Kätzchen schläft.")
    said = {"prompt": "The sea", "caption": "Every KEEPER knows", "words": "the sea every keeper knows"}
    home.put(
        home.scene(spring, number=1, prompt="A keeper wakes up", words="a keeper wakes up"),
        home.scene(spring, id="scn_2", number=2, **said),
        home.scene(spring, id="scn_3", number=3, prompt="Rain"),
    )
    (one,) = _found(home, "q=KEEPER+spring")
    assert (one["run"]["run_id"], one["found_in"]) == (spring, ["title", "master_prompt", "scenes"])
    assert [(scene["number"], scene["prompt"]) for scene in one["scenes"]] == [(1, "A keeper wakes up"), (2, "The sea")]
    assert [one["found_in"] for one in _found(home, "q=knows+sale")] == [["title", "scenes"]]
    assert [one["run"]["run_id"] for one in _found(home, "q=階段")] == [cat]
    assert [one["found_in"] for one in _found(home, "q=KÄTZ")] == [["master_prompt"]]
    assert _found(home, "q=keeper+katze") == _found(home, "q=%25") == _found(home, "q=keeper&since=2199-01-01") == []
    assert (
        _found(home, "q=" + "+".join(["a", "lighthouse", "keeper", "climbs", "the", "stairs.", "spring", "sale"] * 3))
        == []
    )


def test_what_was_found_comes_in_pages_each_once(home: WebHarness) -> None:
    """Also films of one moment."""
    runs = {_ordered(home, title=f"Sale {number}", master_prompt="A fox") for number in range(5)}
    for run_id in runs:
        home.change("runs", run_id, created_at=home.clock.now())
    seen: list[str] = []
    cursor = ""
    for _ in range(3):
        answer: Any = home.client.get(f"/api/search?q=sale+fox&limit=2{cursor}")
        seen += [one["run"]["run_id"] for one in answer.json["results"]]
        cursor = f"&cursor={answer.json['next_cursor']}"
    assert answer.json["next_cursor"] is None
    assert (len(seen), set(seen)) == (5, runs)


@pytest.mark.parametrize(
    "query", ["", "q=", "q=+", "q=a&limit=101", "q=a&cursor=nonsense", "q=a&since=soon", "q=" + "x" * 201]
)
def test_what_is_no_search_is_said(home: WebHarness, query: str) -> None:
    answer: Any = home.client.get(f"/api/search?{query}")
    assert (answer.status_code, len(answer.json["errors"])) == (422, 1)


def test_the_command_line_finds_as_well(home: WebHarness) -> None:
    run_id = _ordered(home, title="Spring Sale", master_prompt="A fox")
    found = home.app.test_cli_runner().invoke(args=["search", "sale", "FOX", "--json"])
    assert found.exit_code == 0, found.output
    assert [one["run"]["run_id"] for one in json.loads(found.output)] == [run_id]
    for args, said in ((["--reindex"], "SEARCH_EMBEDDINGS"), (["--reindex", "fox"], "either"), ([], "either")):
        refused = home.app.test_cli_runner().invoke(args=["search", *args])
        assert (refused.exit_code != 0, said in refused.output) == (True, True)

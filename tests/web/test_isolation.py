"""No account can see, use, spend or learn of what is another's: tried at every address that the application has."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from werkzeug.routing import Rule

from pipelines.domain.lifecycle import GenerationStatus
from pipelines.domain.state.generation import GenerationResult
from tests.web.two_accounts import MARK, UNKNOWN, Customer, belongings, customer, signed_in
from tests.web.web_fixtures import BEARER, WebHarness
from webapp.access import rules
from webapp.access.rules import Door, Owner

Ids = Mapping[str, str]
BODIES: dict[str, Callable[[Ids], dict[str, Any]]] = {
    "api.process_record": lambda ids: {"record_id": ids["record_id"], "base_id": ids["base_id"]},
    "api.process_master_prompt": lambda ids: {"record_id": ids["record_id"], "base_id": ids["base_id"]},
    "api.process_queue": lambda ids: {"base_id": ids["base_id"]},
    "api.estimate": lambda ids: {"record_id": ids["record_id"], "base_id": ids["base_id"]},
    "api.decide": lambda _: {"choice": "wait"},
    "api.stop": lambda _: {"on": True},
    "agents.endpoint": lambda ids: {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "get_run", "arguments": {"run_id": ids["run_id"]}},
    },
    "api.choose_clip": lambda ids: {"clip_id": ids["clip_id"]},
    "pages.choose": lambda ids: {"clip_id": ids["clip_id"]},
    "pages.decide": lambda _: {"choice": "wait"},
    "pages.share_run": lambda _: {"days": "3"},
    "pages.make_key": lambda _: {"name": "another", "scopes": ["read"]},
    "pages.start": lambda _: {"once": "first"},
    "api.recover_webhook": lambda _: {"since": "2026-01-01T00:00:00Z"},
}
"""A body that names something, for each address that takes one."""
MAKES = {
    "api.generate_video": {"prompt": "A fox at dawn.", "model": "local/animatic"},
    "api.create_key": {"name": "another", "scopes": ["read"]},
    "api.create_webhook": {"url": "https://hooks.second.example/x"},
    "api.create_batch": {"items": [{"prompt": "A fox at dawn.", "model": "local/animatic"}]},
}
"""What makes something new and names nothing that is there."""
QUERIES = {
    "api.search_films": {"q": MARK},
    "api.usage": {"by": "model,record,key,base,account,project"},
    "pages.usage_file": {"by": "model,record,key,base,account,project"},
    "pages.compare_page": {"left": f"cut_run_{MARK}", "right": f"cut_{MARK}"},
}
LISTS = {
    *("api.list_runs", "api.usage", "api.list_keys", "api.account", "api.list_webhooks", "api.list_batches"),
    *("api.search_films", "api.get_credits", "api.list_credit_entries"),
    *("pages.index", "pages.index_live", "pages.usage_page", "pages.usage_file", "pages.queue_page"),
    *("pages.compare_page", "pages.account_page"),
}
"""What shows an account its own without being told an id."""
SAME_FOR_ALL = {"api.models", "pages.new_video"}
NAMELESS = {"api.webhook_secret"}
"""What is an account's own and says nothing that it was given: another for each."""
ENDS = frozenset(("api.delete_webhook", "api.revoke_key", "pages.revoke_key"))
"""What is asked for last, because then there is nothing more to ask for."""


TABLES = ("runs", "scenes", "generations", "clips", "cuts", "bases", "endpoints", "notices", "batches")


@pytest.fixture
def two(harness: WebHarness) -> tuple[WebHarness, Customer, Customer, Ids]:
    first, second = customer(harness, MARK), customer(harness, "second")
    ids = belongings(harness, first)
    return harness, first, second, ids


def routes(harness: WebHarness, *owners: Owner) -> Iterator[tuple[Rule, str, rules.Rule]]:
    """Every address that is declared so, once for each method."""
    for route in harness.app.url_map.iter_rules():
        declared = rules.rule_of(harness.app.view_functions[route.endpoint])
        assert declared
        if declared.owner in owners:
            for method in sorted((route.methods or set()) - {"HEAD", "OPTIONS"}):
                yield route, method, declared


def built(harness: WebHarness, endpoint: str, given: Ids, method: str) -> str:
    return harness.app.url_map.bind("x").build(endpoint, given, method=method)


def ask(harness: WebHarness, who: Customer, route: Rule, method: str, ids: Ids) -> Any:
    """As the customer asks: with the key, or in the browser where the door is for people."""
    declared = rules.rule_of(harness.app.view_functions[route.endpoint])
    assert declared
    given = {name: ids[name] for name in route.arguments}
    path = built(harness, route.endpoint, given, method)
    body = BODIES[route.endpoint](ids) if route.endpoint in BODIES else {}
    if declared.door is Door.KEY:
        sent: dict[str, Any] = {"query_string": QUERIES.get(route.endpoint, {})} if method == "GET" else {"json": body}
        return harness.client.open(path, method=method, headers=who.headers, **sent)
    query = {"base_id": ids["base_id"]} if "record_id" in route.arguments else QUERIES.get(route.endpoint, {})
    return signed_in(harness, who).open(path, method=method, query_string=query, data=body)


def said(answer: Any, ids: Ids) -> tuple[int, str]:
    """What a caller learns, without the ids that it asked with and what is new each time."""
    text = answer.get_data(as_text=True) + (answer.headers.get("Location") or "")
    for value in sorted(ids.values(), key=len, reverse=True):
        text = text.replace(value, "…") if len(value) > 1 else text
    text = re.sub(r'name="(csrf_token|once)" value="[^"]*"|"(mark|instance)": ?"[^"]*"|data-mark="[^"]*"', "", text)
    return answer.status_code, text


def everything(harness: WebHarness, account_id: str) -> dict[str, Any]:
    with harness.store.of(account_id).read() as tx:
        return {name: getattr(tx, name).find() for name in TABLES}


def test_anothers_id_is_answered_like_one_that_nobody_has(two: tuple[WebHarness, Customer, Customer, Ids]) -> None:
    """Every address with an id in it, or in its body; and nothing of the owner's is changed by asking."""
    harness, first, second, ids = two
    before = everything(harness, first.account_id)
    probes = [
        (route, method)
        for route, method, _ in routes(harness, Owner.ACCOUNT)
        if route.arguments or (method == "POST" and route.endpoint not in MAKES)
    ]
    for route, method in probes:
        theirs = said(ask(harness, second, route, method, ids), ids)
        assert theirs == said(ask(harness, second, route, method, UNKNOWN), UNKNOWN), f"{method} {route.rule}"
        assert MARK not in theirs[1].lower(), f"{method} {route.rule}"
    assert everything(harness, first.account_id) == before
    for route, method in sorted(probes, key=lambda probe: (probe[0].endpoint in ENDS, probe[0].endpoint)):
        # Else it would have been refused before anybody looked whose it is. Each way to end the key finds it at work.
        with harness.store.write() as tx:
            tx.keys.change(first.key_id, revoked_at=None)
        own = ask(harness, first, route, method, ids).status_code
        assert own not in {400, 401, 403, 404, 415, 422}, f"{method} {route.rule}: {own}"


def test_anothers_id_beside_ones_own_is_answered_like_one_that_nobody_has(
    two: tuple[WebHarness, Customer, Customer, Ids],
) -> None:
    """The run in the path is one's own: what the body, the query or the order names beside it is not."""
    harness, first, second, ids = two
    before = everything(harness, first.account_id)
    cut = harness.finished("run_own", account_id=second.account_id, key_id=second.key_id)
    own = {"run_id": "run_own", "n": "1", "cut_id": cut.id}
    (left,) = (route for route in harness.app.url_map.iter_rules("pages.compare_page"))
    told: list[list[tuple[int, str]]] = []
    for theirs in (ids, UNKNOWN):
        mixed = {**theirs, **own}
        found = [ask(harness, second, route, "POST", mixed) for route in naming_more(harness)]
        found += [
            harness.client.post(path, json={**order, "brand": brand}, headers=second.headers)
            for path, order in (("/api/process-master-prompt", {"master_prompt": "A fox."}), ("/api/estimate", FILM))
            for brand in ({"record_id": theirs["record_id"], "base_id": theirs["base_id"]},)
        ]
        found += [
            signed_in(harness, second).get(left.rule, query_string={"left": cut.id, "right": theirs["cut_id"]}),
            signed_in(harness, second).get("/new", query_string={"from": theirs["run_id"]}),
            harness.client.get("/api/runs", query_string={"record_id": theirs["record_id"]}, headers=second.headers),
        ]
        told.append([said(answer, theirs) for answer in found])
    assert told[0] == told[1]
    assert {status for status, _ in told[0]} <= {200, 403, 404}
    assert MARK not in str(told[0]).lower()
    assert everything(harness, first.account_id) == before


FILM = {"master_prompt": "A fox."}


def naming_more(harness: WebHarness) -> Iterator[Rule]:
    """Every address of a run whose body names something beside it."""
    for route, method, _ in routes(harness, Owner.ACCOUNT):
        body = BODIES.get(route.endpoint)
        if method == "POST" and "run_id" in route.arguments and body is not None and "clip_id" in body(UNKNOWN):
            yield route


def test_what_an_account_makes_is_its_own(two: tuple[WebHarness, Customer, Customer, Ids]) -> None:
    harness, first, second, _ = two
    before = everything(harness, first.account_id)
    for endpoint, body in MAKES.items():
        (path,) = (route.rule for route in harness.app.url_map.iter_rules(endpoint) if "POST" in (route.methods or ()))
        made = harness.client.post(path, json=body, headers=second.headers)
        assert made.status_code in {201, 202}, made.get_data(as_text=True)
    with harness.store.read() as tx:
        assert [run.account_id for run in tx.runs.find(key_id=second.key_id)] == [second.account_id] * 2
        assert tx.keys.count(account_id=second.account_id) == 2
    assert everything(harness, first.account_id) == before


def test_lists_and_sums_hold_only_ones_own(two: tuple[WebHarness, Customer, Customer, Ids]) -> None:
    harness, first, second, ids = two
    listed = set()
    for route, method, _ in routes(harness, Owner.ACCOUNT):
        if method != "GET" or route.arguments or route.endpoint in SAME_FOR_ALL:
            continue
        if route.endpoint in NAMELESS:
            told = {ask(harness, who, route, method, ids).get_data(as_text=True) for who in (first, second)}
            assert len(told) == 2
            continue
        assert route.endpoint in LISTS, f"{route.rule}: what does it show, and to whom?"
        assert MARK not in ask(harness, second, route, method, ids).get_data(as_text=True).lower(), route.rule
        assert MARK in ask(harness, first, route, method, ids).get_data(as_text=True).lower(), route.rule
        listed.add(route.endpoint)
    assert listed == LISTS


def test_what_is_the_operators_is_refused_whatever_is_asked(two: tuple[WebHarness, Customer, Customer, Ids]) -> None:
    """Also to the account whose generation or sweep it is; the operator passes."""
    harness, first, second, ids = two
    found = set()
    for route, method, declared in routes(harness, Owner.OPERATOR):
        for who in (first, second):
            answer = ask(harness, who, route, method, ids)
            assert answer.status_code == 403, f"{method} {route.rule}"
            assert said(answer, ids) == said(ask(harness, who, route, method, UNKNOWN), UNKNOWN)
        found.add(route.endpoint)
        if declared.door is Door.KEY and method == "GET":
            path = built(harness, route.endpoint, {n: ids[n] for n in route.arguments}, method)
            assert harness.client.get(path, headers=BEARER).status_code == 200
    assert found == {
        *("api.stop", "api.stop_state", "api.process_queue", "api.sweep", "api.decide"),
        *("health.metrics", "pages.switch", "pages.decide", "pages.operate_page"),
    }


def test_an_agent_reaches_nothing_of_another(two: tuple[WebHarness, Customer, Customer, Ids]) -> None:
    """Every tool that takes an id, with another's: the answer of an unknown one, and nothing of the owner's changes."""
    harness, first, second, ids = two
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    listed: Any = harness.client.post("/mcp", json=message, headers=second.headers)
    unknown = {**ids, "run_id": "run_nobody", "base_id": "appNobody00000000", "record_id": "recNobody00000000"}
    before, asked = everything(harness, first.account_id), 0
    for tool in listed.json["result"]["tools"]:
        wanted = json.dumps(tool["inputSchema"])
        named = [name for name in ("run_id", "record_id", "base_id") if f'"{name}"' in wanted]
        answers = []
        for known in (ids, unknown):
            arguments = {name: known[name] for name in named}
            call = {**message, "method": "tools/call", "params": {"name": tool["name"], "arguments": arguments}}
            answer: Any = harness.client.post("/mcp", json=call, headers=second.headers)
            text = answer.get_data(as_text=True)
            for value in known.values():
                text = text.replace(value, "…") if len(value) > 1 else text
            answers.append((answer.status_code, text))
        if named:
            asked += 1
            assert answers[0] == answers[1], tool["name"]
            assert answer.json["result"]["isError"], tool["name"]
        assert MARK not in answers[0][1].lower()
    assert asked >= 3
    assert everything(harness, first.account_id) == before


@pytest.mark.parametrize("query", ["", "?Expires=9&Signature=x", "?alt=media&key=ours"])
def test_where_a_provider_has_a_clip_is_told_to_the_operator_only(
    two: tuple[WebHarness, Customer, Customer, Ids], query: str
) -> None:
    """And never with a key of ours; once the clip is stored, nobody needs it."""
    harness, first, _, ids = two
    link = f"https://files.vendor.example/clip.mp4{query}"
    found = {"status": GenerationStatus.SUCCEEDED, "result": GenerationResult(url=link)}
    harness.change("generations", ids["generation_id"], **found)

    def told(headers: Mapping[str, str]) -> Any:
        answer: Any = harness.client.get(f"/api/runs/{ids['run_id']}", headers=dict(headers))
        return answer.json["scenes"][0]["generations"][0]["provider_url"]

    assert (told(BEARER), told(first.headers)) == (None if "key=" in query else link, None)
    harness.change("generations", ids["generation_id"], status=GenerationStatus.FETCHED)
    assert told(BEARER) is None

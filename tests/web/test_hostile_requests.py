"""Whatever is sent, at every address and in every field: answered, or refused by name; never a defect of ours.

The descriptions say what a field takes. Nothing of this is random: test_described_requests.py is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from werkzeug.routing import Rule

from tests.web.two_accounts import Customer, belongings, customer, signed_in
from tests.web.web_fixtures import BEARER, OUTSIDE, WebHarness
from tools.postgres import Postgres
from webapp.access import rules
from webapp.access.rules import Door
from webapp.api.operations import OPERATIONS, Operation

Ids = Mapping[str, str]
UNKNOWN_FIELD = "💥"
VALUES: Mapping[str, Any] = {
    "boolean": True,
    "number": 12.5,
    "string": "\u202e 💥",
    "array": [[None]],
    "object": {"a": {"b": [1]}},
    "null": None,
}
"""One of each type that JSON has."""
NUMBERS = ("-1", "-0.0000001", "1e308", "1e999", "1" + "0" * 30, "1" + "0" * 400)
VALID: Mapping[str, Any] = {
    "master_prompt": "A fox.",
    "prompt": "A fox.",
    "model": "local/animatic",
    "name": "another",
    "scopes": ["read"],
}
FORM_NAMES = (
    *("prompt", "prompt-1", "seconds", "seconds-1", "model", "most", "seed", "negative_prompt", "take", "clip_id"),
    *("choice", "days", "prompts", "name", "words", "at", "once", "verdict", "reason", "on", "from", "next", "key"),
    *("scene", "scene_caption", "scene_narration", "master_prompt", "title", "scene_count", "max_cost_usd", "logo"),
    *("expires_in_days", "day_cap_usd", "scopes", "languages", "formats"),
)
QUERY_NAMES = ("q", "cursor", "left", "right", "from", "base_id", "t", "next", "since", "until", "open", "marks", "by")
DOORS_OF_PEOPLE = frozenset((Door.SESSION, Door.LINK, Door.SHARE, Door.PUBLIC))


def types_of(schema: Mapping[str, Any], all_of_it: Mapping[str, Any]) -> set[str]:
    """What a field takes, in the words of JSON Schema."""
    if "$ref" in schema:
        return types_of(all_of_it["$defs"][schema["$ref"].rpartition("/")[2]], all_of_it)
    if "anyOf" in schema:
        return set().union(*(types_of(one, all_of_it) for one in schema["anyOf"]))
    return {schema["type"]} if "type" in schema else set(VALUES)


def bodies() -> Iterator[tuple[Operation, type[BaseModel], Mapping[str, set[str]]]]:
    """Every body of every operation, with what its fields take."""
    for entry in OPERATIONS:
        for model in entry.bodies:
            schema = model.model_json_schema()
            fields = schema.get("properties", {})
            yield entry, model, {name: types_of(field, schema) for name, field in fields.items()}


def path_of(entry: Operation, ids: Ids) -> str:
    return entry.path.format(**{name: ids[name] for name in entry.path_names})


def named(answer: Any) -> set[str]:
    """The fields that a refusal names, without what is inside them."""
    assert answer.mimetype == "application/problem+json", answer.get_data(as_text=True)
    return {problem["field"].partition(".")[0].partition("[")[0] for problem in answer.json["errors"]}


@pytest.fixture
def town(harness: WebHarness) -> tuple[WebHarness, Customer, Ids]:
    who = customer(harness, "ada")
    return harness, who, belongings(harness, who)


def test_every_field_of_a_wrong_type_is_named(town: tuple[WebHarness, Customer, Ids]) -> None:
    harness, _, ids = town
    asked = 0
    for entry, model, fields in bodies():
        for kind, value in VALUES.items():
            body = dict.fromkeys(fields, value)
            wrong = {name for name, takes in fields.items() if kind not in takes}
            if model.model_config.get("extra") == "forbid":
                body[UNKNOWN_FIELD] = value
                wrong.add(UNKNOWN_FIELD)
            if not wrong:
                continue
            headers = {**BEARER, "Idempotency-Key": f"{entry.name} {model.__name__} {kind}"}
            for sent in (BEARER, headers, headers):
                answer = harness.client.open(path_of(entry, ids), method=entry.method, json=body, headers=sent)
                assert answer.status_code == 422, f"{entry.name} {kind}: {answer.get_data(as_text=True)}"
                assert wrong <= named(answer), f"{entry.name} {model.__name__} {kind}"
            asked += 1
    assert asked > 100


def test_every_number_beyond_what_can_be_is_answered_or_named(town: tuple[WebHarness, Customer, Ids]) -> None:
    harness, who, ids = town
    asked = 0
    for entry, _, fields in bodies():
        numbers = [name for name, takes in fields.items() if takes & {"number", "integer"}]
        for number in NUMBERS if numbers else ():
            body = {name: value for name, value in VALID.items() if name in fields}
            body |= dict.fromkeys(numbers, "NUMBER") | ({"dry_run": True} if "dry_run" in fields else {})
            sent: dict[str, Any] = {
                "data": json.dumps(body).replace('"NUMBER"', number),
                "content_type": "application/json",
            }
            for headers in (BEARER, {**who.headers, "Idempotency-Key": str(asked)}):
                answer: Any = harness.client.open(path_of(entry, ids), method=entry.method, headers=headers, **sent)
                assert answer.status_code in {200, 201, 202, 403, 409, 422}, answer.get_data(as_text=True)
                assert answer.status_code != 422 or named(answer) & set(numbers), answer.get_data(as_text=True)
            asked += 1
    assert asked > 30


def posted_by_people(harness: WebHarness) -> Iterator[Rule]:
    """The addresses of forms."""
    for route in harness.app.url_map.iter_rules():
        declared = rules.rule_of(harness.app.view_functions[route.endpoint])
        if declared and declared.door in DOORS_OF_PEOPLE and "POST" in (route.methods or ()):
            yield route


@pytest.mark.parametrize("value", ["inf", "nan", "-1", "1e999", "9" * 5000, "💥" * 300])
def test_whatever_is_typed_into_a_form_is_answered_or_refused(
    town: tuple[WebHarness, Customer, Ids], value: str
) -> None:
    harness, who, ids = town
    browser = signed_in(harness, who)
    form = dict.fromkeys(FORM_NAMES, value)
    more = {"kind": "idea", "master_prompt": "A fox.", "most": value, "do": "start"}
    forms = [("/new", more), ("/new", {"kind": "scenes", "scene": "A fox.", "do": f"up-{value}"})]
    forms += [
        (harness.app.url_map.bind("x").build(route.endpoint, ids, method="POST"), form)
        for route in posted_by_people(harness)
    ]
    for path, fields in forms:
        answer = browser.post(path, data=fields)
        assert answer.status_code < 500, f"{path}: {answer.get_data(as_text=True)}"
        if path != "/sign-out":
            continue
        assert browser.post("/sign-in", data={"key": who.key}).status_code == 303


@pytest.mark.slow
def test_what_no_database_can_keep_as_text_is_refused_at_every_address(
    tmp_path: Path, postgres: Postgres, migrated_postgres: str
) -> None:
    """A NUL in a path, in a query or in a form: PostgreSQL takes none."""
    url = postgres.fresh_url(migrated_postgres)
    with WebHarness(tmp_path, {**OUTSIDE, "DATABASE_URL": url}) as harness:
        who = customer(harness, "ada")
        ids = belongings(harness, who)
        browser, known = signed_in(harness, who), {**ids, "filename": "x", "address": "kie"}
        asked: list[tuple[str, str, dict[str, Any]]] = []
        for route in harness.app.url_map.iter_rules():
            if route.rule.startswith("/static/"):
                continue
            method = next(name for name in ("GET", "POST", "PATCH", "DELETE") if name in (route.methods or ()))
            whole = harness.app.url_map.bind("x").build(route.endpoint, known, method).partition("?")[0]
            for name in route.arguments - {"n"}:
                values = {**known, name: "a\x00b"}
                asked.append((method, harness.app.url_map.bind("x").build(route.endpoint, values, method), {}))
            asked += [(method, whole, {"query_string": {name: "a\x00b"}}) for name in QUERY_NAMES]
        for route in posted_by_people(harness):
            path = harness.app.url_map.bind("x").build(route.endpoint, ids, method="POST")
            asked += [("POST", path, {"data": {name: "a\x00b"}}) for name in FORM_NAMES[:4]]
        for method, path, more in asked:
            headers = BEARER if path.startswith(("/api", "/mcp")) else {}
            answer = browser.open(path, method=method, headers=headers, **more)
            assert answer.status_code in {400, 403, 404}, f"{method} {path} {more}: {answer.status_code}"
        assert len(asked) > 300
        harness.store.disconnect()

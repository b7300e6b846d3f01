"""The description of the API is made from what validates it, and describes all of it."""

from __future__ import annotations

import re
from typing import Any

from openapi_spec_validator import validate

from tests.web.web_fixtures import WebHarness
from webapp.api import OPERATIONS
from webapp.api.openapi import description


def described(harness: WebHarness) -> dict[str, Any]:
    document: Any = harness.client.get("/openapi.json").json
    return dict(document)


def test_the_description_is_valid_openapi_31(harness: WebHarness) -> None:
    """By the official schema, references resolved."""
    document = described(harness)
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_every_route_of_the_api_is_described(harness: WebHarness) -> None:
    """And nothing is described that is not there."""
    rules = {
        re.sub(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", r"{\1}", rule.rule)
        for rule in harness.app.url_map.iter_rules()
        if rule.rule.startswith("/api/") and "/webhook/" not in rule.rule
    }
    assert rules == set(described(harness)["paths"])


def test_every_post_takes_an_idempotency_key_and_every_paying_one_a_dry_run() -> None:
    """As the contract promises."""
    paths = description("https://x")["paths"]
    for entry in OPERATIONS:
        if entry.method != "POST":
            continue
        names = [parameter["name"] for parameter in paths[entry.path]["post"]["parameters"]]
        assert "Idempotency-Key" in names
        if entry.rule.scope == "trigger" and entry.name != "decide":
            assert all("dry_run" in model.model_fields for model in entry.bodies), entry.name


def test_the_page_about_the_api_needs_nobody_else(harness: WebHarness) -> None:
    """No script, style or font from another host."""
    page = harness.client.get("/docs").get_data(as_text=True)
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    for entry in OPERATIONS:
        assert f'id="{entry.name}"' in page

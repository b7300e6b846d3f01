"""Every route is where it should be, asks who is there, and answers what is described."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.web_fixtures import WebHarness
from webapp.access import rules
from webapp.access.rules import Door
from webapp.pages.fonts import FONTS

OPEN_TO_ALL = {
    "/health",
    "/ready",
    "/openapi.json",
    "/docs",
    "/docs/problems",
    "/.well-known/oauth-protected-resource",
    "/llms.txt",
    "/sign-in",
    "/sign-out",
    "/static/<path:filename>",
    f"/static/fonts/<any({', '.join(map(repr, FONTS))}):name>",
}
"""Needs no key: says nothing of anybody's runs. Whoever adds to this list has thought about it."""
ASKS = {Door.KEY, Door.SESSION, Door.LINK}


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[WebHarness]:
    with WebHarness(tmp_path) as made:
        yield made


def test_every_other_route_asks_who_is_there(harness: WebHarness) -> None:
    """A new route that forgets to ask fails here."""
    values = {
        "run_id": "run_x",
        "record_id": "recA1b2C3d4E5f6G7",
        "n": 1,
        "generation_id": "gen_x",
        "sweep_id": "swp_x",
        "key_id": "0123456789ab",
        "endpoint_id": "ep_x",
        "batch_id": "bat_x",
        "notice_id": "msg_x",
        "share_id": "share_x",
        "draft_id": "ord_x",
    }
    harness.app.config["WTF_CSRF_ENABLED"] = False
    for rule in harness.app.url_map.iter_rules():
        declared = rules.rule_of(harness.app.view_functions[rule.endpoint])
        assert declared
        assert (declared.door is Door.PUBLIC) == (rule.rule in OPEN_TO_ALL), rule.rule
        if declared.door not in ASKS:
            continue
        arguments = {name: values[name] for name in rule.arguments}
        path = harness.app.url_map.bind("x").build(rule.endpoint, arguments, method=min(rule.methods or ()))
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
            form = {"choice": "wait", "prompt": "x"} if not path.startswith("/api/") else None
            answer = harness.client.open(path, method=method, data=form)
            assert answer.status_code == 401, f"{method} {rule.rule}: {answer.status_code}"


def test_every_page_only_form_is_protected_against_other_sites(harness: WebHarness) -> None:
    """A POST without our token is refused before anything else is looked at."""
    posts = [
        rule
        for rule in harness.app.url_map.iter_rules()
        if rule.endpoint.startswith("pages.") and "POST" in (rule.methods or ())
    ]
    assert len(posts) >= 8
    values = {
        "run_id": "run_x",
        "record_id": "recA1b2C3d4E5f6G7",
        "n": 1,
        "generation_id": "gen_x",
        "share_id": "share_x",
        "draft_id": "ord_x",
        "endpoint_id": "endpoint_x",
        "notice_id": "notice_x",
        "key_id": "key_x",
        "token": "A" * 43,
    }
    for rule in posts:
        arguments = {name: values[name] for name in rule.arguments}
        path = harness.app.url_map.bind("x").build(rule.endpoint, arguments, method="POST")
        assert harness.client.post(path).status_code == 400, rule.rule

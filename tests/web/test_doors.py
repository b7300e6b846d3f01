"""Closed unless declared: what does not say who may use it does not start, and what it says is what is done."""

from __future__ import annotations

import click
import pytest
from flask import Flask

from tests.web.web_fixtures import BEARER, WebHarness
from webapp.access import rules
from webapp.access.rules import Door, Owner, UndeclaredError
from webapp.commands.output import OPERATORS, Group


def test_every_route_and_every_command_says_who_may_use_it(harness: WebHarness) -> None:
    for route in harness.app.url_map.iter_rules():
        assert rules.rule_of(harness.app.view_functions[route.endpoint]), route.rule
    found = dict(rules.commands(harness.app))
    assert len(found) > 30
    assert ("airtable", "push", "on") in found
    assert all(rule is not None and rule.door is Door.CONSOLE for rule in found.values())


def test_an_undeclared_route_or_command_does_not_start() -> None:
    app = Flask(__name__)
    rules.declares(Door.PUBLIC, Owner.NOBODY)(app.view_functions["static"])
    rules.check(app)
    app.add_url_rule("/forgotten", "forgotten", lambda: "everybody's runs")
    app.cli.add_command(click.Command("forgotten", callback=lambda: None))
    declared = Group("declared", OPERATORS, help="")
    declared.add_command(click.Command("inside", callback=lambda: None))
    app.cli.add_command(declared)
    with pytest.raises(UndeclaredError) as error:
        rules.check(app)
    assert "/forgotten" in str(error.value)
    assert "flask forgotten" in str(error.value)
    assert "declared inside" not in str(error.value)


def test_a_route_that_was_added_later_stays_closed(harness: WebHarness) -> None:
    """Also to a key: nobody knows whose things are behind it."""
    harness.app.add_url_rule("/forgotten", "forgotten", lambda: "everybody's runs")
    assert harness.client.get("/forgotten").status_code == 401
    assert harness.client.get("/forgotten", headers=BEARER).status_code == 404

"""Railway's configuration as code, evaluated with Railway's own SDK: what it leaves out would be deleted."""

from __future__ import annotations

import runpy
import tomllib
from typing import Any

import pytest

from pipelines.providers import all_variables, load_catalogue
from pipelines.settings import load_settings
from tools.docs.railway import FILE
from tools.stack import ROOT
from worker.supervisor import GRACE_S

SERVICES = ("web", "worker")


@pytest.fixture(scope="module")
def graph() -> dict[str, Any]:
    """As `railway config plan` gets it: the CLI calls `main` without arguments."""
    made: dict[str, Any] = runpy.run_path(str(FILE))["main"]().to_graph()
    return made


def node(graph: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (item for item in graph["resources"] if item["name"] == name)
    return dict(found)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_with_every_setting_loses_none(graph: dict[str, Any], name: str) -> None:
    """A variable that is on the service and not in the file is a `variable.delete`."""
    set_by_hand = {row.name for row in all_variables(load_catalogue())} | {
        f"{row.name}_FILE" for row in all_variables(load_catalogue()) if row.secret
    }
    assert set_by_hand - set(node(graph, name)["variables"]) == set()


def test_only_what_railway_can_know_has_a_value(graph: dict[str, Any]) -> None:
    """Everything else is the operator's, and a value here would win over it."""
    given = {key for key, value in node(graph, "web")["variables"].items() if value.get("type") != "preserve"}
    assert given == {
        "PUBLIC_URL",
        "DATABASE_URL",
        "REDIS_URL",
        "BUCKET",
        "ENDPOINT",
        "REGION",
        "ACCESS_KEY_ID",
        "SECRET_ACCESS_KEY",
        "RAILWAY_DEPLOYMENT_DRAINING_SECONDS",
    }


def test_the_services_differ_in_command_and_door_only(graph: dict[str, Any]) -> None:
    web, worker = node(graph, "web"), node(graph, "worker")
    assert web["variables"] == worker["variables"]
    commands = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text("utf-8").splitlines())
    assert {"web": web["deploy"]["startCommand"], "worker": worker["deploy"]["startCommand"]} == commands
    assert web["deploy"]["healthcheckPath"] == "/health"
    assert web["deploy"]["overlapSeconds"] > 0


@pytest.mark.parametrize("name", SERVICES)
def test_a_worker_may_end_what_it_does(graph: dict[str, Any], name: str) -> None:
    """First its workers, then the broker, each with its own patience."""
    assert node(graph, name)["deploy"]["drainingSeconds"] > 2 * GRACE_S
    assert int(node(graph, name)["variables"]["RAILWAY_DEPLOYMENT_DRAINING_SECONDS"]["value"]) > 2 * GRACE_S


@pytest.mark.parametrize("name", SERVICES)
def test_the_file_of_the_earlier_layout_says_nothing_else(graph: dict[str, Any], name: str) -> None:
    told = tomllib.loads((ROOT / "railway.toml").read_text("utf-8"))
    assert set(told) == {"deploy"}
    assert told["deploy"].items() <= node(graph, name)["deploy"].items()


def test_the_address_that_railway_joins_is_one(graph: dict[str, Any], tmp_path: Any) -> None:
    url = node(graph, "worker")["variables"]["PUBLIC_URL"]["value"]
    joined = url.replace("${{web.RAILWAY_PUBLIC_DOMAIN}}", "reel.up.railway.app")
    environ = {"PUBLIC_URL": joined, "SECRET_KEY": "long and random enough", "API_KEYS": "ops:" + "0" * 64}
    assert load_settings(environ, tmp_path).public_url == "https://reel.up.railway.app"

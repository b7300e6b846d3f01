"""The image and the compose file start what the Procfile starts, name only settings that exist, and run as nobody.

What can be read is checked here; `tests/containers` builds the image and runs it, where that is possible.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest
import yaml

from pipelines.settings import Settings, variables
from tools.stack import ROOT, procfile
from worker.supervisor import GRACE_S

IMAGE = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
OURS = ("web", "worker")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"])


def test_the_root_has_no_dockerfile() -> None:
    """Railway would build it instead of what it was told, silently."""
    assert not (ROOT / "Dockerfile").exists()


def command_of(name: str, services: dict[str, Any]) -> list[str]:
    (default,) = re.findall(r"^CMD (\[.*\])$", IMAGE, re.MULTILINE)
    return list(services[name].get("command") or json.loads(default))


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_what_the_procfile_runs(name: str, services: dict[str, Any]) -> None:
    wanted = shlex.split(procfile()[name])
    assert ["exec", *command_of(name, services)] == wanted


@pytest.mark.parametrize("name", OURS)
def test_a_service_names_only_settings_that_exist(name: str, services: dict[str, Any]) -> None:
    assert set(services[name]["environment"]) <= {row.name for row in variables(Settings)}


@pytest.mark.parametrize("name", OURS)
def test_a_service_has_no_more_rights_than_it_needs(name: str, services: dict[str, Any]) -> None:
    told = services[name]
    assert told["read_only"] is True
    assert told["cap_drop"] == ["ALL"]
    assert told["init"] is True
    assert {"hostname", "network_mode", "privileged", "pid"} & set(told) == set()
    assert int(told["stop_grace_period"].removesuffix("s")) > 2 * GRACE_S
    assert re.search(r"^USER 10001$", IMAGE, re.MULTILINE)


def test_by_default_one_machine_is_enough(services: dict[str, Any]) -> None:
    assert {name for name, told in services.items() if "profiles" not in told} == set(OURS)
    assert {name for name, told in services.items() if told.get("profiles") == ["scale"]} == {
        "postgres",
        "valkey",
        "storage",
    }


def test_what_the_image_copies_is_there_and_is_sent_to_the_builder() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    copied = {source for sources in re.findall(r"^COPY (.+) \S+$", IMAGE, re.MULTILINE) for source in sources.split()}
    assert copied == sent
    assert all((ROOT / source).exists() for source in copied)


def test_whatever_a_setting_may_need_besides_can_be_built_in(services: dict[str, Any]) -> None:
    extras = {path.name for path in ROOT.glob("requirements-*.txt")} - {"requirements-dev.txt"}
    assert extras == set(re.findall(r"requirements-\w+\.txt", IMAGE))
    assert services["web"]["build"]["args"] == {"EXTRAS": "${EXTRAS:-}"}

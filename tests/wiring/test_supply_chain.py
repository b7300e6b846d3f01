"""What ships is pinned by its hashes, and told by a bill of materials."""

from __future__ import annotations

import importlib.metadata
import json
import re

import pytest
from packaging.requirements import Requirement

from tools.sbom import components, document
from tools.stack import ROOT


@pytest.mark.parametrize(
    "name", ["requirements.txt", "requirements-otel.txt", "requirements-c2pa.txt", "requirements-search.txt"]
)
def test_every_pinned_package_has_the_hashes_of_its_files(name: str) -> None:
    """One without would make plain pip refuse all of them."""
    lock = (ROOT / name).read_text("utf-8")
    pins = re.findall(r"^[A-Za-z0-9._-]+(?:\[[^]]*\])?==.*$", lock, re.MULTILINE)
    assert pins
    assert all(pin.endswith("\\") for pin in pins)
    assert all(one["hashes"] for one in components(lock))
    assert len(components(lock)) == len(pins)


def test_what_a_package_wants_with_an_extra_is_pinned_with_it() -> None:
    """Where there are hashes, plain pip refuses a lock that pins google-auth where google-auth[requests] is wanted."""
    lock = (ROOT / "requirements.txt").read_text("utf-8")
    for one in components(lock):
        for text in importlib.metadata.requires(one["name"]) or ():
            wanted = Requirement(text)
            if wanted.extras and (wanted.marker is None or wanted.marker.evaluate({"extra": ""})):
                assert f"{wanted.name}[{','.join(sorted(wanted.extras))}]==" in lock, (one["name"], text)


def test_the_lock_is_of_what_was_asked_for() -> None:
    asked = (line.partition("#")[0].strip() for line in (ROOT / "requirements.in").read_text("utf-8").splitlines())
    names = {re.split(r"[\[<>=]", line)[0].lower().replace("_", "-") for line in asked if line}
    locked = {one["name"].lower() for one in components((ROOT / "requirements.txt").read_text("utf-8"))}
    assert names - locked == set()


def test_the_image_takes_nothing_without_a_hash() -> None:
    assert "--require-hashes" in (ROOT / "deploy" / "Dockerfile").read_text("utf-8")


def test_the_bill_of_materials_names_everything_with_version_and_hash() -> None:
    lock = (ROOT / "requirements.txt").read_text("utf-8")
    told = json.loads(document(lock, "1.2.3"))
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.6")
    assert told["metadata"]["component"]["version"] == "1.2.3"
    flask = next(one for one in told["components"] if one["name"] == "flask")
    assert flask["purl"] == f"pkg:pypi/flask@{flask['version']}"
    assert len(told["dependencies"][0]["dependsOn"]) == len(told["components"]) > 60

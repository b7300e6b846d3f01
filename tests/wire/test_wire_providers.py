"""Every recorded exchange with a vendor, played back over loopback: what we send, and what we make of the answer.

`tests/wire/<provider>/<what it shows>.json`; how to write one is in docs/how-to/add-a-provider.md.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from pipelines.providers import base_urls, load_catalogue
from pipelines.settings import load_settings
from tests.wire.play import play

HERE = Path(__file__).parent
CATALOGUE = load_catalogue()
EXAMPLES = [
    path for name in sorted({c.provider for c in CATALOGUE.values()}) for path in sorted(HERE.glob(f"{name}/*.json"))
]


@pytest.fixture(scope="session")
def account_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recorded_exchange_is_spoken_and_understood(path: Path, tmp_path: Path, account_key: str) -> None:
    play(json.loads(path.read_text()), CATALOGUE, tmp_path, account_key)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recording_says_what_it_shows_and_where_it_is_from(path: Path) -> None:
    example = json.loads(path.read_text())
    assert example["says"].endswith(".")
    assert example["source"]


def test_every_provider_that_is_asked_over_the_network_has_recordings_of_its_main_calls(tmp_path: Path) -> None:
    remote = {*base_urls(load_settings({}, tmp_path), CATALOGUE), "veo"}
    for provider in remote:
        calls = {json.loads(path.read_text())["do"] for path in HERE.glob(f"{provider}/*.json")}
        assert calls >= {"submit", "poll", "fetch"}, provider

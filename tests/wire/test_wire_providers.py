"""Every recorded exchange with a vendor, played back over loopback: what we send, and what we make of the answer.

`tests/wire/<provider>/<what it shows>.json`; how to write one is in docs/how-to/add-a-provider.md.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

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


def _plainly_answered(path: Path) -> bool:
    """Good answers in JSON; Google's SDK reads those of Vertex itself."""
    recorded = json.loads(path.read_text())
    answers = [one["answer"] for one in recorded["exchange"]]
    good = all(answer["status"] == HTTPStatus.OK and isinstance(answer.get("body"), dict) for answer in answers)
    return recorded["do"] in ("submit", "poll") and "gives" in recorded and good and path.parent.name != "veo"


PLAIN = [path for path in EXAMPLES if _plainly_answered(path)]


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_an_answer_that_is_written_as_json_twice_or_as_a_list_of_one_is_understood(
    path: Path, tmp_path: Path, account_key: str
) -> None:
    for written in (json.dumps, lambda body: [body]) if path.parent.name == "sora" else (json.dumps,):
        recorded = json.loads(path.read_text())
        for one in recorded["exchange"]:
            answer = one["answer"]
            answer["body"] = json.dumps(written(answer["body"]))
            answer.setdefault("headers", {})["Content-Type"] = "application/json"
        play(recorded, CATALOGUE, tmp_path, account_key)


KIE_TAKEN: list[dict[str, Any]] = [
    {"code": "200"},
    {"code": 200.0},
    {"code": 0},
    {"code": "0"},
    {"code": "success"},
    {"code": 201},
    {"code": 1},
    {},
    {"success": True},
]


@pytest.mark.parametrize("said", KIE_TAKEN, ids=str)
def test_a_task_of_kie_is_taken_however_a_gateway_writes_its_code(
    said: dict[str, Any], tmp_path: Path, account_key: str
) -> None:
    for name, data in (("create", {"taskId": "t1"}), ("queuing", None)):
        recorded = json.loads((HERE / f"kie/{name}.json").read_text())
        answer = recorded["exchange"][0]["answer"]
        answer["body"] = said | {"data": data or answer["body"]["data"]}
        if data or said != {"code": 1}:
            play(recorded, CATALOGUE, tmp_path, account_key)


@pytest.mark.parametrize("said", [{"code": 0}, {"code": 1}, {"code": "no"}, {"code": 9001}, {}], ids=str)
def test_a_number_of_kie_that_is_no_refusal_does_not_say_that_nothing_was_bought(
    said: dict[str, Any], tmp_path: Path, account_key: str
) -> None:
    recorded = json.loads((HERE / "kie/create.json").read_text())
    recorded["exchange"][0]["answer"]["body"] = said | {"data": None}
    del recorded["gives"]
    play(recorded | {"raises": "Ambiguous"}, CATALOGUE, tmp_path, account_key)


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

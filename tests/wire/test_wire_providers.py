"""Every recorded exchange with a vendor, played back over loopback: what we send, and what we make of the answer.

`tests/wire/<provider>/<what it shows>.json`; how to write one is in docs/how-to/add-a-provider.md.
"""

from __future__ import annotations

import dataclasses
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from PIL import Image

from pipelines.domain import errors
from pipelines.domain.catalogue import Ability, ModelCard
from pipelines.domain.lifecycle import GenerationStatus
from pipelines.media.studio import FilmStudio
from pipelines.ports import GenerationRequest, Job, MediaInput, Submission, VideoProvider
from pipelines.providers import base_urls, build_providers, load_catalogue
from pipelines.settings import Settings, load_settings
from tests.wire.replay import CLIP, Replay

with warnings.catch_warnings():
    # google-genai 3.3.0 has an invalid escape in a docstring, told whenever it is compiled anew.
    warnings.filterwarnings("ignore", "invalid escape sequence", DeprecationWarning)
    import google.genai  # noqa: F401

HERE = Path(__file__).parent
EXAMPLES = sorted(HERE.glob("*/*.json"))
CATALOGUE = load_catalogue()


@pytest.fixture(scope="session")
def account_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def settings_for(url: str, folder: Path, account_key: str) -> Settings:
    """Everything pointed at the replaying server, under the paths the vendors have."""
    account = {
        "type": "service_account",
        "private_key": account_key,
        "client_email": "us@p.iam.gserviceaccount.com",
        "token_uri": f"{url}/token",
    }
    (folder / "account.json").write_text(json.dumps(account))
    environ = {
        "SORA_BASE_URL": f"{url}/v1",
        "SORA_API_KEY": "test-key",
        "GEMINI_BASE_URL": url,
        "GEMINI_API_KEY": "test-key",
        "KIE_BASE_URL": url,
        "KIE_API_KEY": "test-key",
        "OPENROUTER_BASE_URL": f"{url}/api/v1",
        "OPENROUTER_API_KEY": "test-key",
        "GOOGLE_CLOUD_PROJECT": "p",
        "GOOGLE_APPLICATION_CREDENTIALS": str(folder / "account.json"),
    }
    return load_settings(environ, folder)


def card_for(example: dict[str, Any], url: str) -> ModelCard:
    card = CATALOGUE[example["model"]]
    changes = dict(example.get("card", {}))
    options = {**card.options, "address": url, **changes.pop("options", {})}
    if "ability" in changes:
        changes["ability"] = Ability(changes["ability"])
    return dataclasses.replace(card, options=options, **changes)


def submission_for(example: dict[str, Any], card: ModelCard, folder: Path) -> Submission:
    inputs = {}
    wishes: dict[str, Any] = {}
    if "picture" in example:
        path = folder / "picture.png"
        Image.new("RGB", tuple(example["picture"]["size"]), "teal").save(path)
        found = MediaInput(key="p", path=path, content_type="image/png", url=example["picture"].get("url"))
        inputs, wishes = {"p": found}, {"first_frame": "p"}
    fields = {
        "model": card.id,
        "prompt": "A heron lifts off",
        "seconds": min(card.durations or (card.min_seconds,)),
        "width": 1280,
        "height": 720,
        "aspect_ratio": "16:9",
        "resolution": "720p",
    }
    request = GenerationRequest(**{**fields, **wishes, **example.get("request", {})})
    return Submission(request=request, idem_key="k1", callback_url=example.get("callback"), inputs=inputs)


def job_for(example: dict[str, Any]) -> Job:
    told = example["job"]
    fields = told if isinstance(told, dict) else {"id": told}
    return Job(status=GenerationStatus.SUCCEEDED, **fields)


def act(provider: VideoProvider, example: dict[str, Any], submission: Submission, dest: Path) -> Any:
    match example["do"]:
        case "submit":
            return provider.submit(submission)
        case "poll":
            return provider.poll(job_for(example).id, submission.request)
        case "find":
            return provider.find(submission, example["since"])
        case "fetch":
            return provider.fetch(job_for(example), submission.request, dest)
        case "cancel":
            return provider.cancel(job_for(example).id)
    raise AssertionError(f"an example cannot do {example['do']!r}")


def assert_job(expected: dict[str, Any], job: Job) -> None:
    found = dataclasses.asdict(job)
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recorded_exchange_is_spoken_and_understood(path: Path, tmp_path: Path, account_key: str) -> None:
    recorded = json.loads(path.read_text())
    with Replay(recorded["exchange"]) as server:
        example = server.filled(recorded)
        card = card_for(example, server.url)
        settings = settings_for(server.url, tmp_path, account_key)
        providers = build_providers(settings, {**CATALOGUE, card.id: card}, FilmStudio())
        provider = providers.get(card.provider)
        submission, dest = submission_for(example, card, tmp_path), tmp_path / "clip.mp4"
        if "raises" in example:
            with pytest.raises(getattr(errors, example["raises"])) as caught:
                act(provider, example, submission, dest)
            assert type(caught.value).__name__ == example["raises"]
            assert example.get("error", "") in f"{caught.value.operator} {caught.value}"
            given = None
        else:
            given = act(provider, example, submission, dest)
        providers.close()
    assert server.complaints == []
    if example.get("file"):
        assert dest.read_bytes() == CLIP
    elif "raises" in example:
        assert not dest.exists()
    elif isinstance(example["gives"], list):
        assert len(given) == len(example["gives"])
        for expected, job in zip(example["gives"], given, strict=True):
            assert_job(expected, job)
    elif isinstance(example["gives"], bool):
        assert given is example["gives"]
    else:
        assert_job(example["gives"], given)


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

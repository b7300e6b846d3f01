"""Playing a recording: an adapter on one side, the vendor's recorded answers on the other."""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.domain import errors
from pipelines.domain.catalogue import Ability, CatalogueModel
from pipelines.domain.lifecycle import GenerationStatus
from pipelines.domain.state.generation import JobResult
from pipelines.media.editor import MediaEditor
from pipelines.ports import GenerationRequest, Job, MediaInput, Submission, VideoProvider
from pipelines.providers import build_providers
from pipelines.settings import Settings, load_settings
from tests.contract.provider_fixtures import own_environ
from tests.wire.replay import CLIP, Replay

with warnings.catch_warnings():
    # google-genai 3.3.0 has an invalid escape in a docstring, told whenever it is compiled anew.
    warnings.filterwarnings("ignore", "invalid escape sequence", DeprecationWarning)
    import google.genai  # noqa: F401


def settings_for(url: str, folder: Path, account_key: str) -> Settings:
    """Everything pointed at the replaying server, under the paths the vendors have."""
    account = {
        "type": "service_account",
        "private_key": account_key,
        "client_email": "us@p.iam.gserviceaccount.com",
        "token_uri": f"{url}/token",
    }
    (folder / "account.json").write_text(json.dumps(account))
    environ = own_environ(lambda name: url) | {
        "SORA_BASE_URL": f"{url}/v1",
        "SORA_API_KEY": "test-key",
        "GEMINI_BASE_URL": url,
        "GEMINI_API_KEY": "test-key",
        "KIE_BASE_URL": url,
        "KIE_API_KEY": "test-key",
        "OPENROUTER_BASE_URL": f"{url}/api/v1",
        "OPENROUTER_API_KEY": "test-key",
        "GOOGLE_CLOUD_PROJECT": "p",
        "GOOGLE_CLOUD_BASE_URL": url,
        "GOOGLE_APPLICATION_CREDENTIALS": str(folder / "account.json"),
    }
    return load_settings(environ, folder)


def card_for(example: dict[str, Any], catalogue: Mapping[str, CatalogueModel], url: str) -> CatalogueModel:
    card = catalogue[example["model"]]
    changes = dict(example.get("card", {}))
    options = {**card.options, "address": url, **changes.pop("options", {})}
    if "ability" in changes:
        changes["ability"] = Ability(changes["ability"])
    return dataclasses.replace(card, options=options, **changes)


def submission_for(example: dict[str, Any], card: CatalogueModel, folder: Path) -> Submission:
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
    fields = dict(told) if isinstance(told, dict) else {"id": told}
    return Job(status=GenerationStatus.SUCCEEDED, result=_result(fields.pop("result", {})), **fields)


def _result(told: dict[str, Any]) -> JobResult:
    """Where the clip is, as JSON says it: what is not said is not known."""
    return JobResult(url=told.get("url"), others=tuple(told.get("others", ())), takes=tuple(told.get("takes", ())))


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
    found = {field.name: getattr(job, field.name) for field in dataclasses.fields(job)}
    wanted = expected | ({"result": _result(expected["result"])} if "result" in expected else {})
    assert {name: found[name] for name in wanted} == wanted


def play(recorded: dict[str, Any], catalogue: Mapping[str, CatalogueModel], folder: Path, account_key: str) -> None:
    """Let the adapter act, compare what it sent with the recording, and what it made of the answer with `gives`."""
    dest = folder / "clip.mp4"
    with Replay(recorded["exchange"]) as server:
        example = server.filled(recorded)
        card = card_for(example, catalogue, server.url)
        settings = settings_for(server.url, folder, account_key)
        providers = build_providers(settings, {**catalogue, card.id: card}, MediaEditor())
        with closing(providers):
            outcome = _outcome(providers.get(card.provider), example, submission_for(example, card, folder), dest)
    assert server.complaints == []
    if example.get("file"):
        assert dest.read_bytes() == CLIP
    elif "raises" in example:
        assert not dest.exists()
    else:
        assert_gives(example["gives"], outcome)


def _outcome(provider: VideoProvider, example: dict[str, Any], submission: Submission, dest: Path) -> Any:
    if "raises" not in example:
        return act(provider, example, submission, dest)
    with pytest.raises(getattr(errors, example["raises"])) as caught:
        act(provider, example, submission, dest)
    assert type(caught.value).__name__ == example["raises"]
    assert example.get("error", "") in f"{caught.value.operator} {caught.value}"
    return None


def assert_gives(expected: Any, given: Any) -> None:
    """A list of jobs, a yes or no, or one job."""
    if isinstance(expected, list):
        assert len(given) == len(expected)
        for one, job in zip(expected, given, strict=True):
            assert_job(one, job)
    elif isinstance(expected, bool):
        assert given is expected
    else:
        assert_job(expected, given)

"""A real LiteLLM proxy in front of the sandbox: what people put between us and the servers of /v1/videos.

It is installed by `.ci/run` into an environment of its own; where that is missing, this is skipped.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipelines.domain.errors import Ambiguous
from pipelines.domain.keys import job_key
from pipelines.domain.lifecycle import GenerationStatus
from pipelines.media.editor import MediaEditor
from pipelines.ports import VideoProvider
from pipelines.providers import build_providers, load_catalogue
from pipelines.sandbox.app import Sandbox
from pipelines.settings import load_settings
from tests.contract.provider_fixtures import finished, request_for, submission
from tools.stack import free_port

LITELLM = Path(__file__).parents[2] / ".venv-litellm" / "bin" / "litellm"
KEY = "sk-proxy"
STARTS_WITHIN_S = 240.0
MISSING = not LITELLM.exists() and not os.environ.get("CI")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("litellm"),
    pytest.mark.timeout(300),
    pytest.mark.skipif(MISSING, reason=".venv-litellm is not there; .ci/run installs LiteLLM's proxy into it"),
]
CONFIG = """\
model_list:
  - model_name: sora-2
    litellm_params: {{model: openai/sora-2, api_base: "{url}/openai/v1", api_key: test-key}}
general_settings: {{master_key: {key}}}
"""


@dataclass(frozen=True)
class Gateway:
    """The proxy, and the sandbox behind it."""

    sandbox: Sandbox
    url: str
    folder: Path

    @contextmanager
    def provider(self, **options: Any) -> Iterator[VideoProvider]:
        settings = load_settings({"SORA_BASE_URL": f"{self.url}/v1", "SORA_API_KEY": KEY}, self.folder)
        cards = {
            model: dataclasses.replace(card, options={**card.options, **options})
            for model, card in load_catalogue().items()
            if model == "sora/sora-2"
        }
        with closing(build_providers(settings, cards, MediaEditor())) as registry:
            yield registry.get("sora")

    def bill(self) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = httpx.get(f"{self.sandbox.url}/bill", timeout=60.0).json()["generations"]
        return lines


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder, port = tmp_path_factory.mktemp("litellm"), free_port()
    with Sandbox() as sandbox:
        httpx.post(f"{sandbox.url}/vendors/_control", json={"generation_s": 0.2}, timeout=60.0).raise_for_status()
        (folder / "config.yaml").write_text(CONFIG.format(url=sandbox.url, key=KEY))
        told = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "OPENAI_API_KEY": "test-key"}
        told |= {"HOSTED_VLLM_API_BASE": f"{sandbox.url}/openai/v1", "HOSTED_VLLM_API_KEY": "test-key"}
        told |= {"OPENAI_BASE_URL": f"{sandbox.url}/openai/v1", "OPENAI_API_BASE": f"{sandbox.url}/openai/v1"}
        command = [str(LITELLM), "--config", str(folder / "config.yaml"), "--host", "127.0.0.1", "--port", str(port)]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | told, cwd=folder)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_up(process, url, folder / "log")
            yield Gateway(sandbox, url, folder)
        finally:
            process.terminate()
            process.wait(30)


def _wait_until_up(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"{url}/health/liveliness", timeout=60.0).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.25)
    raise AssertionError(f"the proxy does not start: {log.read_text()[-2000:]}")


def test_a_clip_is_bought_through_the_proxy_and_fetched(gateway: Gateway, tmp_path: Path) -> None:
    card = load_catalogue()["sora/sora-2"]
    request = request_for(card, "A heron lifts off")
    with gateway.provider() as provider:
        job = finished(provider, provider.submit(submission(request)), request)
        assert (job.status, job.progress) == (GenerationStatus.SUCCEEDED, 100)
        provider.fetch(job, request, tmp_path / "clip.mp4")
    assert MediaEditor().probe(tmp_path / "clip.mp4").duration_s == pytest.approx(request.seconds, abs=0.1)
    assert [line["prompt"] for line in gateway.bill()] == ["A heron lifts off"]


def test_the_doctor_says_that_it_does_not_list_and_what_makes_it_list(gateway: Gateway) -> None:
    with gateway.provider() as provider:
        sentence = provider.check()
    assert "answers, but does not list its jobs: a lost answer is settled by a person." in sentence
    assert 'custom_llm_provider = "openai"' in sentence


def test_an_unsettled_create_is_left_to_a_person_because_nothing_can_be_listed(gateway: Gateway) -> None:
    card = load_catalogue()["sora/sora-2"]
    with gateway.provider() as provider, pytest.raises(Ambiguous, match="does not list its jobs"):
        provider.find(submission(request_for(card, "A heron lifts off")), since=time.time() - 60)


def test_a_proxy_that_lists_tells_the_same_job_under_another_id_and_either_leads_to_the_clip(
    gateway: Gateway, tmp_path: Path
) -> None:
    card, began = load_catalogue()["sora/sora-2"], time.time()
    request = request_for(card, "A kingfisher dives")
    with gateway.provider(query={"custom_llm_provider": "hosted_vllm"}) as provider:
        bought = provider.submit(submission(request))
        (found,) = provider.find(submission(request), since=began)
        assert (found.id == bought.id, job_key(found.id)) == (False, job_key(bought.id))
        assert job_key(bought.id) in {line["id"] for line in gateway.bill()}
        assert [job_key(job.id) for job in provider.jobs(began)].count(job_key(bought.id)) == 1
        for job in (bought, found):
            done = finished(provider, job, request)
            provider.fetch(done, request, tmp_path / "clip.mp4")
    assert MediaEditor().probe(tmp_path / "clip.mp4").duration_s == pytest.approx(request.seconds, abs=0.1)

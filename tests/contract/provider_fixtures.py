"""All providers of the catalogue, pointed at one sandbox on loopback."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.lifecycle import GenerationStatus
from pipelines.domain.state.generation import ScenePlace
from pipelines.media.editor import MediaEditor
from pipelines.ports import GenerationRequest, Job, MediaInput, Submission, VideoProvider
from pipelines.providers import Registry, all_variables, build_providers, load_catalogue
from pipelines.sandbox.app import Sandbox
from pipelines.settings import Settings, load_settings, variables
from tools.stack import until, write_google_account

with warnings.catch_warnings():
    # google-genai 3.3.0 has an invalid escape in a docstring, told whenever it is compiled anew.
    warnings.filterwarnings("ignore", "invalid escape sequence", DeprecationWarning)
    import google.genai  # noqa: F401

SANDBOX_MODELS = Path(__file__).parents[2] / "pipelines" / "sandbox" / "catalogue.toml"
MORE_MODELS = "REELGRID_TEST_CATALOGUE"
"""Names a file of further models to be tested; `http://sandbox.invalid` in it, and in the address that the environment
gives a provider with settings of its own, stands for the sandbox."""
ENDED = {GenerationStatus.SUCCEEDED, GenerationStatus.FAILED, GenerationStatus.CANCELLED}
DEADLINE_S = 60.0


def more_models() -> Path:
    """The sandbox's own models, or the file that a caller of the suite wants tested instead."""
    return Path(os.environ.get(MORE_MODELS, SANDBOX_MODELS))


class Inbox:
    """A server that keeps what is posted to it, and hands out Google's access tokens."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, bytes]] = []
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                inbox.posts.append((self.path, body))
                answer = json.dumps({"access_token": inbox.token, "token_type": "Bearer", "expires_in": 3600}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: Any) -> None: ...

        self.token = "token"
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class ProviderHarness:
    """The sandbox, the catalogue with the sandbox's own models, and a way to build adapters."""

    sandbox: Sandbox
    inbox: Inbox
    folder: Path
    catalogue: dict[str, CatalogueModel] = field(default_factory=dict)
    _open: list[Registry] = field(default_factory=list)

    def __post_init__(self) -> None:
        path = self.folder / "catalogue.toml"
        path.write_text(more_models().read_text().replace("http://sandbox.invalid", self.sandbox.url))
        self.catalogue = load_catalogue(path)
        self.account = self.folder / "account.json"
        write_google_account(self.account, f"{self.inbox.url}/token")

    def provider(self, card: CatalogueModel, *, key: str = "test-key", at: str | None = None) -> VideoProvider:
        """The adapter of a model, with this key; `at` replaces the sandbox's address."""
        self.inbox.token = key
        url = at or self.sandbox.url
        environ = own_environ(lambda name: os.environ.get(name, "").replace("http://sandbox.invalid", url), key) | {
            "SORA_BASE_URL": f"{url}/openai/v1",
            "SORA_API_KEY": key,
            "GEMINI_BASE_URL": f"{url}/gemini",
            "GEMINI_API_KEY": key,
            "KIE_BASE_URL": f"{url}/kie",
            "KIE_API_KEY": key,
            "OPENROUTER_BASE_URL": f"{url}/openrouter/api/v1",
            "OPENROUTER_API_KEY": key,
            "MINIMAX_BASE_URL": f"{url}/minimax",
            "BYTEPLUS_BASE_URL": f"{url}/byteplus/api/v3",
            "FAL_BASE_URL": f"{url}/fal",
            "GOOGLE_CLOUD_PROJECT": "p",
            "GOOGLE_CLOUD_BASE_URL": f"{url}/veo",
            "GOOGLE_APPLICATION_CREDENTIALS": str(self.account),
        }
        catalogue = self.catalogue
        if at:
            moved = {
                name: value.replace(self.sandbox.url, at) for name, value in card.options.items() if name == "address"
            }
            catalogue = {**catalogue, card.id: dataclasses.replace(card, options={**card.options, **moved})}
        settings = load_settings(environ, self.folder)
        self._open.append(build_providers(settings, catalogue, MediaEditor()))
        return self._open[-1].get(card.provider)

    def close(self) -> None:
        """Close what the tests so far have opened."""
        while self._open:
            self._open.pop().close()

    def turn(self, **dials: Any) -> None:
        """Turn the sandbox's dials."""
        httpx.post(f"{self.sandbox.url}/vendors/_control", json=dials, timeout=60.0).raise_for_status()

    def bill(self) -> list[dict[str, Any]]:
        """Every accepted create."""
        lines: list[dict[str, Any]] = httpx.get(f"{self.sandbox.url}/bill", timeout=60.0).json()["generations"]
        return lines

    def creates(self) -> int:
        """How many requests for a new job have arrived, accepted or not."""
        requests = httpx.get(f"{self.sandbox.url}/vendors/_control/stats", timeout=60.0).json()["requests"]
        marks: tuple[str, ...] = ("POST /openai/v1/videos", "createTask", "/interactions", "predictLongRunning")
        marks += ("/v2/video_generation", "/contents/generations/tasks", "/fal/<owner>/<app>/<path:rest>")
        return sum(
            count
            for routes in requests.values()
            for route, count in routes.items()
            if route.startswith("POST") and (route.endswith(marks) or route == "POST /openrouter/api/v1/videos")
        )


@contextmanager
def open_house(folder: Path) -> Iterator[ProviderHarness]:
    """A sandbox with everything around it."""
    inbox = Inbox()
    with Sandbox() as sandbox:
        yield ProviderHarness(sandbox, inbox, folder)
    inbox.close()


def own_environ(address: Callable[[str], str], key: str = "test-key") -> dict[str, str]:
    """What providers declare of their own: this key, and where each is by the name of the variable."""
    known, rows = {row.name for row in variables(Settings)}, all_variables(load_catalogue())
    own = [row.name for row in rows if row.name not in known]
    keys = {name: key for name in own if name.endswith("_API_KEY")}
    return keys | {name: address(name) for name in own if name.endswith("_BASE_URL") and address(name)}


def cheapest_cards(catalogue: dict[str, CatalogueModel]) -> list[CatalogueModel]:
    """For each provider and ability, the offered model with the smallest picture and price."""
    best: dict[tuple[str, str], CatalogueModel] = {}
    for card in catalogue.values():
        if card.offers:
            key = (card.provider, card.ability)
            best[key] = min(best.get(key, card), card, key=_effort)
    return list(best.values())


def _effort(card: CatalogueModel) -> tuple[float, float]:
    request = request_for(card, "x")
    return request.width * request.height * request.seconds, card.clip_price(request.resolution, request.seconds)


def request_for(card: CatalogueModel, prompt: str, **changes: Any) -> GenerationRequest:
    """The smallest request that a model takes."""
    offer = min(card.offers, key=lambda offer: offer.width * offer.height)
    smallest = GenerationRequest(
        model=card.id,
        prompt=prompt,
        seconds=min(card.durations) if card.durations else max(card.min_seconds, 1.0),
        width=offer.width,
        height=offer.height,
        aspect_ratio=offer.aspect_ratio,
        resolution=offer.resolution,
        fps=card.fps,
        audio=card.audio,
        card=ScenePlace(number=1, total=1),
    )
    return replace(smallest, **changes)


def submission(
    request: GenerationRequest, *, key: str = "k1", callback: str | None = None, inputs: tuple[MediaInput, ...] = ()
) -> Submission:
    """A request with its marks."""
    return Submission(
        request=request, idem_key=key, callback_url=callback, inputs={picture.key: picture for picture in inputs}
    )


def finished(provider: VideoProvider, job: Job, request: GenerationRequest) -> Job:
    """Poll a job to its end."""

    def ended() -> Job | None:
        now = provider.poll(job.id, request)
        return now if now.status in ENDED else None

    return until(ended, f"the end of {job.id}", DEADLINE_S, 0.02)

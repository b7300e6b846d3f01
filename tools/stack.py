"""The whole product as its own processes against the sandbox, started by the Procfile's commands.

Shared by the demo, the acceptance tests, the kill tests and the benchmarks: they see the product from outside only.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ROOT = Path(__file__).resolve().parent.parent
BASE = "appReelgridDemo01"
TOKEN = "patSandbox.demo"
PATIENCE_S = 240.0
"""How long anything is waited for: not how long it may take, so a machine that is busy with other things has time."""
PR_SET_PDEATHSIG = 1


class StackError(RuntimeError):
    """A process did not come up, or went down; the message ends with what it last said."""


def _end_with_parent() -> None:
    """Ask the kernel (Linux) for SIGTERM when we die, however we die: a stack never outlives whoever started it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Service:
    """One process and its log."""

    name: str
    command: str
    environ: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it in a session of its own, so that a signal reaches it and its children alike."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                shell=True,
                cwd=ROOT,
                env=self.environ,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - one system call, before any thread of the child exists
            )

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process is not None and self.process.poll() is None

    def stop(self, number: int = signal.SIGTERM, patience_s: float = 30.0) -> int | None:
        """End it and whatever it started; its exit code."""
        if self.process is None:
            return None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number) if number == signal.SIGKILL else self.process.send_signal(number)
        try:
            code = self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            code = None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        return code

    def tail(self, lines: int = 25) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""


def procfile(tree: Path = ROOT) -> dict[str, str]:
    """The commands of the Procfile, by process."""
    lines = (tree / "Procfile").read_text().splitlines()
    return {name.strip(): command.strip() for name, _, command in (line.partition(":") for line in lines if line)}


def free_port() -> int:
    """A port nobody listens on at this moment, and that no outgoing connection will be given before it is used: systems
    take those from higher ranges.
    """
    for port in random.sample(range(15_000, 32_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise StackError("no free port was found")


Found = TypeVar("Found")


def until(
    condition: Callable[[], Found | Literal[False] | None],
    what: str,
    patience_s: float = PATIENCE_S,
    pause_s: float = 0.05,
) -> Found:
    """Wait for a condition and return its value. Raises StackError when it does not come."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError, OSError):
            value = condition()
            if value:
                return value
        time.sleep(pause_s)
    raise StackError(f"waited {patience_s:.0f} s in vain for {what}")


@dataclass
class Stack:
    """Sandbox, web and worker. `extra` are more settings; `var` is where everything is kept."""

    var: Path
    extra: Mapping[str, str] = field(default_factory=dict)
    sandbox_options: str = ""
    sandbox_environ: Mapping[str, str] = field(default_factory=dict)
    commands: Mapping[str, str] = field(default_factory=dict)
    """Other commands for `web` or `worker`, for harnesses that build the services with something added."""
    services: dict[str, Service] = field(default_factory=dict)
    sandbox_url: str = ""
    port: int = 0
    webhook_secret: str = field(default_factory=lambda: "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())

    @property
    def url(self) -> str:
        """Where the web process answers."""
        return f"http://127.0.0.1:{self.port}"

    def settings(self) -> dict[str, str]:
        """The product's settings against the sandbox: what an operator would put into `.env`."""
        here = self.sandbox_url
        chosen = {
            "PORT": str(self.port),
            "PUBLIC_URL": self.url,
            "VAR_DIR": str(self.var),
            "LOG_FORMAT": "text",
            "DATABASE_URL": f"sqlite:///{self.var}/reelgrid.db",
            "STORAGE_URL": f"file:{self.var}/media",
            "AIRTABLE_API_KEY": TOKEN,
            "AIRTABLE_BASE_ID": BASE,
            "AIRTABLE_ENDPOINT_URL": f"{here}/airtable",
            "OPENAI_API_KEY": "sk-sandbox",
            "OPENAI_BASE_URL": f"{here}/openai/v1",
            "OPENAI_WEBHOOK_SECRET": self.webhook_secret,
            "GEMINI_API_KEY": "gemini-sandbox",
            "GEMINI_BASE_URL": f"{here}/gemini",
            "KIE_API_KEY": "kie-sandbox",
            "KIE_BASE_URL": f"{here}/kie",
            "KIE_WEBHOOK_HMAC_KEY": "sandbox-kie-hmac-key",
            "OPENROUTER_API_KEY": "or-sandbox",
            "OPENROUTER_BASE_URL": f"{here}/openrouter/api/v1",
            "OPENROUTER_WEBHOOK_SECRET": "sandbox-openrouter-secret",
            "MINIMAX_API_KEY": "minimax-sandbox",
            "MINIMAX_BASE_URL": f"{here}/minimax",
            "BYTEPLUS_API_KEY": "byteplus-sandbox",
            "BYTEPLUS_BASE_URL": f"{here}/byteplus/api/v3",
            "FAL_API_KEY": "fal-sandbox",
            "FAL_BASE_URL": f"{here}/fal",
            "GOOGLE_CLOUD_PROJECT": "sandbox",
            "GOOGLE_CLOUD_BASE_URL": f"{here}/veo",
            "GOOGLE_APPLICATION_CREDENTIALS": str(self.var / "google.json"),
            "CATALOGUE": str(ROOT / "pipelines/sandbox/catalogue.toml"),
            "WEBHOOK_ORIGINS": here,
        }
        return chosen | dict(self.extra)

    def environ(self) -> dict[str, str]:
        """Our own environment without any settings, plus the stack's."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "TERM") if name in os.environ}
        path = f"{Path(sys.executable).parent}:{kept.get('PATH', '')}"
        return {**kept, "PATH": path, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **self.settings()}

    def __enter__(self) -> Self:
        self.var.mkdir(parents=True, exist_ok=True)
        try:
            self.start_sandbox()
            write_google_account(self.var / "google.json", f"{self.sandbox_url}/veo/token")
            self.port = self.port or free_port()
            self.prepare()
            for name in ("web", "worker"):
                self.start(name)
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start_sandbox(self, port: int = 0) -> None:
        """Start the emulated vendors and learn where they are."""
        log = self.var / "sandbox.log"
        log.unlink(missing_ok=True)
        command = f"exec python -m pipelines.sandbox --port {port} {self.sandbox_options}"
        environ = {"PATH": self.environ()["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        environ |= self.sandbox_environ
        service = Service("sandbox", command, environ, log)
        service.start()
        self.services["sandbox"] = service
        self.sandbox_url = until(lambda: _address(log), "the sandbox's address")

    def start(self, name: str) -> None:
        """Start `web` or `worker` by its command."""
        command = self.commands.get(name) or procfile()[name]
        service = self.services.get(name) or Service(name, command, self.environ(), self.var / f"{name}.log")
        service.start()
        self.services[name] = service

    def prepare(self) -> None:
        """What an operator does once: build the base, and give the provider our webhook's address."""
        self.flask("airtable", "setup")
        hook = {"url": f"{self.url}/api/webhook/openai", "name": "reelgrid", "secret": self.webhook_secret}
        self.sandbox(
            "POST", "/openai/v1/webhook_endpoints", hook | {"event_types": ["video.completed", "video.failed"]}
        )

    def wait_ready(self) -> None:
        """Until web and worker answer."""
        web = self.services["web"]

        def ready() -> bool:
            if not web.alive:
                raise StackError(f"web went down:\n{web.tail()}")
            return httpx.get(f"{self.url}/health", timeout=2).status_code == 200

        until(ready, "web to answer")

    def stop(self) -> None:
        """End everything, the sandbox last."""
        for name in ("worker", "web", "sandbox"):
            if name in self.services:
                self.services[name].stop(patience_s=10.0)

    def flask(self, *arguments: str, check: bool = True, told: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run one of the product's own commands on these settings; `told` is typed into it."""
        command = [sys.executable, "-m", "flask", *arguments]
        environ = {**self.environ(), "FLASK_APP": "webapp.cli:create_app()"}
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, input=told)
        if check and done.returncode != 0:
            raise StackError(f"flask {' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")
        return done

    def post(self, path: str, body: Mapping[str, Any] | None = None, **options: Any) -> httpx.Response:
        """POST JSON to the product."""
        return httpx.post(f"{self.url}{path}", json=dict(body or {}), timeout=60, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """GET from the product."""
        return httpx.get(f"{self.url}{path}", timeout=60, **options)

    def listen(self) -> None:
        """Have the sandbox told of what happens to every run."""
        self.post("/api/webhooks", {"url": f"{self.sandbox_url}/hooks/ok"}).raise_for_status()

    def sandbox(self, method: str, path: str, body: Any = None) -> Any:
        """Talk to the sandbox: its control plane, its bill, or its Airtable as a client with our token."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer = httpx.request(method, f"{self.sandbox_url}{path}", json=body, headers=headers, timeout=60)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def add_row(self, fields: Mapping[str, Any], table: str = "Videos") -> str:
        """Add a row as a person would, without an API call; its id."""
        made = self.sandbox("POST", f"/airtable/_control/person/{BASE}/{table}", {"fields": dict(fields)})
        return str(made["id"])

    def row(self, record_id: str, table: str = "Videos") -> dict[str, Any]:
        """The fields of a row as Airtable has them now, read by its owner and not counted."""
        found: dict[str, Any] = self.sandbox("GET", f"/airtable/_control/person/{BASE}/{table}/{record_id}")["fields"]
        return found

    def wait_run(self, run_id: str, *, patience_s: float = 300.0, stopped: bool = True) -> dict[str, Any]:
        """Follow a run by long polls until it stops; its last view."""
        done = {"done", "failed", "cancelled", "needs_attention", *(() if stopped else ("needs_approval",))}

        def over() -> dict[str, Any] | None:
            view: dict[str, Any] = self.get(f"/api/runs/{run_id}", params={"wait": 5}).json()
            return view if view.get("status") in done else None

        return dict(until(over, f"run {run_id} to stop", patience_s))


def write_google_account(path: Path, token_uri: str) -> None:
    """A service account of nobody, as Google's console hands them out; its tokens come from `token_uri`."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    account = {
        "type": "service_account",
        "project_id": "sandbox",
        "private_key": pem.decode(),
        "client_email": "reelgrid@sandbox.iam.gserviceaccount.com",
        "token_uri": token_uri,
    }
    path.write_text(json.dumps(account))


def _address(log: Path) -> str | None:
    text = log.read_text() if log.exists() else ""
    words = [word.rstrip("/") for word in text.split() if word.startswith("http://")]
    return words[0] if words else None

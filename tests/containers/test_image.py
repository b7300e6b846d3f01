"""The image and `compose.yaml` as they are used: built from hashes, run without rights, a film made, and stopped."""

from __future__ import annotations

import hashlib
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from tests.chaos.machines import Machine, network, possible
from tests.containers.container import Container, Host
from tests.containers.image import TOOLS, Image, NoBaseError, buildable, built
from tests.contract.bucket import WEED, seaweedfs
from tools.chaos.outages import own_redis
from tools.postgres import BINARIES, throw_away
from tools.stack import BASE, ROOT, TOKEN, Stack, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.xdist_group("image"),
    pytest.mark.skipif(
        not (buildable() and possible()),
        reason=f"needs root, a kernel that lets it make networks, and {', '.join(TOOLS)}",
    ),
]
HERE, PORT, KEY = "10.78.0.1", 8000, "a key of the operator's"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
MODEL = "sora/sandbox-key"
HOW_TO = (ROOT / "docs" / "how-to" / "run-with-compose.md").read_text("utf-8")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    try:
        with built(tmp_path_factory.mktemp("image")) as made:
            yield made
    except NoBaseError as error:
        pytest.skip(f"the base cannot be made here: {error}")


@pytest.fixture
def machines() -> Iterator[list[Machine]]:
    """Two, by the names of the services; this one is `HERE` to them."""
    with network("web", "worker", first=HERE) as made:
        yield made


@dataclass(frozen=True)
class Composed:
    """`docker compose up`, and the emulated vendors beside it."""

    web: Container
    worker: Container
    vendors: Stack

    @property
    def url(self) -> str:
        return f"http://{self.web.machine.address}:{PORT}"

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {KEY}"}
        return httpx.request(method, f"{self.url}{path}", headers=headers, timeout=60, **options)

    def flask(self, *words: str) -> str:
        done = self.web.host.run(self.web.machine, self.web.environ, "flask", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def row_to_film(self) -> None:
        """A row of the base becomes a film, with clips that are bought."""
        fields = {"Title": "Lantern", "Prompt": "a lantern is lit\nit goes out", "Clip Seconds": 1, "Model": MODEL}
        record = self.vendors.add_row(fields | {"Resolution": "480p"})
        asked = self.ask("POST", "/api/process-record", json={"record_id": record, "base_id": BASE})
        assert asked.status_code == httpx.codes.ACCEPTED, asked.text
        until(lambda: self.vendors.row(record).get("Status") == "Done", "the row to say Done", 120.0, 0.3)
        (film,) = self.vendors.row(record)["Final Video"]
        assert b"ftyp" in httpx.get(film["url"], timeout=30).content[:16]
        charged = [line for line in self.vendors.sandbox("GET", "/bill")["generations"] if line["charged"]]
        assert len(charged) == 2


def environment(name: str, written: Mapping[str, str]) -> dict[str, str]:
    """What compose gives a service: its `.env`, and over that what the file itself says."""
    return {**written, **COMPOSE["services"][name]["environment"]}


@contextmanager
def composed(image: Image, machines: Sequence[Machine], folder: Path, **more: str) -> Iterator[Composed]:
    """Web and worker, each on a machine of its own, on one volume."""
    folder.mkdir()
    vendors = Stack(folder / "vendors", sandbox_options=f"--host {HERE}")
    vendors.var.mkdir()
    (place,) = (mount.partition(":")[2] for mount in COMPOSE["services"]["web"]["volumes"])
    names = dict.fromkeys(("postgres", "valkey", "storage"), HERE)
    with ExitStack() as context:
        host = context.enter_context(Host.of(image, folder / "host", place, names))
        vendors.start_sandbox()
        context.callback(vendors.stop)
        written = {
            "SECRET_KEY": "some sixteen letters and more",
            "API_KEYS": f"operator:{hashlib.sha256(KEY.encode()).hexdigest()}",
            "PUBLIC_URL": f"http://localhost:{PORT}",
            "AIRTABLE_API_KEY": TOKEN,
            "AIRTABLE_BASE_ID": BASE,
            "AIRTABLE_ENDPOINT_URL": f"{vendors.sandbox_url}/airtable",
            "AIRTABLE_CONTENT_URL": f"{vendors.sandbox_url}/airtable",
            "OPENAI_API_KEY": "sk-sandbox",
            "OPENAI_BASE_URL": f"{vendors.sandbox_url}/openai/v1",
            "CATALOGUE": f"{image.folder}/pipelines/sandbox/catalogue.toml",
        }
        web, worker = (service(host, machine, written | more) for machine in machines)
        for container in (web, worker):
            context.callback(container.kill)
            container.start()
        made = Composed(web, worker, vendors)
        until(web.healthy, "the image's health check to pass", 120.0, 0.5)
        made.flask("airtable", "setup")
        yield made


def service(host: Host, machine: Machine, written: Mapping[str, str]) -> Container:
    command = COMPOSE["services"][machine.name].get("command") or host.image.command
    return Container(host, machine, command, environment(machine.name, written))


def test_web_and_worker_of_the_image_make_a_film_on_one_volume_and_end_when_asked(
    image: Image, machines: list[Machine], tmp_path: Path
) -> None:
    """With nothing else: SQLite, the broker that the worker brings, and films are in the volume."""
    with composed(image, machines, tmp_path / "composed") as made:
        for container in (made.web, made.worker):
            told = Path(f"/proc/{container.command}/status").read_text()
            found = {line.partition(":")[0]: line.partition(":")[2].split() for line in told.splitlines()}
            assert set(found["Uid"]) == {image.user}
            assert {int(found[kind][0], 16) for kind in ("CapPrm", "CapEff", "CapBnd")} == {0}
            assert found["NoNewPrivs"] == ["1"]
        written = made.web.host.run(made.web.machine, made.web.environ, "touch", f"{image.folder}/here")
        assert "Read-only file system" in written.stderr
        assert httpx.get(f"{made.url}/api/runs", timeout=30).status_code == httpx.codes.UNAUTHORIZED
        ready = until(lambda: made.ask("GET", "/ready").json(), "an answer")
        assert ready["checks"]["database"], ready
        made.row_to_film()
        assert [container.stop() for container in (made.worker, made.web)] == [0, 0], made.worker.service.tail()


def test_a_service_that_is_just_starting_ends_at_once_when_it_is_asked_to(
    image: Image, machines: list[Machine], tmp_path: Path
) -> None:
    """As the first process it would not hear it, and would be killed a minute later."""
    assert all(COMPOSE["services"][machine.name]["init"] for machine in machines)
    with Host.of(image, tmp_path / "host", "/app/var", {}) as host:
        for machine in machines:
            container = service(host, machine, {})
            container.start()
            try:
                until(partial(_is_python, container), "Python")
                assert container.stop() in (128 + signal.SIGTERM, 0)
            finally:
                container.kill()


def _is_python(container: Container) -> bool:
    return b"python" in Path(f"/proc/{container.command}/cmdline").read_bytes()


def _at(value: str, ports: Mapping[str, int | None]) -> str:
    """The servers' own names, and the ports that they have here."""
    for told, port in ports.items():
        value = value.replace(told, f"{told.partition(':')[0]}:{port}")
    return value


@pytest.mark.skipif(not BINARIES or WEED is None, reason="PostgreSQL or SeaweedFS is not on this machine")
def test_with_the_profile_scale_they_share_nothing_but_three_servers(
    image: Image, machines: list[Machine], tmp_path: Path
) -> None:
    """By the lines that the how-to gives for `.env`; the servers are this machine's, at ports of their own."""
    (told,) = re.findall(r"^POSTGRES_PASSWORD=.*?(?=^```)", HOW_TO, re.DOTALL | re.MULTILINE)
    written = dict(line.split("=", 1) for line in told.splitlines())
    (tmp_path / "weed").mkdir()
    with (
        throw_away(HERE) as postgres,
        own_redis(tmp_path, HERE) as (broker, _die),
        seaweedfs(tmp_path / "weed", written, HERE) as storage,
    ):
        password = written.pop("POSTGRES_PASSWORD")
        client = ("psql", "-h", HERE, "-p", str(postgres.port), "-U", "postgres", "-c")
        postgres.run(*client, f"CREATE ROLE reelgrid LOGIN PASSWORD '{password}'")
        postgres.run(*client, "CREATE DATABASE reelgrid OWNER reelgrid")
        at = {"@postgres": postgres.port, "valkey:6379": urlsplit(broker).port, "storage:8333": urlsplit(storage).port}
        with composed(
            image, machines, tmp_path / "composed", **{name: _at(value, at) for name, value in written.items()}
        ) as made:
            made.row_to_film()
            ready = made.ask("GET", "/ready").json()
            assert all(ready["checks"].values()), ready
            kept = {path.name for path in (made.web.host.folder / "volume").iterdir()}
            assert not kept & {"reelgrid.db", "media", "broker.sock"}, kept
            assert [container.stop() for container in (made.worker, made.web)] == [0, 0], made.worker.service.tail()

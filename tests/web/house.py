"""What the tests of the web door share: the application on a real database, real files and a real (emulated) base."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flask import Flask
from flask.testing import FlaskClient

from pipelines.airtable.connect import connect
from pipelines.domain.lifecycle import CutStatus, GenerationStatus, RunStatus, SceneStatus
from pipelines.domain.order import Order, order_to_json
from pipelines.domain.policy import Policy
from pipelines.domain.run import Clip, Cut, Event, Generation, Run, Scene
from pipelines.ports import Brief, MediaInput, Script
from pipelines.providers.catalogue import load_catalogue
from pipelines.sandbox.airtable import FIRST_BASE
from pipelines.sandbox.app import Sandbox
from pipelines.settings import Settings, load_settings
from pipelines.signing import new_view_token, sign_media, sign_page
from pipelines.stages.services import Services
from pipelines.storage import build_store
from pipelines.store import SqlStore
from webapp import create_app

BASE = FIRST_BASE
RECORD = "recA1b2C3d4E5f6G7"
KEY = "a-key-that-only-this-test-knows"
KEYS = f"tester:{hashlib.sha256(KEY.encode()).hexdigest()}"
OUTSIDE = {"PUBLIC_URL": "https://films.example.com", "API_KEYS": KEYS, "SECRET_KEY": "a secret key for tests only"}
BEARER = {"Authorization": f"Bearer {KEY}"}


class Clock:
    """Real time, which a test may move."""

    def __init__(self) -> None:
        self.shift = 0.0

    def now(self) -> float:
        return time.time() + self.shift


class Points:
    def reach(self, name: str, **ids: str) -> None:
        """Nobody is killed here."""


class Hints:
    def send(self, hints: Sequence[tuple[str, str]]) -> bool:
        raise AssertionError("the web door never talks to the broker")

    def check(self) -> None:
        """It answers."""


class Providers:
    """Which vendors have a key; none is ever asked by the web door."""

    def get(self, name: str) -> Any:
        raise AssertionError("the web door never talks to a provider")

    def configured(self, name: str) -> bool:
        return name in {"local", "sora"}


class Writer:
    def write(self, brief: Brief) -> Script:
        raise AssertionError("the web door writes nothing")

    def soften(self, prompt: str, reason: str) -> Script:
        raise AssertionError("the web door writes nothing")

    def quote_micro(self, brief: Brief) -> int:
        return 1000


class Moderator:
    def culprit(self, prompt: str, images: Sequence[MediaInput]) -> str | None:
        return None


@dataclass(frozen=True)
class Links:
    settings: Settings
    now: Callable[[], float]

    @property
    def _secret(self) -> str:
        assert self.settings.secret_key
        return self.settings.secret_key.get_secret_value()

    def media(self, key: str, filename: str, ttl_s: float) -> str:
        return f"{self.settings.public_url}/media/{sign_media(self._secret, key, self.now() + ttl_s)}/{filename}"

    def page(self, *, record_id: str | None = None, run_id: str | None = None) -> str:
        kind, subject, path = ("record", record_id, "r") if record_id else ("run", run_id, "runs")
        return f"{self.settings.public_url}/{path}/{subject}?t={sign_page(self._secret, kind, str(subject))}"

    def video(self, token: str) -> str:
        return f"{self.settings.public_url}/v/{token}"

    def callback(self, provider: str, token: str) -> str | None:
        return f"{self.settings.public_url}/api/webhook/{provider}/{token}"


class House:
    """The application, its services, and a few hands to put rows into the database as the worker would."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder
        self.sandbox = Sandbox()
        self.environ = environ
        self.clock = Clock()

    def __enter__(self) -> Self:
        self.sandbox.__enter__()
        base = {"AIRTABLE_API_KEY": "patReelgrid.test", "AIRTABLE_BASE_ID": BASE}
        base["AIRTABLE_ENDPOINT_URL"] = f"{self.sandbox.url}/airtable"
        self.settings = load_settings({**base, **self.environ}, self.folder)
        self.store = SqlStore(self.settings.database_url)
        self.services = self._services()
        self.app: Flask = create_app(self.services, self.settings)
        self.app.testing = True
        self.app.config["PROPAGATE_EXCEPTIONS"] = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.store.engine.dispose()
        self.sandbox.__exit__(kind, error, trace)

    def _services(self) -> Services:
        settings, store = self.settings, self.store
        store.migrate()
        airtable = connect(settings, store, self.clock)
        policy = Policy(
            run_cap_micro=settings.max_cost_per_run_micro,
            day_cap_micro=settings.max_cost_per_day_micro,
            default_model=settings.video_model,
            default_base=settings.airtable_base_id,
            public_url=settings.public_url,
        )
        nobody: Any = None
        return Services(
            owner="test",
            policy=policy,
            store=store,
            clock=self.clock,
            points=Points(),
            hints=Hints(),
            links=Links(settings, self.clock.now),
            catalogue=load_catalogue(),
            providers=Providers(),
            writer=Writer(),
            moderator=Moderator(),
            board=airtable.board,
            base_tools=airtable,
            media=build_store(settings),
            intake=nobody,
            studio=nobody,
            work=self.folder / "work",
        )

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def post(self, path: str, body: Any = None, **more: Any) -> Any:
        """A POST as a program with the key sends it."""
        headers = {**BEARER, **more.pop("headers", {})}
        return self.client.post(path, json=body, headers=headers, **more)

    def get(self, path: str, **more: Any) -> Any:
        return self.client.get(path, headers={**BEARER, **more.pop("headers", {})}, **more)

    def run(self, run_id: str) -> Run:
        with self.store.read() as tx:
            run = tx.runs.get(run_id)
        assert run
        return run

    def runs(self) -> list[Run]:
        with self.store.read() as tx:
            return list(tx.runs.find())

    def put(self, *rows: Any) -> None:
        """Insert rows as they are."""
        tables = {Run: "runs", Scene: "scenes", Generation: "generations", Clip: "clips", Cut: "cuts", Event: "events"}
        with self.store.write() as tx:
            for row in rows:
                assert getattr(tx, tables[type(row)]).add(row)

    def change(self, table: str, id: str, **changes: Any) -> None:
        with self.store.write() as tx:
            assert getattr(tx, table).change(id, **changes)

    def store_file(self, name: str, data: bytes) -> str:
        """Put bytes into storage; the key."""
        source = self.folder / "source"
        source.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        key = f"test/{digest[:2]}/{digest}{Path(name).suffix}"
        self.services.media.put_file(source, key, "video/mp4")
        return key

    def finished(self, run_id: str = "run_finished", *, film: bytes = b"\0" * 3000, **run: Any) -> Cut:
        """A run that is done, with one scene, its clip and its film."""
        now = self.clock.now()
        key = self.store_file("film.mp4", film)
        cut = Cut(
            id=f"cut_{run_id}",
            run_id=run_id,
            take=0,
            format="16:9",
            status=CutStatus.DELIVERED,
            token=new_view_token(),
            key=key,
            sha256=hashlib.sha256(film).hexdigest(),
            size=len(film),
            filename="A fox at dawn – run 1.mp4",
            footage={"duration_s": 8.0, "width": 1280, "height": 720},
            created_at=now,
        )
        scene = self.scene(run_id, clip_id=f"clip_{run_id}", status=SceneStatus.DONE)
        clip = Clip(
            id=f"clip_{run_id}",
            run_id=run_id,
            scene_id=scene.id,
            fingerprint="f",
            sha256=cut.sha256 or "",
            key=key,
            size=len(film),
            model="local/animatic",
            footage={"duration_s": 4.0, "width": 1280, "height": 720},
            created_at=now,
        )
        order = order_to_json(Order(master_prompt="A fox at dawn", title="A fox at dawn"))
        self.put(
            Run(id=run_id, status=RunStatus.DONE, source="rest", order=order, created_at=now, updated_at=now, **run),
            scene,
            clip,
            cut,
            Event(at=now, entity="run", entity_id=run_id, run_id=run_id, name="status", new="done"),
        )
        return cut

    def scene(self, run_id: str, number: int = 1, **more: Any) -> Scene:
        return Scene(
            id=f"scene_{run_id}_{number}",
            run_id=run_id,
            number=number,
            key=f"{run_id}-{number:02d}",
            prompt="A fox walks through dew.",
            seconds=4.0,
            model="local/animatic",
            settings={"price_micro": 0},
            **more,
        )

    def generation(self, run_id: str, **more: Any) -> Generation:
        """One generation at sora, running unless told otherwise."""
        fields: dict[str, Any] = {
            "id": "gen_1",
            "scene_id": f"scene_{run_id}_1",
            "status": GenerationStatus.RUNNING,
            "provider": "sora",
            "model": "sora/sora-2",
            "idem_key": "idem-1",
            "callback_token": "token-1",
            "provider_id": "video_1",
            "reserve_micro": 400_000,
            **more,
        }
        return Generation(run_id=run_id, request={}, **fields)

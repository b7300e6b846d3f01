"""What the tests of the web door share: the application on a real database, real files and a real (emulated) base."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from flask import Flask
from flask.testing import FlaskClient
from pydantic import TypeAdapter

from pipelines.bootstrap import build_services
from pipelines.domain.footage import Footage
from pipelines.domain.keys import new_token
from pipelines.domain.lifecycle import CutStatus, GenerationStatus, RunStatus, SceneStatus
from pipelines.domain.orders.order import Order
from pipelines.domain.records import Clip, Cut, Event, Generation, Run, Scene
from pipelines.domain.state.generation import GenerationRequest
from pipelines.ports import CrashPoints
from pipelines.sandbox.airtable import FIRST_BASE
from pipelines.sandbox.app import Sandbox
from pipelines.settings import load_settings
from pipelines.testing import empty_database, made_for_tests
from webapp import commands, create_app

T = TypeVar("T")
BASE = FIRST_BASE
RECORD = "recA1b2C3d4E5f6G7"
KEY = "a-key-that-only-this-test-knows"
KEYS = f"tester:{hashlib.sha256(KEY.encode()).hexdigest()}"
OUTSIDE = {
    "PUBLIC_URL": "https://films.example.com",
    "API_KEYS": KEYS,
    "SECRET_KEY": "a secret key for tests only",
}
NOBODY = "http://127.0.0.1:9"
"""The discard port: nobody answers there."""
SORA = {"SORA_API_KEY": "sk-test", "SORA_BASE_URL": f"{NOBODY}/v1"}
"""A paid vendor with a server of its own, which nobody reaches."""
BEARER = {"Authorization": f"Bearer {KEY}"}


def as_described(answer: type[T], found: Any) -> T:
    """What came back, held against the description of /openapi.json."""
    return TypeAdapter(answer).validate_python(found, strict=False)


class Clock:
    """Real time, which a test may move, or stop where it counts what happens within some seconds."""

    def __init__(self) -> None:
        self.shift = 0.0
        self._still: float | None = None

    def now(self) -> float:
        return (time.time() if self._still is None else self._still) + self.shift

    def stop(self) -> None:
        self._still = time.time()


class Hints:
    def send(self, hints: Sequence[tuple[str, str]], *, media: bool = False, at_once: bool = False) -> bool:
        raise AssertionError("the web door never talks to the broker")

    def check(self) -> None:
        """It answers."""


class WebHarness:
    """The application, its services, and a few hands to put rows into the database as the worker would."""

    def __init__(
        self,
        folder: Path,
        environ: Mapping[str, str] = OUTSIDE,
        *,
        airtable: bool = False,
        points: CrashPoints | None = None,
    ) -> None:
        self.folder, self.points = folder, points
        self.sandbox = Sandbox() if airtable else None
        self.environ = environ
        self.clock = Clock()

    def __enter__(self) -> Self:
        self.airtable_url = f"{self.sandbox.__enter__().url}/airtable" if self.sandbox else NOBODY
        (self.folder / "var").mkdir(exist_ok=True)
        (self.folder / "var" / "reelgrid.db").write_bytes(empty_database())
        self.start(self.environ)
        return self

    def start(self, environ: Mapping[str, str]) -> None:
        """On these settings, over what is there: also once more, as after a change of settings."""
        base = {"AIRTABLE_API_KEY": "patReelgrid.test", "AIRTABLE_BASE_ID": BASE}
        base["AIRTABLE_ENDPOINT_URL"] = self.airtable_url
        self.settings = load_settings({**base, **environ}, self.folder)
        self.services = build_services(self.settings, clock=self.clock, hints=Hints())
        if self.points is not None:
            self.services = replace(self.services, points=self.points)
        self.store = self.services.store
        made_for_tests(self.store)
        self.app: Flask = create_app(self.services, self.settings)
        commands.register(self.app)
        self.app.testing = True
        self.app.config["PROPAGATE_EXCEPTIONS"] = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.sandbox:
            self.sandbox.__exit__(kind, error, trace)

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def post(self, path: str, body: Any = None, **more: Any) -> Any:
        """A POST as a program with the key sends it."""
        headers = {**BEARER, **more.pop("headers", {})}
        return self.client.post(path, json=body, headers=headers, **more)

    def get(self, path: str, **more: Any) -> Any:
        return self.client.get(path, headers={**BEARER, **more.pop("headers", {})}, **more)

    @contextmanager
    def unanswered(self) -> Iterator[None]:
        """Whoever handles a request meanwhile dies once its work is committed: SQL keeps no answer. Afterwards it has
        been dead for so long that the request may be sent again.
        """
        with closing(sqlite3.connect(self.folder / "var" / "reelgrid.db")) as database:
            database.execute(
                "CREATE TRIGGER dies BEFORE UPDATE ON replays WHEN NEW.status <> 0 "
                "BEGIN SELECT RAISE(ABORT, 'dies'); END"
            )
            yield
            database.execute("DROP TRIGGER dies")
        self.clock.shift += 61

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
            token=new_token(),
            key=key,
            sha256=hashlib.sha256(film).hexdigest(),
            size=len(film),
            filename="A fox at dawn – run 1.mp4",
            footage=Footage(duration_s=8.0, width=1280, height=720),
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
            footage=Footage(duration_s=4.0, width=1280, height=720),
            created_at=now,
        )
        order = Order(master_prompt="A fox at dawn", title="A fox at dawn")
        self.put(
            Run(id=run_id, status=RunStatus.DONE, source="rest", order=order, created_at=now, updated_at=now, **run),
            clip,
            scene,
            cut,
            Event(at=now, entity="run", entity_id=run_id, run_id=run_id, name="status", new="done"),
        )
        return cut

    def scene(self, run_id: str, number: int = 1, **changes: Any) -> Scene:
        usual = Scene(
            id=f"scene_{run_id}_{number}",
            run_id=run_id,
            number=number,
            key=f"{run_id}-{number:02d}",
            prompt="A fox walks through dew.",
            seconds=4.0,
            model="local/animatic",
        )
        return replace(usual, **changes)

    def generation(self, run_id: str, **changes: Any) -> Generation:
        """One generation at sora, running unless told otherwise."""
        usual = Generation(
            id="gen_1",
            run_id=run_id,
            scene_id=f"scene_{run_id}_1",
            status=GenerationStatus.RUNNING,
            provider="sora",
            model="sora/sora-2",
            request=GenerationRequest(),
            idem_key="idem-1",
            callback_token="token-1",
            provider_id="video_1",
            reserve_micro=400_000,
        )
        return replace(usual, **changes)

"""The whole product as real processes with crash points, for whoever kills them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.database import SqlStore
from pipelines.domain.customers.notices import NoticeStatus, NoticeType
from pipelines.domain.lifecycle import STOPPED, RunStatus
from pipelines.domain.records import Base, CustomerAccount, LotKind, Run
from pipelines.stages.spending import credit_lots
from tools.chaos.killer import Processes
from tools.chaos.points import Journal
from tools.chaos.report import broken_chains, unbalanced
from tools.stack import BASE, PATIENCE_S, Stack, until

COMMANDS = {
    "web": 'exec gunicorn --config python:webapp.server "tools.chaos.web:create()"',
    "worker": "exec python -m tools.chaos.worker",
}
PICTURE_MODEL = "gemini/gemini-nano-banana-2.1"
REFERENCES_MODEL = "byteplus/dreamina-seedance-2-5-260628"
"""One whose clips take pictures to look at."""
CUSTOMER = "acc_customer"
LOTS, LOT_MICRO, LAST_MICRO = 100, 170_000, 1_000_000_000
"""Small ones first, of which no film is paid out of one; then one that is enough for whatever is ordered."""


@dataclass
class ProductStack:
    """A stack, its journal of crash points, and a look into its database."""

    stack: Stack
    journal: Journal
    store: SqlStore

    @property
    def processes(self) -> Processes:
        return Processes(self.stack)

    def order(
        self,
        mark: str,
        *,
        ability: str = "key",
        scenes: int = 2,
        seconds: int = 1,
        poster: bool = False,
        languages: Sequence[str] = (),
    ) -> str:
        """Order a film over REST, with a narrator, in `languages` and with a designed poster if asked; the run's id.
        A short one with a poster comes in two shapes: of a longer one hardly anything moves in the middle.
        """
        body: dict[str, Any] = {
            "master_prompt": f"{mark} a paper boat",
            "scene_count": scenes,
            "clip_seconds": seconds,
            "resolution": "480p",
            "model": f"sora/sandbox-{ability}",
            "voiceover": True,
            "languages": list(languages),
        }
        body |= (
            {"poster_style": "Designed", "formats": ["9:16"] if seconds == 1 else [], "title": mark} if poster else {}
        )
        return str(self.post("/api/process-master-prompt", body, mark)["run_id"])

    def order_row(self, mark: str, *, ability: str = "key", queued: bool = False, master: bool = False) -> str:
        """Order a film of two scenes by a row of the base, from a `master` prompt or as they are; the record's id."""
        story = {"Master Prompt": f"{mark} a paper boat", "Scene Count": 2}
        fields = {"Title": mark, "Clip Seconds": 1, "Resolution": "480p", "Model": f"sora/sandbox-{ability}"}
        fields |= (story if master else {"Prompt": f"{mark} one\n{mark} two"}) | ({"Status": "Ready"} if queued else {})
        record = self.stack.add_row(fields)
        if queued:
            self.post("/api/process-queue", {"base_id": BASE})
        else:
            self.post("/api/process-record", {"record_id": record, "base_id": BASE})
        return record

    def order_cast(self, mark: str) -> str:
        """Order a film of two scenes over REST, whose clips are shown who comes back in them; the run's id."""
        body = {"master_prompt": f"{mark} boat of paper", "scene_count": 2, "clip_seconds": 4, "resolution": "480p"}
        body |= {"model": REFERENCES_MODEL, "consistency": "Pictures"}
        return str(self.post("/api/process-master-prompt", body, mark)["run_id"])

    def order_said(self, mark: str, line: str) -> str:
        """Order a film of one scene by a row, over which a narrator says `line`; the run's id."""
        fields = {
            "Title": mark,
            "Clip Seconds": 3,
            "Resolution": "480p",
            "Model": "sora/sandbox-key",
            "Voiceover": True,
        }
        record = self.stack.add_row(fields)
        scene = {"Video": [record], "Prompt": f"{mark} a paper boat", "Narration": line, "Status": "Draft"}
        self.stack.add_row(scene, "Scenes")
        return str(self.post("/api/process-record", {"record_id": record, "base_id": BASE})["run_id"])

    def post(self, path: str, body: dict[str, Any], key: str | None = None) -> dict[str, Any]:
        """Until it is accepted, as a caller does whose server dies; a record needs no key of its own."""
        headers = {"Idempotency-Key": key} if key else {}

        def accepted() -> dict[str, Any] | None:
            answer = self.stack.post(path, body, headers=headers)
            assert answer.status_code not in (400, 422), answer.text
            return answer.json() if answer.status_code == 202 else None

        return dict(until(accepted, f"{path} to be accepted", PATIENCE_S, 0.2))

    def heartbeats(self) -> dict[str, int]:
        """The beat of every process that has shown one."""
        with self.store.read() as tx:
            return {process.id: process.beat for process in tx.processes.find()}

    def runs(self) -> list[Run]:
        with self.store.read() as tx:
            return tx.runs.find(order="created_at")

    def run(self, run_id: str) -> Run:
        return next(run for run in self.runs() if run.id == run_id)

    def wait(self, count: int) -> list[Run]:
        """Until so many runs are there and all have stopped."""

        def over() -> list[Run] | None:
            runs = self.runs()
            return runs if len(runs) >= count and all(run.status in STOPPED for run in runs) else None

        return list(until(over, f"{count} runs to stop", PATIENCE_S, 0.2))

    def done(self, run_id: str) -> Run:
        """Until the run is done."""
        until(lambda: self.run(run_id).status in STOPPED, f"{run_id} to stop", PATIENCE_S, 0.2)
        run = self.run(run_id)
        assert run.status is RunStatus.DONE, run.error or run.detail
        return run

    def bought(self, mark: str = "") -> list[str]:
        """The prompts on the bill that contain the mark."""
        lines = self.stack.sandbox("GET", "/bill")["generations"]
        return sorted(line["prompt"] for line in lines if line["charged"] and mark in line["prompt"])

    def films(self, record: str) -> list[dict[str, Any]]:
        return list(self.stack.row(record).get("Final Video") or [])

    def all_told(self) -> bool:
        """Whether the receiver has heard of the end of every run, each under one id however often it was sent."""
        with self.store.read() as tx:
            done = tx.notices.find(type=NoticeType.RUN_DONE)
            ended = tx.runs.count(status=RunStatus.DONE)
        arrived = [notice for notice in done if notice.status is NoticeStatus.DELIVERED]
        return len(arrived) == len(done) == ended

    def check_books(self) -> None:
        """Both balanced, and one event for each transition."""
        with self.store.read() as tx:
            assert unbalanced(tx) == []
            assert broken_chains(tx.events.find(name="status")) == []


@contextmanager
def product_stack(var: Path, url: str | None = None, **extra: str) -> Iterator[ProductStack]:
    """Everything, up and running; `extra` are more settings."""
    journal = Journal(var / "chaos")
    address = url or f"sqlite:///{var / 'reelgrid.db'}"
    settings = {"DATABASE_URL": address, "PICTURE_MODEL": PICTURE_MODEL, **journal.environ(), **extra}
    with Stack(var, extra=settings, commands=COMMANDS) as stack:
        stack.sandbox("POST", "/vendors/_control", {"generation_s": 0.5, "palette": 4})
        stack.listen()
        store = SqlStore(address)
        try:
            yield ProductStack(stack, journal, store)
        finally:
            store.engine.dispose()


def sell_base(stack: Stack, store: SqlStore) -> None:
    """The base becomes a customer's, who pays for its rows in credits and hears how they end."""
    stack.listen()
    now = time.time()
    account = CustomerAccount(id=CUSTOMER, name="customer", runs_in_flight=1000, backlog=1000, created_at=now)
    with store.write() as tx:
        tx.accounts.add(account)
        for number in range(LOTS + 1):
            amount, source = LOT_MICRO if number < LOTS else LAST_MICRO, f"INV-{number}"
            credit_lots.grant(tx, now + number, CUSTOMER, amount, kind=LotKind.PAID, source=source, expires_at=None)
        (heard,) = tx.endpoints.find(order="-created_at", limit=1)
        tx.endpoints.change(heard.id, account_id=CUSTOMER)
        if not tx.bases.add(Base(id=BASE, account_id=CUSTOMER, created_at=now)):
            tx.bases.change(BASE, account_id=CUSTOMER)

"""A thousand triggers of one-scene films over five bases, half of them repeats, and two worker services on PostgreSQL.

They come at half of the rate that the web alone answers in the same run, so that the machine, not we, says how fast.
Measured from the moment when each should have been sent: a caller that had to wait counts, too. How they were answered
is said at once, and how many films are made every half a minute. `TRIGGERS=100` is for a first look.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from pipelines.database import SqlStore
from pipelines.domain.lifecycle import RunStatus
from pipelines.stages.spending import audit
from tools.bench.measure.rows import Claim, row
from tools.postgres import BINARIES, throw_away
from tools.stack import BASE, TOKEN, Service, Stack, until

TRIGGERS = int(os.environ.get("TRIGGERS") or 1000)
BASES = (BASE, *(f"appRushBase{number:06d}" for number in range(1, 5)))
ALONE, CALLERS = max(10, TRIGGERS // 10), 24
LIMIT_S, ENDS_S, SAID_EVERY_S = 2.0, 3600.0, 30.0
FILM: Mapping[str, str | int] = {
    "Clip Seconds": 1,
    "Resolution": "480p",
    "Aspect Ratio": "1:1",
    "Model": "sora/sandbox-key",
}
"""The cheapest that is bought, fetched, looked through and joined: clips of so few colours cost the sandbox nothing."""
Row = tuple[str, str]
"""A base and a record in it."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What was seen when the last trigger was answered."""

    triggers: int
    records: int
    rate_alone: float
    rate: float
    p99_s: float
    statuses: Counter[int]
    doubled: int
    """Runs beyond one for each record, and records without one."""
    offered_s: float

    @property
    def refused(self) -> int:
        """Answers of 5xx."""
        return sum(count for status, count in self.statuses.items() if status >= HTTPStatus.INTERNAL_SERVER_ERROR)

    @property
    def other(self) -> int:
        """Answers that are neither 202 nor 5xx."""
        return self.triggers - self.statuses[HTTPStatus.ACCEPTED] - self.refused

    def __str__(self) -> str:
        return (
            f"{self.triggers} triggers at {self.rate:.0f} a second (the web alone: {self.rate_alone:.0f}): "
            f"p99 {self.p99_s:.2f} s, {self.refused} answers of 5xx, {self.other} others than 202, "
            f"{self.doubled} runs beyond one for each of {self.records} records"
        )


@dataclass(frozen=True, slots=True)
class Rush:
    """What was seen when all films were made."""

    answered: Answered
    doubled: int
    """As in `answered`, once more."""
    untruthful: int
    balanced: bool
    truthful_s: float


def rows() -> list[Claim]:
    """Each promise against its bar; the times are told."""
    if not BINARIES:
        return []
    found = measured(TRIGGERS)
    seen = found.answered
    many = f"{seen.triggers} triggers at {seen.rate:.0f} a second"
    return [
        row("rush", f"{many}, against what the web alone answers", seen.rate, seen.rate_alone, None),
        row("rush", f"answers of 5xx among {many}", seen.refused, 1, 0.0),
        row("rush", f"other answers than 202 among {many}", seen.other, 1, 0.0),
        row("rush", f"p99 of {many}, against 2 s", seen.p99_s, LIMIT_S, 1.0, unit="s"),
        row("rush", f"runs beyond one for each of {seen.records} records at the last answer", seen.doubled, 1, 0.0),
        row("rush", f"the same when all of the {seen.records} films are made", found.doubled, 1, 0.0),
        row("rush", f"rows of {seen.records} that do not say what is", found.untruthful, 1, 0.0),
        row("rush", "books that do not balance", int(not found.balanced), 1, 0.0),
        row("rush", "until all are truthful, against the asking", found.truthful_s, seen.offered_s, None, unit="s"),
    ]


def measured(triggers: int) -> Rush:
    """The web alone first; then two worker services, and everybody."""
    with tempfile.TemporaryDirectory(prefix="reelgrid-bench-") as name, ExitStack() as context:
        url = context.enter_context(throw_away()).fresh_url()
        stack = context.enter_context(Stack(Path(name) / "var", extra={"DATABASE_URL": url, "LOG_LEVEL": "WARNING"}))
        store = SqlStore(url)
        context.callback(store.engine.dispose)
        stack.sandbox("POST", "/vendors/_control", {"generation_s": 0.5, "palette": 4})
        connect_bases(stack)
        stack.services["worker"].stop()
        first, asked = add_rows(stack, ALONE // 2, "alone"), add_rows(stack, triggers // 2, "rush")
        web = context.enter_context(callers_of(stack))
        alone = rate_alone(web, first * 2)
        stack.start("worker")
        worker = stack.services["worker"]
        twin = Service("twin", worker.command, worker.environ, stack.var / "twin.log")
        twin.start()
        context.callback(twin.stop)
        answered = _asked(web, store, asked, len(asked) + len(first), alone)
        _say(str(answered))
        return _rush(stack, store, [*asked, *first], answered)


def callers_of(stack: Stack) -> httpx.Client:
    """What `CALLERS` at once send by. Its connections are kept open: to set up the encryption of a call that has none
    takes the caller longer than the web its answer.
    """
    return httpx.Client(base_url=stack.url, timeout=60, limits=httpx.Limits(max_keepalive_connections=CALLERS))


def rate_alone(web: httpx.Client, rows: Sequence[Row]) -> float:
    """Triggers a second that the web answers while no worker runs."""
    began = time.monotonic()
    with ThreadPoolExecutor(CALLERS) as callers:
        list(callers.map(lambda one: _trigger(web, one), rows))
    return len(rows) / (time.monotonic() - began)


def _rush(stack: Stack, store: SqlStore, everything: Sequence[Row], answered: Answered) -> Rush:
    began = time.monotonic() - answered.offered_s
    told = [began]

    def all_stopped() -> bool:
        moving = _moving(store)
        if time.monotonic() > told[-1] + SAID_EVERY_S:
            told.append(time.monotonic())
            _say(f"{len(everything) - moving} of {len(everything)} films after {told[-1] - began:.0f} s")
        return not moving

    until(all_stopped, "all to stop", ENDS_S, 1.0)
    until(lambda: not _untruthful(stack, store, everything), "all rows to say so", 300.0, 2.0)
    truthful_s = time.monotonic() - began
    with store.read() as tx:
        problems = audit.audit(tx, everything=True).problems
    return Rush(
        answered=answered,
        doubled=_doubled(store, len(everything)),
        untruthful=_untruthful(stack, store, everything),
        balanced=not problems,
        truthful_s=truthful_s,
    )


def _asked(web: httpx.Client, store: SqlStore, asked: Sequence[Row], records: int, alone: float) -> Answered:
    rate, began = alone / 2, time.monotonic()

    def ask(number: int) -> tuple[int, float]:
        due = began + number / rate
        time.sleep(max(0.0, due - time.monotonic()))
        return _trigger(web, asked[number % len(asked)]), time.monotonic() - due

    with ThreadPoolExecutor(CALLERS) as callers:
        answers = list(callers.map(ask, range(len(asked) * 2)))
    offered = time.monotonic() - began
    return Answered(
        triggers=len(answers),
        records=records,
        rate_alone=alone,
        rate=rate,
        p99_s=statistics.quantiles([seconds for _, seconds in answers], n=100)[98],
        statuses=Counter(status for status, _ in answers),
        doubled=_doubled(store, records),
        offered_s=offered,
    )


def _doubled(store: SqlStore, records: int) -> int:
    with store.read() as tx:
        runs = Counter((run.base_id, run.record_id) for run in tx.runs.find())
    return sum(count - 1 for count in runs.values()) + abs(len(runs) - records)


def _say(words: str) -> None:
    """Beside the table, which comes when the last film is made."""
    sys.stderr.write(f"rush: {words}\n")
    sys.stderr.flush()


def connect_bases(stack: Stack) -> None:
    """All of `BASES` with their tables."""
    for number, base in enumerate(BASES[1:], start=1):
        stack.sandbox("POST", "/airtable/_control/bases", {"id": base, "name": f"Team {number}"})
        stack.flask("bases", "add", base, "--name", f"Team {number}", "--token", "-", told=TOKEN)
        stack.flask("airtable", "setup", "--base", base)


def add_rows(stack: Stack, count: int, mark: str) -> list[Row]:
    """As people add them, in turns among the bases."""

    def add(number: int) -> Row:
        base = BASES[number % len(BASES)]
        fields = {**FILM, "Title": f"{mark} {number}", "Prompt": f"{mark} {number}: a paper boat"}
        made = stack.sandbox("POST", f"/airtable/_control/person/{base}/Videos", {"fields": fields})
        return base, str(made["id"])

    return [add(number) for number in range(count)]


def _trigger(web: httpx.Client, one: Row) -> int:
    try:
        return web.post("/api/process-record", json={"base_id": one[0], "record_id": one[1]}).status_code
    except httpx.HTTPError:
        # As whoever waits sees it: no answer is as bad as a wrong one.
        return HTTPStatus.BAD_GATEWAY


def _moving(store: SqlStore) -> int:
    with store.read() as tx:
        return tx.runs.count() - tx.runs.count(status=RunStatus.DONE) - tx.runs.count(status=RunStatus.FAILED)


def _untruthful(stack: Stack, store: SqlStore, asked: Sequence[Row]) -> int:
    """Rows that are not done with one film of their run, although it is; and runs that are not done."""
    with store.read() as tx:
        runs = {(run.base_id, run.record_id): run for run in tx.runs.find()}
    cells: dict[Row, dict[str, Any]] = {}
    for base in BASES:
        for one in stack.sandbox("GET", f"/airtable/_control/person/{base}/Videos")["records"]:
            cells[base, one["id"]] = one["fields"]

    def says(one: Row) -> bool:
        run, row = runs[one], cells[one]
        is_told = (row.get("Status"), row.get("Run ID"), len(row.get("Final Video") or ())) == ("Done", run.id, 1)
        return run.status is RunStatus.DONE and is_told

    return sum(not says(one) for one in asked)

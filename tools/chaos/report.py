"""What a chaos run did to the bill, the rows and the books, counted from outside wherever there is an outside."""

from __future__ import annotations

import re
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from pipelines.domain.customers.notices import FINAL, OF_STATUS
from pipelines.domain.errors import ReelgridError
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.money import Account, Posting, dollars
from pipelines.domain.records import Event, Run
from pipelines.domain.recovery.crash_points import CRASH_POINTS
from pipelines.ports import Store, Tx
from pipelines.stages.spending import audit, credit_book
from tools.chaos.killer import Killer
from tools.chaos.points import Journal
from tools.stack import Stack

MARK = re.compile(r"chaos-[0-9a-z]+-(\d+)\b")
"""Every order carries one in its prompts: so each line of the bill tells which run it is for."""


@dataclass
class Findings:
    """The figures, and sentences for what must not be."""

    figures: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    killed: dict[str, int] = field(default_factory=dict)
    visits: list[dict[str, Any]] = field(default_factory=list)


def examine(stack: Stack, store: Store, journal: Journal, records: Mapping[str, str], clips: int) -> Findings:
    """Count everything. `records` maps run ids to the rows they write into."""
    found = Findings(visits=journal.visits())
    with store.read() as tx:
        runs = tx.runs.find(order="created_at")
        books = unbalanced(tx)
        found.faults += [f"audit: {problem}" for problem in books]
        found.faults += broken_chains(tx.events.find(name="status"))
        found.faults += _untruthful(tx, runs)
        found.faults += _untold(tx, runs)
        quotes = {run.id: _most_held(tx, run) for run in runs}
    found.figures |= _outcomes(runs)
    found.figures |= _purchases(stack.sandbox("GET", "/bill"), runs, quotes, clips)
    found.figures |= _attachments(stack, records, runs, found.faults)
    found.figures |= {"ledger_balanced": not books, **_points(found.visits)}
    found.faults += [f"{name}: {found.figures[name]}" for name in _MUST_BE_ZERO if found.figures[name]]
    return found


@dataclass(frozen=True, slots=True)
class Progress:
    """Says on standard error what was reached, for whoever stops before the end; `of` runs are ordered in all."""

    stack: Stack
    store: Store
    journal: Journal
    killer: Killer
    of: int

    @contextmanager
    def told(self, every_s: float) -> Iterator[None]:
        """So often, and once more at the end, however it comes."""
        over, began = threading.Event(), time.monotonic()

        def tell() -> None:
            sys.stderr.write(f"{time.monotonic() - began:5.0f} s: {self.sentence()}\n")

        def keep_telling() -> None:
            while not over.wait(every_s):
                tell()

        teller = threading.Thread(target=keep_telling, name="progress", daemon=True)
        teller.start()
        try:
            yield
        finally:
            over.set()
            teller.join()
            tell()

    def sentence(self) -> str:
        """The figures; of what does not answer at this moment it says so."""
        try:
            with self.store.read() as tx:
                ended = _outcomes(tx.runs.find())
            bill = self.stack.sandbox("GET", "/bill")
        except (ReelgridError, httpx.HTTPError) as error:
            return f"not known at this moment ({type(error).__name__})"
        bought, extra = _bought(bill)
        kills = sum(visit["died"] for visit in self.journal.visits()) + sum(self.killer.killed.values())
        return (
            f"{ended['runs']} of {self.of} runs ordered, {ended['done']} done, {ended['parked']} parked; "
            f"{kills} kills; {bought} clips bought, {extra} extra paid"
        )


_MUST_BE_ZERO = ("extra_paid", "extra_attachments", "over_budget_usd")


def _outcomes(runs: Sequence[Run]) -> dict[str, int]:
    statuses = Counter(run.status for run in runs)
    return {"runs": len(runs), "done": statuses[RunStatus.DONE], "parked": statuses[RunStatus.NEEDS_ATTENTION]}


def unbalanced(tx: Tx) -> list[str]:
    """What is wrong with either book. Of a run that is done, its customer was charged the Price that was agreed, and
    nothing of it is set aside any more.
    """
    problems = [*audit.audit(tx, everything=True).problems, *credit_book.audit(tx, everything=True).problems]
    for run in tx.runs.find(status=RunStatus.DONE):
        charged, left = sum(credit_book.charged(tx, run.id).values()), credit_book.set_aside(tx, run.id)
        if run.price_micro is not None and (charged, left) != (run.price_micro, 0):
            problems.append(f"{run.id} costs {run.price_micro}: {charged} were charged, and {left} are set aside still")
    return problems


def _untruthful(tx: Tx, runs: Sequence[Run]) -> list[str]:
    """A run ends as done, or asks because money is in doubt; nothing else is a truthful end of these orders."""
    faults = []
    for run in runs:
        doubtful = tx.generations.count(run_id=run.id, status="unknown")
        if run.status is not RunStatus.DONE and not (run.status is RunStatus.NEEDS_ATTENTION and doubtful):
            faults.append(f"{run.id} is {run.status.value}: {run.error or run.detail}")
    return faults


def _untold(tx: Tx, runs: Sequence[Run]) -> list[str]:
    """Of each transition to an end there is one notice, with the version that the run had then."""
    faults = []
    for run in runs:
        ends = [one for one in tx.events.find(run_id=run.id, entity="run", name="status") if one.new in _TOLD]
        told = [one.facts.version for one in tx.notices.find(run_id=run.id, type=tuple(FINAL))]
        if len(ends) != len(told) or len(set(told)) != len(told):
            faults.append(f"{run.id} came to an end {len(ends)} times, and {len(told)} notices say so")
    return faults


_TOLD = frozenset(status.value for status, kind in OF_STATUS.items() if kind in FINAL)


def _most_held(tx: Tx, run: Run) -> int:
    """What was ever set aside for the run, less what was given back unused."""
    moves = tx.ledger.find(
        run_id=run.id, account=Account.HELD.value, posting=(Posting.HOLD.value, Posting.RELEASE.value)
    )
    return sum(entry.amount for entry in moves) + tx.balance(Account.HELD, run_id=run.id)


def _purchases(bill: Mapping[str, Any], runs: Sequence[Run], quotes: Mapping[str, int], clips: int) -> dict[str, Any]:
    charged = _charged(bill)
    bought, extra = _bought(bill)
    spent: Counter[str] = Counter()
    for line in charged:
        spent[_mark_of(line["prompt"])] += round(line["usd"] * 1_000_000)
    over = 0
    for run in runs:
        mark = _mark_of(str(run.order))
        over += max(0, spent[mark] - max(quotes[run.id], run.quote_micro or 0))
    return {
        "scenes": len(runs) * clips,
        "bought": bought,
        "extra_paid": extra,
        "over_budget_usd": dollars(over),
    }


def _charged(bill: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [line for line in bill["generations"] if line["charged"]]


def _bought(bill: Mapping[str, Any]) -> tuple[int, int]:
    """How many clips were paid for, and how many of them for a scene that was paid for already."""
    by_prompt = Counter(line["prompt"] for line in _charged(bill))
    return by_prompt.total(), by_prompt.total() - len(by_prompt)


def _mark_of(text: str) -> str:
    match = MARK.search(text)
    return match.group(0) if match else ""


def _attachments(stack: Stack, records: Mapping[str, str], runs: Sequence[Run], faults: list[str]) -> dict[str, int]:
    extra = 0
    for run in runs:
        if run.id in records and run.status is RunStatus.DONE:
            films = stack.row(records[run.id]).get("Final Video") or []
            extra += max(0, len(films) - 1)
            if not films:
                faults.append(f"{run.id} is done and its row has no film")
    return {"extra_attachments": extra}


def broken_chains(events: Sequence[Event]) -> list[str]:
    """One event per transition: each one of a row starts where the one before ended."""
    faults: list[str] = []
    last: dict[str, str | None] = {}
    for event in sorted(events, key=lambda one: one.id or 0):
        expected = last.get(event.entity_id, event.old)
        if event.old != expected:
            faults.append(f"{event.entity_id} went {event.old} → {event.new} after {expected}")
        last[event.entity_id] = event.new
    return faults


def _points(visits: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    times = recovery_times(visits)
    return {
        "points_visited": len({visit["point"] for visit in visits} & set(CRASH_POINTS)),
        "points_total": len(CRASH_POINTS),
        "recover_p50_s": round(statistics.median(times), 2) if times else 0.0,
        "recover_max_s": round(max(times), 2) if times else 0.0,
    }


OPEN_AFTER = frozenset(name for name in CRASH_POINTS if name.partition(".")[0] in {"submit", "settle", "poll"}) | {
    "fetch.downloaded",
    "fetch.stored",
}
"""After a death at these, the very generation has to be taken up again; after others, its run or clip."""


def recovery_times(visits: Sequence[Mapping[str, Any]]) -> list[float]:
    """For each death in a worker or the pump: seconds until somebody reached a point for the same generation, clip or
    run again. Webhooks that come in do not count.
    """
    inside = [visit for visit in visits if CRASH_POINTS[visit["point"]].process != "web"]
    times = []
    for place, visit in enumerate(inside):
        name = "generation" if visit["point"] in OPEN_AFTER else "clip" if visit.get("clip") else "run"
        if not visit["died"] or not visit.get(name):
            continue
        later = (other["at"] for other in inside[place + 1 :] if other.get(name) == visit[name])
        again = next(later, None)
        if again is not None:
            times.append(again - visit["at"])
    return times

"""One film of six scenes: what it costs in calls to Airtable, and how fresh its row is, however long its clips take.

Half a minute is measured with real processes; 5 and 30 minutes on the fakes that ship, whose clock is moved.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from pathlib import Path

from pipelines.domain.airtable.fields import AirtableTable
from pipelines.domain.lifecycle import AIRTABLE_STATUS, RunStatus
from pipelines.domain.progress.pacing import CALLS, CALLS_WITH_APPROVAL, FIRST_S
from pipelines.domain.records import Event
from pipelines.stages.base_changes import webhook_push
from pipelines.stages.decisions import control
from pipelines.stages.orders import accept
from pipelines.stages.views import run_view
from pipelines.testing import CATALOGUE, MemoryAirtable, ServicesHarness, make_services
from pipelines.testing.airtable import BASE as MEMORY_BASE
from pipelines.testing.airtable import Said
from tools.bench.measure.rows import Claim, row
from tools.stack import BASE, Stack, until

SIX = "\n".join(f"Animal number {number}" for number in range(1, 7))
TAKES_S = (30.0, 300.0, 1800.0)
STAGE_WITHIN_S = 5.0
LATER_S = 30.0
"""For what is written and looked after when the row says Done."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one film cost, and how long a person had to wait for news of it."""

    calls: int
    told: int
    """In the run's own history."""
    latest_stage_s: float
    longest_silence_s: float


def rows() -> list[Claim]:
    """Real processes at half a minute; the fakes' clock at 30 s, 5 and 30 minutes, with and without push, approval."""
    found = [one for pushed in (True, False) for one in _real(pushed=pushed)]
    for takes_s, approval, pushed in product(TAKES_S, (False, True), (True, False)):
        with tempfile.TemporaryDirectory(prefix="reelgrid-bench-") as folder:
            seen = _simulated(Path(folder), takes_s, approval=approval, pushed=pushed)
        found += _told(seen, takes_s, approval=approval, pushed=pushed)
    return found


def _told(seen: Seen, takes_s: float, *, approval: bool, pushed: bool) -> list[Claim]:
    bar = CALLS_WITH_APPROVAL if approval else CALLS
    what = f"six scenes of {takes_s:g} s, {'with' if pushed else 'no'} push{', approval' if approval else ''}"
    return [
        row("airtable", f"{what}: calls with the first look, against {bar}", seen.calls, bar, 1.0),
        row("airtable", f"{what}: calls in its history, against {bar}", seen.told, bar, 1.0),
        row("airtable", f"{what}: latest word of a new stage, against 5 s", seen.latest_stage_s, STAGE_WITHIN_S, 1.0),
        row("airtable", f"{what}: longest silence at first, against a minute", seen.longest_silence_s, 60.0, 1.05),
    ]


def _real(*, pushed: bool) -> list[Claim]:
    environ = {"SANDBOX_GENERATION_S": f"{TAKES_S[0]:g}"}
    with (
        tempfile.TemporaryDirectory(prefix="reelgrid-bench-") as folder,
        Stack(Path(folder) / "var", sandbox_environ=environ) as stack,
    ):
        if not pushed:
            stack.flask("airtable", "push", "off")
        order = {"Prompt": SIX, "Clip Seconds": 4, "Model": "sora/sora-2"}
        record = stack.add_row(order)
        run = stack.post("/api/process-record", {"record_id": record, "base_id": BASE}).json()["run_id"]
        until(lambda: stack.row(record).get("Status") == "Done", "the row to say Done", 300.0)
        time.sleep(LATER_S)
        view = stack.get(f"/api/runs/{run}").json()
    what = f"six scenes of {TAKES_S[0]:g} s, {'with' if pushed else 'no'} push, real processes"
    whole = view["airtable_calls"] + view["airtable_calls_shared"]
    return [
        row("airtable", f"{what}: calls in its history, against {CALLS}", view["airtable_calls"], CALLS, 1.0),
        row("airtable", f"{what}: with all that the base asked meanwhile, against {CALLS}", whole, CALLS, 1.0),
    ]


def _simulated(folder: Path, takes_s: float, *, approval: bool, pushed: bool) -> Seen:
    patient = {name: replace(card, maximum_s=7200.0) for name, card in CATALOGUE.items()}
    services = make_services(folder, catalogue=patient, approval_above_micro=0 if approval else None)
    harness, airtable = ServicesHarness(services), services.airtable
    if not isinstance(airtable, MemoryAirtable):
        raise TypeError("the fakes' Airtable is in memory")
    (webhook_push.turn_on if pushed else webhook_push.turn_off)(services, MEMORY_BASE)
    webhook_push.schedule_polls(services)
    harness.settle(patience_s=60.0)
    for name in ("acme", "other"):
        services.providers.get(name).ready_after_s = takes_s  # type: ignore[attr-defined]
    record = airtable.add(AirtableTable.VIDEOS, Prompt=SIX)
    request = accept.StartRequest(source="record", base_id=MEMORY_BASE, record_id=record)
    run = harness.until(accept.start(services, request).run_id, "done", "needs_approval")
    if run.status is RunStatus.NEEDS_APPROVAL:
        harness.settle(patience_s=60.0)
        control.approve(services, run.id, "bench")
        harness.until(run.id, "done")
    harness.settle(patience_s=3600.0)
    with services.store.read() as tx:
        moves = tx.events.find(run_id=run.id, entity="run", name="status")
    words = [one for one in airtable.said if one.record_id == record]
    return Seen(
        calls=sum(call.verb != "settings" for call in airtable.calls),
        told=run_view.run_view(services, run.id)["airtable_calls"],
        latest_stage_s=_latest_stage(moves, words),
        longest_silence_s=_longest_silence(moves, words),
    )


def _latest_stage(moves: Sequence[Event], words: Sequence[Said]) -> float:
    """A stage that is over before anybody can read of it needs no word."""
    late = []
    for move, after in pairwise(moves):
        status = AIRTABLE_STATUS[RunStatus(move.new or "")]
        said = [one.at for one in words if one.cells.get("Status") == status and move.at <= one.at <= after.at]
        late.append(min([*said, after.at]) - move.at)
    return max(late)


def _longest_silence(moves: Sequence[Event], words: Sequence[Said]) -> float:
    began = next(move.at for move in moves if move.new == RunStatus.GENERATING)
    ended = next(move.at for move in moves if move.old == RunStatus.GENERATING)
    last = min(began + FIRST_S, ended)
    told = [one.at for one in words if began <= one.at <= last]
    return max(later - sooner for sooner, later in pairwise([began, *told, last]))

"""The only place where statuses change: checked against the tables, fenced by lease and status, recorded as events,
and told to whoever wants to know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict, TypeVar

from pipelines.domain.errors import NotFound
from pipelines.domain.lifecycle import (
    BEING_MADE,
    CUT_TRANSITIONS,
    GENERATION_TRANSITIONS,
    MOVING,
    PURCHASE_TRANSITIONS,
    RUN_TRANSITIONS,
    TERMINAL,
    CutStatus,
    GenerationStatus,
    Reason,
    RunStatus,
    check,
)
from pipelines.domain.records import Cut, DayTotal, Event, Generation, Purchase, Run
from pipelines.domain.state.history import EventDetail
from pipelines.domain.times import utc_day
from pipelines.ports import Columns, Tx, trace
from pipelines.stages.kernel import announcements

T = TypeVar("T")

ROW = "airtable"
"""The name of whoever acts through a base: a ticked box, a changed time."""
BY_TOKEN = "a token of the account"  # noqa: S105 - a name
"""The name of whoever acts by a token of the identity provider."""
BY_LINK = "a link in the row"
"""The name of whoever decides by one."""
DEFECT = "defect"
"""The event of a fault of ours, for the metrics; `entity_id` is the kind of row that was worked on."""
NEXT_VERSION: Mapping[str, int] = {"version": 1}
"""Added to what stands there, whoever read the run when: or watchers would miss a change."""


class FreeLease(TypedDict):
    """The lease columns of a row that nobody works on."""

    lease_owner: None
    lease_token: None
    lease_until: float


FREE: FreeLease = {"lease_owner": None, "lease_token": None, "lease_until": 0.0}


class LostLease(Exception):
    """The row changed under us: commit nothing."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, and (for a step) the lease that fences it."""

    name: str
    now: float
    lease: str | None = None
    """None for a person or the pump: the status alone is the fence."""

    def fence(self, status: str) -> Columns:
        """The conditions under which a commit may happen."""
        return {"status": status, "lease_token": self.lease} if self.lease else {"status": status}


def found_run(tx: Tx, run_id: str, *, lock: bool = False) -> Run:
    """The run. Raises NotFound."""
    run = tx.runs.get(run_id, lock=lock)
    if run is None:
        raise NotFound(f"run {run_id}", marketer=f"There is no run {run_id}.")
    return run


def was_decided(tx: Tx, what: str, press: str | None) -> bool:
    """Whether a request whose answer got lost has decided this already; from now on it has. Asked in the transaction
    that decides, once it has locked what is decided about: both are committed, or neither is.
    """
    kept = tx.replays.get(press, lock=True) if press is not None else None
    if kept is None or what in kept.body.decided:
        return kept is not None
    tx.replays.change(kept.id, body=replace(kept.body, decided=(*kept.body.decided, what)))
    return False


def transition_run(tx: Tx, actor: Actor, run: Run, to: RunStatus, **changes: Any) -> Run:
    """Change a run's status. The lease is given back; `next_at` is None unless given. Raises LostLease."""
    check(RUN_TRANSITIONS, run.status, to)
    values = {"next_at": None, "attempts": 0, **FREE, "updated_at": actor.now, **changes}
    moved = _fresh(tx.runs.renew(run.id, actor.fence(run.status), NEXT_VERSION, status=to, **values))
    if run.status in MOVING and to not in MOVING:
        give_turn(tx, actor.now, run)
        moved = _fresh(tx.runs.get(run.id))
    note = {key: changes[key] for key in ("detail", "error") if changes.get(key)}
    record(tx, actor, "run", run.id, run.id, "status", run.status, to, **note)
    if to in TERMINAL:
        trace.past(
            "run", run.traceparent, run.created_at, actor.now, {"reelgrid.run.id": run.id, "reelgrid.status": to}
        )
    announcements.tell_status(tx, actor.now, moved)
    announcements.tell_batch(tx, actor.now, moved)
    return moved


def give_turn(tx: Tx, now: float, run: Run) -> None:
    """One run less is made for its account: the one that has waited longest looks whether it is its turn. The
    operator's runs have none.
    """
    if run.account_id is not None:
        tx.runs.change(run.id, turn=None)
        wake_waiting(tx, now, run.account_id)


def wake_waiting(tx: Tx, now: float, account_id: str) -> None:
    """The run of an account that has waited longest for its turn is due now."""
    waiting = tx.runs.find(account_id=account_id, order="created_at", limit=1, status=RunStatus.QUEUED, turn="waits")
    for run in waiting:
        tx.runs.change(run.id, {"status": run.status, "turn": run.turn}, next_at=now)


def touch_run(tx: Tx, actor: Actor, run: Run, **changes: Any) -> Run:
    """Change a run without changing its status, e.g. its sentence or when it is due. Raises LostLease."""
    values = {"updated_at": actor.now, **changes}
    return _fresh(tx.runs.renew(run.id, actor.fence(run.status), NEXT_VERSION, **values))


def wake_run(tx: Tx, run_id: str, now: float) -> None:
    """Something a run waits for has happened: it is due now, and whoever watches it sees a new version."""
    tx.runs.change(run_id, None, NEXT_VERSION, next_at=now, updated_at=now)


def transition_generation(tx: Tx, actor: Actor, gen: Generation, to: GenerationStatus, **changes: Any) -> Generation:
    """Change a generation's status. The lease is given back unless `changes` keep it. Raises LostLease."""
    check(GENERATION_TRANSITIONS, gen.status, to)
    values = {"next_at": None, "attempts": 0, **FREE, "updated_at": actor.now, **changes}
    moved = _fresh(tx.generations.renew(gen.id, actor.fence(gen.status), status=to, **values))
    if to is GenerationStatus.FAILED:
        _count_failure(tx, actor, gen, changes.get("reason"))
    tx.events.add(_moved(actor, gen, to, changes))
    if gen.fingerprint and gen.status in BEING_MADE and to not in BEING_MADE:
        wake_equal(tx, actor, gen)
    return moved


def transition_generations(
    tx: Tx, moves: Sequence[tuple[Actor, Generation, Columns]], to: GenerationStatus
) -> list[Generation]:
    """`transition_generation` of many that go on being made, in a few statements; those that moved, as they were. All
    `moves` change the same columns. What has changed meanwhile is left as it is.
    """
    ours: set[str] = set()
    for status in dict.fromkeys(gen.status for _, gen, _ in moves):
        check(GENERATION_TRANSITIONS, status, to)
        ids = [gen.id for _, gen, _ in moves if gen.status is status]
        ours |= tx.generations.change_all(ids, {"status": status}, before={}, status=to, attempts=0, **FREE)
    moved = [move for move in moves if move[1].id in ours]
    tx.generations.change_each(
        [(gen.id, {"status": to}, {**changes, "updated_at": actor.now}) for actor, gen, changes in moved]
    )
    tx.events.add_all([_moved(actor, gen, to, changes) for actor, gen, changes in moved])
    return [gen for _, gen, _ in moved]


def _moved(actor: Actor, gen: Generation, to: GenerationStatus, changes: Columns) -> Event:
    note: dict[str, Any] = {
        key: changes[key] for key in ("provider_id", "reason", "error", "cost_micro") if changes.get(key)
    }
    return Event(
        at=actor.now,
        entity="generation",
        entity_id=gen.id,
        run_id=gen.run_id,
        name="status",
        old=gen.status,
        new=to,
        actor=actor.name,
        detail=EventDetail(scene=gen.scene_id, **note),
    )


def transition_purchase(tx: Tx, actor: Actor, bought: Purchase, to: GenerationStatus, **changes: object) -> bool:
    """Change a purchase's status, unless somebody else has done so, or asked once more meanwhile: what was begun again
    may be at its first try again, but not at the same question, nor for the same run.
    """
    check(PURCHASE_TRANSITIONS, bought.status, to)
    values = {"updated_at": actor.now, **changes}
    judged = {name: getattr(bought, name) for name in ("status", "tries", "intent_at", "run_id")}
    if not tx.purchases.change(bought.id, judged, status=to, **values):
        return False
    entity = "picture" if bought.kind == "picture" else "purchase"
    what = "shortening" if bought.texts.shorter else bought.kind
    record(tx, actor, entity, bought.id, bought.run_id, "status", bought.status, to, what=what)
    return True


def _count_failure(tx: Tx, actor: Actor, gen: Generation, reason: Reason | None) -> None:
    """For usage, which tells how many of a day came to nothing without adding them up."""
    run = tx.runs.get(gen.run_id)
    names = ("key_id", "base_id", "account_id", "project_id") if run else ()
    refused = reason is Reason.REFUSED
    total = DayTotal(id="", day=utc_day(actor.now), model=gen.model, refused=int(refused), failed=int(not refused))
    tx.count(replace(total, **{name: getattr(run, name) for name in names}))


def wake_equal(tx: Tx, actor: Actor, gen: Generation) -> None:
    """A purchase is over, or only a person can say how it ends: equal ones that waited for its clip look again.

    They are not sent yet, so that nobody who waits can wait for another who waits.
    """
    for other in tx.generations.find(fingerprint=gen.fingerprint, status=GenerationStatus.PLANNED):
        if other.id != gen.id and other.next_at is not None:
            tx.generations.change(other.id, {"status": other.status}, next_at=actor.now)


def transition_cut(tx: Tx, actor: Actor, cut: Cut, to: CutStatus, **changes: Any) -> Cut:
    """Change a cut's status. Raises LostLease."""
    check(CUT_TRANSITIONS, cut.status, to)
    moved = _fresh(tx.cuts.renew(cut.id, {"status": cut.status}, status=to, **changes))
    record(tx, actor, "cut", cut.id, cut.run_id, "status", cut.status, to, format=cut.named)
    return moved


def record(
    tx: Tx,
    actor: Actor,
    entity: str,
    entity_id: str,
    run_id: str | None,
    name: str,
    old: str | None = None,
    new: str | None = None,
    **detail: Any,
) -> None:
    """Append one event to the history."""
    row = Event(
        at=actor.now,
        entity=entity,
        entity_id=entity_id,
        run_id=run_id,
        name=name,
        old=old,
        new=new,
        actor=actor.name,
        detail=EventDetail(**detail),
    )
    tx.events.add(row)


def _fresh(row: T | None) -> T:
    """What was written, unless it did not match any more."""
    if row is None:
        raise LostLease
    return row


def warn(tx: Tx, run: Run, sentences: Sequence[str]) -> None:
    """Say of a run what is missing in its film. It stands in the row from then on, beside what is done."""
    current = tx.runs.get(run.id, lock=True)
    if current is None or current.plan is None:
        return
    new = tuple(sentence for sentence in sentences if sentence not in current.plan.warnings)
    if new:
        plan = replace(current.plan, warnings=(*current.plan.warnings, *new))
        tx.runs.change(run.id, plan=plan, version=current.version + 1)

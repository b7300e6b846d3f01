"""How many runs of one account are made at a time: the others wait for their turn, and only so many may wait. A run
that has begun and stopped goes on at once or not at all.

Both numbers are counted in an index that holds what is going on, never the history; so they are right after any crash.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipelines.domain.errors import TooMany
from pipelines.domain.lifecycle import MOVING, RunStatus
from pipelines.domain.policy import Policy
from pipelines.domain.records import Run
from pipelines.ports import Tx
from pipelines.stages.base_rows import outbox, run_row
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, Actor, LostLease, touch_run, wake_waiting

BACKLOG, IN_FLIGHT = "backlog", "in_flight"
"""The limits, as RateLimit-Policy names them."""
LOOK_AGAIN_S = 60.0
"""A run that stops wakes the one that has waited longest. Should both happen in the same instant, it looks itself."""
_BEGUN = tuple(sorted(MOVING - {RunStatus.QUEUED}))


@dataclass(frozen=True, slots=True)
class AccountLoad:
    """What is going on for an account, and how much of it may be."""

    in_flight: int
    in_flight_most: int
    waiting: int
    waiting_most: int

    @property
    def full(self) -> bool:
        """Whether one that is ordered now waits."""
        return self.in_flight >= self.in_flight_most

    @property
    def sentence(self) -> str:
        """For whoever waits."""
        films = "One film" if self.in_flight_most == 1 else f"{self.in_flight_most} films"
        return f"{films} can be made at a time for this account. This one begins when it is its turn."

    @property
    def refusal_to_go_on(self) -> TooMany | None:
        """Why a run that has stopped may not go on now."""
        if not self.full:
            return None
        films = "One film is" if self.in_flight == 1 else f"{self.in_flight} films are"
        most = "one" if self.in_flight_most == 1 else str(self.in_flight_most)
        words = (
            f"{films} being made, and this account may have {most} made at a time. Nothing was changed; please try "
            "again when one of them is ready."
        )
        return TooMany(
            "too many runs move", marketer=words, retry_after=LOOK_AGAIN_S, limit=IN_FLIGHT, most=self.in_flight_most
        )

    @property
    def refusal(self) -> TooMany | None:
        """Why nothing more may be ordered now."""
        if self.waiting < self.waiting_most:
            return None
        words = (
            f"{self.waiting} films are ordered and not begun, and no more may wait. Nothing was started now; please "
            "try again when some of them are ready."
        )
        return TooMany(
            "too many runs wait", marketer=words, retry_after=LOOK_AGAIN_S, limit=BACKLOG, most=self.waiting_most
        )


def load(tx: Tx, account_id: str, policy: Policy) -> AccountLoad:
    """Of an account, at this moment. What its operator has said of it counts before what is said of all."""
    account = tx.accounts.get(account_id)
    most = account.runs_in_flight if account else None
    waiting_most = account.backlog if account else None
    taken = tx.runs.count(account_id=account_id, status=RunStatus.QUEUED, turn="taken")
    queued = tx.runs.count(account_id=account_id, status=RunStatus.QUEUED)
    # Who was told to go on does so in a moment.
    begun = tx.runs.count(account_id=account_id, status=RunStatus.NEEDS_APPROVAL, approval="given")
    return AccountLoad(
        in_flight=taken + begun + tx.runs.count(account_id=account_id, status=_BEGUN),
        in_flight_most=policy.account_runs_in_flight if most is None else most,
        waiting=queued - taken,
        waiting_most=policy.account_backlog if waiting_most is None else waiting_most,
    )


def serialise(tx: Tx, account_id: str | None) -> None:
    """Whoever else begins a run of the account waits. Before any row is locked."""
    if account_id is not None:
        tx.serialise(f"turns:{account_id}")


def serialise_of(tx: Tx, run_id: str) -> None:
    """The same for whoever owns a run. An unknown one is nobody's."""
    run = tx.runs.get(run_id)
    serialise(tx, run.account_id if run else None)


def refusal_of(tx: Tx, run: Run, policy: Policy) -> TooMany | None:
    """Why a run that is approved or retried may not go on now. One whose scenes are not written begins anew, and waits
    for its turn among those that were ordered; one that will be asked about its scenes begins nothing.
    """
    if run.account_id is None:
        return None
    found = load(tx, run.account_id, policy)
    if run.status is RunStatus.NEEDS_APPROVAL:
        return found.refusal_to_go_on
    if not tx.scenes.count(run_id=run.id):
        return found.refusal
    return None if run.approval == "asked" else found.refusal_to_go_on


def refusal_to_make_again(tx: Tx, run: Run, policy: Policy) -> TooMany | None:
    """The same of a scene that is made anew: its film is made at once."""
    return None if run.account_id is None else load(tx, run.account_id, policy).refusal_to_go_on


def must_have_room(tx: Tx, account_id: str | None, policy: Policy) -> None:
    """In the transaction that orders something over HTTP, which has the account's pace locked. Raises TooMany."""
    if account_id is not None and (refusal := load(tx, account_id, policy).refusal) is not None:
        raise refusal


def take(services: Services, actor: Actor, run: Run) -> bool:
    """Whether it is the run's turn to be begun; if not, it waits for it and says so. The operator's runs never wait."""
    if run.account_id is None or run.turn == "taken":
        return True
    with services.store.write() as tx:
        serialise(tx, run.account_id)
        tx.runs.get(run.id, lock=True)
        found = load(tx, run.account_id, services.policy)
        again = {"next_at": actor.now + LOOK_AGAIN_S, "attempts": 0, **FREE}
        changes = {"turn": "waits", **again} if found.full else {"turn": "taken"}
        if not tx.runs.change(run.id, actor.fence(run.status), **changes):
            raise LostLease(run.id)
        if found.in_flight + 1 < found.in_flight_most:
            # Two that stop at once may have woken the same one.
            wake_waiting(tx, actor.now, run.account_id)
        if found.full and run.detail != found.sentence:
            waiting = touch_run(tx, replace(actor, lease=None), run, detail=found.sentence)
            run_row.show(services, tx, waiting, urgent=True, within_s=outbox.COALESCE_S)
    return not found.full

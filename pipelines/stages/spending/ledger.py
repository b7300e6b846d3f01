"""Money moves here and nowhere else: always balanced, always inside the transaction that it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pipelines.domain.errors import OverBudget
from pipelines.domain.keys import draft_key, new_id
from pipelines.domain.lifecycle import HOLDING, GenerationStatus, RunStatus
from pipelines.domain.money import DEPLOYMENT, Account, Posting, entries, subject
from pipelines.domain.planning import pictures
from pipelines.domain.policy import Policy
from pipelines.domain.records import Balance, Generation, LedgerEntry, Run, Scene
from pipelines.domain.times import utc_day
from pipelines.ports import Tx
from pipelines.stages.spending import caps, credit_book


def _post(
    tx: Tx, now: float, posting: Posting, amount: int, run: Run, gen: Generation | None = None, **more: Any
) -> None:
    if amount == 0 and not more.get("listed_micro"):
        return
    posting_id = new_id("mov")
    sides = [
        LedgerEntry(
            at=now,
            day=utc_day(now),
            posting_id=posting_id,
            posting=posting,
            account=side.account,
            amount=side.amount,
            run_id=run.id,
            generation_id=gen.id if gen else None,
            account_id=run.account_id,
            key_id=run.key_id,
            base_id=run.base_id,
            project_id=run.project_id,
            record_id=run.record_id,
            model=gen.model if gen else None,
            **more,
        )
        for side in entries(posting, amount)
    ]
    tx.post(sides)


def _alone(tx: Tx, run: Run) -> None:
    """Nobody else moves this run's money now. What others share is written when the transaction ends."""
    tx.runs.get(run.id, lock=True)


def of_run(tx: Tx, run_id: str) -> Balance:
    """What a run has set aside, committed and spent."""
    return tx.balance_of(subject("run", run_id))


def of_base(tx: Tx, base_id: str, day: str) -> Balance:
    """What the runs of a base have set aside and committed, and spent on a day."""
    return tx.balance_of(subject("base", base_id), day)


def cost_shown(tx: Tx, run: Run) -> int:
    """What a run has spent, as its people know it: of what is paid in credits, what was charged."""
    return of_run(tx, run.id).spent if run.price_micro is None else sum(credit_book.charged(tx, run.id).values())


def spent_in_base(tx: Tx, base_id: str, day: str) -> int:
    """What a base has spent on a day, as its people know it: of whoever pays in credits, what was charged."""
    base = tx.bases.get(base_id)
    sold = base is not None and credit_book.had_credits(tx, base.account_id)
    return credit_book.charged_in_base(tx, base_id, day) if sold else of_base(tx, base_id, day).spent_on_day


def of_all(tx: Tx, day: str) -> Balance:
    """What all runs have set aside and committed, and spent on a day."""
    return tx.balance_of(DEPLOYMENT, day)


def spent_on(tx: Tx, generation_id: str) -> int:
    """What was paid for one generation, or is counted as paid."""
    return tx.balance(Account.SPENT, generation_id=generation_id)


def hold(tx: Tx, now: float, run: Run, amount: int, policy: Policy, *, settings_read: bool = True) -> None:
    """Set `amount` aside for a run, or raise OverBudget naming the number that would pass.

    The caps are looked at once more when the transaction ends, by the statement that writes the balance, so that no two
    runs can pass one cap together: OverBudget may be raised only then.
    `settings_read`: whether the base's Settings were read before. Where nobody could, an old Day Budget must not refuse
    what a person has just made room for: `must_still_fit` decides, before any of it is committed.
    """
    _alone(tx, run)
    found = caps.caps_of(tx, now, run, policy, settings_read=settings_read)
    for cap in found:
        if cap.used + amount > cap.limit:
            raise OverBudget(marketer=cap.refusal(amount))
    _post(tx, now, Posting.HOLD, amount, run)
    for cap in found:
        if cap.subject is not None:
            tx.must_fit(cap.at_the_end(utc_day(now), amount))


def must_still_fit(tx: Tx, now: float, run: Run, part: int) -> None:
    """Raises OverBudget when a run holds less than the `part` that one generation may cost, or when what it has set
    aside is above its base's Day Budget as it was last read: the hold may have been made without reading it, or the
    budget was lowered since.
    """
    _alone(tx, run)
    amount = held(tx, run)
    sold = credit_book.is_sold(tx, run)
    if sold:
        credit_book.must_fit_day_budget(tx, now, run)
    for cap in caps.cap_of_base(tx, run, utc_day(now), settings_read=not sold):
        if cap.used > cap.limit:
            raise OverBudget(marketer=replace(cap, used=cap.used - amount, sold=sold).refusal(amount))
    if amount < part:
        raise OverBudget(f"run {run.id} holds less than the {part} that a generation may cost")


def release(tx: Tx, now: float, run: Run) -> None:
    """Give back all that a run has set aside and not committed, and, where it has stopped, what its account has."""
    _alone(tx, run)
    _post(tx, now, Posting.RELEASE, held(tx, run), run)
    credit_book.settle(tx, now, run.id)


def hold_no_more(tx: Tx, now: float, run: Run, due: int) -> None:
    """Give back what a run has set aside beyond what is due."""
    _alone(tx, run)
    _post(tx, now, Posting.RELEASE, max(0, held(tx, run) - due), run)


def held(tx: Tx, run: Run) -> int:
    """What a run may still commit."""
    return of_run(tx, run.id).held


def reserve(tx: Tx, now: float, run: Run, gen: Generation) -> None:
    """Commit a part of the run's hold to one generation. Raises OverBudget if the hold does not reach."""
    _alone(tx, run)
    if held(tx, run) < gen.reserve_micro:
        raise OverBudget(f"run {run.id} holds less than generation {gen.id} may cost")
    _post(tx, now, Posting.RESERVE, gen.reserve_micro, run, gen)


def free(tx: Tx, now: float, run: Run, gen: Generation) -> None:
    """A generation cost nothing: its part goes back to the hold, and home if the run has stopped meanwhile."""
    _alone(tx, run)
    _post(tx, now, Posting.FREE, tx.balance(Account.COMMITTED, generation_id=gen.id), run, gen)
    _settle(tx, now, run)


def capture(tx: Tx, now: float, run: Run, gen: Generation, cost: int, seconds: float) -> None:
    """A generation is paid for: `cost` is spent, the rest of its part goes back to the hold.

    What was written off before (and turned up late) counts already.
    """
    _alone(tx, run)
    cost = max(0, cost - spent_on(tx, gen.id))
    committed = tx.balance(Account.COMMITTED, generation_id=gen.id)
    told: dict[str, int] = {}
    if gen.billed_micro is not None:
        told = {"listed_micro": gen.reserve_micro, "billed_micro": gen.billed_micro}
    _post(tx, now, Posting.CAPTURE, min(cost, committed), run, gen, seconds=seconds, **told)
    _post(tx, now, Posting.FREE, max(0, committed - cost), run, gen)
    _post(tx, now, Posting.OVERRUN, max(0, cost - committed), run, gen, memo="charged above the list price")
    _settle(tx, now, run)


def write_off(tx: Tx, now: float, run: Run, gen: Generation) -> None:
    """Money in doubt that a person gives up: counted as spent."""
    _alone(tx, run)
    committed = tx.balance(Account.COMMITTED, generation_id=gen.id)
    _post(tx, now, Posting.WRITE_OFF, committed, run, gen, memo="in doubt, written off")
    _settle(tx, now, run)


def spend_text(tx: Tx, now: float, run: Run, cost: int) -> None:
    """What the writer cost, out of the hold; above it only what the vendor really charged more than it said."""
    _alone(tx, run)
    amount = min(cost, held(tx, run))
    _post(tx, now, Posting.RESERVE, amount, run)
    _post(tx, now, Posting.CAPTURE, amount, run, memo="scene writing")
    _post(tx, now, Posting.OVERRUN, cost - amount, run, memo="scene writing above its estimate")


def reserve_line(tx: Tx, now: float, run: Run, amount: int) -> None:
    """Commit a part of the run's hold to a line or a picture. Raises OverBudget if the hold does not reach."""
    _alone(tx, run)
    if held(tx, run) < amount:
        raise OverBudget(f"run {run.id} holds less than a spoken line or picture may cost")
    _post(tx, now, Posting.RESERVE, amount, run)


def settle_line(tx: Tx, now: float, run: Run, reserved: int, cost: int, memo: str) -> None:
    """A spoken line or picture has come, or is lost, or was refused: `cost` of its part is spent, the rest goes back;
    above it only what the vendor really charged more than it said.
    """
    _alone(tx, run)
    _post(tx, now, Posting.CAPTURE, min(cost, reserved), run, memo=memo)
    _post(tx, now, Posting.FREE, max(0, reserved - cost), run)
    _post(tx, now, Posting.OVERRUN, max(0, cost - reserved), run, memo=f"{memo} above its quote")
    _settle(tx, now, run)


def pictures_left(tx: Tx, run: Run) -> tuple[int, int]:
    """What the pictures of a run that were quoted and not asked for yet may cost, and be charged."""
    plan = run.plan
    if plan is None or plan.picture_micro == 0:
        return 0, 0
    asked = tx.purchases.find(run_id=run.id, kind="picture", status=_OVER)
    over = sum(one.reserve_micro for one in asked) * pictures.TRIES
    cost = max(0, plan.picture_micro - over)
    return cost, plan.picture_charge_micro * cost // plan.picture_micro


def drafts_left(tx: Tx, run: Run, scenes: Sequence[Scene]) -> tuple[int, int]:
    """What drafts of these scenes that are not ordered yet may cost, and be charged; none is after an approval."""
    wanted = [scene.settings for scene in drafts_to_order(tx, run, scenes)]
    return sum(asked.draft_micro for asked in wanted), sum(asked.draft_charge_micro for asked in wanted)


def drafts_to_order(tx: Tx, run: Run, scenes: Sequence[Scene]) -> list[Scene]:
    """The scenes whose drafts are still to be ordered. One that was withdrawn before it was asked for is, again; none
    is once they were shown.
    """
    wanted = [scene for scene in scenes if scene.settings.draft_micro]
    before = run.status in _UNAPPROVED or run.approval == "asked"
    if not wanted or not before or tx.events.count(run_id=run.id, entity="run", name=(APPROVED, DRAFTS_SHOWN)):
        return []
    known = tx.generations.find(run_id=run.id)
    ordered = {gen.scene_id for gen in known if gen.status is not GenerationStatus.CANCELLED}
    return [scene for scene in wanted if draft_key(scene.id) not in ordered]


APPROVED, DRAFTS_SHOWN = "approved", "drafts_shown"
"""Events of a run after which no draft is ordered."""
_UNAPPROVED = (RunStatus.QUEUED, RunStatus.WRITING, RunStatus.NEEDS_APPROVAL)
_OVER = (GenerationStatus.FETCHED, GenerationStatus.FAILED, GenerationStatus.UNKNOWN)


def _settle(tx: Tx, now: float, run: Run) -> None:
    current = tx.runs.get(run.id)
    if current is not None and current.status not in HOLDING:
        release(tx, now, run)

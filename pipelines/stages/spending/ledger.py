"""Money moves here and nowhere else: always balanced, always inside the transaction that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pipelines.domain.errors import OverBudget
from pipelines.domain.keys import new_id
from pipelines.domain.lifecycle import MOVING, OPEN, GenerationStatus, RunStatus
from pipelines.domain.money import Account, Posting, entries, show, show_enough
from pipelines.domain.policy import Policy
from pipelines.domain.records import Base, Generation, LedgerEntry, Run
from pipelines.ports import Tx

HOLDING = MOVING | {RunStatus.NEEDS_APPROVAL}
"""Runs that may have money set aside beside what their open generations commit."""


def utc_day(now: float) -> str:
    """The day that money counts for, e.g. `2026-11-20`."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")


def _post(
    tx: Tx, now: float, posting: Posting, amount: int, run: Run, gen: Generation | None = None, **more: Any
) -> None:
    if amount == 0:
        return
    posting_id = new_id("mov")
    for side in entries(posting, amount):
        row = LedgerEntry(
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
            record_id=run.record_id,
            model=gen.model if gen else None,
            **more,
        )
        tx.ledger.add(row)


def _alone(tx: Tx, run: Run) -> None:
    """Nobody else moves money now. First the run's row, then the ledger: in this order everywhere, so that no two
    transactions wait for each other.
    """
    tx.runs.get(run.id, lock=True)
    tx.serialise("ledger")


def exposure(tx: Tx, **equals: Any) -> int:
    """Money set aside or committed at this moment, whatever the day."""
    return tx.balance(Account.HELD, **equals) + tx.balance(Account.COMMITTED, **equals)


def spent(tx: Tx, **equals: Any) -> int:
    """Money really paid."""
    return tx.balance(Account.SPENT, **equals)


def hold(tx: Tx, now: float, run: Run, amount: int, policy: Policy, *, board_read: bool = True) -> None:
    """Set `amount` aside for a run, or raise OverBudget naming the number that would pass.

    The caps are read in the very transaction that takes the hold, so that no two runs can pass one cap together.
    `board_read`: whether the base's Settings were read before. Where nobody could, an old Day Budget must not refuse
    what a person has just made room for: `must_still_fit` decides, before any of it is committed.
    """
    _alone(tx, run)
    refused = refusal(tx, now, run, amount, policy, board_read=board_read)
    if refused is not None:
        raise OverBudget(marketer=refused)
    _post(tx, now, Posting.HOLD, amount, run)


def refusal(tx: Tx, now: float, run: Run, amount: int, policy: Policy, *, board_read: bool = True) -> str | None:
    """Why `amount` could not be set aside now, naming the number that would pass; None when it could."""
    caps = _caps(tx, now, run, policy, board_read=board_read)
    return next((cap.refusal(amount) for cap in caps if cap.used + amount > cap.limit), None)


@dataclass(frozen=True, slots=True)
class _Cap:
    name: str
    limit: int
    used: int
    advice: str
    private: bool = False
    """What others spend stands in its figures, which are not for a customer."""

    def refusal(self, amount: int) -> str:
        if self.private:
            return "This service has used up its budget of today. Nothing is lost; please try again tomorrow."
        free = max(0, self.limit - self.used)
        return (
            f"This needs {show_enough(amount)}, but {self.name} leaves {show(free)} of {show(self.limit)}. "
            f"{self.advice} At least {show_enough(self.used + amount)} would do."
        )


def _caps(tx: Tx, now: float, run: Run, policy: Policy, *, board_read: bool) -> list[_Cap]:
    of_run = exposure(tx, run_id=run.id) + spent(tx, run_id=run.id)
    caps = [_Cap("the limit for one run", policy.run_cap_micro, of_run, "Ask your operator (MAX_COST_PER_RUN_USD).")]
    wish = run.order.max_cost_micro if run.order else None
    if wish is not None:
        caps.append(_Cap("this row's Max Cost", wish, of_run, "Raise Max Cost, or ask for fewer or shorter scenes."))
    day = utc_day(now)
    today = exposure(tx) + spent(tx, day=day)
    advice = "Try again tomorrow, or ask your operator (MAX_COST_PER_DAY_USD)."
    caps.append(_Cap("today's budget", policy.day_cap_micro, today, advice, private=run.account_id is not None))
    caps += (
        _caps_of_account(tx, run, of_run, day)
        + _cap_of_key(tx, run, day)
        + _cap_of_base(tx, run, day, board_read=board_read)
    )
    return caps


def _caps_of_account(tx: Tx, run: Run, of_run: int, day: str) -> list[_Cap]:
    account = tx.accounts.get(run.account_id) if run.account_id else None
    if account is None:
        return []
    caps, advice = [], "Ask whoever runs this service."
    if account.run_cap_micro is not None:
        caps.append(_Cap("your account's limit for one run", account.run_cap_micro, of_run, advice))
    if account.day_cap_micro is not None:
        used = exposure(tx, account_id=account.id) + spent(tx, account_id=account.id, day=day)
        caps.append(_Cap("your account's limit for one day", account.day_cap_micro, used, advice))
    return caps


def _cap_of_key(tx: Tx, run: Run, day: str) -> list[_Cap]:
    key = tx.keys.get(run.key_id) if run.key_id else None
    if key is None or key.day_cap_micro is None:
        return []
    used = exposure(tx, key_id=key.id) + spent(tx, key_id=key.id, day=day)
    advice = "Ask your operator to raise the key's daily limit."
    # The operator's key may start rows of many customers.
    private = key.account_id != run.account_id
    return [_Cap(f"the key {key.name}", key.day_cap_micro, used, advice, private=private)]


def _cap_of_base(tx: Tx, run: Run, day: str, *, board_read: bool = True) -> list[_Cap]:
    return _caps_of_base(tx, tx.bases.get(run.base_id) if run.base_id else None, day, board_read=board_read)


def _caps_of_base(tx: Tx, base: Base | None, day: str, *, board_read: bool = True) -> list[_Cap]:
    wishes = (base.day_cap_micro, base.airtable_cap_micro if board_read else None) if base else ()
    limits = [cap for cap in wishes if cap is not None]
    if base is None or not limits:
        return []
    used = exposure(tx, base_id=base.id) + spent(tx, base_id=base.id, day=day)
    return [_Cap("this base's Day Budget", min(limits), used, "Raise Day Budget in the Settings table.")]


def used_up(tx: Tx, base_id: str, day: str) -> str | None:
    """The sentence that a base's Day Budget leaves nothing; None while it leaves something, or where there is none."""
    for cap in _caps_of_base(tx, tx.bases.get(base_id), day):
        if cap.used >= cap.limit:
            return (
                f"Today's Day Budget of {show(cap.limit)} is used up: {show(cap.used)} is spent or set aside. "
                "Raise it here, or go on tomorrow (UTC)."
            )
    return None


def must_still_fit(tx: Tx, now: float, run: Run, part: int) -> None:
    """Raises OverBudget when a run holds less than the `part` that one generation may cost, or when what it has set
    aside is above its base's Day Budget as it was last read: the hold may have been made without reading it, or the
    budget was lowered since.
    """
    _alone(tx, run)
    amount = held(tx, run)
    for cap in _cap_of_base(tx, run, utc_day(now)):
        if cap.used > cap.limit:
            raise OverBudget(marketer=replace(cap, used=cap.used - amount).refusal(amount))
    if amount < part:
        raise OverBudget(f"run {run.id} holds less than the {part} that a generation may cost")


def release(tx: Tx, now: float, run: Run) -> None:
    """Give back all that a run has set aside and not committed."""
    _alone(tx, run)
    _post(tx, now, Posting.RELEASE, tx.balance(Account.HELD, run_id=run.id), run)


def held(tx: Tx, run: Run) -> int:
    """What a run may still commit."""
    return tx.balance(Account.HELD, run_id=run.id)


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
    cost = max(0, cost - tx.balance(Account.SPENT, generation_id=gen.id))
    committed = tx.balance(Account.COMMITTED, generation_id=gen.id)
    _post(tx, now, Posting.CAPTURE, min(cost, committed), run, gen, seconds=seconds)
    _post(tx, now, Posting.FREE, max(0, committed - cost), run, gen)
    _post(tx, now, Posting.OVERRUN, max(0, cost - committed), run, gen, memo="charged above the list price")
    _settle(tx, now, run)


def write_off(tx: Tx, now: float, run: Run, gen: Generation) -> None:
    """Money in doubt that a person gives up: counted as spent."""
    _alone(tx, run)
    committed = tx.balance(Account.COMMITTED, generation_id=gen.id)
    _post(tx, now, Posting.WRITE_OFF, committed, run, gen, memo="in doubt, written off")


def spend_text(tx: Tx, now: float, run: Run, cost: int) -> None:
    """What the writer cost, out of the hold; above it only what the vendor really charged more than it said."""
    _alone(tx, run)
    amount = min(cost, held(tx, run))
    _post(tx, now, Posting.RESERVE, amount, run)
    _post(tx, now, Posting.CAPTURE, amount, run, memo="scene writing")
    _post(tx, now, Posting.OVERRUN, cost - amount, run, memo="scene writing above its estimate")


def _settle(tx: Tx, now: float, run: Run) -> None:
    current = tx.runs.get(run.id)
    if current is not None and current.status not in HOLDING:
        release(tx, now, run)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What the books say. `problems` is empty when they balance."""

    sums: dict[str, int]
    problems: tuple[str, ...]


def audit(tx: Tx) -> Audit:
    """Check the ledger against itself and against the rows it speaks of."""
    sums = {account.value: tx.balance(account) for account in Account}
    problems = [f"the accounts sum to {sum(sums.values())}, not 0"] if sum(sums.values()) else []
    problems += [f"{name} is {sums[name]}, below 0" for name in _NEVER_NEGATIVE if sums[name] < 0]
    problems += _audit_generations(tx, sums[Account.COMMITTED])
    problems += _audit_runs(tx, sums[Account.HELD])
    return Audit(sums=sums, problems=tuple(problems))


_NEVER_NEGATIVE = (Account.HELD.value, Account.COMMITTED.value, Account.SPENT.value)


def _audit_generations(tx: Tx, total: int) -> list[str]:
    """An open generation commits its part, less what was written off; a closed one commits nothing."""
    problems, expected = [], 0
    for gen in tx.generations.find(status=tuple(OPEN)):
        committed, counted = (tx.balance(name, generation_id=gen.id) for name in (Account.COMMITTED, Account.SPENT))
        expected += committed
        if committed + counted != gen.reserve_micro:
            problems.append(f"{gen.id} may cost {gen.reserve_micro}, the ledger commits {committed}, spent {counted}")
    if expected != total:
        problems.append(f"open generations commit {expected}, the ledger says {total}")
    for gen in tx.generations.find(status=GenerationStatus.FETCHED):
        counted = tx.balance(Account.SPENT, generation_id=gen.id)
        if counted < (gen.cost_micro or 0):
            problems.append(f"{gen.id} was fetched for {gen.cost_micro}, the ledger counts {counted}")
    return problems


def _audit_runs(tx: Tx, total: int) -> list[str]:
    """Only a run that moves, or waits for approval, has money set aside."""
    holds = {run.id: held(tx, run) for run in tx.runs.find(status=tuple(HOLDING))}
    problems = [f"{run_id} holds {amount}, below 0" for run_id, amount in holds.items() if amount < 0]
    if sum(holds.values()) != total:
        problems.append(f"moving runs hold {sum(holds.values())}, the ledger says {total}")
    return problems

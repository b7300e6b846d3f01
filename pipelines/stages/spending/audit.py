"""The books against themselves, against what is kept of them, and against the rows they speak of."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.domain.lifecycle import HOLDING, OPEN, GenerationStatus
from pipelines.domain.money import Account
from pipelines.domain.records import Checkpoint
from pipelines.domain.times import utc_day
from pipelines.ports import Tx
from pipelines.stages.spending import credit_book
from pipelines.stages.spending.ledger import held, of_all, spent_on

DAY_S = 86_400.0
AUDIT = "audit"
"""The checkpoint of the audit."""
BEHIND_S = 600.0
"""The checkpoint stays so far behind: of what was posted a moment ago, some may not be committed yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What the books say. `problems` is empty when they balance."""

    sums: dict[str, int]
    problems: tuple[str, ...]
    since: float
    """Entries up to this moment were gone through by an earlier audit; 0: all were gone through."""
    reached: Checkpoint
    """From here the next audit goes on, if there were no problems."""


def audit(tx: Tx, *, everything: bool = False) -> Audit:
    """Check the ledger against itself, against what is kept of it, and against the rows it speaks of: what was posted
    since the checkpoint, or everything.
    """
    newest = tx.ledger.find(order="-id", limit=1)
    since = (None if everything else tx.checkpoints.get(AUDIT)) or Checkpoint(id=AUDIT)
    if not newest or (newest[0].id or 0) < since.entry:
        # All that was known is in the archive, and numbers may have begun anew.
        since = Checkpoint(id=AUDIT)
    total = of_all(tx, "")
    sums = {Account.HELD.value: total.held, Account.COMMITTED.value: total.committed, Account.SPENT.value: total.spent}
    problems = [f"{name} is {amount}, below 0" for name, amount in sums.items() if amount < 0]
    problems += [f"{one.what}: kept is {one.kept}, the entries say {one.entries}" for one in tx.discrepancies(since)]
    problems += _audit_generations(tx, total.committed)
    problems += _audit_runs(tx, total.held)
    sums[Account.BUDGET.value] = -sum(sums.values())
    last = tx.ledger.find(order="-id", limit=1, before={"at": newest[0].at - BEHIND_S}) if newest else []
    reached = Checkpoint(id=AUDIT, at=last[0].at, entry=last[0].id or 0) if last else since
    ordered = {name.value: sums[name.value] for name in Account}
    return Audit(sums=ordered, problems=tuple(problems), since=since.at, reached=reached)


def recount_quoted(tx: Tx, now: float) -> int:
    """Count what processes of a former version have ordered beside ours in a rolling deployment: they wrote entries,
    and not what those add up to; how many totals were short. Of today and yesterday: they are gone by then.
    """
    return sum(tx.recount_quoted(utc_day(at)) for at in (now - DAY_S, now))


def keep_checkpoint(tx: Tx, audit: Audit | credit_book.CreditAudit) -> None:
    """The next audit goes on where this one ended, unless something was wrong: that is found again until it is put
    right.
    """
    at, entry = audit.reached.at, audit.reached.entry
    if not audit.problems and entry and not tx.checkpoints.change(audit.reached.id, at=at, entry=entry):
        tx.checkpoints.add(audit.reached)


def _audit_generations(tx: Tx, total: int) -> list[str]:
    """An open generation commits its part, less what was written off; a closed one commits nothing."""
    problems, expected = [], 0
    for gen in tx.generations.find(status=tuple(OPEN)):
        committed, counted = tx.balance(Account.COMMITTED, generation_id=gen.id), spent_on(tx, gen.id)
        expected += committed
        if committed + counted != gen.reserve_micro:
            problems.append(f"{gen.id} may cost {gen.reserve_micro}, the ledger commits {committed}, spent {counted}")
    # What is being asked for is due, too: found among those few.
    asked = tx.purchases.find(status=GenerationStatus.SUBMITTING, after={"next_at": 0.0})
    expected += sum(line.reserve_micro for line in asked)
    if expected != total:
        problems.append(f"open generations and lines commit {expected}, the ledger says {total}")
    return problems


def _audit_runs(tx: Tx, total: int) -> list[str]:
    """Only a run that moves, or waits for approval, has money set aside."""
    holds = {run.id: held(tx, run) for run in tx.runs.find(status=tuple(HOLDING))}
    problems = [f"{run_id} holds {amount}, below 0" for run_id, amount in holds.items() if amount < 0]
    if sum(holds.values()) != total:
        problems.append(f"moving runs hold {sum(holds.values())}, the ledger says {total}")
    return problems

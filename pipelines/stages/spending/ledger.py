"""Money moves here and nowhere else: always balanced, always inside the transaction that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pipelines.domain.errors import OverBudget
from pipelines.domain.keys import new_id
from pipelines.domain.lifecycle import HOLDING, OPEN, GenerationStatus
from pipelines.domain.money import DEPLOYMENT, Account, Posting, entries, show, show_enough, subject
from pipelines.domain.planning import pictures
from pipelines.domain.policy import Policy
from pipelines.domain.records import Balance, Base, Checkpoint, Generation, LedgerEntry, Run
from pipelines.domain.times import utc_day
from pipelines.ports import DayCap, Tx
from pipelines.stages.spending import credit_book


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


def of_key(tx: Tx, key_id: str, day: str) -> Balance:
    """What the runs of a key have set aside and committed, and spent on a day."""
    return tx.balance_of(subject("key", key_id), day)


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
    caps = _caps(tx, now, run, policy, settings_read=settings_read)
    for cap in caps:
        if cap.used + amount > cap.limit:
            raise OverBudget(marketer=cap.refusal(amount))
    _post(tx, now, Posting.HOLD, amount, run)
    for cap in caps:
        if cap.subject is not None:
            tx.must_fit(cap.at_the_end(utc_day(now), amount))


def refusal(tx: Tx, now: float, run: Run, amount: int, policy: Policy, *, settings_read: bool = True) -> str | None:
    """Why `amount` could not be set aside now, naming the number that would pass; None when it could."""
    caps = _caps(tx, now, run, policy, settings_read=settings_read)
    return next((cap.refusal(amount) for cap in caps if cap.used + amount > cap.limit), None)


@dataclass(frozen=True, slots=True)
class _Cap:
    name: str
    limit: int
    used: int
    advice: str
    subject: str | None = None
    """Whose balance it limits, where others may change that at the same time."""

    others: bool = False
    """What others spend stands in its figures, which are not for a customer."""

    ever: bool = False
    """Whether it counts all that was ever spent, not that of a day."""
    sold: bool = False
    """It limits what the operator pays, of which whoever pays in credits learns no figure."""

    def at_the_end(self, day: str, amount: int) -> DayCap:
        return DayCap(
            self.subject or DEPLOYMENT,
            day,
            self.limit,
            lambda used: OverBudget(marketer=replace(self, used=used).refusal(amount)),
            self.ever,
        )

    def refusal(self, amount: int) -> str:
        if self.others:
            return "This service has used up its budget of today. Nothing is lost; please try again tomorrow."
        if self.sold:
            return f"This is more than {self.name} leaves room for. {self.advice}"
        free = max(0, self.limit - self.used)
        return (
            f"This needs {show_enough(amount)}, but {self.name} leaves {show(free)} of {show(self.limit)}. "
            f"{self.advice} At least {show_enough(self.used + amount)} would do."
        )


def _caps(tx: Tx, now: float, run: Run, policy: Policy, *, settings_read: bool) -> list[_Cap]:
    balance = of_run(tx, run.id)
    used = balance.exposure + balance.spent
    sold = credit_book.is_sold(tx, run)
    advice = "Ask your operator (MAX_COST_PER_RUN_USD)."
    caps = [_Cap("the limit for one run", policy.run_cap_micro, used, advice, sold=sold)]
    wish = run.order.max_cost_micro if run.order else None
    # What is sold is held against it by its Price.
    if wish is not None and not sold:
        caps.append(_Cap("this row's Max Cost", wish, used, "Raise Max Cost, or ask for fewer or shorter scenes."))
    if run.ceiling_micro is not None and run.price_micro is None:
        advice = "Decide again in the row, for what it costs now."
        caps.append(_Cap("what was agreed to", run.ceiling_micro, used, advice))
    day = utc_day(now)
    advice = "Try again tomorrow, or ask your operator (MAX_COST_PER_DAY_USD)."
    private = run.account_id is not None
    caps.append(_Cap("today's budget", policy.day_cap_micro, of_all(tx, day).used, advice, DEPLOYMENT, private))
    own = _caps_of_account(tx, run, used, day) + _cap_of_key(tx, run, day) + _cap_of_project(tx, run.project_id)
    own += _cap_of_base(tx, run, day, settings_read=settings_read and not sold)
    return caps + [replace(cap, sold=sold) for cap in own]


def _caps_of_account(tx: Tx, run: Run, of_run: int, day: str) -> list[_Cap]:
    account = tx.accounts.get(run.account_id) if run.account_id else None
    if account is None:
        return []
    caps, advice = [], "Ask whoever runs this service."
    if account.run_cap_micro is not None:
        caps.append(_Cap("your account's limit for one run", account.run_cap_micro, of_run, advice))
    if account.day_cap_micro is not None:
        mine = subject("account", account.id)
        used = tx.balance_of(mine, day).used
        caps.append(_Cap("your account's limit for one day", account.day_cap_micro, used, advice, mine))
    return caps


def _cap_of_key(tx: Tx, run: Run, day: str) -> list[_Cap]:
    key = tx.keys.get(run.key_id) if run.key_id else None
    if key is None or key.day_cap_micro is None:
        return []
    used = of_key(tx, key.id, day).used
    advice = "Ask your operator to raise the key's daily limit."
    # The operator's key may start rows of many customers.
    private = key.account_id != run.account_id
    return [_Cap(f"the key {key.name}", key.day_cap_micro, used, advice, subject("key", key.id), private)]


def _cap_of_project(tx: Tx, project_id: str | None) -> list[_Cap]:
    project = tx.projects.get(project_id) if project_id else None
    if project is None or project.budget_micro is None:
        return []
    mine = subject("project", project.id)
    advice = f"Ask whoever runs this service to raise it, or name another Project than {project.name}."
    used = tx.balance_of(mine).total
    sold = credit_book.had_credits(tx, project.account_id)
    return [_Cap("the project's budget", project.budget_micro, used, advice, mine, ever=True, sold=sold)]


def over_project(tx: Tx, project_id: str, amount: int) -> str | None:
    """Why a project's budget does not reach for `amount`; None where it does. Only a person can change that, so it need
    not be found out later.
    """
    return next((cap.refusal(amount) for cap in _cap_of_project(tx, project_id) if cap.used + amount > cap.limit), None)


def _cap_of_base(tx: Tx, run: Run, day: str, *, settings_read: bool = True) -> list[_Cap]:
    return _caps_of_base(tx, tx.bases.get(run.base_id) if run.base_id else None, day, settings_read=settings_read)


def _caps_of_base(tx: Tx, base: Base | None, day: str, *, settings_read: bool = True) -> list[_Cap]:
    wishes = (base.day_cap_micro, base.airtable_cap_micro if settings_read else None) if base else ()
    limits = [cap for cap in wishes if cap is not None]
    if base is None or not limits:
        return []
    used, advice = of_base(tx, base.id, day).used, "Raise Day Budget in the Settings table."
    return [_Cap("this base's Day Budget", min(limits), used, advice, subject("base", base.id))]


def used_up(tx: Tx, base_id: str, day: str) -> str | None:
    """The sentence that a base's Day Budget leaves nothing; None while it leaves something, or where there is none."""
    base = tx.bases.get(base_id)
    if base is not None and credit_book.had_credits(tx, base.account_id):
        return credit_book.used_up(tx, base, day)
    for cap in _caps_of_base(tx, base, day):
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
    sold = credit_book.is_sold(tx, run)
    if sold:
        credit_book.must_fit_day_budget(tx, now, run)
    for cap in _cap_of_base(tx, run, utc_day(now), settings_read=not sold):
        if cap.used > cap.limit:
            raise OverBudget(marketer=replace(cap, used=cap.used - amount, sold=sold).refusal(amount))
    if amount < part:
        raise OverBudget(f"run {run.id} holds less than the {part} that a generation may cost")


def release(tx: Tx, now: float, run: Run) -> None:
    """Give back all that a run has set aside and not committed, and, where it has stopped, what its account has."""
    _alone(tx, run)
    _post(tx, now, Posting.RELEASE, held(tx, run), run)
    credit_book.settle(tx, now, run.id)


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


_OVER = (GenerationStatus.FETCHED, GenerationStatus.FAILED, GenerationStatus.UNKNOWN)


def _settle(tx: Tx, now: float, run: Run) -> None:
    current = tx.runs.get(run.id)
    if current is not None and current.status not in HOLDING:
        release(tx, now, run)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What the books say. `problems` is empty when they balance."""

    sums: dict[str, int]
    problems: tuple[str, ...]
    since: float
    """Entries up to this moment were gone through by an earlier audit; 0: all were gone through."""
    reached: Checkpoint
    """From here the next audit goes on, if there were no problems."""


DAY_S = 86_400.0
AUDIT = "audit"
"""The checkpoint of the audit."""
BEHIND_S = 600.0
"""The checkpoint stays so far behind: of what was posted a moment ago, some may not be committed yet."""


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

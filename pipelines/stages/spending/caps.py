"""What a run may set aside: each limit, what is used of it, and what to do where it is reached."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipelines.domain.errors import OverBudget
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.money import DEPLOYMENT, show, show_enough, subject
from pipelines.domain.planning.price_list import PriceList
from pipelines.domain.policy import Policy
from pipelines.domain.records import Base, Run
from pipelines.domain.times import utc_day
from pipelines.ports import DayCap, Tx
from pipelines.stages.spending import credit_book


@dataclass(frozen=True, slots=True)
class Cap:
    """One limit."""

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


def caps_of(tx: Tx, now: float, run: Run, policy: Policy, *, settings_read: bool) -> list[Cap]:
    balance = tx.balance_of(subject("run", run.id))
    used = balance.exposure + balance.spent
    sold = credit_book.is_sold(tx, run)
    advice = "Ask your operator (MAX_COST_PER_RUN_USD)."
    caps = [Cap("the limit for one run", policy.run_cap_micro, used, advice, sold=sold)]
    wish = run.order.max_cost_micro if run.order else None
    # What is sold is held against it by its Price.
    if wish is not None and not sold:
        name = "this row's Max Cost" if run.record_id else "the order's Max Cost"
        caps.append(Cap(name, wish, used, credit_book.more_room(run)))
    if run.ceiling_micro is not None and run.price_micro is None:
        advice = "Decide again in the row, for what it costs now."
        caps.append(Cap("what was agreed to", run.ceiling_micro, used, advice))
    day = utc_day(now)
    advice = "Try again tomorrow, or ask your operator (MAX_COST_PER_DAY_USD)."
    private, all_used = run.account_id is not None, tx.balance_of(DEPLOYMENT, day).used
    caps.append(Cap("today's budget", policy.day_cap_micro, all_used, advice, DEPLOYMENT, private))
    own = _caps_of_account(tx, run, used, day) + _cap_of_key(tx, run, day)
    own += _cap_of_project(tx, run.project_id, begun=run.status not in credit_book.NOT_BEGUN)
    own += cap_of_base(tx, run, day, settings_read=settings_read and not sold)
    return caps + [replace(cap, sold=sold) for cap in own]


def _caps_of_account(tx: Tx, run: Run, of_run: int, day: str) -> list[Cap]:
    account = tx.accounts.get(run.account_id) if run.account_id else None
    if account is None:
        return []
    caps, advice = [], "Ask whoever runs this service."
    if account.run_cap_micro is not None:
        caps.append(Cap("your account's limit for one run", account.run_cap_micro, of_run, advice))
    if account.day_cap_micro is not None:
        mine = subject("account", account.id)
        used = tx.balance_of(mine, day).used
        caps.append(Cap("your account's limit for one day", account.day_cap_micro, used, advice, mine))
    return caps


def _cap_of_key(tx: Tx, run: Run, day: str) -> list[Cap]:
    key = tx.keys.get(run.key_id) if run.key_id else None
    if key is None or key.day_cap_micro is None:
        return []
    used = tx.balance_of(subject("key", key.id), day).used
    advice = "Ask your operator to raise the key's daily limit."
    # The operator's key may start rows of many customers.
    private = key.account_id != run.account_id
    return [Cap(f"the key {key.name}", key.day_cap_micro, used, advice, subject("key", key.id), private)]


def _cap_of_project(tx: Tx, project_id: str | None, *, begun: bool = False) -> list[Cap]:
    project = tx.projects.get(project_id) if project_id else None
    if project is None or project.budget_micro is None:
        return []
    mine = subject("project", project.id)
    other = "" if begun else f", or name another Project than {project.name}"
    advice = f"Ask whoever runs this service to raise it{other}."
    used = tx.balance_of(mine).total
    sold = credit_book.had_credits(tx, project.account_id)
    return [Cap("the project's budget", project.budget_micro, used, advice, mine, ever=True, sold=sold)]


def cap_of_base(tx: Tx, run: Run, day: str, *, settings_read: bool = True) -> list[Cap]:
    return _caps_of_base(tx, tx.bases.get(run.base_id) if run.base_id else None, day, settings_read=settings_read)


def _caps_of_base(tx: Tx, base: Base | None, day: str, *, settings_read: bool = True) -> list[Cap]:
    wish = base.airtable_cap_micro if base and settings_read else None
    given = base.day_cap_micro if base else None
    limits = [cap for cap in (given, wish) if cap is not None]
    if base is None or not limits:
        return []
    used, advice = tx.balance_of(subject("base", base.id), day).used, "Raise Day Budget in the Settings table."
    if min(limits) == given:
        advice = "Ask your operator to raise the Day Budget of the base, or go on tomorrow (UTC)."
    return [Cap("this base's Day Budget", min(limits), used, advice, subject("base", base.id))]


def refusal(tx: Tx, now: float, run: Run, amount: int, policy: Policy, *, settings_read: bool = True) -> str | None:
    """Why `amount` could not be set aside now, naming the number that would pass; None when it could."""
    caps = caps_of(tx, now, run, policy, settings_read=settings_read)
    return next((cap.refusal(amount) for cap in caps if cap.used + amount > cap.limit), None)


def over_project(tx: Tx, prices: PriceList, project_id: str, amount: int) -> str | None:
    """Why a project's budget does not reach for `amount`; None where it does. Only a person can change that, so it need
    not be found out later. Whoever orders and pays in credits learns no figure of it.
    """
    return _first_over(tx, prices, _cap_of_project(tx, project_id), amount)


def over_own(tx: Tx, now: float, prices: PriceList, key_id: str | None, amount: int) -> str | None:
    """Why the daily limits of the account that orders and of its key do not reach for `amount`; None where they do."""
    run = Run(id="run_ordered", status=RunStatus.QUEUED, source="rest", account_id=tx.account_id, key_id=key_id)
    day = utc_day(now)
    # The account's limit for one run, which is nobody's balance, says nothing of several orders together.
    of_account = [cap for cap in _caps_of_account(tx, run, 0, day) if cap.subject is not None]
    return _first_over(tx, prices, of_account + _cap_of_key(tx, run, day), amount)


def _first_over(tx: Tx, prices: PriceList, caps: list[Cap], amount: int) -> str | None:
    over = next((cap for cap in caps if cap.used + amount > cap.limit), None)
    if over is None:
        return None
    sold = over.sold or credit_book.pays_in_credits(tx, prices, tx.account_id)
    return replace(over, sold=sold).refusal(amount)


def used_up(tx: Tx, base_id: str, day: str) -> str | None:
    """The sentence that a base's Day Budget leaves nothing; None while it leaves something, or where there is none."""
    base = tx.bases.get(base_id)
    if base is not None and credit_book.had_credits(tx, base.account_id):
        return credit_book.used_up(tx, base, day)
    for cap in _caps_of_base(tx, base, day):
        if cap.used >= cap.limit:
            ask = cap.limit == base.day_cap_micro if base else False
            return (
                f"Today's Day Budget of {show(cap.limit)} is used up: {show(cap.used)} is spent or set aside. "
                f"{'Ask your operator to raise it' if ask else 'Raise it here'}, or go on tomorrow (UTC)."
            )
    return None

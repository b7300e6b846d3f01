"""From a trigger to a quoted run with its money set aside.

`start` is called by the web door and talks to SQL only. `plan_run` is the worker's first step: it reads the row.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pipelines.domain.airtable.fields import VideoField
from pipelines.domain.errors import Busy, InvalidOrder, NotFound, OverBudget, Problem, TooMany
from pipelines.domain.keys import new_id
from pipelines.domain.lifecycle import ACTIVE, RunSource, RunStatus
from pipelines.domain.money import show, show_enough
from pipelines.domain.orders.field_labels import for_row
from pipelines.domain.orders.order import Order, SceneOrder, words_of
from pipelines.domain.planning.plan import Plan
from pipelines.domain.records import QueueSweep, Run
from pipelines.domain.state.sealed_address import SealedAddress
from pipelines.ports import AirtableRow, Tx, trace
from pipelines.stages.base_rows import outbox, run_row
from pipelines.stages.commerce import accounts, projects
from pipelines.stages.files import usage
from pipelines.stages.generations.requests import not_set_up
from pipelines.stages.kernel import announcements
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor, record
from pipelines.stages.orders import account_turn, prefetched_row, regenerate_scene, schedule, script
from pipelines.stages.orders.plan_run import _once_a_field, _with_notes, beside, order_of_row, plan_order
from pipelines.stages.spending import caps, credit_book, rate_limits

VIDEOS = "Videos"


STARTS_AT_ONCE, START_EVERY_S = 300, 0.25
"""What one account, or one key of the operator's, may start: so many after a rest, then four a second. Far more than
Airtable's automations ever send; it ends a loop that ran away. Money has limits of its own.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """A trigger. An order comes with the sources `rest` and `clip`."""

    source: RunSource
    base_id: str | None = None
    table: str | None = None
    record_id: str | None = None
    order: Order | None = None
    fresh: bool = False
    paced: bool = False
    """Asked for over HTTP: what it starts counts towards the pace of its key."""
    run_id: str | None = None
    """Chosen by whoever may have to repeat the request: it finds its own run again, whatever died in between."""
    at_most_micro: int | None = None
    """The price that was shown for the order: dearer than that, nothing is started."""
    not_before: float | None = None
    """The row's `Scheduled For`, where whoever starts the run has just read it."""
    row: AirtableRow | None = None
    """The row, where whoever starts the run has just read it."""
    batch_id: str | None = None
    custom_id: str | None = None
    metadata: Mapping[str, str] | None = None
    webhook: SealedAddress | None = None
    look: bool = True
    """Whether the base is looked at when the row's run needs attention: a person may have ticked `Generate` for an
    automation to send this, and a tick goes on with such a run where a repeated request must not.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What the trigger is answered with."""

    run_id: str
    status: RunStatus
    existing: bool
    quote_micro: int | None
    rate_limit: rate_limits.RateLimitState | None = None
    """What whoever started it may still start now, where that is counted."""
    price_micro: int | None = None
    """What an account is charged at most; None where nothing is charged, and until the row is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What would happen; nothing was started."""

    plan: Plan | None
    quote_micro: int | None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    title: str | None = None
    terms: credit_book.Terms | None = None
    """For an account that pays in credits."""

    @property
    def shown_micro(self) -> int | None:
        """What it comes to at most, as whoever orders knows it."""
        return self.quote_micro if self.terms is None else self.terms.price_micro


def start(services: Services, request: StartRequest, *, key_id: str | None = None) -> Started:
    """Commit a run, or find the one that is already there. Raises InvalidOrder or OverBudget for what can be seen, and
    TooMany when a key starts more than its pace allows, and StorageFull.
    """
    plan = planned(services, request)
    services.points.reach("accept.before_commit")
    now = services.clock.now()
    with services.store.write() as tx:
        started = begin(services, tx, request, plan, key_id, now)
    services.points.reach("accept.committed", run=started.run_id)
    return started


def planned(services: Services, request: StartRequest) -> Plan | None:
    """What an order will buy; None for a row, which is read later. Raises InvalidOrder, and OverBudget for what is
    above the limit of one run, or dearer than whoever orders allows.
    """
    if request.order is None:
        return None
    plan = plan_order(services, request.order)
    sold = _is_sold(services, services.store.account_id)
    _within_run_cap(services, request.order, plan, sold=sold)
    shown = services.prices.whole(plan.charge_micro) if sold else plan.quote_micro
    if refused := regenerate_scene.too_dear(shown, request.at_most_micro):
        raise OverBudget(marketer=refused)
    return plan


def begin(
    services: Services, tx: Tx, request: StartRequest, plan: Plan | None, key_id: str | None, now: float
) -> Started:
    """The run that is already there, or a new one, in the caller's transaction."""
    found = _existing(tx, request, now)
    if found is None and request.record_id is None:
        # Of a row it is said in the row, by whoever reads it.
        usage.must_have_room(services, tx, tx.account_id)
        _within_project(services, tx, request.order, plan)
        if plan is not None and (refused := over_own(services, tx, [(request.order or Order(), plan)], key_id)):
            raise OverBudget(marketer=refused)
    return found or add_run(services, tx, request, plan, key_id, now)


def _existing(tx: Tx, request: StartRequest, now: float) -> Started | None:
    own = tx.runs.get(request.run_id) if request.run_id else None
    if own is not None:
        return _started(own, existing=True)
    if request.record_id is None:
        return None
    tx.serialise(f"record:{request.base_id}:{request.record_id}")
    for run in tx.runs.find(status=tuple(ACTIVE), base_id=request.base_id, record_id=request.record_id):
        if request.look and run.status is RunStatus.NEEDS_ATTENTION:
            tx.bases.change(request.base_id or "", next_at=now)
        return _started(run, existing=True)
    return None


def _started(run: Run, *, existing: bool) -> Started:
    return Started(
        run_id=run.id,
        status=run.status,
        existing=existing,
        quote_micro=run.quote_micro,
        price_micro=run.price_micro,
    )


def add_run(
    services: Services, tx: Tx, request: StartRequest, plan: Plan | None, key_id: str | None, now: float
) -> Started:
    """A new run, in the transaction of whoever admits it. Raises Suspended and TooMany."""
    account_id = accounts.owner_of(tx, request.base_id)
    accounts.must_be_active(tx, account_id)
    later = request.not_before if schedule.is_ahead(request.not_before, now) else None
    order = request.order or prefetched_row.kept(None if later else request.row)
    run = Run(
        id=request.run_id or new_id("run"),
        status=RunStatus.QUEUED,
        source=request.source,
        base_id=request.base_id,
        table=request.table,
        record_id=request.record_id,
        number=_next_number(tx, request),
        account_id=account_id,
        key_id=key_id,
        order=order,
        words=words_of(order, request.record_id),
        model=plan.model if plan else (order and order.model) or "",
        shape=plan.formats[0] if plan else order.aspect_ratio if order else "",
        plan=plan or None,
        quote_micro=plan.quote_micro if plan else None,
        detail=schedule.sentence(later) if later else schedule.SOON,
        fresh=request.fresh,
        batch_id=request.batch_id,
        custom_id=request.custom_id,
        metadata=request.metadata,
        webhook=request.webhook,
        created_at=now,
        updated_at=now,
        next_at=later or now,
        traceparent=trace.current(),
    )
    rate_limit = acquire_turn(tx, account_id or key_id, now) if request.paced else None
    if request.paced:
        account_turn.must_have_room(tx, account_id, services.policy)
    if not tx.runs.add(run):
        raise RuntimeError(f"run number {run.number} of {run.record_id} is taken although its record is locked")
    trigger = Actor("trigger", now)
    record(tx, trigger, "run", run.id, run.id, "status", None, RunStatus.QUEUED, source=run.source)
    if plan is not None:
        price = credit_book.reserve(tx, now, run, plan.charge_micro, services.prices)
        tx.runs.change(run.id, price_micro=price)
        run = dataclasses.replace(run, price_micro=price)
    announcements.tell_status(tx, now, run)
    if later:
        schedule.record_schedule(tx, trigger, run.id, later)
    run_row.show(services, tx, run, urgent=True, within_s=outbox.SOON_S, extra={VideoField.GENERATE.value: False})
    return dataclasses.replace(_started(run, existing=False), rate_limit=rate_limit)


def acquire_turn(tx: Tx, who: str | None, now: float) -> rate_limits.RateLimitState | None:
    """In the transaction that starts something: whoever is told to wait has started nothing. `who` is an account, or
    a key of the operator's. Raises TooMany.
    """
    if who is None:
        return None
    try:
        return rate_limits.acquire(tx, f"start:{who}", now, START_EVERY_S, STARTS_AT_ONCE)
    except Busy as busy:
        window = STARTS_AT_ONCE * START_EVERY_S
        raise TooMany(busy.operator, retry_after=busy.retry_after, most=STARTS_AT_ONCE, window_s=window) from busy


def _next_number(tx: Tx, request: StartRequest) -> int:
    if request.record_id is None:
        return 1
    earlier = tx.runs.find(base_id=request.base_id, record_id=request.record_id, order="-number", limit=1)
    return earlier[0].number + 1 if earlier else 1


def _is_sold(services: Services, account_id: str | None) -> bool:
    with services.store.read() as tx:
        return credit_book.pays_in_credits(tx, services.prices, account_id)


def _within_run_cap(services: Services, order: Order | None, plan: Plan, *, sold: bool) -> None:
    """What no worker could allow later is refused at once: what is sold by its Price, without a word of its Cost.
    Raises OverBudget.
    """
    if sold:
        must_be_within_price(services, order, plan)
        return
    caps = [("the limit for one run", services.policy.run_cap_micro)]
    if order is not None and order.max_cost_micro is not None:
        caps.append(("max_cost_usd", order.max_cost_micro))
    of_account = _run_cap_of_account(services)
    if of_account is not None:
        caps.append(("your account's limit for one run", of_account))
    for name, cap in caps:
        if plan.quote_micro > cap:
            need = show_enough(plan.quote_micro)
            raise OverBudget(
                marketer=f"This would cost up to {need}, above {name} of {show(cap)}. "
                f"Ask for fewer or shorter scenes, a cheaper model, or a limit of at least {need}."
            )


def _within_project(services: Services, tx: Tx, order: Order | None, plan: Plan | None) -> None:
    """Raises OverBudget for an order whose project's budget does not reach."""
    if order is None or plan is None or order.project is None:
        return
    if refused := caps.over_project(
        tx, services.prices, projects.id_of(tx.account_id, order.project), plan.quote_micro
    ):
        raise OverBudget(marketer=refused)


def over_own(services: Services, tx: Tx, orders: Sequence[tuple[Order, Plan]], key_id: str | None) -> str | None:
    """Why the daily limits of the account that orders and of its key do not reach for all these orders without a row;
    None where they do, or may. Only orders whose full price is too much are asked for the clips that are there already.
    """
    over = partial(caps.over_own, tx, services.clock.now(), services.prices, key_id)
    if over(sum(plan.quote_micro for _, plan in orders)) is None:
        return None
    return over(sum(script.due_at_least(services, tx, order, plan) for order, plan in orders))


def _run_cap_of_account(services: Services) -> int | None:
    """Of the customer who asks; None for the operator, and where there is none."""
    if services.store.account_id is None:
        return None
    with services.store.read() as tx:
        account = tx.accounts.get(services.store.account_id)
    return account.run_cap_micro if account else None


def must_be_within_price(services: Services, order: Order | None, plan: Plan) -> None:
    """The ceiling that the order names, by its Price, and the operator's for one run. Raises OverBudget."""
    price = services.prices.whole(plan.charge_micro)
    if order is not None and order.max_cost_micro is not None and price > order.max_cost_micro:
        raise OverBudget(marketer=credit_book.over_max_cost(price, order.max_cost_micro))
    if plan.quote_micro > min(services.policy.run_cap_micro, _run_cap_of_account(services) or plan.quote_micro):
        raise OverBudget(
            marketer="This is more than one run may be here. Ask for fewer or shorter scenes, or for a cheaper model."
        )


def dry_run(services: Services, request: StartRequest, *, key_id: str | None = None) -> Estimate:
    """Plan, quote and problems; spends nothing. For a record its row is read (Unavailable when Airtable is away)."""
    if request.order is not None:
        return _estimate_alone(services, request.order, key_id)
    row = services.airtable.row(request.base_id or "", request.table or VIDEOS, request.record_id or "")
    ordered = order_of_row(services, request.base_id or "", row, request.source)
    with services.store.read() as tx:
        owner = accounts.owner_of(tx, request.base_id)
    found = _estimate(services, ordered.order, ordered.scenes, owner)
    plan = found.plan and dataclasses.replace(found.plan, adapted=(*found.plan.adapted, *ordered.unused))
    more = beside(ordered.problems, ordered.order, found.problems)
    problems = _once_a_field((*ordered.problems, *for_row(more)))
    return dataclasses.replace(found, plan=plan, problems=problems, title=ordered.order.title)


def _estimate_alone(services: Services, order: Order, key_id: str | None) -> Estimate:
    """Of an order without a row, of which all that its start would be refused for is known."""
    found = _estimate(services, order, None, services.store.account_id)
    if found.plan is None:
        return found
    problems = list(found.problems)
    with services.store.read() as tx:
        try:
            _within_project(services, tx, order, found.plan)
        except OverBudget as error:
            problems.append(Problem("project", error.marketer))
        if refused := over_own(services, tx, [(order, found.plan)], key_id):
            problems.append(Problem("max_cost_usd", refused))
    return dataclasses.replace(found, problems=tuple(problems))


def _estimate(services: Services, order: Order, scenes: list[SceneOrder] | None, account_id: str | None) -> Estimate:
    try:
        plan = plan_order(services, order, scenes)
    except InvalidOrder as error:
        return Estimate(plan=None, quote_micro=None, problems=error.problems)
    plan = _with_notes(services, plan, order, scenes, order.style_notes if scenes is not None else None)
    problems: tuple[Problem, ...] = ()
    try:
        _within_run_cap(services, order, plan, sold=_is_sold(services, account_id))
    except OverBudget as error:
        problems = (Problem("max_cost_usd", error.marketer),)
    with services.store.read() as tx:
        terms = credit_book.terms(tx, services.clock.now(), services.prices, account_id, plan.charge_micro)
        going_on = account_turn.load(tx, account_id, services.policy) if account_id is not None else None
    if terms is not None and terms.refusal is not None:
        problems += (Problem("credits", terms.refusal.marketer),)
    warnings = (*plan.warnings, *not_set_up(plan, services.providers.configured))
    if going_on is not None and going_on.refusal is not None:
        problems += (Problem("", going_on.refusal.marketer),)
    elif going_on is not None and going_on.full:
        warnings += (going_on.sentence,)
    return Estimate(plan=plan, quote_micro=plan.quote_micro, problems=problems, warnings=warnings, terms=terms)


def sweep_queue(services: Services, base_id: str, *, key_id: str | None = None) -> str:
    """Commit a request to start every ready row of a base; the worker does it. Raises TooMany."""
    now = services.clock.now()
    sweep = QueueSweep(id=new_id("swp"), base_id=base_id, key_id=key_id, created_at=now, next_at=now)
    with services.store.write() as tx:
        acquire_turn(tx, key_id, now)
        tx.sweeps.add(sweep)
    return sweep.id


def sweep_view(services: Services, sweep_id: str) -> QueueSweep:
    """How a request of `sweep_queue` went. Raises NotFound."""
    with services.store.read() as tx:
        sweep = tx.sweeps.get(sweep_id)
    if sweep is None:
        raise NotFound(f"sweep {sweep_id}", marketer=f"There is no sweep {sweep_id}.")
    return sweep
